from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from cosim.errors import SignalError
from cosim.scenario.signals import CarbonIntensity, Load, Price, Solar
from cosim.signals import Place, Window, carbon_series, load_series, price_series, solar_series
from cosim.signals.typical_day import typical_day_means

START = datetime(2023, 6, 8, tzinfo=UTC)
START_S = START.timestamp()
HOUR_S = 3600.0

CARBON: TypeAdapter[Any] = TypeAdapter(CarbonIntensity)
SOLAR: TypeAdapter[Any] = TypeAdapter(Solar)
LOAD: TypeAdapter[Any] = TypeAdapter(Load)
PRICE: TypeAdapter[Any] = TypeAdapter(Price)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "signal.csv"
    file.write_text("time,value\n2023-06-08T00:00Z,100\n2023-06-08T01:00Z,200\n")
    return file


@pytest.mark.parametrize(
    ("adapter", "build", "key", "value"),
    [
        (CARBON, carbon_series, "value_g_per_kwh", 250.5),
        (SOLAR, solar_series, "power_w", 120.25),
        (LOAD, load_series, "power_w", 236.25),
        (PRICE, price_series, "value_per_kwh", -0.03),
    ],
)
def test_constants_cover_the_run_and_the_week_before(adapter, build, key, value) -> None:
    series = build(
        adapter.validate_python({"type": "constant", key: value}), Window.of(START, 90000)
    )
    assert series.covers(START_S - 7 * 86400, START_S + 90000)
    assert (series.step_means(START_S, 60, 1500) == value).all()


@pytest.mark.parametrize(
    ("adapter", "build", "keys", "factor"),
    [
        (CARBON, carbon_series, {}, 1),
        (CARBON, carbon_series, {"unit": "g/kWh"}, 1),
        (CARBON, carbon_series, {"unit": "kg/MWh"}, 1),
        (CARBON, carbon_series, {"unit": "lb/MWh"}, 0.45359237),
        (SOLAR, solar_series, {}, 1),
        (SOLAR, solar_series, {"unit": "kW"}, 1000),
        (SOLAR, solar_series, {"unit": "fraction", "peak_power_w": 600}, 600),
        (LOAD, load_series, {}, 1),
        (LOAD, load_series, {"unit": "kW"}, 1000),
        (PRICE, price_series, {}, 1),
        (PRICE, price_series, {"unit": "per_mwh"}, 0.001),
    ],
)
def test_units_of_files(path, adapter, build, keys, factor) -> None:
    config = adapter.validate_python({"type": "csv", "path": str(path), **keys})
    assert build(config, Window.of(START, 7200)).values.tolist() == [100 * factor, 200 * factor]


def test_only_prices_may_be_negative(path: Path) -> None:
    path.write_text(path.read_text().replace("100", "-100"))
    keys = {"type": "csv", "path": str(path)}
    assert price_series(PRICE.validate_python(keys), Window.of(START, 7200)).values[0] == -100
    for adapter, build in ((CARBON, carbon_series), (SOLAR, solar_series), (LOAD, load_series)):
        with pytest.raises(SignalError, match=r"signal\.csv:2: .*not negative"):
            build(adapter.validate_python(keys), Window.of(START, 7200))


def test_a_run_outside_the_file_is_refused_by_clock_and_taken_from_its_start(path: Path) -> None:
    keys = {"type": "csv", "path": str(path)}
    later = START + timedelta(days=400, minutes=7)
    with pytest.raises(SignalError) as caught:
        carbon_series(CARBON.validate_python(keys), Window.of(later, 7200))
    text = str(caught.value)
    assert text.startswith(f"{path}: the signal covers 2023-06-08T00:00:00Z to 2023-06-08T02:00")
    assert "2024-07-12T00:07:00Z to 2024-07-12T02:07:00Z is needed" in text

    config = CARBON.validate_python({**keys, "align": "start"})
    series = carbon_series(config, Window.of(later, 7200))
    assert series.step_means(later.timestamp(), 3600, 2).tolist() == [100, 200]
    with pytest.raises(SignalError, match="is needed"):
        carbon_series(config, Window.of(later, 7201))


def test_align_start_moves_the_first_interval_not_its_stamp(path: Path) -> None:
    config = CARBON.validate_python(
        {"type": "csv", "path": str(path), "align": "start", "stamp": "end"}
    )
    assert carbon_series(config, Window.of(START, 7200)).starts_s[0] == START_S


def test_typical_day_covers_the_week_before() -> None:
    config = CARBON.validate_python({"type": "typical_day", "area": "CISO"})
    series = carbon_series(config, Window.of(START, 25 * HOUR_S))
    assert series.covers(START_S - 7 * 86400, START_S + 25 * HOUR_S)
    june = typical_day_means("CISO")[5]
    assert series.step_means(START_S, HOUR_S, 25).tolist() == [*june.tolist(), june[0]]


def test_clear_sky_covers_the_day_before_with_noon_at_its_place() -> None:
    config = SOLAR.validate_python({"type": "clear_sky", "peak_power_w": 600})
    series = solar_series(config, Window.of(START, 25 * HOUR_S), Place(37.87, -122.27))
    assert series.covers(START_S - 86400, START_S + 25 * HOUR_S)
    assert (np.diff(series.starts_s) == 300).all()
    means_w = series.step_means(START_S, HOUR_S, 24)
    assert means_w.argmax() == 20  # noon is at 20:08 UTC
    assert means_w[6:12].max() == 0
    assert means_w.sum() == pytest.approx(3470, rel=0.02)


@pytest.mark.parametrize("kind", ["clear_sky", "pvlib"])
def test_a_sky_needs_a_place(kind: str) -> None:
    config = SOLAR.validate_python({"type": kind, "peak_power_w": 600})
    with pytest.raises(SignalError, match=rf"type {kind} .* sites\.N\.location"):
        solar_series(config, Window.of(START, HOUR_S))


def test_run_without_time_zone_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Window.of(START.replace(tzinfo=None), 60)


def test_every_carbon_intensity_has_a_kind(path: Path) -> None:
    constant = {"type": "constant", "value_g_per_kwh": 1}
    csv = {"type": "csv", "path": str(path)}
    assert CARBON.validate_python(constant).kind == "average"
    assert CARBON.validate_python({**constant, "kind": "marginal"}).kind == "marginal"
    assert CARBON.validate_python(csv).kind == "average"
    assert CARBON.validate_python({**csv, "kind": "marginal"}).kind == "marginal"
    assert CARBON.validate_python({"type": "typical_day", "area": "PJM"}).kind == "average"


@pytest.mark.parametrize(
    ("adapter", "keys", "text"),
    [
        (CARBON, {"type": "constant", "value_g_per_kwh": -1}, "greater than or equal to 0"),
        (CARBON, {"type": "constant", "value_g_per_kwh": float("nan")}, "finite"),
        (CARBON, {"type": "typical_day", "area": "MOON"}, "'CISO'"),
        (CARBON, {"type": "typical_day", "area": "PJM", "kind": "marginal"}, "Extra inputs"),
        (CARBON, {"type": "guess"}, "expected tags"),
        (CARBON, {"type": "csv", "path": "no/such/file.csv"}, "no such file"),
        (SOLAR, {"type": "csv", "path": __file__, "unit": "fraction"}, "peak_power_w is needed"),
        (SOLAR, {"type": "csv", "path": __file__, "peak_power_w": 1}, "goes with unit: fraction"),
        (SOLAR, {"type": "clear_sky", "peak_power_w": -1}, "greater than or equal to 0"),
        (SOLAR, {"type": "clear_sky", "peak_power_w": 1, "tilt_deg": 91}, "equal to 90"),
        (LOAD, {"type": "csv", "path": __file__, "unit": "MW"}, "'W' or 'kW'"),
        (
            LOAD,
            {"type": "csv", "path": __file__, "timezone": "US/Pacfic"},
            r"IANA time zone \(got 'US/Pacfic'; did you mean 'US/Pacific'\?\)",
        ),
    ],
)
def test_what_a_scenario_cannot_say(adapter, keys, text) -> None:
    with pytest.raises(ValidationError, match=text):
        adapter.validate_python(keys)


@pytest.mark.parametrize("adapter", [CARBON, SOLAR, LOAD, PRICE])
def test_every_key_is_described(adapter: TypeAdapter[Any]) -> None:
    for model in adapter.json_schema()["$defs"].values():
        assert model["description"]
        for key in model["properties"].values():
            assert key["description"]
