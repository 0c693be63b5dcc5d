"""Savings by timing of policies that know nothing of the grid: zero, within their intervals.

A policy that is shown noise is compared with itself shown other noise. The expected difference is
zero, so that its 95 % interval holds zero in 95 of 100 draws.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from controllers import Decoy
from cosim.studies.evaluate.statistics import PolicyRuns, rows
from cosim.studies.evaluate.units import Units
from cosim.studies.evaluate.variants import Variant
from cosim.studies.evaluate.weeks import weeks
from cosim.studies.runs.figures import RunFigures
from cosim.studies.runs.interval import CONFIDENCE
from cosim.studies.runs.measure import run_figures
from cosim.world.plan import load_plan
from tests.cosim.builders import SCENARIOS

DRAWS = 40
NOOP, POLICY = Variant("noop", -1, "baseline"), Variant("p", 0)
DECOYS = [Variant("p", 0, "decoy", Decoy("moved", by_s=hours * 3600.0)) for hours in (6, 12)]
"""What is shown noise stands for what is shown moved signals."""

Run = Callable[[int, int, int], RunFigures]
"""A run of the part of the year, of its seed, with the number of the noise; 0 for no policy."""


def coverage(draws: int, parts: int, seeds: int, run: Run, units: Units) -> float:
    """Return the share of draws in whose interval of the saving by timing zero lies."""
    held = 0
    numbers = iter(range(1, 10**9))
    noop = [run(part, seed, 0) for part in range(parts) for seed in range(seeds)]
    for _ in range(draws):
        policies = [PolicyRuns(NOOP, tuple(noop))]
        for variant in (POLICY, *DECOYS):
            shown = [next(numbers) for _ in range(parts)]  # other noise in each part of the year
            policies.append(
                PolicyRuns(
                    variant,
                    tuple(
                        run(part, seed, shown[part])
                        for part in range(parts)
                        for seed in range(seeds)
                    ),
                )
            )
        timing = rows(policies, [None] * len(noop), units)[1].timing
        assert timing is not None
        held += timing.is_zero
    return held / draws


def least(draws: int) -> float:
    """Return a share of draws that a coverage of 95 % falls short of once in a thousand times."""
    return float(binom.ppf(0.001, draws, CONFIDENCE)) / draws


def made_up(parts: int) -> Run:
    """Runs whose weeks differ much, whose seeds differ little, and whose noise shifts a week."""
    seasons = np.random.default_rng(7).uniform(500, 1500, parts)

    def run(part: int, seed: int, number: int) -> RunFigures:
        arrivals = np.random.default_rng([part, seed]).normal(0, 0.02)
        saved = np.random.default_rng([part, number, 5]).normal(0.2, 0.05) if number else 0.0
        grams = seasons[part] * (1 + arrivals) * (1 - saved)
        figures = RunFigures(seed=10 * part + seed, import_g=float(grams))
        return replace(figures, arrived=100, completed=100)

    return run


def test_the_interval_of_timing_holds_zero_as_often_as_it_says() -> None:
    draws, parts = 400, 5
    share = coverage(draws, parts, 2, made_up(parts), Units(parts, 2))
    print(f"zero within the interval over weeks in {share:.1%} of {draws} draws")
    most = float(binom.ppf(0.999, draws, CONFIDENCE)) / draws
    assert least(draws) <= share <= most


def test_seeds_of_the_same_weeks_would_make_it_too_narrow() -> None:
    """Taken for independent, they make timing of nothing: the reason for intervals over weeks."""
    parts = 5
    share = coverage(100, parts, 6, made_up(parts), Units(1, parts * 6))
    print(f"zero within an interval over weeks and seeds alike in {share:.0%} of 100 draws")
    assert share < least(100)


SHORT = (
    "time.duration=36h", "time.step=900s", "workload.requests=700", "evaluation.seeds=1",
    "workload.arrivals.mean_rate_per_s=0.01", "sites.0.cluster.replicas=1",
    'sites.0.microgrid={"carbon_intensity": {"type": "hourly_2022", "area": "CISO"}}',
)  # fmt: skip


def short_runs(parts: int) -> Run:
    """Runs of suspend_resume in weeks of a year, of 700 requests in a day and a half."""
    path = SCENARIOS / "evaluate_policies.yaml"
    start = load_plan(path, SHORT).scenario.time.start
    starts = weeks(2022, start, 36 * 3600, parts, "test")

    def run(part: int, seed: int, number: int) -> RunFigures:
        decoy = f'"decoy": {{"type": "noise", "draw": {number}}}'
        entry = f'{{"type": "suspend_resume", {decoy}}}' if number else ""
        settings = (f"seed={part + 1}", f"time.start={starts[part].isoformat()}")
        plan = load_plan(path, [*SHORT, *settings, f"controllers=[{entry}]"])
        return run_figures(plan)

    return run


@pytest.mark.nightly("timing of a policy that is shown noise, 40 draws; every day of made-up runs")
def test_a_policy_that_is_shown_noise_times_nothing() -> None:
    parts = 6
    share = coverage(DRAWS, parts, 1, short_runs(parts), Units(parts, 1))
    print(f"zero within the interval in {share:.1%} of {DRAWS} draws; at least {least(DRAWS):.1%}")
    assert share >= least(DRAWS)
