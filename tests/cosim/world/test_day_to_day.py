"""Days that differ, from the scenario to what controllers see of them."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from cosim.errors import ScenarioError
from cosim.world.plan import Plan, load_plan
from tests.cosim.builders import edited, write

POISSON = "{type: poisson, rate_per_s: 0.5}"
DAILY = "{{type: daily, mean_rate_per_s: 0.5, peak_hour_utc: 12{}}}"
DAYS = ", day_to_day: {std: 0.3, correlation: 36h, weekend: 0.7}"
PER_DAY = 24


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def plan(days: str = DAYS, *changes: tuple[str, str]) -> Plan:
    """Of nine days from a Wednesday on, which begin at midnight, in steps of an hour."""
    time = (("duration: 20min", "duration: 9d"), ("step: 60s", "step: 1h"))
    return load_plan(write("s.yaml", edited((POISSON, DAILY.format(days)), *time, *changes)))


def by_day(values: np.ndarray) -> np.ndarray:
    return values.reshape(-1, PER_DAY)


def test_the_rate_is_the_profile_times_the_factor_of_the_day() -> None:
    alike, differ = (by_day(plan(keys).signals["dc"].values("arrivals")) for keys in ("", DAYS))
    factors = differ / alike
    assert factors == pytest.approx(np.tile(factors[:, :1], PER_DAY))
    assert len(set(factors[:, 0].round(6))) == 9
    weekend_alone = by_day(
        plan(", day_to_day: {std: 0, weekend: 0.7}").signals["dc"].values("arrivals")
    )
    week = np.array([1, 1, 1, 0.7, 0.7, 1, 1, 1, 1]) * 7 / 6.4
    assert weekend_alone == pytest.approx(week[:, None] * alike)


def test_forecasts_know_the_days_before_alone() -> None:
    signals = plan().signals["dc"]
    arrivals = signals.values("arrivals")
    noon = 3 * PER_DAY + 12
    day_ahead = signals.forecasters["arrivals"].issue(noon, 24).mean
    assert day_ahead[1:] == pytest.approx(arrivals[noon - 23 : noon])
    assert day_ahead[0] == arrivals[noon]
    later = by_day(arrivals)[3:5].ravel()[12:36]
    assert np.abs(day_ahead[1:] / later[1:] - 1).max() > 0.05


def test_the_same_seed_gives_the_same_days() -> None:
    first, same, other = (
        plan(DAYS, ("seed: 1", f"seed: {seed}")).signals["dc"].values("arrivals")
        for seed in (1, 1, 2)
    )
    assert (first == same).all()
    assert (first != other).all()


def test_without_it_nothing_changes() -> None:
    requests = [
        [*islice(load_plan(path).sites[0].workload.stream(), 5000)]  # type: ignore[union-attr]
        for path in (
            write("a.yaml", edited((POISSON, DAILY.format("")))),
            write("b.yaml", edited((POISSON, DAILY.format(", day_to_day: null")))),
        )
    ]
    assert requests[0] == requests[1]


@pytest.mark.parametrize("key", ["std: -0.1", "std: 0.1, weekend: -1", "correlation: 1d"])
def test_refused(key: str) -> None:
    with pytest.raises(ScenarioError, match=r"day_to_day(\.std|\.weekend|: missing key 'std')"):
        plan(f", day_to_day: {{{key}}}")


def test_the_day_before_the_run_is_not_its_first() -> None:
    """Where controllers get the rates of the day before, those are of other days."""
    signals = plan().signals["dc"]
    past = signals.past.get("arrivals", np.empty(0))
    assert not np.array_equal(past[-PER_DAY:], signals.values("arrivals")[:PER_DAY])
