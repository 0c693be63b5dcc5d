"""Means, intervals and paired differences, against known values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from cosim.studies.evaluate.oracle import Bound
from cosim.studies.evaluate.statistics import Interval, PolicyRow
from cosim.studies.evaluate.statistics import rows as rows_of
from tests.cosim.studies.evaluate.figures import RUN, PolicyRun, bound, by_policy


def rows(runs: Sequence[PolicyRun], bounds: Mapping[int, Bound]) -> list[PolicyRow]:
    return rows_of(by_policy(runs), bounds)


@pytest.mark.parametrize(("values", "t"), [([1.0, 3.0], 12.7062), ([0.0, 1, 2, 3, 4], 2.7764)])
def test_intervals_are_students(values: list[float], t: float) -> None:
    count, mean = len(values), sum(values) / len(values)
    deviation = math.sqrt(sum((one - mean) ** 2 for one in values) / (count - 1))
    found = Interval.of(values)
    assert found.mean == pytest.approx(mean)
    assert found.half_width == pytest.approx(t * deviation / math.sqrt(count), rel=1e-4)


def test_one_value_says_nothing_of_the_spread() -> None:
    assert math.isinf(Interval.of([3.0]).half_width)
    assert Interval.of([3.0]).is_zero


def test_an_interval_holds_the_mean_95_times_in_100() -> None:
    draws = np.random.default_rng(1).normal(10, 3, size=(4000, 4))
    hit = [abs(one.mean - 10) <= one.half_width for one in map(Interval.of, draws.tolist())]
    assert np.mean(hit) == pytest.approx(0.95, abs=3 * math.sqrt(0.95 * 0.05 / 4000))


def test_differences_are_taken_seed_by_seed() -> None:
    """Seeds differ by half, policies by a tenth in each: only the latter counts."""
    runs = [replace(RUN, seed=seed, import_g=1000.0 + 500 * seed) for seed in range(3)]
    runs += [replace(one, policy="better", import_g=0.9 * one.import_g) for one in runs]
    noop, better = rows(runs, {})
    assert noop.saving == Interval(0.0, 0.0)
    assert better.saving.mean == pytest.approx(0.1)
    assert better.saving.half_width == pytest.approx(0, abs=1e-12)
    assert not better.saving.is_zero
    assert better.carbon_g.half_width > 1000


def test_work_that_is_not_done_is_no_saving() -> None:
    half = replace(RUN, policy="lazy", import_g=500.0, output_tokens=500, backlog=50)
    noop, lazy = rows([RUN, half], {})
    assert lazy.carbon_g.mean == pytest.approx(noop.carbon_g.mean)
    assert lazy.saving.mean == pytest.approx(0)
    assert lazy.backlog == 50


def test_an_emptied_battery_is_no_saving() -> None:
    emptied = replace(RUN, policy="drains", import_g=900.0, stored_g=100.0)
    assert rows([RUN, emptied], {})[1].saving.mean == pytest.approx(0)


def test_more_work_is_no_saving_either() -> None:
    eager = replace(RUN, policy="eager", output_tokens=1100)
    assert rows([RUN, eager], {})[1].saving.mean == pytest.approx(0)


def test_a_policy_that_does_nothing_at_all_cannot_be_compared() -> None:
    idle = replace(RUN, policy="idle", import_g=100.0, output_tokens=0)
    assert math.isnan(rows([RUN, idle], {})[1].saving.mean)


def test_of_no_emissions_there_is_no_share() -> None:
    """The sun covers it all."""
    none = replace(RUN, import_g=0.0)
    some = replace(none, policy="p")
    row = rows([none, some, replace(some, twin=True)], {0: bound(0.0)})[1]
    assert row.timing is not None
    assert math.isnan(row.saving.mean)
    assert math.isnan(row.timing.mean)
    assert row.of_oracle is None


def test_the_oracle_counts_where_it_saves_with_every_seed() -> None:
    runs = [RUN, replace(RUN, seed=1)]
    assert rows(runs, {0: bound(600.0), 1: bound(1000.0)})[0].of_oracle is None
    assert rows(runs, {0: bound(600.0)})[0].of_oracle is None


def test_what_was_not_measured_is_left_out_of_means() -> None:
    missing = replace(RUN, seed=1, ttft_p99_s=None, attainment=None)
    (row,) = rows([RUN, missing], {})
    assert (row.ttft_p99_s, row.attainment, row.cost) == (0.2, 1.0, None)
    (row,) = rows([replace(missing, cost=3.0, failure="broke")], {})
    assert (row.ttft_p99_s, row.cost, row.failures) == (None, 3.0, 1)


def test_the_oracle_of_the_same_means_is_what_counts() -> None:
    saves = replace(RUN, policy="saves", import_g=800.0)
    wide = replace(RUN, policy="sleeps", import_g=800.0, is_wide=True)
    found = rows([RUN, saves, wide], {0: bound(600.0)})
    shares = [one.of_oracle.mean for one in found if one.of_oracle is not None]
    assert shares == pytest.approx([0, 200 / 400, 200 / 700])


def test_the_twin_tells_timing_from_thrift() -> None:
    policy = replace(RUN, policy="p", import_g=700.0)
    twin = replace(policy, twin=True, import_g=800.0)
    timing = rows([RUN, policy, twin], {})[1].timing
    assert timing is not None
    assert timing.mean == pytest.approx(1 - 700 / 800)


def test_a_missing_seed_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"policy 'p' was not run with the seeds \[0, 1\]"):
        rows([RUN, replace(RUN, seed=1), replace(RUN, policy="p")], {})
