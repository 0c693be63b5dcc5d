"""The checks for formats: all that are shipped pass, and each thing that is wrong is found."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cosim.errors import SignalError
from cosim.signals import Series
from cosim.signals.conformance import check_format
from cosim.signals.formats import (
    FORMATS,
    ReadOptions,
    SignalFormat,
    Source,
    find_format,
    read_signal,
)
from tests.conftest import Cli
from tests.cosim.builders import edited, write
from tests.cosim.signals.formats.examples import EXAMPLES, MAPS_2025, WATTTIME_CSV

FIRST = datetime(2024, 3, 31, tzinfo=UTC)
VALUES = [343.71, 340.08, 337.6]
MAPS = FORMATS["electricity_maps"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_shipped_formats_conform(name: str) -> None:
    example = EXAMPLES[name]
    first = datetime.fromtimestamp(example.first_s, UTC)
    problems = check_format(
        FORMATS[example.format],
        example.text,
        first=first,
        values=example.values,
        options=example.options,
    )
    assert problems == []


def raising(error: Exception) -> Any:
    def read(source: Source, options: ReadOptions) -> Series:
        raise error

    return read


def stumbling(source: Source, options: ReadOptions) -> Series:
    """Reads whole files, and raises what it should not on others."""
    try:
        return MAPS.read(source, options)
    except SignalError as error:
        raise KeyError("row") from error


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": "My Grid"}, "its name must be a word in small letters (got 'My Grid')"),
        ({"unit": "lb/MWh"}, "a carbon intensity must be in g/kWh (got 'lb/MWh')"),
        ({"matches": lambda source: False}, "does not recognise its example"),
        ({"matches": lambda source: True}, "takes another file for one of its own"),
        ({"matches": lambda source: source.names[9]}, "matches() raises IndexError"),
        ({"kind": None}, "it is not stated whether the intensity is average or marginal"),
        ({"read": raising(SignalError("no"))}, "its example raises SignalError: no"),
        ({"read": stumbling}, "a damaged file raises KeyError, not a SignalError: 'row'"),
        ({"name": "my_grid"}, "format 'electricity_maps' takes its example for one of its own"),
    ],
)
def test_what_is_wrong_is_found(changes: dict[str, Any], problem: str) -> None:
    found = check_format(replace(MAPS, **changes), MAPS_2025, first=FIRST, values=VALUES)
    assert any(problem in one for one in found), found


def test_wrong_values_are_found() -> None:
    [start, *_] = check_format(
        MAPS, MAPS_2025, first=datetime(2024, 4, 1, tzinfo=UTC), values=VALUES
    )
    assert "must start at 2024-04-01T00:00:00Z (got 2024-03-31T00:00:00Z)" in start
    [values, *_] = check_format(MAPS, MAPS_2025, first=FIRST, values=VALUES[:2])
    assert "the values must be [343.71, 340.08] (got [343.71, 340.08, 337.6])" in values


PLUG_IN = """
from dataclasses import replace

from cosim.signals.formats import FORMATS

WATTTIME = FORMATS["watttime"]
FORMAT = replace(
    WATTTIME,
    name="my_grid",
    about="my grid",
    kind="marginal",
    matches=lambda source: source.names == ("when", "pounds"),
    read=lambda source, options: __import__("my_grid_reader").read(source, options),
)
NO_FORMAT = 3
"""
READER = """
from cosim.signals.intervals import parse_numbers, regular_series
from cosim.signals.stamps import parse_iso

def read(source, options):
    table = source.table()
    faults = table.faults()
    values = parse_numbers(table.texts(1), faults)
    times_us = parse_iso(table.texts(0), "UTC", faults)
    return regular_series(times_us, values, faults, fill=options.fill)
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that offers formats."""
    site = tmp_path / "site"
    info = site / "my_grid-1.dist-info"
    info.mkdir(parents=True)
    write(info / "METADATA", "Metadata-Version: 2.1\nName: my-grid\nVersion: 1\n")
    write(
        info / "entry_points.txt",
        "[cosim.signals]\nmy_grid = my_grid_format:FORMAT\nbroken = my_grid_format:NO_FORMAT\n"
        "gone = my_grid_gone:FORMAT\n",
    )
    write(site / "my_grid_format.py", PLUG_IN)
    write(site / "my_grid_reader.py", READER)
    monkeypatch.syspath_prepend(site)
    return site


def offered(site: Path, *names: str) -> None:
    """Leave only some of the entry points."""
    path = site / "my_grid-1.dist-info" / "entry_points.txt"
    head, *lines = path.read_text().splitlines()
    write(path, "\n".join([head, *(line for line in lines if line.split()[0] in names)]))


def test_a_package_offers_a_format(installed: Path, tmp_path: Path, cosim: Cli) -> None:
    offered(installed, "my_grid")
    text = "when,pounds\n" + "".join(f"2022-06-08T{hour:02}:00Z,400\n" for hour in range(24))
    path = write(tmp_path / "mine.csv", text)
    assert find_format("my_grid").about == "my grid"
    found, series = read_signal(path)  # recognised
    assert (found.name, len(series)) == ("my_grid", 24)
    assert isinstance(found, SignalFormat)
    file = "{type: file, format: my_grid, path: mine.csv}"
    write("s.yaml", edited(("{type: typical_day, area: CISO}", file)))
    answer = cosim("validate", "s.yaml")
    assert (answer.code, answer.out.splitlines()[0]) == (0, "s.yaml: ok"), answer.err
    assert "From    my_grid: my grid" in cosim("signals", "show", "mine.csv").out


def test_what_a_package_offers_may_be_wrong(installed: Path, tmp_path: Path) -> None:
    with pytest.raises(
        SignalError, match=r"signal format 'broken' must be a SignalFormat \(got 3\)"
    ):
        find_format("broken")
    with pytest.raises(
        SignalError, match=r"importing signal format 'my_grid_gone:FORMAT' of my-grid raised"
    ):
        find_format("gone")
    with pytest.raises(SignalError, match=r"my_gird.*did you mean 'my_grid'"):
        find_format("my_gird")
    path = write(tmp_path / "w.csv", WATTTIME_CSV)
    assert read_signal(path)[0].name == "watttime"  # shipped formats come first
