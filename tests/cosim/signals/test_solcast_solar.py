"""Solar power from the irradiance in a file of Solcast."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from cosim.errors import SignalError
from cosim.scenario.signals import Solar
from cosim.signals import Place, Series, Window, solar_series
from cosim.signals.clear_sky import clear_sky_light, clear_sky_power_w, sun_direction
from cosim.signals.pv_array import PvArray
from cosim.signals.series import utc_stamp

SOLAR: TypeAdapter[Any] = TypeAdapter(Solar)
BERKELEY = Place(37.87, -122.27)
START = datetime(2022, 6, 8, tzinfo=UTC)
DAY_S, STEP_S = 86400.0, 300.0
STARTS_S = START.timestamp() + STEP_S * np.arange(288)
MIDDLES_S = STARTS_S + STEP_S / 2
TURBIDITY = 3.2


def clear_file(
    path: Path, *, temperature: float | None = None, columns: str = "Ghi,Dni,Dhi"
) -> Path:
    """A day of clear sky, in Solcast's form."""
    up = sun_direction(MIDDLES_S, BERKELEY.latitude, BERKELEY.longitude)[2]
    light = clear_sky_light(MIDDLES_S, up, linke_turbidity=TURBIDITY)
    named = {"Ghi": light.ghi, "Dni": light.dni, "Dhi": light.dhi}
    chosen = columns.split(",")
    head = f"PeriodEnd,Period,{columns}" + (",AirTemp" if temperature is not None else "")
    rows = [
        f"{utc_stamp(end_s)},PT5M,"
        + ",".join(repr(float(named[name][row])) for name in chosen)
        + (f",{temperature}" if temperature is not None else "")
        for row, end_s in enumerate(STARTS_S + STEP_S)
    ]
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def power(
    path: Path, place: Place | None = BERKELEY, start: datetime = START, **keys: Any
) -> Series:
    config = SOLAR.validate_python(
        {"type": "solcast", "path": str(path), "peak_power_w": 600, **keys}
    )
    return solar_series(config, Window.of(start, DAY_S), place)


def clear(array: PvArray) -> Any:
    return clear_sky_power_w(
        MIDDLES_S,
        array,
        latitude=BERKELEY.latitude,
        longitude=BERKELEY.longitude,
        linke_turbidity=TURBIDITY,
    )


def test_clear_irradiance_gives_the_power_of_a_clear_sky(tmp_path: Path) -> None:
    """Stamps at the end of the period, light at its middle."""
    path = clear_file(tmp_path / "s.csv")
    series = power(path)
    assert series.starts_s.tolist() == STARTS_S.tolist()
    np.testing.assert_allclose(
        series.values, clear(PvArray(peak_power_w=600)), rtol=1e-9, atol=1e-9
    )
    tilted = power(path, tilt_deg=10, azimuth_deg=270, losses_fraction=0.05, albedo=0.4)
    array = PvArray(
        peak_power_w=600, tilt_deg=10, azimuth_deg=270, losses_fraction=0.05, albedo=0.4
    )
    np.testing.assert_allclose(tilted.values, clear(array), rtol=1e-9, atol=1e-9)


def test_air_of_the_file(tmp_path: Path) -> None:
    path = clear_file(tmp_path / "s.csv", temperature=-5)
    array = replace(PvArray(peak_power_w=600), temperature_c=-5.0)
    np.testing.assert_allclose(power(path).values, clear(array), rtol=1e-9, atol=1e-9)


def test_moved_days_keep_their_sun(tmp_path: Path) -> None:
    path = clear_file(tmp_path / "s.csv")
    moved = power(path, start=datetime(2030, 6, 8, tzinfo=UTC), repeat_year=True)
    assert moved.values.tolist() == power(path).values.tolist()
    assert moved.starts_s[0] == datetime(2030, 6, 8, tzinfo=UTC).timestamp()


def test_gaps(tmp_path: Path) -> None:
    path = clear_file(tmp_path / "s.csv")
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines[:250], *lines[252:]]) + "\n", encoding="utf-8")
    with pytest.raises(SignalError, match=r"s\.csv:251: there is a gap"):
        power(path)
    [note] = power(path, fill="linear").notes
    assert "2 of 288 values missing" in note


def test_what_it_needs(tmp_path: Path) -> None:
    path = clear_file(tmp_path / "s.csv", columns="Ghi,Dhi")
    with pytest.raises(SignalError, match=r"s\.csv:1: there is no column 'Dni'"):
        power(path)
    with pytest.raises(SignalError, match=r"sites\.N\.location"):
        power(path, place=None)
