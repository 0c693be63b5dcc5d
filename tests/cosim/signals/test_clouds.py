"""The statistics that a scenario states are those of what is drawn."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from cosim.scenario.signals import Solar
from cosim.signals import Place, Series, Window, solar_series
from cosim.signals.clouds import clearness

SOLAR: TypeAdapter[Any] = TypeAdapter(Solar)
START = datetime(2023, 6, 8, tzinfo=UTC)
YEARS = 200_000  # steps: 694 days of 5 minutes


def drawn(steps: int = YEARS, **changes: Any) -> np.ndarray:
    keys = {"mean": 0.7, "std": 0.25, "correlation_time_s": 3600.0, "seed": 1} | changes
    return clearness(steps, 300, **keys)


@pytest.mark.parametrize(
    ("mean", "std", "hours"), [(0.7, 0.25, 1.0), (0.9, 0.05, 0.5), (0.4, 0.45, 0.25)]
)
def test_mean_spread_and_memory_are_as_stated(mean: float, std: float, hours: float) -> None:
    """Within five standard errors, of which correlated draws have larger ones."""
    share = drawn(mean=mean, std=std, correlation_time_s=3600 * hours)
    independent = YEARS * 300 / (2 * 3600 * hours)
    assert share.mean() == pytest.approx(mean, abs=5 * std / independent**0.5)
    assert share.std() == pytest.approx(std, rel=5 * (0.75 / independent) ** 0.5)
    away = share - share.mean()
    for lag in (1, 6, 12):
        autocorrelation = (away[lag:] * away[:-lag]).mean() / away.var()
        expected = np.exp(-lag * 300 / (3600 * hours))
        assert autocorrelation == pytest.approx(expected, abs=5 / independent**0.5)


def test_it_has_the_quantiles_of_a_beta_distribution() -> None:
    """alpha = 1.652, beta = 0.708 for these: scipy.stats.beta.ppf."""
    from scipy.stats import beta

    both = 0.7 * 0.3 / 0.25**2 - 1
    marks = [0.05, 0.25, 0.5, 0.75, 0.95]
    expected = beta.ppf(marks, 0.7 * both, 0.3 * both)
    assert np.quantile(drawn(), marks) == pytest.approx(expected, abs=0.015)


def test_it_stays_a_share() -> None:
    share = drawn(mean=0.4, std=0.45)
    assert (share >= 0).all()
    assert (share <= 1).all()


def test_the_same_seed_gives_the_same_bytes_and_a_longer_run_begins_alike() -> None:
    assert drawn(1000).tobytes() == drawn(1000).tobytes()
    assert drawn(2000)[:1000].tobytes() == drawn(1000).tobytes()
    assert not np.array_equal(drawn(1000, seed=2), drawn(1000))
    assert not np.array_equal(drawn(1000, seed=(1, 1)), drawn(1000, seed=(1, 0)))


@pytest.mark.parametrize(("mean", "std"), [(0.5, 0.5), (0.9, 0.31), (1.0, 0.1), (0.5, 0.0)])
def test_impossible_statistics_are_refused(mean: float, std: float) -> None:
    with pytest.raises(ValueError, match="no share from 0 to 1 has mean"):
        drawn(10, mean=mean, std=std)
    with pytest.raises(ValidationError):
        solar(clouds={"mean": mean, "std": std})


def solar(seed: int | tuple[int, ...] = 0, kind: str = "clear_sky", **keys: Any) -> Series:
    config = SOLAR.validate_python({"type": kind, "peak_power_w": 600} | keys)
    return solar_series(config, Window.of(START, 5 * 86400), Place(37.87, -122.27), seed)


@pytest.mark.parametrize("kind", ["clear_sky", "pvlib"])
def test_clouds_take_their_share_of_a_clear_sky(kind: str) -> None:
    clear = solar(kind=kind)
    clouds = {"mean": 0.6, "std": 0.3, "correlation_time": "30min"}
    cloudy, again, other = (solar(seed, kind, clouds=clouds) for seed in (1, 1, 2))
    assert cloudy.values.tobytes() == again.values.tobytes()
    assert not np.array_equal(cloudy.values, other.values)
    assert (cloudy.values <= clear.values).all()
    day = clear.values > 0
    share = cloudy.values[day] / clear.values[day]
    assert share.mean() == pytest.approx(0.6, abs=0.1)
    assert share.std() == pytest.approx(0.3, abs=0.1)


def test_a_message_names_the_largest_spread() -> None:
    with pytest.raises(ValidationError, match=r"less than sqrt\(mean \* \(1 - mean\)\) = 0\.3"):
        solar(clouds={"mean": 0.9, "std": 0.4})
