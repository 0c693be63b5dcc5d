"""The capacity of a deployment: where it must be known, what it depends on, when there is none."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cosim.studies.capacity import PRECISION, Capacity, find_capacity
from cosim.world.plan import load_plan
from inference_sim.cluster import Cluster
from inference_sim.workload import Arrival
from tests.conftest import Cli
from tests.cosim.builders import BASE, SCENARIOS, edited, write

RATE = "{type: poisson, rate_per_s: 0.5}"
ONE_AT_A_TIME = "sites.0.cluster.scheduler.batch_cap=1"
REQUESTS = 500
SHORT = ("--requests", str(REQUESTS), "--set", ONE_AT_A_TIME)


def found(folder: Path, text: str, *overrides: str, **options: Any) -> Capacity:
    plan = load_plan(write(folder / "s.yaml", text), (ONE_AT_A_TIME, *overrides))
    return find_capacity(plan, **{"requests": REQUESTS} | options)


def service_s(folder: Path) -> float:
    """Time for which one request alone keeps the base scenario's cluster busy [s]."""
    (site,) = load_plan(write(folder / "s.yaml", BASE)).sites
    assert site.cluster is not None
    cluster = Cluster(site.cluster, [Arrival(0.0, 200, 40, 0)])
    cluster.step(60.0)
    (request,) = cluster.take_ended()
    return request.finish_s - site.cluster.pool.engine.front_end_s


@pytest.mark.parametrize("kind", ["static", "poisson"])
def test_one_at_a_time_the_capacity_is_the_service_rate(tmp_path: Path, kind: str) -> None:
    """Above it a queue grows; over five minutes of arrivals, 2 % more make it five seconds."""
    text = edited((RATE, f"{{type: {kind}, rate_per_s: 0.5}}"))
    rate = found(tmp_path, text, requests=2000).held.rate_per_s
    known = 1 / service_s(tmp_path)
    low, high = (1.0, 1.03) if kind == "static" else (0.8, 1.03)
    assert low - PRECISION <= rate / known <= high


def test_the_bracket_closes_and_never_opens(tmp_path: Path) -> None:
    result = found(tmp_path, BASE)
    assert result.probes[0].rate_per_s == result.scenario_rate_per_s == 0.5
    holding = [probe.rate_per_s for probe in result.probes if probe.holds]
    failing = [probe.rate_per_s for probe in result.probes if not probe.holds]
    assert max(holding) == result.held.rate_per_s < result.broke.rate_per_s == min(failing)
    assert result.broke.rate_per_s <= result.held.rate_per_s * (1 + PRECISION)
    for probe in result.probes:
        assert probe.requests >= max(REQUESTS, probe.rate_per_s * 300)


def test_probes_differ_in_nothing_but_the_rate(tmp_path: Path) -> None:
    """So that the delay grows with the rate, and a run is the same from wherever it is started."""
    result = found(tmp_path, BASE)
    probes = sorted(result.probes, key=lambda probe: probe.rate_per_s)
    assert all(a.delay_p99_s <= b.delay_p99_s for a, b in pairwise(probes))
    elsewhere = edited((RATE, "{type: poisson, rate_per_s: 64}"))
    other = found(tmp_path, elsewhere)
    shared = {p.rate_per_s: p for p in result.probes}.keys() & {p.rate_per_s for p in other.probes}
    assert shared
    by_rate = {probe.rate_per_s: probe for probe in other.probes}
    for probe in result.probes:
        if probe.rate_per_s in shared:
            assert probe.delay_p99_s == pytest.approx(by_rate[probe.rate_per_s].delay_p99_s)


def test_objectives_decide_where_there_are_any(tmp_path: Path) -> None:
    def rate(slo: str) -> float:
        classes = (
            f"workload.classes=[{{name: chat, share: 0.5, slo: {slo}}}, {{name: b, share: 0.5}}]"
        )
        result = found(tmp_path, BASE, classes)
        assert set(result.held.attainment) == {"chat"}
        assert result.held.attainment["chat"] >= 0.99 > result.broke.attainment["chat"]
        return result.held.rate_per_s

    assert rate("{ttft_s: 0.1}") < rate("{ttft_s: 1}")


def test_an_objective_on_the_pace_alone_lets_no_queue_grow(tmp_path: Path) -> None:
    """The batch cap bounds the time per token at any rate; the wait is bounded as without one."""
    slo = "workload.classes=[{name: chat, share: 1, slo: {tpot_s: 10}}]"
    result = found(tmp_path, BASE, slo)
    assert result.held.rate_per_s == found(tmp_path, BASE).held.rate_per_s
    assert result.broke.attainment == {"chat": 1.0}


def test_a_daily_profile_is_taken_at_its_peak(tmp_path: Path) -> None:
    daily = "{type: daily, mean_rate_per_s: 0.25, peak_to_mean: 2, peak_hour_utc: 4}"
    result = found(tmp_path, edited((RATE, daily)))
    assert result.scenario_rate_per_s == 0.5
    assert result.held.rate_per_s == pytest.approx(found(tmp_path, BASE).held.rate_per_s)


def test_the_scenarios_own_bound_on_requests_does_not_matter(tmp_path: Path) -> None:
    bounded = found(tmp_path, BASE, "workload.requests=10")
    assert bounded.held == found(tmp_path, BASE).held


def test_requests_that_are_rejected_break_the_promise(tmp_path: Path) -> None:
    gateway = "sites.0.cluster.gateway={admission_rate_per_s: 2, overflow: reject, burst: 10}"
    result = found(tmp_path, BASE, gateway)
    assert result.held.rate_per_s < 2
    assert result.broke.rejected > result.broke.requests / 100


# The command line


def test_it_prints_every_probe_and_the_result(cosim: Cli) -> None:
    write("s.yaml", BASE)
    answer = cosim("capacity", "s.yaml", *SHORT)
    assert (answer.code, answer.err) == (0, "")
    *probes, last, criterion = answer.out.splitlines()
    assert probes[0].split()[:3] == ["0.5", "requests/s", "holds"]
    assert {line.split()[2] for line in probes} == {"holds", "fails"}
    assert last.startswith("capacity of dc: ")
    assert criterion == "(99 % are scheduled within 5 s of their arrival)"
    assert all(len(line) <= 80 for line in answer.out.splitlines())


def test_json_is_the_same_every_time(cosim: Cli) -> None:
    write("s.yaml", BASE)
    first, again = (cosim("capacity", "s.yaml", *SHORT, "--json") for _ in range(2))
    assert (first.code, first.err) == (0, "")
    assert first.out == again.out
    content = json.loads(first.out)
    assert content["site"] == "dc"
    assert content["capacity_per_s"] < content["fails_at_per_s"]
    other = cosim("capacity", "s.yaml", *SHORT, "--json", "--seed", "7")
    assert other.out != first.out


@pytest.mark.parametrize(
    ("file", "options", "said"),
    [
        ("azure_trace.yaml", (), "with generated arrivals, not with a recorded trace"),
        ("paper_table2.yaml", (), "no site has a cluster"),
        ("paper_table2.yaml", ("--site", "caiso-north"), "has no cluster"),
        ("two_sites.yaml", (), "choose one: --site california|oregon"),
        ("two_sites.yaml", ("--site", "oregano"), "did you mean 'oregon'?"),
    ],
)
def test_what_has_no_capacity_is_refused(
    cosim: Cli, file: str, options: tuple[str, ...], said: str
) -> None:
    answer = cosim("capacity", SCENARIOS / file, *options)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err


def test_one_of_several_sites(cosim: Cli) -> None:
    answer = cosim("capacity", SCENARIOS / "two_sites.yaml", "--site", "oregon", "--json")
    assert answer.code == 0
    assert json.loads(answer.out)["site"] == "oregon"


def test_arrivals_of_which_the_rate_is_not_one_number_are_refused(cosim: Cli) -> None:
    bursts = (
        "{type: bursts, base_rate_per_s: 1, burst_rate_per_s: 5, mean_burst: 60s, mean_gap: 5min}"
    )
    write("s.yaml", edited((RATE, bursts)))
    answer = cosim("capacity", "s.yaml")
    assert (answer.code, answer.out) == (2, "")
    assert "cannot be found with 'bursts' arrivals (expected one of poisson" in answer.err


def test_an_objective_that_nothing_can_meet(cosim: Cli) -> None:
    write("s.yaml", BASE)
    classes = "workload.classes=[{name: chat, share: 1, slo: {ttft_s: 0.0001}}]"
    answer = cosim("capacity", "s.yaml", "--set", classes, "--requests", "100", "--json")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("error: no capacity: it fails even at ")
    assert "chat 0.00 % within SLO" in answer.err
