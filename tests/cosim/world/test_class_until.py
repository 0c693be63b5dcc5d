"""A class that ends: its later requests do not come, and all others are as they were."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest

from cosim.errors import ScenarioError
from cosim.scenario.loading import read_document, validate_document
from cosim.scenario.scenario import Scenario
from cosim.studies.capacity import Probe, find_capacity
from cosim.world.demand import expected_demand
from cosim.world.plan import load_plan
from cosim.world.workload import WorkloadSource, workload_source
from inference_sim.workload import Arrival
from tests.cosim.builders import BASE, edited, run_text, write

POISSON = "arrivals: {type: poisson, rate_per_s: 0.5}"
SPAN_S = 4 * 3600.0
SECOND_SITE = """\
  - name: other
    share: 0.7
    cluster: {model: meta-llama/Meta-Llama-3-8B, gpu: h100-sxm-80gb}
    microgrid:
      carbon_intensity: {type: typical_day, area: CISO}
controllers:
"""
SPLIT = (("  - name: dc\n", "  - name: dc\n    share: 0.3\n"), ("controllers:\n", SECOND_SITE))
TRACE = "".join(f"2023-11-16 18:{n // 60:02d}:{n % 60:02d}.0,{100 + n},10\n" for n in range(1200))


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def scenario_text(until: str, chat: str = "", *changes: tuple[str, str]) -> str:
    classes = (
        "  classes:\n"
        f"    - {{name: chat, share: 0.25{chat}}}\n"
        "    - {name: batch, share: 0.75, deferrable: true, deadline: 4h, lengths: "
        f"{{type: fixed, prompt_tokens: 1000, output_tokens: 200}}{until}}}\n"
    )
    return edited(("sites:\n", f"{classes}sites:\n"), *changes)


def source(text: str, site: int = 0) -> WorkloadSource:
    scenario = validate_document(read_document(write("s.yaml", text), ()), Scenario)
    return workload_source(scenario, site)


def requests_of(text: str, site: int = 0) -> list[Arrival]:
    return [*takewhile(lambda request: request.time_s < SPAN_S, source(text, site).stream())]


def before_end(requests: list[Arrival], until_s: float) -> list[Arrival]:
    return [request for request in requests if request.class_id == 0 or request.time_s < until_s]


def test_the_others_come_as_they_would() -> None:
    whole, cut = (requests_of(scenario_text(until)) for until in ("", ", until: 2h"))
    assert cut == before_end(whole, 7_200)
    assert 4_000 < len(cut) < len(whole) - 2_000


def test_the_others_come_as_they_would_at_sites_that_share() -> None:
    for site in (0, 1):
        whole, cut = (
            requests_of(scenario_text(until, "", *SPLIT), site) for until in ("", ", until: 2h")
        )
        assert cut == before_end(whole, 7_200)
        assert len(cut) < len(whole)


def test_a_trace_is_cut_too() -> None:
    write("trace.csv", f"TIMESTAMP,ContextTokens,GeneratedTokens\n{TRACE}")
    generated = BASE[BASE.index("  arrivals:") : BASE.index("sites:")]
    trace = "  trace: {format: azure, path: trace.csv}\n  classes:\n    - {name: a, share: 0.5}\n"
    whole, cut = (
        requests_of(edited((generated, f"{trace}    - {{name: b, share: 0.5{until}}}\n")))
        for until in ("", ", until: 600s")
    )
    assert cut == before_end(whole, 600)
    assert len(cut) < len(whole) == 1200


def test_requests_counts_those_that_come() -> None:
    text = scenario_text(", until: 10min", "", (POISSON, f"requests: 1000\n  {POISSON}"))
    requests = [*source(text).stream()]
    assert len(requests) == 1000
    assert before_end(requests, 600) == requests
    split = [
        len([*source(f"{text}".replace(*SPLIT[0]).replace(*SPLIT[1]), n).stream()]) for n in (0, 1)
    ]
    assert sum(split) == 1000


def test_when_all_classes_end_so_does_the_stream() -> None:
    text = scenario_text(
        ", until: 10min",
        ", until: 30min",
        ("duration: 20min", "until: drained\n  max_duration: 1d"),
    )
    requests = requests_of(text)
    assert 1_600 < requests[-1].time_s < 1_800
    assert requests == before_end(requests, 600)


def test_the_demand_falls_by_the_share_of_the_class() -> None:
    demand = expected_demand(source(scenario_text(", until: 90min")), 3600.0, 4)
    assert demand.rate_per_s == pytest.approx([0.5, 0.5 * (0.25 + 0.375), 0.125, 0.125])
    assert demand.rate_per_s.sum() * 3600 == pytest.approx(0.125 * 4 * 3600 + 0.375 * 1.5 * 3600)
    whole = expected_demand(source(scenario_text("")), 3600.0, 4)
    assert (demand.prompt_tokens, demand.output_tokens) == (
        whole.prompt_tokens,
        whole.output_tokens,
    )


def test_the_demand_is_that_of_the_requests() -> None:
    found = source(scenario_text(", until: 1h"))
    demand = expected_demand(found, 600.0, 24)
    came = np.histogram(
        [request.time_s for request in requests_of(scenario_text(", until: 1h"))], 24, (0, SPAN_S)
    )[0]
    expected = demand.rate_per_s * 600
    assert (np.abs(came - expected) <= 4 * np.sqrt(expected)).all()


def test_requests_that_are_counted_end_the_demand() -> None:
    text = scenario_text(", until: 10min", "", (POISSON, f"requests: 500\n  {POISSON}"))
    rate = expected_demand(source(text), 600.0, 8).rate_per_s
    assert rate * 600 == pytest.approx([300, 75, 75, 50, 0, 0, 0, 0])


def test_forecasts_of_a_run_know_it() -> None:
    plan = load_plan(write("s.yaml", scenario_text(", until: 10min")))
    arrivals = plan.signals["dc"].values("arrivals")
    assert arrivals == pytest.approx([0.5] * 10 + [0.125] * 10)


def test_a_run(tmp_path: Path) -> None:
    text = scenario_text(", until: 5min")
    come = [*takewhile(lambda request: request.time_s < 1200, source(text).stream())]
    assert run_text(tmp_path, text).summary["requests"]["arrived"] == len(come)


class _Enough(Exception):
    pass


def test_a_capacity_is_that_of_all_classes() -> None:
    """A class that ends would be missing in most of a probe."""
    probes = []

    def note(probe: Probe) -> None:
        probes.append(probe)
        raise _Enough

    for until in ("", ", until: 1s"):
        with pytest.raises(_Enough):
            find_capacity(
                load_plan(write("s.yaml", scenario_text(until))), requests=100, on_probe=note
            )
    assert probes[0] == probes[1]


def test_an_end_is_after_the_start() -> None:
    with pytest.raises(ScenarioError, match="until: must be greater than 0"):
        source(scenario_text(", until: 0s"))
