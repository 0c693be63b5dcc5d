"""The mean demand of a workload is that of the requests that it sends."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from cosim.scenario.loading import read_document, validate_document
from cosim.scenario.scenario import Scenario
from cosim.world.demand import Demand, expected_demand
from cosim.world.workload import WorkloadSource, workload_source
from tests.cosim.builders import BASE, edited, write

POISSON = "{type: poisson, rate_per_s: 0.5}"
FIXED = "{type: fixed, prompt_tokens: 200, output_tokens: 40}"
WEIGHTS = [1.0] * 12 + [3.0] * 12
HOUR_S = 3600.0
DAY_S = 86400.0


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def source(*changes: tuple[str, str], site: int = 0) -> WorkloadSource:
    scenario = validate_document(read_document(write("s.yaml", edited(*changes)), ()), Scenario)
    return workload_source(scenario, site)


def counts(found: WorkloadSource, step_s: float, steps: int) -> np.ndarray:
    """Requests that come in each step."""
    times_s = [
        one.time_s
        for one in itertools.takewhile(lambda one: one.time_s < step_s * steps, found.stream())
    ]
    return np.bincount((np.array(times_s) // step_s).astype(int), minlength=steps)


@pytest.mark.parametrize(
    ("arrivals", "variance"),  # of the number of requests, over its mean
    [
        ("{type: poisson, rate_per_s: 1}", 1.0),
        ("{type: static, rate_per_s: 1}", 0.01),
        ("{type: gamma, rate_per_s: 1, cv: 2}", 4.0),
        (
            "{type: bursts, base_rate_per_s: 0.5, burst_rate_per_s: 4.5, mean_burst: 30s, "
            "mean_gap: 210s}",
            # 1 + 2 (4.5 - 0.5)^2 p (1 - p) tau / mean, p = 1/8, tau = 1 / (1/30 + 1/210)
            1 + 2 * 16 * (1 / 8) * (7 / 8) * 26.25,
        ),
        ("{type: daily, mean_rate_per_s: 1, peak_to_mean: 1.8, peak_hour_utc: 14}", 1.0),
        (f"{{type: daily, mean_rate_per_s: 1, hourly_weights: {WEIGHTS}}}", 1.0),
    ],
    ids=["poisson", "static", "gamma", "bursts", "daily", "hourly"],
)
def test_rates_integrate_to_the_requests_that_come(arrivals: str, variance: float) -> None:
    """Over a day, and over each quarter of it, within four standard deviations."""
    found = source((POISSON, arrivals))
    demand = expected_demand(found, 600.0, 144)
    came = counts(found, 600.0, 144)
    for hours in (6, 24):
        expected = demand.rate_per_s.reshape(-1, 6 * hours).sum(axis=1) * 600
        real = came.reshape(-1, 6 * hours).sum(axis=1)
        assert (np.abs(real - expected) <= 4 * np.sqrt(variance * expected) + 1).all()
    assert demand.rate_per_s.sum() * 600 == pytest.approx(DAY_S, rel=1e-6)  # one a second


def test_a_daily_rate_follows_the_day() -> None:
    daily = "{type: daily, mean_rate_per_s: 1, peak_to_mean: 1.8, peak_hour_utc: 14}"
    rate = expected_demand(source((POISSON, daily)), HOUR_S, 24).rate_per_s
    assert rate == pytest.approx(1 + 0.8 * np.cos(2 * np.pi * (np.arange(24) + 0.5 - 14) / 24))
    later = source((POISSON, daily), ("T00:00:00Z", "T06:00:00Z"))
    assert expected_demand(later, HOUR_S, 24).rate_per_s == pytest.approx(np.roll(rate, -6))


def test_the_day_before_is_as_the_days_of_the_process() -> None:
    daily = "{type: daily, mean_rate_per_s: 1, peak_to_mean: 1.8, peak_hour_utc: 14}"
    demand = expected_demand(source((POISSON, daily)), HOUR_S, 24)
    assert demand.past_rate_per_s == pytest.approx(demand.rate_per_s)
    assert expected_demand(source(), HOUR_S, 3).past_rate_per_s == pytest.approx([0.5] * 24)


def test_after_the_last_request_none_come() -> None:
    """1000 requests at 0.5/s in steps of 600 s: 300 a step, and the last 100 in the fourth."""
    cut = source((f"arrivals: {POISSON}", f"requests: 1000\n  arrivals: {POISSON}"))
    rate = expected_demand(cut, 600.0, 6).rate_per_s
    assert rate * 600 == pytest.approx([300, 300, 300, 100, 0, 0])
    assert len(list(cut.stream())) == 1000


def test_lengths_are_means_over_classes() -> None:
    demand = expected_demand(source(), 60.0, 20)
    assert (demand.prompt_tokens, demand.output_tokens, demand.output_cv2) == (200, 40, 0)
    classes = (
        "  classes:\n"
        "    - {name: a, share: 0.25, lengths: {type: fixed, prompt_tokens: 1000, "
        "output_tokens: 200}}\n"
        "    - {name: b, share: 0.75}\n"
    )
    mixed = expected_demand(source(("sites:\n", f"{classes}sites:\n")), 60.0, 20)
    assert mixed.prompt_tokens == pytest.approx(0.25 * 1000 + 0.75 * 200)
    assert mixed.output_tokens == pytest.approx(0.25 * 200 + 0.75 * 40)
    assert mixed.output_cv2 == pytest.approx(0.25 * 0.75 * 160**2 / 80**2)
    assert [part.share for part in mixed.by_class] == [0.25, 0.75]
    assert [part.output_tokens for part in mixed.by_class] == [200, 40]
    assert mixed.by_class[0].rate_per_s == pytest.approx(0.25 * mixed.rate_per_s)
    # long outputs come with long prompts, and are met in proportion to their length
    running = (0.25 * 200 * (1000 + 100) + 0.75 * 40 * (200 + 20)) / (0.25 * 200 + 0.75 * 40)
    assert mixed.context_tokens == pytest.approx(running)


def test_classes_of_the_same_lengths_are_one() -> None:
    classes = (
        "  classes:\n"
        f"    - {{name: a, share: 0.25, lengths: {FIXED}}}\n"
        "    - {name: b, share: 0.75}\n"
    )
    demand = expected_demand(source(("sites:\n", f"{classes}sites:\n")), 60.0, 20)
    assert demand.by_class == ()
    assert demand.context_tokens == 200 + 40 / 2


def test_lengths_are_those_of_the_requests() -> None:
    drawn = source(
        (FIXED, "{type: uniform, min_tokens: 100, max_tokens: 1100, prefill_decode_ratio: 4}")
    )
    demand = expected_demand(drawn, 60.0, 20)
    requests = list(itertools.islice(drawn.stream(), 20000))
    outputs = np.array([one.output_tokens for one in requests], float)
    assert demand.prompt_tokens == pytest.approx(
        np.mean([one.prompt_tokens for one in requests]), rel=0.03
    )
    assert demand.output_tokens == pytest.approx(outputs.mean(), rel=0.03)
    assert demand.output_cv2 == pytest.approx(outputs.var() / outputs.mean() ** 2, rel=0.06)


SECOND_SITE = """\
  - name: other
    share: 0.7
    cluster: {model: meta-llama/Meta-Llama-3-8B, gpu: h100-sxm-80gb}
    microgrid:
      carbon_intensity: {type: typical_day, area: CISO}
controllers:
"""


def test_sites_share_what_comes() -> None:
    split = (
        ("  - name: dc\n", "  - name: dc\n    share: 0.3\n"),
        ("controllers:\n", SECOND_SITE),
        (f"arrivals: {POISSON}", f"requests: 1000\n  arrivals: {POISSON}"),
    )
    first, second = (expected_demand(source(*split, site=n), 600.0, 6) for n in (0, 1))
    assert first.rate_per_s * 600 == pytest.approx([90, 90, 90, 30, 0, 0])
    assert second.rate_per_s * 600 == pytest.approx([210, 210, 210, 70, 0, 0])
    came = [counts(source(*split, site=n), 600.0, 6).sum() for n in (0, 1)]
    assert sum(came) == 1000
    assert came[0] == pytest.approx(300, abs=4 * np.sqrt(1000 * 0.3 * 0.7))


def trace_demand(
    times_s: list[float], keys: str, step_s: float, steps: int
) -> tuple[WorkloadSource, Demand]:
    first = datetime(2023, 11, 16, 18)
    rows = "".join(
        f"{first + timedelta(seconds=time_s)}.0,{100 + n},10\n" for n, time_s in enumerate(times_s)
    )
    write("trace.csv", f"TIMESTAMP,ContextTokens,GeneratedTokens\n{rows}")
    generated = BASE[BASE.index("  arrivals:") : BASE.index("sites:")]
    found = source((generated, f"  trace: {{format: azure, path: trace.csv{keys}}}\n"))
    return found, expected_demand(found, step_s, steps)


EVENLY = [10.0 * n for n in range(540)]  # an hour and a half, one every ten seconds


def test_the_rate_of_a_trace_is_its_own() -> None:
    _, demand = trace_demand(EVENLY, "", 600.0, 18)
    assert demand.rate_per_s * 600 == pytest.approx([60] * 6 + [30] * 6 + [0] * 6)
    assert len(demand.past_rate_per_s) == 0
    assert demand.prompt_tokens == pytest.approx(100 + 539 / 2)
    assert (demand.output_tokens, demand.output_cv2) == (10, 0)


@pytest.mark.parametrize("steps", [1, 2, 5, 6, 8, 9, 12, 100])
@pytest.mark.parametrize("keys", ["", ", rate_scale: 2", ", shift: 15min", ", loop: true"])
def test_the_rates_of_a_trace_integrate_to_its_requests(keys: str, steps: int) -> None:
    """Over any run, also one that ends within an hour."""
    found, demand = trace_demand(EVENLY, keys, 600.0, steps)
    assert demand.rate_per_s.sum() * 600 == pytest.approx(counts(found, 600.0, steps).sum())


def test_a_trace_is_cut_too() -> None:
    generated = BASE[BASE.index("  arrivals:") : BASE.index("sites:")]
    trace_demand(EVENLY, "", 600.0, 1)  # writes the trace
    cut = source((generated, "  requests: 100\n  trace: {format: azure, path: trace.csv}\n"))
    rate = expected_demand(cut, 600.0, 6).rate_per_s
    assert rate * 600 == pytest.approx([60, 40, 0, 0, 0, 0])
