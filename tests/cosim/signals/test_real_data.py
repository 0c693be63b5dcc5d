"""Files as they come from real sources; they may not be shipped, so they may be missing."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from cosim.errors import SignalError
from cosim.scenario.signals import CarbonIntensity, Solar
from cosim.signals import Window, carbon_series, solar_series

DATA = Path(__file__).parents[4] / "shared" / "data"
CARBON: TypeAdapter[Any] = TypeAdapter(CarbonIntensity)
SOLAR: TypeAdapter[Any] = TypeAdapter(Solar)
HOUR_S = 3600.0


def file(name: str) -> str:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"the data file {name} is not here")
    return str(path)


def test_solar_as_a_share_of_the_peak() -> None:
    config = SOLAR.validate_python(
        {
            "type": "csv",
            "path": file("case_study/solar_san_francisco_2022.csv"),
            "unit": "fraction",
            "peak_power_w": 600,
            "stamp": "end",
        }
    )
    start = datetime(2022, 6, 8, tzinfo=UTC)
    series = solar_series(config, Window.of(start, 29 * 24 * HOUR_S))
    assert len(series) == 8352
    assert series.starts_s[0] == start.timestamp()
    assert series.end_s == datetime(2022, 7, 7, tzinfo=UTC).timestamp()
    assert series.values[:3].tolist() == [0.298997 * 600, 0.361937 * 600, 0.393237 * 600]
    day_w = series.step_means(start.timestamp() + 8 * HOUR_S, 60, 1440)
    assert day_w.sum() / 60 == pytest.approx(3930, abs=5)
    with pytest.raises(SignalError, match="covers 2022-06-08T00:00:00Z to 2022-07-07T00:00:00Z"):
        solar_series(config, Window.of(start + timedelta(days=365), HOUR_S))


def test_marginal_carbon_intensity() -> None:
    config = CARBON.validate_python(
        {
            "type": "csv",
            "path": file("case_study/carbon_intensity_caiso_north_2023.csv"),
            "kind": "marginal",
        }
    )
    start = datetime(2023, 6, 8, tzinfo=UTC)
    series = carbon_series(config, Window.of(start, 25 * HOUR_S))
    assert len(series) == 8928
    assert series.values[:2].tolist() == [425.01605069, 432.27352861]
    assert series.end_s == datetime(2023, 7, 9, tzinfo=UTC).timestamp()
    assert series.step_means(start.timestamp(), 60, 6).tolist() == [425.01605069] * 5 + [
        432.27352861
    ]


def test_hours_without_data_are_named() -> None:
    keys = {
        "type": "csv",
        "path": file("carbon/eia930_2022_CISO.csv"),
        "column": "avg_CI",
        "stamp": "end",
    }
    with pytest.raises(SignalError, match=r"CISO\.csv:108: the value is missing.*first of 3"):
        carbon_series(
            CARBON.validate_python(keys), Window.of(datetime(2022, 6, 1, tzinfo=UTC), HOUR_S)
        )
    keys["path"] = file("carbon/eia930_2022_ERCO.csv")
    series = carbon_series(
        CARBON.validate_python(keys),
        Window.of(datetime(2021, 12, 31, 23, tzinfo=UTC), 8760 * HOUR_S),
    )
    assert series.values[0] == 334.2055847568988
