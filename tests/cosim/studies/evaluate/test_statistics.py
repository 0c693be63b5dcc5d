"""Means, intervals and paired differences, against known values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from controllers import Decoy
from cosim.studies.evaluate.statistics import (
    BATTERY,
    FAILED,
    LEFT_WORK,
    MISSED,
    Interval,
    PolicyRow,
)
from cosim.studies.evaluate.units import Units
from tests.cosim.studies.evaluate.figures import POLICY, RUN, PolicyRun, bound, decoy_of, rows_of

MOVED = [Decoy("moved", by_s=hours * 3600.0) for hours in (6, 12, 18)]
OTHER_DAYS = Decoy("other_days")


def row_of(*runs: PolicyRun, policy: str = "p") -> PolicyRow:
    """The row of one policy, of runs that follow one without controllers."""
    (row,) = [row for row in rows_of([RUN, *runs]) if row.variant.label == policy]
    return row


@pytest.mark.parametrize(("values", "t"), [([1.0, 3.0], 12.7062), ([0.0, 1, 2, 3, 4], 2.7764)])
def test_intervals_are_students(values: list[float], t: float) -> None:
    count, mean = len(values), sum(values) / len(values)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (count - 1))
    interval = Interval.of(values)
    assert interval.mean == pytest.approx(mean)
    assert interval.half_width == pytest.approx(t * deviation / math.sqrt(count), rel=1e-4)


def test_one_value_says_nothing_of_the_spread() -> None:
    assert math.isinf(Interval.of([3.0]).half_width)
    assert Interval.of([3.0]).is_zero


def test_an_interval_holds_the_mean_95_times_in_100() -> None:
    draws = np.random.default_rng(1).normal(10, 3, size=(4000, 4))
    hit = [abs(each.mean - 10) <= each.half_width for each in map(Interval.of, draws.tolist())]
    assert np.mean(hit) == pytest.approx(0.95, abs=3 * math.sqrt(0.95 * 0.05 / 4000))


def test_differences_are_taken_seed_by_seed() -> None:
    """Seeds differ by half, policies by a tenth in each: only the latter counts."""
    runs = [replace(RUN, seed=seed, import_g=1000.0 + 500 * seed) for seed in range(3)]
    runs += [
        replace(run, policy="better", kind="policy", import_g=0.9 * run.import_g) for run in runs
    ]
    noop, better = rows_of(runs)
    assert noop.saving == Interval(0.0, 0.0)
    assert better.saving.mean == pytest.approx(0.1)
    assert better.saving.half_width == pytest.approx(0, abs=1e-12)
    assert not better.saving.is_zero
    assert better.saving_sure
    assert better.carbon_g.half_width > 1000


class TestUnits:
    """Independent parts: weeks where there are several, else seeds."""

    def test_seeds_of_one_time_are_the_parts(self) -> None:
        assert len(Units(1, 5)) == 5
        assert Units(1, 3).means([1.0, 2.0, 6.0]) == [1.0, 2.0, 6.0]

    def test_seeds_of_a_week_count_once(self) -> None:
        assert len(Units(3, 2)) == 3
        assert Units(3, 2).means([1.0, 3.0, 10.0, 20.0, -1.0, 1.0]) == [2.0, 15.0, 0.0]

    def test_intervals_are_over_weeks(self) -> None:
        """Weeks differ, their seeds hardly: two weeks are two values, however many the seeds."""
        saved = (0.1, 0.3)
        noop = [replace(RUN, seed=seed) for seed in range(8)]
        runs = [
            replace(POLICY, policy="p", seed=seed, import_g=1000.0 * (1 - saved[seed // 4]))
            for seed in range(8)
        ]
        for weeks, values in ((2, saved), (1, [*saved[:1] * 4, *saved[1:] * 4])):
            row = rows_of([*noop, *runs], weeks=weeks)[1]
            assert row.saving.mean == pytest.approx(Interval.of(values).mean)
            assert row.saving.half_width == pytest.approx(Interval.of(values).half_width)
            assert row.carbon_g.half_width == pytest.approx(1000 * row.saving.half_width)
            assert row.saving.is_zero == (weeks == 2)


class TestEqualWork:
    """Carbon of work that was not done is not a saving."""

    def test_what_is_left_is_counted_in(self) -> None:
        few = replace(POLICY, policy="p", import_g=995.0, left_g=5.0, completed=99, backlog=1)
        row = row_of(few)
        assert row.carbon_g.mean == pytest.approx(1000)
        assert row.import_g.mean == pytest.approx(995)
        assert row.saving.mean == pytest.approx(0)
        assert row.backlog == 1

    @pytest.mark.parametrize(("left", "reason"), [(0.0099, ""), (0.0101, LEFT_WORK)])
    def test_more_than_one_percent_of_any_class(self, left: float, reason: str) -> None:
        """One request of a hundred may be all of its class."""
        by_class = {"chat": 0.0, "batch": left}
        lazy = replace(POLICY, policy="p", import_g=500.0, left_by_class=by_class)
        assert row_of(lazy).no_saving == reason

    def test_what_doing_nothing_leaves_too_is_not_held_against_a_policy(self) -> None:
        noop = replace(RUN, left_by_class={"chat": 0.03, "batch": 0.0})
        same = replace(POLICY, policy="p", left_by_class=noop.left_by_class)
        more = replace(POLICY, policy="q", left_by_class={"chat": 0.03, "batch": 0.02})
        assert [row.no_saving for row in rows_of([noop, same, more])] == ["", "", LEFT_WORK]

    def test_one_run_that_left_work_is_enough(self) -> None:
        second = replace(RUN, seed=1)
        runs = [replace(POLICY, policy="p"), replace(POLICY, policy="p", seed=1)]
        runs[1] = replace(runs[1], left_by_class={"chat": 0.5})
        assert rows_of([RUN, second, *runs])[1].no_saving == LEFT_WORK

    def test_a_policy_that_does_nothing_at_all_cannot_be_compared(self) -> None:
        idle = replace(POLICY, policy="p", import_g=100.0, completed=0, output_tokens=0)
        assert row_of(idle).no_saving == LEFT_WORK

    def test_a_run_that_broke_off_has_no_saving(self) -> None:
        row = row_of(replace(POLICY, policy="p", import_g=1.0, failure="no disk"))
        assert (row.no_saving, row.failures) == (FAILED, 1)

    @pytest.mark.parametrize(
        "missed", [{"attainment": 0.5}, {"late": 5, "late_by_class": {"batch": 0.05}}]
    )
    def test_objectives_that_doing_nothing_met(self, missed: dict[str, Any]) -> None:
        """Holding the chat back until the grid is clean is no saving."""
        policy = replace(POLICY, policy="p", import_g=500.0, **missed)
        assert row_of(policy).no_saving == MISSED
        noop = replace(RUN, **missed)
        assert rows_of([noop, policy])[1].no_saving == ""

    def test_work_left_is_neither_a_rank_nor_a_baseline(self) -> None:
        """The best baseline is the best of those that served all."""
        lazy = replace(RUN, policy="lazy", import_g=100.0, left_by_class={"chat": 0.5})
        blind = replace(RUN, policy="blind", import_g=900.0)
        policy = replace(POLICY, policy="p", import_g=810.0)
        found = rows_of([RUN, lazy, blind, policy])
        against = [row.against_blind.mean for row in found if row.against_blind is not None]
        assert against == pytest.approx([0.1])


class TestBattery:
    """A battery's change, by what filling it up again may cost."""

    def test_an_emptied_battery_is_no_saving(self) -> None:
        emptied = replace(POLICY, policy="p", import_g=900.0, stored_g=100.0)
        assert row_of(emptied).saving.mean == pytest.approx(0)

    def test_a_filled_one_alone_is_none_either(self) -> None:
        filled = replace(POLICY, policy="p", import_g=1290.0, stored_g=-900.0)
        assert row_of(filled).no_saving == BATTERY
        imports_less = replace(filled, import_g=990.0)  # nearly all is in the battery
        assert row_of(imports_less).no_saving == BATTERY
        mostly_saved = replace(filled, import_g=700.0, stored_g=-200.0)
        assert row_of(mostly_saved).no_saving == ""
        emits_more = replace(filled, stored_g=-100.0)
        assert row_of(emits_more).no_saving == ""

    @pytest.mark.parametrize(
        ("low_g", "high_g", "sure"),
        [
            (40.0, 60.0, True),
            (-200.0, 99.0, True),  # it saves at any value
            (40.0, 101.0, False),  # nothing, if filled up at the dirtiest hour
        ],
    )
    def test_a_star_only_where_the_sign_holds_at_both_values(
        self, low_g: float, high_g: float, sure: bool
    ) -> None:
        runs = [replace(RUN, seed=seed) for seed in (0, 1)]
        runs += [
            replace(
                POLICY,
                policy="p",
                seed=seed,
                import_g=900.0,
                stored_g=50.0,
                stored_low_g=low_g,
                stored_high_g=high_g,
            )
            for seed in (0, 1)
        ]
        row = rows_of(runs)[1]
        assert row.saving == Interval(pytest.approx(0.05), 0.0)
        assert row.saving_sure == sure

    def test_the_values_of_doing_nothing_count_too(self) -> None:
        """Whose battery may be worth more than it is taken for."""
        stored = {"stored_g": 100.0, "stored_low_g": 0.0, "stored_high_g": 200.0}
        runs = [replace(RUN, seed=seed, **stored) for seed in (0, 1)]
        runs += [replace(POLICY, policy="p", seed=seed, import_g=1050.0) for seed in (0, 1)]
        row = rows_of(runs)[1]
        assert row.saving.mean == pytest.approx(50 / 1100)
        assert not row.saving_sure

    def test_one_seed_is_never_sure(self) -> None:
        assert not row_of(replace(POLICY, policy="p", import_g=500.0)).saving_sure


class TestDecoys:
    """Savings beyond those of the same actions at other times."""

    def test_timing_is_the_saving_beyond_the_mean_of_the_moved(self) -> None:
        policy = replace(POLICY, policy="p", import_g=700.0)
        decoys = [
            decoy_of(policy, decoy, grams)
            for decoy, grams in zip(MOVED, (800, 900, 1000), strict=True)
        ]
        others = [decoy_of(policy, OTHER_DAYS, 720.0)]
        row = row_of(policy, *decoys, *others)
        assert row.timing is not None
        assert row.by_day is not None
        assert row.timing.mean == pytest.approx((1000 - 700) / 1000 - (0.2 + 0.1 + 0.0) / 3)
        assert row.by_day.mean == pytest.approx(0.02)

    def test_a_policy_that_saves_as_much_at_other_hours_times_nothing(self) -> None:
        """Seed by seed: what both save differs much, their difference not at all."""
        noop = [replace(RUN, seed=seed) for seed in (0, 1)]
        runs = [
            replace(POLICY, policy="p", seed=seed, import_g=500.0 + 400 * seed) for seed in (0, 1)
        ]
        decoys = [
            decoy_of(run, decoy, run.import_g + swing)
            for decoy, swing in zip(MOVED, (-10, 0, 10), strict=True)
            for run in runs
        ]
        timing = rows_of([*noop, *runs, *decoys])[1].timing
        assert timing == Interval(pytest.approx(0), pytest.approx(0, abs=1e-12))

    def test_none_if_one_left_work(self) -> None:
        policy = replace(POLICY, policy="p", import_g=700.0)
        decoys = [decoy_of(policy, decoy, 800.0) for decoy in MOVED]
        decoys[1] = replace(decoys[1], left_by_class={"chat": 0.0, "batch": 0.2})
        row = row_of(policy, *decoys, decoy_of(policy, OTHER_DAYS, 800.0))
        assert row.timing is None
        assert row.by_day is not None

    def test_none_without_decoys_and_none_of_decoys(self) -> None:
        policy = replace(POLICY, policy="p", import_g=700.0)
        found = rows_of([RUN, policy, decoy_of(policy, MOVED[0], 800.0), replace(RUN, policy="q")])
        assert [row.timing is None for row in found] == [True, False, True, True]

    def test_the_twin_is_the_same_without_the_carbon_intensity(self) -> None:
        policy = replace(POLICY, policy="p", import_g=700.0)
        row = row_of(policy, replace(policy, kind="twin", import_g=800.0))
        assert row.against_flat is not None
        assert row.against_flat.mean == pytest.approx(1 - 700 / 800)
        assert row.timing is None


def test_savings_against_the_best_baseline_that_is_blind() -> None:
    """The best over all weeks and seeds, and only where there is more than doing nothing."""
    policy = replace(POLICY, policy="p", import_g=720.0)
    assert row_of(policy).against_blind is None
    blind = replace(RUN, policy="right_sized", import_g=800.0)
    bulk = replace(RUN, policy="bulk", import_g=900.0)
    found = rows_of([RUN, blind, bulk, policy])
    against = [row.against_blind.mean for row in found if row.against_blind is not None]
    assert against == pytest.approx([0.1])  # of the policy alone


def test_of_no_emissions_there_is_no_share() -> None:
    """The sun covers it all."""
    none = replace(RUN, import_g=0.0)
    policy = replace(POLICY, policy="p", import_g=0.0)
    shown = [replace(policy, kind="twin"), decoy_of(policy, MOVED[0], 0.0)]
    row = rows_of([none, policy, *shown], [bound(0.0)])[1]
    assert row.timing is not None
    assert row.against_flat is not None
    assert math.isnan(row.saving.mean)
    assert math.isnan(row.timing.mean)
    assert math.isnan(row.against_flat.mean)
    assert not row.saving_sure
    assert row.of_bound is None


def bounded(*runs: PolicyRun, grams: Sequence[float] = (600.0,)) -> list[PolicyRow]:
    return rows_of(runs, [bound(each) for each in grams])


class TestBounds:
    """Savings over those of the least emissions possible."""

    @pytest.mark.parametrize(
        ("actuators", "freedom", "least_g"),
        [
            ("", "timing", 600),
            ("deferrable_rate", "timing", 600),
            ("battery_power,deferrable_rate", "battery", 300),
            ("active_replicas,deferrable_rate", "sleep", 150),
            ("clock_fraction", "clocks", 75),
            ("decode_clock,prefill_clock", "clocks", 75),
        ],
    )
    def test_the_bound_of_the_policys_own_freedom(
        self, actuators: str, freedom: str, least_g: float
    ) -> None:
        policy = replace(POLICY, policy="p", import_g=800.0, actuators=actuators)
        row = bounded(RUN, policy)[1]
        assert (row.freedom, row.bound_g) == (freedom, least_g)
        assert row.of_bound is not None
        assert row.of_bound.mean == pytest.approx(200 / (1000 - least_g))

    @pytest.mark.parametrize(
        "missed",
        [{"attainment": 0.985}, {"late_by_class": {"batch": 0.02}}],
        ids=["SLOs", "deadlines"],
    )
    def test_only_where_the_objectives_are_met(self, missed: dict[str, Any]) -> None:
        policy = replace(POLICY, policy="p", import_g=800.0)
        row = bounded(RUN, replace(policy, **missed))[1]
        assert (row.of_bound, row.missed) == (None, 1)
        assert row.bound_g == 600
        row = bounded(RUN, replace(policy, attainment=0.99, late_by_class={"batch": 0.01}))[1]
        assert row.missed == 0
        assert row.of_bound is not None

    def test_without_an_slo_none_is_missed(self) -> None:
        assert bounded(RUN, replace(POLICY, policy="p", attainment=None))[1].missed == 0

    def test_only_where_something_may_be_saved_with_every_seed(self) -> None:
        runs = [RUN, replace(RUN, seed=1)]
        assert bounded(*runs, grams=(600.0, 1000.0))[0].of_bound is None
        assert bounded(*runs, grams=(600.0, 995.0))[0].of_bound is None
        assert bounded(*runs, grams=(600.0, 900.0))[0].of_bound is not None

    def test_only_where_all_are_known(self) -> None:
        runs = [RUN, replace(RUN, seed=1)]
        row = rows_of(runs, [bound(600.0), None])[0]
        assert (row.of_bound, row.bound_g) == (None, 600)
        row = rows_of(runs, [None, None])[0]
        assert (row.of_bound, row.bound_g) == (None, None)


class TestMarginal:
    """The same by the marginal intensity."""

    def test_a_saving_of_its_own(self) -> None:
        noop = replace(RUN, marginal_g=2000.0)
        policy = replace(POLICY, policy="p", import_g=800.0, marginal_g=2090.0, left_g=10.0)
        row = rows_of([noop, policy])[1]
        assert row.marginal_g is not None
        assert row.marginal_saving is not None
        assert row.marginal_g.mean == pytest.approx(2100)
        assert row.marginal_saving.mean == pytest.approx(-0.05)
        assert row.saving.mean == pytest.approx(0.19)

    def test_none_where_some_run_has_none(self) -> None:
        row = row_of(replace(POLICY, policy="p", marginal_g=3.0))
        assert (row.marginal_g, row.marginal_saving) == (None, None)


def test_what_was_not_measured_is_left_out_of_means() -> None:
    missing = replace(
        RUN, seed=1, ttft_p99_s=None, attainment=None, attainment_by_class={"chat": None}
    )
    (row,) = rows_of([RUN, missing])
    assert (row.ttft_p99_s, row.attainment, row.cost) == (0.2, 1.0, None)
    assert row.attainment_by_class == {"chat": 1.0}
    (row,) = rows_of([replace(missing, cost=3.0, failure="broke")])
    assert (row.ttft_p99_s, row.cost, row.failures) == (None, 3.0, 1)
    assert row.attainment_by_class == {}


def test_a_missing_seed_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"'p' was not run with the seeds \[0, 1\]"):
        rows_of([RUN, replace(RUN, seed=1), replace(POLICY, policy="p")])
