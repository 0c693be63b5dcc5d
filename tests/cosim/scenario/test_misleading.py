"""Results that would mislead: each of these was a wrong number, or a silence, once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cosim.errors import ScenarioError
from cosim.world.plan import load_plan
from tests.conftest import Cli
from tests.cosim.builders import (
    BASE,
    CONTROLLER,
    SCENARIOS,
    controlled,
    edited,
    run_text,
    write,
)

PLAIN_SITE = """\
  - name: plant
    load: {type: constant, power_w: 50000}
    microgrid:
      carbon_intensity: {type: constant, value_g_per_kwh: 400}
      battery: {type: simple, capacity_wh: 1000, initial_soc: 0.7}
controllers:"""


def test_changes_are_counted_for_the_controller_that_made_them(tmp_path: Path) -> None:
    busy = "{type: carbon_threshold, high_g_per_kwh: 10, low_g_per_kwh: 5}"
    idle = "{type: carbon_threshold, actuator: batch_cap, high_g_per_kwh: 5000, low_g_per_kwh: 9}"
    summary = run_text(tmp_path, controlled(busy, idle)).summary
    assert [entry["actions"] for entry in summary["controllers"]] == [1, 0]


def test_a_request_in_flight_is_late_only_once_it_is(tmp_path: Path) -> None:
    slow = edited(
        ("output_tokens: 40", "output_tokens: 4000"), ("duration: 20min", "duration: 2min")
    )
    promised = slow.replace(
        "\nsites:", "\n  classes: [{name: chat, share: 1.0, slo: {e2e_s: E2E}}]\nsites:"
    )
    patient = run_text(tmp_path, promised.replace("E2E", "600")).summary
    assert patient["requests"]["running"] > 10
    assert patient["slo"]["attainment"] == 1
    strict = run_text(tmp_path, promised.replace("E2E", "1")).summary
    assert strict["slo"]["attainment"] == 0


def test_carbon_per_request_is_that_of_the_sites_that_serve(tmp_path: Path) -> None:
    summary = run_text(tmp_path, BASE.replace("controllers:", PLAIN_SITE)).summary
    served = summary["sites"]["dc"]["carbon_g"]
    assert summary["carbon_g"]["total"] > 100 * served["total"]
    assert summary["carbon_g"]["per_request"] == pytest.approx(served["per_request"], rel=1e-12)


@pytest.mark.parametrize("coupling", ["mosaik", "native"])
def test_a_fleet_sees_the_plain_loads(tmp_path: Path, coupling: str) -> None:
    body = CONTROLLER.format(actuators="set()", body="pass").replace(
        "Controller, SiteAction", "FleetController as Controller"
    )
    body = body.replace("step = observation.step", "self.seen = [*self.seen]")
    write(tmp_path / "fleet.py", body)
    text = controlled("{type: ./fleet.py:Mine}").replace("controllers:", PLAIN_SITE)
    ran = run_text(tmp_path, text, f"coupling={coupling}")
    (hosted,) = ran.result.run.plan.controllers
    seen = [observation.sites["plant"] for observation in hosted.controller.seen]
    assert [one.facility_power_w for one in seen] == [0] + [50000] * 19
    assert seen[0].battery_soc == 0.7
    assert seen[1].import_w == pytest.approx(8000)  # the battery gives 700 Wh in the first minute


def test_controllers_without_a_cluster_are_refused(tmp_path: Path) -> None:
    lines = (
        (SCENARIOS / "paper_table2.yaml")
        .read_text()
        .replace("path: data", f"path: {SCENARIOS}/data")
    )
    path = write(tmp_path / "s.yaml", lines + "controllers: [{type: noop}]\n")
    with pytest.raises(ScenarioError, match="no site has a cluster"):
        load_plan(path)


def test_sites_with_workloads_of_their_own_draw_independently(tmp_path: Path) -> None:
    head, tail = BASE.split("sites:\n")
    site = tail.split("controllers:")[0]
    own = (
        "    workload:\n      arrivals: {type: poisson, rate_per_s: 0.5}\n"
        "      lengths: {type: fixed, prompt_tokens: 200, output_tokens: 40}\n"
    )
    sites = site + own + site.replace("name: dc", "name: b") + own
    text = head[: head.index("workload:")] + "sites:\n" + sites + "coupling: native\n"
    requests = run_text(tmp_path, text).requests
    first, second = (requests[requests["site"] == name]["arrival_s"] for name in ("dc", "b"))
    assert not np.intersect1d(first, second).size


def test_a_run_until_drained_needs_an_end() -> None:
    text = edited(("duration: 20min", "until: drained\n  max_duration: 20min"))
    path = write(Path("s.yaml").absolute(), text)
    try:
        with pytest.raises(ScenarioError, match="needs a workload that ends"):
            load_plan(path)
    finally:
        path.unlink()


def test_a_queue_that_grew_while_requests_came_is_an_overload(tmp_path: Path) -> None:
    text = edited(
        ("rate_per_s: 0.5", "rate_per_s: 40"),
        ("workload:", "workload:\n  requests: 12000"),
        ("output_tokens: 40", "output_tokens: 400"),
    )
    summary = run_text(tmp_path, text, "controllers=[]").summary
    assert summary["requests"]["waiting"] == 0  # drained before the end
    assert summary["load_state"] == "overloaded"


@pytest.mark.parametrize("step", ["60s", "5min", "20min"])
def test_an_overload_is_seen_at_any_step(tmp_path: Path, step: str) -> None:
    text = edited(
        ("rate_per_s: 0.5", "rate_per_s: 60"), ("output_tokens: 40", "output_tokens: 900")
    )
    summary = run_text(tmp_path, text, "controllers=[]", f"time.step={step}").summary
    assert summary["load_state"] == "overloaded"


def test_a_controller_that_exits_fails_the_run(tmp_path: Path) -> None:
    write(
        tmp_path / "mine.py",
        CONTROLLER.format(actuators="{'batch_cap'}", body="raise SystemExit(3)"),
    )
    ran = run_text(tmp_path, controlled("{type: ./mine.py:Mine}"))
    assert ran.summary["status"] == "failed"
    assert "raised SystemExit" in ran.summary["failure"]["message"]


def test_only_an_unlimited_gateway_can_be_unlimited(tmp_path: Path) -> None:
    write(
        tmp_path / "mine.py",
        CONTROLLER.format(
            actuators="{'admission_rate'}",
            body="return SiteAction(admission_rate_per_s=float('inf'))",
        ),
    )
    text = controlled("{type: ./mine.py:Mine}")
    assert run_text(tmp_path, text).summary["status"] == "completed"
    limited = run_text(tmp_path, text, "sites.0.cluster.gateway={admission_rate_per_s: 0.2}")
    assert "expected a number from 0 to 0.2" in limited.summary["failure"]["message"]


def test_results_behind_a_link_stay_behind_it(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out0").symlink_to(tmp_path / "real")
    path = write(tmp_path / "s.yaml", BASE)
    from cosim.studies.runs.execute import execute

    execute(load_plan(path), tmp_path / "out0")
    assert (tmp_path / "out0").is_symlink()
    assert (tmp_path / "real" / "summary.json").is_file()
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


def test_a_run_that_could_not_drain_says_so(cosim: Cli) -> None:
    text = edited(
        ("duration: 20min", "until: drained\n  max_duration: 2min"),
        ("workload:", "workload:\n  requests: 500"),
    )
    answer = cosim("run", write("s.yaml", text))
    assert answer.code == 0
    assert "reached max_duration before every request had ended" in answer.out
    assert "reached max_duration" not in cosim("run", "s.yaml", "--set", "workload.requests=5").out
