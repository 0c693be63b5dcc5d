"""Weeks of a year: spread evenly, apart from those for tuning, at the run's time of day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from cosim.errors import ScenarioError
from cosim.studies.evaluate.comparison import comparison
from cosim.studies.evaluate.documents import case_plan
from cosim.studies.evaluate.weeks import weeks
from tests.cosim.builders import controlled, write

START = datetime(2022, 6, 6, 7, 30, tzinfo=UTC)
DAY_S = 86400.0


@pytest.mark.parametrize(
    ("year", "days", "count"), [(2023, 1.0, 182), (2024, 7.0, 20), (2023, 2.5, 4), (2023, 0.1, 12)]
)
def test_weeks_are_spread_evenly_over_their_year(year: int, days: float, count: int) -> None:
    starts = weeks(year, START, days * DAY_S, count, "test")
    assert len(starts) == count
    assert all(start.timetz() == START.timetz() for start in starts)
    assert starts[0] >= datetime(year, 1, 1, tzinfo=UTC)
    assert starts[-1] + timedelta(days=days) <= datetime(year + 1, 1, 1, tzinfo=UTC)
    block = timedelta(days=max(1, -int(-days // 1)))
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert max(gaps) - min(gaps) <= 2 * block  # they stand at whole blocks, every second one
    ends = (starts[0] - datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC))
    assert abs(ends[0] - (ends[1] - starts[-1])) <= 5 * block


@pytest.mark.parametrize("days", [1.0, 2.0, 3.5, 7.0])
@pytest.mark.parametrize(("tested", "tuned"), [(20, 4), (5, 5), (26, 26)])
def test_no_day_is_both_for_comparisons_and_for_tuning(
    days: float, tested: int, tuned: int
) -> None:
    of_tests = weeks(2022, START, days * DAY_S, tested, "test")
    of_tuning = weeks(2022, START, days * DAY_S, tuned, "tune")
    length = timedelta(days=days)
    everything = sorted(of_tests + of_tuning)
    assert all(later - earlier >= length for earlier, later in pairwise(everything))


def test_a_year_has_so_many_and_no_more() -> None:
    assert len(weeks(2022, START, 7 * DAY_S, 26, "test")) == 26
    with pytest.raises(ValueError, match=r"a year has 26 blocks of 7 days .*\(got weeks: 27\)"):
        weeks(2022, START, 7 * DAY_S, 27, "test")


TEXT = controlled().replace("step: 60s", "step: 300s").replace("20min", "25h")
KEYS = "evaluation: {{seeds: 2, {weeks}, baselines: false, policies: [{{name: still}}]}}\n"


def test_every_week_has_seeds_of_its_own_and_all_policies_the_same(tmp_path: Path) -> None:
    text = TEXT + KEYS.format(weeks="weeks: 3, of: 2021").replace(
        "[{name: still}]", "[{name: still}, {name: cap, controllers: [{type: batch_cap_aimd}]}]"
    )
    compared = comparison(write(tmp_path / "s.yaml", text))
    places: dict[str, list[tuple[datetime, int]]] = {}
    for case in compared.cases:
        for seed in compared.seeds:
            scenario = case_plan(compared, case, seed).scenario
            place = (scenario.time.start, scenario.seed)
            places.setdefault(case.variant.name, []).append(place)
    assert places["still"] == places["cap"]
    starts, seeds = zip(*places["still"], strict=True)
    assert seeds == (1, 2, 3, 4, 5, 6)
    assert starts == tuple(start for start in compared.starts for _ in range(2))
    assert [start.year for start in starts] == [2021] * 6
    assert compared.cases[0].label == f"still, {starts[0]:%d %B}"


def test_the_year_is_that_of_the_start_by_default(tmp_path: Path) -> None:
    compared = comparison(write(tmp_path / "s.yaml", TEXT + KEYS.format(weeks="weeks: 2")))
    assert [start.year for start in compared.starts if start] == [2022, 2022]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("weeks: 92", r"s\.yaml:\d+:\d+ .*evaluation\.weeks: a year has 91 blocks of 2 days"),
        ("of: 2021", r"`of` is the year of the `weeks`: say how many"),
        ("weeks: 1", r"evaluation\.weeks: must be at least 2 \(got 1\)"),
    ],
)
def test_weeks_that_cannot_be(tmp_path: Path, keys: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        comparison(write(tmp_path / "s.yaml", TEXT + KEYS.format(weeks=keys)))
