"""What a scenario can say of a file of a known source, and what a run then reports."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from controllers.forecast import Recorded
from cosim.errors import SignalError
from cosim.scenario.control import RecordedForecast
from cosim.scenario.signals import CarbonIntensity, Temperature
from cosim.signals import Window, carbon_series, temperature_series
from cosim.world.forecasts import forecaster
from tests.conftest import Cli
from tests.cosim.builders import edited, run_scenario, run_text, write
from tests.cosim.signals.formats.examples import (
    BALANCE,
    FORECASTS,
    MAPS_2025,
    NESO,
    POUND,
    SOLCAST,
    WATTTIME_CSV,
    WATTTIME_HISTORY,
    mix,
    neso,
    neso_entry,
)

CARBON: TypeAdapter[Any] = TypeAdapter(CarbonIntensity)
TEMPERATURE: TypeAdapter[Any] = TypeAdapter(Temperature)
HOUR_S = 3600.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {
        "maps.csv": MAPS_2025,
        "watttime.csv": WATTTIME_CSV,
        "neso.json": NESO,
        "eia.csv": BALANCE,
        "solcast.csv": SOLCAST,
        "forecasts.csv": FORECASTS,
    }.items():
        write(tmp_path / name, text)
    return tmp_path


def carbon(path: Path, start: datetime, duration_s: float, **keys: Any) -> Any:
    config = CARBON.validate_python({"type": "file", "path": str(path), **keys})
    return carbon_series(config, Window.of(start, duration_s))


MARCH = datetime(2024, 3, 31, tzinfo=UTC)


@pytest.mark.parametrize("name", [None, "electricity_maps"])
def test_recognised_or_named(folder: Path, name: str | None) -> None:
    path = folder / "maps.csv"
    series = carbon(path, MARCH, 3 * HOUR_S, format=name)
    assert series.step_means(MARCH.timestamp(), HOUR_S, 3).tolist() == [343.71, 340.08, 337.6]
    assert series.kind == "average"
    series = carbon(path, MARCH, 3 * HOUR_S, format=name, column="direct", area="DE")
    assert series.values[0] == 301.22


def test_keys_of_one_format(folder: Path) -> None:
    start = datetime(2022, 3, 13, 8, tzinfo=UTC)
    series = carbon(folder / "eia.csv", start, 7200, area="CISO", factors={"gas": 400})
    full = mix(gas=10_000, nuclear=2000, hydro=1000, wind=3000, other=500)
    assert series.values[0] == pytest.approx(full - 90 * 10 / 16.5, rel=1e-12)


def test_kinds_are_not_mixed(folder: Path) -> None:
    start = datetime(2023, 11, 5, 8, tzinfo=UTC)
    path = folder / "watttime.csv"
    assert carbon(path, start, 900).kind == "marginal"
    assert carbon(path, start, 900, kind="marginal").values[0] == 870 * POUND
    with pytest.raises(SignalError, match=r"watttime\.csv: kind: .* marginal \(got average\)"):
        carbon(path, start, 900, kind="average")


def test_recorded_forecasts_have_a_unit_and_a_kind_of_the_scenario(folder: Path) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    path = folder / "forecasts.csv"
    assert carbon(path, start, HOUR_S).kind == "average"
    series = carbon(path, start, HOUR_S, unit="lb/MWh", kind="marginal")
    assert (series.values[0], series.kind) == (100 * POUND, "marginal")
    later = datetime(2024, 1, 1, 1, tzinfo=UTC)
    assert carbon(path, later, HOUR_S, lead="1h").values[0] == 110
    write(path, FORECASTS.replace(",111", ",-111"))
    with pytest.raises(SignalError, match="not negative"):
        carbon(path, start, HOUR_S)


def test_shift_and_repeat_year(folder: Path) -> None:
    path = folder / "maps.csv"
    assert carbon(path, datetime(2024, 4, 1, tzinfo=UTC), HOUR_S, shift="1d").values[0] == 343.71
    assert carbon(path, datetime(2024, 3, 30, 22, tzinfo=UTC), HOUR_S, shift="-2h").values[0] > 343
    series = carbon(path, datetime(2031, 3, 31, 1, tzinfo=UTC), HOUR_S, repeat_year=True)
    assert series.values.tolist() == [343.71, 340.08]
    with pytest.raises(SignalError, match="no year of the file has a value for 04-01T00:00:00Z"):
        carbon(path, datetime(2031, 4, 1, tzinfo=UTC), HOUR_S, repeat_year=True)


@pytest.mark.parametrize(
    ("method", "values"),
    [
        ("hold", [343.71, 343.71, 340.08, 340.08, 337.6, 337.6]),
        ("linear", [343.71, 341.895, 340.08, 338.84, 337.6, 337.6]),
    ],
)
def test_resampled(folder: Path, method: str, values: list[float]) -> None:
    resample = {"method": method, "to": "30min"}
    series = carbon(folder / "maps.csv", MARCH, 3 * HOUR_S, resample=resample)
    assert series.values == pytest.approx(values, rel=1e-12)
    assert series.kind == "average"


@pytest.mark.parametrize("fill", ["hold", {"method": "hold", "limit": "30min"}])
def test_filled(folder: Path, fill: Any) -> None:
    path = folder / "neso.json"
    entries = [
        neso_entry("2024-03-31T00:30Z", "2024-03-31T01:00Z", 263),
        neso_entry("2024-03-31T01:00Z", "2024-03-31T01:30Z", None),
        neso_entry("2024-03-31T01:30Z", "2024-03-31T02:00Z", 249),
    ]
    write(path, neso(*entries))
    series = carbon(path, datetime(2024, 3, 31, 0, 30, tzinfo=UTC), 5400, fill=fill)
    assert series.values.tolist() == [263, 263, 249]
    assert "1 of 3 values missing" in series.notes[0]


def test_temperature(folder: Path) -> None:
    start = datetime(2022, 6, 8, 19, tzinfo=UTC)
    for name in (None, "solcast"):
        keys = {"type": "file", "format": name, "path": str(folder / "solcast.csv")}
        config = TEMPERATURE.validate_python(keys)
        assert temperature_series(config, Window.of(start, 900)).values.tolist() == [
            19.1,
            19.2,
            -0.5,
        ]


def test_another_quantity(folder: Path) -> None:
    with pytest.raises(SignalError, match=r"expected a file of carbon intensity .* 'solcast'"):
        carbon(folder / "solcast.csv", MARCH, 60)
    config = TEMPERATURE.validate_python({"type": "file", "path": str(folder / "maps.csv")})
    with pytest.raises(SignalError, match=r"expected a file of weather .* 'electricity_maps'"):
        temperature_series(config, Window.of(MARCH, 60))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"unit": "g/kWh"}, "unit: does not go with format 'electricity_maps'"),
        ({"factors": {"gas": 1}}, "factors: does not go with format 'electricity_maps'"),
        ({"factors": {"gsa": 1}}, "factors: no such fuel .*did you mean 'gas'"),
        ({"format": "neso"}, "expected JSON"),
        ({"format": "electricity_map"}, "did you mean 'electricity_maps'"),
        ({"leave_out": ["gas"]}, "leave_out: does not go with format 'electricity_maps'"),
        ({"blank_fuels": "zero"}, "blank_fuels: does not go with format"),
        ({"shift": "100d"}, r"covers 2024-07-09T00:00:00Z to .* is needed"),
    ],
)
def test_what_does_not_go_with_a_file(folder: Path, keys: Any, message: str) -> None:
    with pytest.raises(SignalError, match=message):
        carbon(folder / "maps.csv", MARCH, HOUR_S, **keys)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"shift": "1d", "align": "start"}, "go with `align: clock`"),
        ({"repeat_year": True, "align": "start"}, "go with `align: clock`"),
        ({"shift": "soon"}, "expected a duration"),
        ({"shift": True}, "expected a duration"),
        ({"fill": {"method": "hold", "limit": "0s"}}, "greater than 0"),
        ({"fill": "guess"}, "hold"),
        ({"factors": {"gas": -1}}, "greater than or equal to 0"),
        ({"resample": {"method": "spline"}}, "mean_preserving"),
        ({"timezone": "Mars/Olympus"}, "expected an IANA time zone"),
        ({"type": "electricity_map"}, "file"),
        ({"blank_fuels": "one"}, "zero"),
    ],
)
def test_what_a_scenario_cannot_say(folder: Path, keys: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CARBON.validate_python({"type": "file", "path": str(folder / "maps.csv"), **keys})


WEEK = "point_time,value\n" + "".join(
    f"2022-06-{day:02}T{hour:02}:00:00Z,{700 + hour}\n"
    for day in range(7, 10)
    for hour in range(24)
    if (day, hour) not in ((8, 1), (8, 2))
)
"""Three days without two hours."""


def with_file(keys: str = "") -> str:
    return edited(("{type: typical_day, area: CISO}", f"{{type: file, path: week.csv{keys}}}"))


def test_a_run_reports_what_was_filled(cosim: Cli, tmp_path: Path) -> None:
    write(tmp_path / "week.csv", WEEK)
    write(tmp_path / "s.yaml", with_file(", fill: linear"))
    answer = cosim("run", "s.yaml", "-o", "out")
    assert answer.code == 0, answer.err
    shown = " ".join(answer.out.split())
    assert (
        f"Warning dc: carbon_intensity from {tmp_path / 'week.csv'}: 2 of 72 values missing, in "
        "one gap (from 2022-06-08T01:00:00Z, 2:00:00 long): filled (linear)"
    ) in shown
    assert "(marginal intensity)" in shown

    write(tmp_path / "s.yaml", with_file())
    answer = cosim("validate", "s.yaml")
    assert answer.code == 2
    assert "week.csv:27: there is a gap: expected 1:00:00 between rows" in answer.err
    assert "s.yaml:17:25 sites.0.microgrid.carbon_intensity" in answer.err


def test_a_run_takes_the_kind_of_the_file(tmp_path: Path) -> None:
    write(tmp_path / "week.csv", WEEK)
    ran = run_text(tmp_path, with_file(", fill: hold"))
    assert ran.summary["carbon_g"]["kind"] == "marginal"
    assert (ran.column("carbon_intensity_g_per_kwh") == 700 * POUND).all()
    manifest = json.loads((ran.folder / "manifest.json").read_text(encoding="utf-8"))
    assert "filled (hold)" in manifest["signal_notes"]["dc"][0]
    place = "sites.0.microgrid.carbon_intensity.path"
    assert manifest["inputs"][place]["path"] == str(tmp_path / "week.csv")
    again = run_scenario(ran.folder / "scenario.resolved.yaml", tmp_path / "again")
    assert again.without_wall() == ran.without_wall()


def test_a_file_that_several_sites_share_is_told_of_once(cosim: Cli, tmp_path: Path) -> None:
    write(tmp_path / "bad.csv", "point_time,value\n2022-06-08T00:00Z,1\n2022-06-08T01:00Z,x\n")
    site = (
        "  - name: {name}\n    load: {{type: constant, power_w: 1}}\n    microgrid:\n"
        "      carbon_intensity: {{type: file, path: bad.csv}}\n"
    )
    head = "name: six\ntime: {start: 2022-06-08T00:00:00Z, duration: 1h, step: 60s}\nsites:\n"
    write(tmp_path / "six.yaml", head + "".join(site.format(name=name) for name in "abcdef"))
    answer = cosim("validate", "six.yaml")
    assert answer.code == 2
    [error] = [line for line in answer.err.splitlines() if line.startswith("error:")]
    assert "six.yaml:7:25 sites.0.microgrid.carbon_intensity" in error
    assert error.endswith("bad.csv:3: expected a number (got 'x') (and so in 5 more places)")


def test_a_fuel_in_a_run(tmp_path: Path) -> None:
    """What is left out, and what a blank is; the run says what was taken for 0."""
    rows = [("01", "100,50"), ("02", "100,"), ("03", "100,50"), ("04", "100,50")]
    text = "timestamp,NG,WND\n" + "".join(f"2025-01-01T{h}:00Z,{row}\n" for h, row in rows)
    path = write(tmp_path / "mix.csv", text)
    start = datetime(2025, 1, 1, tzinfo=UTC)
    both, gas = (100 * 490 + 50 * 11) / 150, 490
    with pytest.raises(SignalError, match=r"'WND' is missing; 'fill' says .* `blank_fuels: zero`"):
        carbon(path, start, HOUR_S)
    series = carbon(path, start, 4 * HOUR_S, blank_fuels="zero")
    assert series.values.tolist() == [both, gas, both, both]
    assert series.notes == ("blank and taken for 0: 'WND' in 1 of 4 rows",)
    series = carbon(path, start, 4 * HOUR_S, leave_out=["wind"])
    assert (series.values.tolist(), series.notes) == ([gas] * 4, ())
    series = carbon(path, start, 4 * HOUR_S, leave_out=["WND"])
    assert series.values.tolist() == [gas] * 4
    series = carbon(path, start, 4 * HOUR_S, fill="hold")
    assert series.values.tolist() == [both] * 4
    assert series.notes[0] == (
        "blank, so that the intensity of the row is filled: 'WND' in 1 of 4 rows"
    )
    write(path, text.replace("04:00Z,100,50", "04:00Z,100,"))
    assert carbon(path, start, 4 * HOUR_S).values.tolist() == [both, gas, both, gas]
    with pytest.raises(SignalError, match="'WND' is missing"):
        carbon(path, start, HOUR_S, blank_fuels="gap")


def test_one_error_for_a_row_without_any_number(tmp_path: Path) -> None:
    text = "timestamp,NG,COL,WND\n2025-01-01T01:00Z,x,y,z\n2025-01-01T02:00Z,1,1,1\n"
    with pytest.raises(SignalError) as caught:
        carbon(write(tmp_path / "mix.csv", text), datetime(2025, 1, 1, tzinfo=UTC), HOUR_S)
    [problem] = caught.value.problems
    assert problem.message == "expected a number (got 'x') in 'NG' and in 2 more fuels"


def test_one_error_for_two_columns_with_the_same_stamp(tmp_path: Path) -> None:
    path = write(tmp_path / "f.csv", FORECASTS.replace("2024-01-01T00:00:00Z", "soon"))
    with pytest.raises(SignalError) as caught:
        carbon(path, datetime(2024, 1, 1, tzinfo=UTC), HOUR_S)
    assert len(caught.value.problems) <= 2
    assert len({str(problem) for problem in caught.value.problems}) == len(caught.value.problems)


def test_recorded_forecasts_of_watttime(tmp_path: Path) -> None:
    path = write(tmp_path / "history.json", WATTTIME_HISTORY)
    start = datetime(2025, 4, 1, tzinfo=UTC)
    config = RecordedForecast.model_validate({"type": "recorded", "path": str(path)})
    values = np.full(4, 1.0)
    found = forecaster(config, np.empty(0), values, start=start, step_s=300.0, seed=(0,))
    assert isinstance(found, Recorded)
    assert carbon(path, start, 1200).values[0] == 600 * POUND
