"""Weather files with the real header shapes, filled with a clear sky: then the power is known."""

import builtins
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter, ValidationError

from cosim.errors import SignalError
from cosim.scenario.signals import Solar
from cosim.signals import Place, Series, Window, solar_series
from cosim.signals.clear_sky import clear_sky_light, sun_direction

SOLAR: TypeAdapter[Any] = TypeAdapter(Solar)
PLACE = Place(37.62, -122.40)
HOUR_S = 3600.0
WIND, AIR_C = 1.0, 20.0
Sky = Callable[[pd.DatetimeIndex], pd.DataFrame]


def sky(middles: pd.DatetimeIndex) -> pd.DataFrame:
    """Irradiance at some moments in whole W/m2, as the files have it."""
    times_s = np.array([moment.timestamp() for moment in middles])
    up = sun_direction(times_s, PLACE.latitude, PLACE.longitude)[2]
    light = clear_sky_light(times_s, up, linke_turbidity=3)
    values = {"ghi": light.ghi, "dni": light.dni, "dhi": light.dhi}
    return pd.DataFrame(values, index=middles).round()


def hours(zone: str, minute: int = 0) -> pd.DatetimeIndex:
    return pd.date_range(f"2023-01-01T00:{minute:02}", periods=8760, freq="h", tz=zone)


def tmy3(path: Path) -> None:
    """Hours are stamped with their end, 01:00 to 24:00, in local standard time."""
    stamps = hours("Etc/GMT+8")
    rows = [
        f"{start:%m/%d/}{1990 + start.month},{start.hour + 1:02}:00,"
        f"0,0,{one.ghi:.0f},1,9,{one.dni:.0f},1,9,{one.dhi:.0f},1,9,{AIR_C},A,7,{WIND},A,7"
        for start, one in zip(stamps, sky(stamps + pd.Timedelta("30min")).itertuples(), strict=True)
    ]
    head = (
        '724940,"SAN FRANCISCO INTL AP",CA,-8.0,37.617,-122.400,2\n'
        "Date (MM/DD/YYYY),Time (HH:MM),ETR (W/m^2),ETRN (W/m^2),GHI (W/m^2),GHI source,"
        "GHI uncert (%),DNI (W/m^2),DNI source,DNI uncert (%),DHI (W/m^2),DHI source,"
        "DHI uncert (%),Dry-bulb (C),Dry-bulb source,Dry-bulb uncert (code),Wspd (m/s),"
        "Wspd source,Wspd uncert (code)\n"
    )
    path.write_text(head + "\n".join(rows) + "\n")


def epw(path: Path) -> None:
    """Hours 1 to 24, each the hour before, in local standard time."""
    stamps = hours("Etc/GMT+8")
    rows = [
        f"{1990 + start.month},{start.month},{start.day},{start.hour + 1},0,?9,{AIR_C},9,50,101325,"
        f"0,0,300,{one.ghi:.0f},{one.dni:.0f},{one.dhi:.0f},0,0,0,0,180,{WIND}" + ",0" * 13
        for start, one in zip(stamps, sky(stamps + pd.Timedelta("30min")).itertuples(), strict=True)
    ]
    head = "LOCATION,San Francisco,CA,USA,TMY3,724940,37.62,-122.40,-8.0,2.0\n" + "".join(
        f"{line},0\n"
        for line in (
            "DESIGN CONDITIONS",
            "TYPICAL/EXTREME PERIODS",
            "GROUND TEMPERATURES",
            "HOLIDAYS/DAYLIGHT SAVINGS",
            "COMMENTS 1",
            "COMMENTS 2",
            "DATA PERIODS",
        )
    )
    path.write_text(head + "\n".join(rows) + "\n")


def pvgis(path: Path) -> None:
    """Moments in UTC, with the irradiance some minutes later."""
    stamps = hours("UTC")
    rows = [
        f"{at:%m%d:%H%M},{AIR_C},50,{one.ghi:.0f},{one.dni:.0f},{one.dhi:.0f},300,{WIND},180,1000"
        for at, one in zip(stamps, sky(stamps + pd.Timedelta("15min")).itertuples(), strict=True)
    ]
    head = (
        "Latitude (decimal degrees): 37.620\r\nLongitude (decimal degrees): -122.400\r\n"
        "Elevation (m): 2.0\r\nIrradiance Time Offset (h): 0.25\r\nmonth,year\r\n"
        + "".join(f"{month},{2004 + month}\r\n" for month in range(1, 13))
        + "time(UTC),T2m,RH,G(h),Gb(n),Gd(h),IR(h),WS10m,WD10m,SP\r\n"
    )
    body = "".join(f"{2004 + int(row[:2])}{row}\r\n" for row in rows)
    path.write_text(head + body + "\r\nT2m: 2-m air temperature (degree Celsius)\r\n", newline="")


def sam(path: Path) -> None:
    """The middles of the hours, in local standard time."""
    stamps = hours("Etc/GMT+8", 30)
    rows = [
        f"{at:%Y,%-m,%-d,%-H,%-M},{one.ghi:.0f},{one.dhi:.0f},{one.dni:.0f},{WIND},{AIR_C}"
        for at, one in zip(stamps, sky(stamps).itertuples(), strict=True)
    ]
    head = (
        "Source,Location ID,City,State,Country,Latitude,Longitude,Time Zone,Elevation,"
        "Local Time Zone\nNSRDB,145809,-,-,-,37.62,-122.40,-8,2,-8\n"
        "Year,Month,Day,Hour,Minute,GHI,DHI,DNI,Wind Speed,Temperature\n"
    )
    path.write_text(head + "\n".join(rows) + "\n")


WRITERS = {"tmy3": tmy3, "epw": epw, "pvgis": pvgis, "sam": sam}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("weather")
    made = {name: folder / f"{name}.{'epw' if name == 'epw' else 'csv'}" for name in WRITERS}
    for name, write in WRITERS.items():
        write(made[name])
    return made


def power(start: datetime, hours: float, **keys: Any) -> Series:
    config = SOLAR.validate_python({"type": "pvlib", "peak_power_w": 1000} | keys)
    return solar_series(config, Window.of(start, hours * HOUR_S), PLACE)


def weather(path: Path, name: str) -> dict[str, str]:
    return {"path": str(path), "format": name}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("day", ["2023-06-08", "2023-12-31"])
def test_each_format_gives_the_power_of_its_sky(
    files: dict[str, Path], name: str, day: str
) -> None:
    """To what rounding to 1 W/m2 costs; an hour or half of it astray would be 5 % and more."""
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    series = power(start, 36, weather=weather(files[name], name))
    assert series.covers(start.timestamp() - 86400, start.timestamp() + 36 * HOUR_S)
    assert np.diff(series.starts_s) == pytest.approx(HOUR_S)
    middles_s = series.starts_s + HOUR_S / 2
    assert middles_s[0] % HOUR_S == (900 if name == "pvgis" else 1800)
    fine = power(start - timedelta(days=1), 72, linke_turbidity=3)
    at = np.interp(middles_s, fine.starts_s + 150, fine.values)
    assert series.values == pytest.approx(at, abs=6)
    assert series.values.max() > 500


def test_a_leap_day_has_the_weather_of_the_day_before(files: dict[str, Path]) -> None:
    start = datetime(2024, 2, 28, 8, tzinfo=UTC)
    series = power(start, 72, weather=weather(files["tmy3"], "tmy3"))
    days = series.step_means(start.timestamp(), 86400, 3)
    assert days[1] == pytest.approx(days[0], rel=0.01)
    assert days[2] == pytest.approx(days[1], rel=0.01)


def test_warm_and_still_air_costs_power(files: dict[str, Path]) -> None:
    start = datetime(2023, 6, 8, tzinfo=UTC)
    cool, hot, windy = (
        power(start, 24, temperature_c=temperature, wind_m_per_s=wind).values.sum()
        for temperature, wind in ((10, 1), (40, 1), (10, 8))
    )
    assert hot == pytest.approx(cool * (1 - 0.0035 * 30), rel=0.02)
    assert windy > cool


def refused(path: Path, name: str) -> str:
    with pytest.raises(SignalError) as refusal:
        power(datetime(2023, 6, 8, tzinfo=UTC), 24, weather=weather(path, name))
    return str(refusal.value)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("content", [b"", b"\x00\x01\xff\xfe", b"a,b\n1,2\n", b"time,value\n" * 9])
def test_other_files_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    message = refused(path, name)
    assert message.startswith(f"{path}: pvlib cannot read this as {name}")
    assert "check weather.format" in message


@pytest.mark.parametrize("name", ["tmy3", "epw", "sam"])
def test_a_file_that_ends_early_is_refused(
    tmp_path: Path, files: dict[str, Path], name: str
) -> None:
    path = tmp_path / files[name].name
    lines = files[name].read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:5000]))
    assert "expected every hour" in refused(path, name)
    path.write_text("".join(lines[:5000] + lines[5001:] + lines[-1:]))
    assert "expected every hour" in refused(path, name)


@pytest.mark.parametrize("value", ["-9900", ""])
def test_missing_values_are_named(tmp_path: Path, files: dict[str, Path], value: str) -> None:
    path = tmp_path / "x.csv"
    lines = files["sam"].read_text().splitlines()
    fields = lines[3 + 40].split(",")
    fields[5] = value
    lines[3 + 40] = ",".join(fields)
    path.write_text("\n".join(lines) + "\n")
    message = refused(path, "sam")
    assert "the row of 2023-01-02 16:30:00-08:00 has a missing value or negative light" in message
    assert "first of 1 such rows" in message


def test_without_pvlib_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **keys: Any) -> Any:
        if name.partition(".")[0] == "pvlib":
            raise ImportError(name)
        return real(name, *args, **keys)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SignalError, match=r"pip install 'carbon-cosim\[solar\]'"):
        power(datetime(2023, 6, 8, tzinfo=UTC), 24)


@pytest.mark.parametrize("extra", [{"clouds": {"mean": 0.5, "std": 0.1}}, {"linke_turbidity": 3}])
def test_weather_has_its_own_clouds(files: dict[str, Path], extra: dict[str, Any]) -> None:
    keys = {"type": "pvlib", "peak_power_w": 1, "weather": weather(files["sam"], "sam")} | extra
    with pytest.raises(ValidationError, match="goes with a clear sky"):
        SOLAR.validate_python(keys)
