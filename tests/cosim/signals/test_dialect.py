"""Tables as people bring them: comments, other separators and numbers, seconds instead of dates."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from cosim.errors import SignalError
from cosim.scenario.signals import CarbonIntensity, Price, Solar
from cosim.signals import Window, carbon_series, price_series, solar_series
from cosim.signals.csv_file import read_csv
from cosim.signals.dialect import Dialect
from cosim.signals.formats import Source, recognise
from tests.conftest import Cli
from tests.cosim.builders import write
from tests.cosim.signals.formats.examples import PRICES_NEW

HOURS = [f"2025-03-01T{hour:02}:00Z" for hour in range(4)]

NINJA = """\
# Renewables.ninja PV (a made-up place)
# "units": kW
time,local_time,electricity
2025-03-01 00:00,2025-03-01 01:00,0.0
2025-03-01 01:00,2025-03-01 02:00,0.25
# half way
2025-03-01 02:00,2025-03-01 03:00,0.5
"""
PVGIS = """\
Latitude (decimal degrees):\t45.000
Longitude (decimal degrees):\t8.000
Nominal power of the PV system (c-Si) (kWp):\t1.0

time,P,G(i),H_sun,T2m,WS10m,Int
20230301:0010,0.0,0.0,0.0,1.1,1.3,0.0
20230301:0110,125.5,200.0,9.0,1.2,1.3,0.0
20230301:0210,250.0,400.0,19.0,1.2,1.3,0.0

P: PV system power (W)
G(i): Global irradiance on the inclined plane (W/m2)

PVGIS (c) European Union, 2001-2024
"""


def series(folder: Path, text: str, **keys: Any) -> Any:
    return read_csv(write(folder / "t.csv", text), timezone="UTC", **keys)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_comments(tmp_path: Path, mark: str) -> None:
    found = series(tmp_path, mark + NINJA, column="electricity", dialect=Dialect(comment="#"))
    assert found.values.tolist() == [0, 0.25, 0.5]
    assert found.starts_s[0] == datetime(2025, 3, 1, tzinfo=UTC).timestamp()


def test_lines_left_out_at_the_top_and_below_the_data(tmp_path: Path) -> None:
    found = series(tmp_path, PVGIS, column="P", dialect=Dialect(skip_rows=4))
    assert found.values.tolist() == [0, 125.5, 250]
    assert found.starts_s[0] == datetime(2023, 3, 1, 0, 10, tzinfo=UTC).timestamp()


def test_errors_have_the_lines_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(SignalError, match=r"t\.csv:7: expected a number \(got 'x'\)"):
        series(
            tmp_path,
            PVGIS.replace("125.5", "x"),
            column="P",
            dialect=Dialect(skip_rows=4),
        )
    text = NINJA.replace("0.5\n", "x\n")
    with pytest.raises(SignalError, match=r"t\.csv:7: expected a number \(got 'x'\)"):
        series(tmp_path, text, column="electricity", dialect=Dialect(comment="#"))


@pytest.mark.parametrize(
    ("keys", "rows"),
    [
        ({"separator": ";", "decimal": ","}, ["{};1000,5", "{};-2,25", "{};3"]),
        ({"separator": "\t", "thousands": ","}, ['{}\t"1,000.5"', "{}\t-2.25", "{}\t3"]),
        ({"thousands": ","}, ['{},"1,000.5"', "{},-2.25", "{},3"]),
        ({"separator": ";", "decimal": ",", "thousands": "."}, ["{};1.000,5", "{};-2,25", "{};3"]),
        ({"separator": "|", "thousands": "'"}, ["{}|1'000.5", "{}|-2.25", "{}|3"]),
        ({"thousands": "\u00a0"}, ["{},1\u00a0000.5", "{},-2.25", "{},3"]),
    ],
)
def test_numbers_in_other_countries(tmp_path: Path, keys: dict[str, str], rows: list[str]) -> None:
    between = keys.get("separator", ",")
    lines = [row.format(stamp) for row, stamp in zip(rows, HOURS, strict=False)]
    text = "\n".join([f"time{between}price", *lines]) + "\n"
    found = series(tmp_path, text, signed=True, dialect=Dialect(**keys))
    assert found.values.tolist() == [1000.5, -2.25, 3]


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"thousands": ","}, "1,00"),
        ({"thousands": ","}, "1,0000"),
        ({"decimal": ","}, "1.5"),
        ({"decimal": ",", "thousands": "."}, "1.5"),
        ({"decimal": ","}, "1,5,2"),
    ],
)
def test_numbers_that_are_none(tmp_path: Path, keys: dict[str, str], text: str) -> None:
    rows = f'time,v\n{HOURS[0]},"{text}"\n{HOURS[1]},1\n'
    with pytest.raises(SignalError) as caught:
        series(tmp_path, rows, dialect=Dialect(**keys))
    [problem] = caught.value.problems
    assert problem.message == (
        "expected a number; 'decimal' and 'thousands' say how the numbers of the file are written "
        f"(got '{text}')"
    )


def test_a_file_of_bad_numbers_has_one_error(tmp_path: Path) -> None:
    rows = "".join(f"{stamp},x\n" for stamp in HOURS)
    with pytest.raises(SignalError) as caught:
        series(tmp_path, f"time,v\n{rows}")
    assert [one.message for one in caught.value.problems] == [
        "expected a number (got 'x'; the first of 4 such rows)"
    ]


class TestSeconds:
    """Vessim's own sets count seconds from the start of the run."""

    TEXT = "offset,Berlin,Lagos\n0,0.5,0.1\n300,0.25,0.2\n600,0.125,0.3\n"
    START = datetime(2025, 3, 1, tzinfo=UTC)

    def config(self, folder: Path, **keys: Any) -> Any:
        path = write(folder / "v.csv", self.TEXT)
        return TypeAdapter(Solar).validate_python(
            {
                "type": "csv",
                "path": str(path),
                "column": "Berlin",
                "unit": "fraction",
                "peak_power_w": 1000,
                **keys,
            }
        )

    def test_read_from_the_start_of_the_run(self, tmp_path: Path) -> None:
        found = solar_series(self.config(tmp_path, align="start"), Window.of(self.START, 900))
        assert found.values.tolist() == [500, 250, 125]
        assert found.starts_s[0] == self.START.timestamp()
        assert found.notes == ()

    def test_they_have_no_place_in_time(self, tmp_path: Path) -> None:
        with pytest.raises(SignalError, match=r"v\.csv: its stamps are seconds .* `align: start`"):
            solar_series(self.config(tmp_path), Window.of(self.START, 900))

    def test_what_is_no_number_later(self, tmp_path: Path) -> None:
        path = write(tmp_path / "v.csv", self.TEXT.replace("600,", "ten,"))
        with pytest.raises(SignalError, match=r"v\.csv:4: expected seconds since the start"):
            read_csv(path, column="Berlin")


@pytest.mark.parametrize(
    ("stamps", "hours"),
    [
        (("2025-01-01T00", "2025-01-01T01"), 0),
        (("2025-01-01 00", "2025-01-01 01"), 0),
        (("2025-01-01T00-05", "2025-01-01T01-05"), 5),
        (("2025-01-01T00Z", "2025-01-01T01Z"), 0),
        (("20250101:0000", "20250101:0100"), 0),
    ],
)
def test_stamps_of_hours(tmp_path: Path, stamps: tuple[str, str], hours: int) -> None:
    found = series(tmp_path, f"period,v\n{stamps[0]},1\n{stamps[1]},2\n")
    start_s = datetime(2025, 1, 1, hours, tzinfo=UTC).timestamp()
    assert found.starts_s.tolist() == [start_s, start_s + 3600]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"decimal": ",", "thousands": ","}, "must differ"),
        ({"decimal": ";"}, "Input should be"),
        ({"separator": "ab"}, "pattern"),
        ({"separator": "1"}, "pattern"),
        ({"comment": ""}, "at least 1"),
        ({"skip_rows": -1}, "greater than or equal to 0"),
        ({"thousands": "x"}, "pattern"),
    ],
)
def test_what_a_scenario_cannot_say(tmp_path: Path, keys: dict[str, Any], message: str) -> None:
    path = write(tmp_path / "c.csv", "a,b\n")
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(CarbonIntensity).validate_python({"type": "csv", "path": str(path), **keys})


def test_a_scenario_says_it(tmp_path: Path) -> None:
    text = "".join(f"{stamp}\t1.000,5\n" for stamp in HOURS)
    path = write(tmp_path / "c.csv", f"% mine\ntime\tci\n{text}")
    config = TypeAdapter(CarbonIntensity).validate_python(
        {
            "type": "csv",
            "path": str(path),
            "separator": "tab",
            "comment": "%",
            "decimal": ",",
            "thousands": ".",
        }
    )
    window = Window.of(datetime(2025, 3, 1, tzinfo=UTC), 3600)
    assert carbon_series(config, window).values[0] == 1000.5


def test_a_price_of_a_known_source(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", PRICES_NEW)
    adapter: TypeAdapter[Any] = TypeAdapter(Price)
    keys = {"type": "file", "path": str(path)}
    window = Window.of(datetime(2025, 10, 1, tzinfo=UTC), 1800)
    assert price_series(adapter.validate_python(keys), window).values.tolist() == [0.08, 0.084]
    config = adapter.validate_python({**keys, "column": "2", "currency": "GBP"})
    with pytest.raises(
        SignalError, match=r"currency: the prices are in \['EUR'\] \(expected GBP\)"
    ):
        price_series(config, window)


ADVICE = [
    (NINJA, "read it with type: csv, comment: \"#\", column: 'electricity', timezone: UTC (or an"),
    (PVGIS, "read it with type: csv, skip_rows: 4, column: 'P', timezone: UTC (or another)"),
    (f"t;a;b\n{HOURS[0]};1,5;x\n{HOURS[1]};2;y\n", "csv, separator: \";\", column: 'a', decimal"),
    (f"a,t,b\n1,{HOURS[0]},2\n1,{HOURS[1]},2\n", "type: csv, time_column: 't', column: 'a'"),
    (
        "day,a,b\n01/02/2025,1,2\n02/02/2025,1,2\n",
        "type: csv cannot read it either: no column has stamps",
    ),
    (
        f"t,a,b\n{HOURS[0]},x,y\n{HOURS[1]},x,y\n",
        "type: csv cannot read it either: no column beside",
    ),
    ("<!DOCTYPE html><title>Log in</title>", "type: csv cannot read it either: it is not a table"),
    (json.dumps({"a": 1}), "write it as CSV with a column of stamps"),
]


@pytest.mark.parametrize(("text", "advice"), ADVICE)
def test_advice_for_a_file_of_no_known_format(tmp_path: Path, text: str, advice: str) -> None:
    with pytest.raises(SignalError) as caught:
        recognise(Source(write(tmp_path / "f", text)))
    [problem] = caught.value.problems
    assert advice in problem.message, problem.message


def test_the_advice_works(tmp_path: Path, cosim: Cli) -> None:
    write("n.csv", NINJA)
    answer = cosim("signals", "show", "n.csv")
    assert answer.code == 2
    assert answer.err.count("error:") == 1
    keys = ("--comment", "#", "--column", "electricity", "--timezone", "UTC")
    assert "0.25" in cosim("signals", "show", "n.csv", *keys).out
    write("p.csv", PVGIS)
    keys = ("--skip-rows", "4", "--column", "P", "--timezone", "UTC")
    [found] = json.loads(cosim("signals", "show", "p.csv", *keys, "--json").out)["signals"]
    assert found["mean"] == pytest.approx((125.5 + 250) / 3)
    answer = cosim("signals", "show", "p.csv", "--decimal", "x")
    assert (answer.code, answer.err.splitlines()[0][:15]) == (2, "error: decimal:")


LONG = "x" * 5000 + "\n" + "y" * 5000


@pytest.mark.parametrize(
    "text",
    [
        f'time,v\n{HOURS[0]},"{LONG}"\n{HOURS[1]},1\n',
        f'time,v\n"{LONG}",1\n{HOURS[1]},1\n',
        f'time,"{LONG[:5000]}",b\n{HOURS[0]},1,2\n{HOURS[1]},1,2\n',
        "time," + ",".join(f"column {n}" for n in range(2000)) + "\n1\n2\n",
    ],
)
def test_long_values_are_cut_and_in_one_line(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "f.csv", text)
    for keys in ({}, {"column": "z" * 5000}, {"column": "v", "time_column": LONG}):
        with pytest.raises(SignalError) as caught:
            read_csv(path, **keys)
        for problem in caught.value.problems:
            assert len(problem.message) < 1500
            assert "\n" not in problem.message


def test_utf_16_is_named(tmp_path: Path) -> None:
    path = tmp_path / "u.csv"
    path.write_bytes(f"time,v\n{HOURS[0]},1\n".encode("utf-16"))
    with pytest.raises(SignalError, match=r"got UTF-16; save the file as UTF-8"):
        read_csv(path)


def test_calendar_months_of_any_csv(tmp_path: Path) -> None:
    for stamp, months in (("start", ("01", "02", "03")), ("end", ("02", "03", "04"))):
        rows = "".join(f"2023-{month}-01,{n}\n" for n, month in enumerate(months))
        found = series(tmp_path, f"month,v\n{rows}", stamp=stamp)
        assert found.starts_s[0] == datetime(2023, 1, 1, tzinfo=UTC).timestamp()
        assert np.diff([*found.starts_s, found.end_s]).tolist() == [
            days * 86400 for days in (31, 28, 31)
        ]
