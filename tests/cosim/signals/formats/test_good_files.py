"""Each format gives the expected series in UTC, to the last digit."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cosim.errors import SignalError
from cosim.signals import gaps
from cosim.signals.formats import FORMATS, ReadOptions, Source, read_signal
from cosim.signals.gaps import Fill
from cosim.signals.mix import emission_factors, mix_intensity
from tests.cosim.builders import data_file, write
from tests.cosim.signals.formats.examples import EXAMPLES, FORECASTS, NESO, Example


@pytest.mark.parametrize("name", EXAMPLES)
def test_series(tmp_path: Path, name: str) -> None:
    """Recognised, named, with a byte order mark, and with Windows line ends."""
    example = EXAMPLES[name]
    text = example.text
    for content in (text, f"\ufeff{text}", text.replace("\n", "\r\n"), text.rstrip("\n")):
        path = tmp_path / "signal"
        path.write_bytes(content.encode())
        found, series = read_signal(path, example.options)
        assert found.name == example.format
        check(example, series)
    _, series = read_signal(path, example.options, example.format)
    check(example, series)


def check(example: Example, series) -> None:
    lengths_s = example.lengths_s or (example.step_s,) * len(example.values)
    edges_s = example.first_s + np.append(0, np.cumsum(lengths_s))
    assert series.starts_s.tolist() == edges_s[:-1].tolist()
    assert series.end_s == edges_s[-1]
    assert series.values.tolist() == example.values
    assert series.kind == example.kind
    assert series.notes == example.notes


def test_every_format_has_an_example() -> None:
    assert {example.format for example in EXAMPLES.values()} == set(FORMATS)


@pytest.mark.parametrize("name", EXAMPLES)
def test_only_one_format_matches(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "signal", EXAMPLES[name].text)
    matching = [one.name for one in FORMATS.values() if one.matches(Source(path))]
    assert matching == [EXAMPLES[name].format]


@pytest.mark.parametrize("area", ["BPAT", "CISO", "ERCO", "NYIS", "PJM"])
def test_the_mix_of_2022_gives_its_intensity(area: str) -> None:
    """Hours without data are the only gaps."""
    path = data_file(f"carbon/eia930_2022_{area}.csv")
    expected = pd.read_csv(path)["avg_CI"]
    _, series = read_signal(path, ReadOptions(fill=Fill("hold", 86400)))
    known = expected.notna().to_numpy()
    assert len(series) == len(expected) == 8760
    np.testing.assert_allclose(series.values[known], expected[known], rtol=1e-14)
    assert series.starts_s[0] == pd.Timestamp("2021-12-31T23:00Z").timestamp()
    missing = int((~known).sum())
    assert [f"{missing} of 8,760 values missing" in note for note in series.notes] == (
        [True] if missing else []
    )
    if missing:
        with pytest.raises(SignalError, match=r"csv:\d+: the value of 'WND' is missing"):
            read_signal(path)


def test_forecasts_in_any_order(tmp_path: Path) -> None:
    head, *rows = FORECASTS.splitlines()
    path = write(tmp_path / "f.csv", "\n".join([head, *reversed(rows)]))
    assert read_signal(path)[1].values.tolist() == [100, 111, 122, 133]


def test_a_null_is_a_gap(tmp_path: Path) -> None:
    path = write(tmp_path / "neso.json", NESO)
    with pytest.raises(SignalError, match=r"neso\.json: data\[2\]: intensity\.actual is missing"):
        read_signal(path)


class TestFill:
    TIMES = ("00", "01", "02", "05", "06")
    VALUES = ("1", "", "3", "6", "null")

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        rows = "".join(
            f"2024-01-01T{hour}:00Z,{value}\n"
            for hour, value in zip(self.TIMES, self.VALUES, strict=True)
        )
        return write(tmp_path / "w.csv", "point_time,value\n" + rows)

    @pytest.mark.parametrize(
        ("method", "values"), [("hold", [1, 1, 3, 3, 3, 6]), ("linear", [1, 2, 3, 4, 5, 6])]
    )
    def test_filled(self, path: Path, method, values) -> None:
        _, series = read_signal(path, ReadOptions(fill=Fill(method, 7200)))
        np.testing.assert_allclose(series.values / 0.45359237, values, rtol=1e-14)
        assert series.notes == (
            "rows without a value at the ends left out: 1",
            "3 of 6 values missing, in 2 gaps (the first from 2024-01-01T01:00:00Z, up to 2:00:00 "
            f"long): filled ({method})",
        )

    def test_a_limit(self, path: Path) -> None:
        with pytest.raises(
            SignalError, match=r"w\.csv:5: there is a gap of more than 1:00:00, fill\.limit"
        ):
            read_signal(path, ReadOptions(fill=Fill("hold", 3600)))

    def test_a_limit_on_missing_values(self, tmp_path: Path) -> None:
        rows = ["", "1", "", "", "", "2"]
        text = "".join(f"2024-01-01T{hour:02}:00Z,{row}\n" for hour, row in enumerate(rows))
        path = write(tmp_path / "w.csv", "point_time,value\n" + text)
        with pytest.raises(
            SignalError,
            match=r"w\.csv:4: values are missing for 3:00:00 from 2024-01-01T02:00:00Z, more "
            r"than the 2:00:00 of fill\.limit",
        ):
            read_signal(path, ReadOptions(fill=Fill("hold", 7200)))
        _, series = read_signal(path, ReadOptions(fill=Fill("linear", 10800)))
        np.testing.assert_allclose(series.values / 0.45359237, [1, 1.25, 1.5, 1.75, 2])
        assert series.starts_s[0] % 86400 == 3600

    def test_too_many_to_fill(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(gaps, "_MOST_INTERVALS", 5)
        with pytest.raises(SignalError, match="gaps of 2 intervals, too many to fill"):
            read_signal(path, ReadOptions(fill=Fill("hold", 7200)))

    def test_nothing_to_fill_from(self, tmp_path: Path) -> None:
        text = "point_time,value\n2024-01-01T00:00Z,\n2024-01-01T01:00Z,\n"
        with pytest.raises(SignalError, match=r"w\.csv:2: no row has a value"):
            read_signal(write(tmp_path / "w.csv", text), ReadOptions(fill=Fill("hold", 7200)))


class TestMix:
    def test_factors_have_sources(self) -> None:
        factors = emission_factors()
        assert {name: one.g_per_kwh for name, one in factors.items()} == {
            "biomass": 230,
            "coal": 820,
            "gas": 490,
            "geothermal": 38,
            "hydro": 24,
            "marine": 17,
            "nuclear": 12,
            "oil": 650,
            "other": 230,
            "solar": 41,
            "wind": 11,
        }
        assert all(len(one.source) > 20 for one in factors.values())
        assert all(dataclasses.asdict(one) for one in factors.values())

    def test_bounds_and_nothing(self) -> None:
        """Between the factors; storage does not count, negative generation neither."""
        mix = {
            "gas": np.array([1.0, 0, -3, np.nan]),
            "wind": np.array([3.0, 0, 5, 1]),
            "storage": np.array([9.0, 9, 9, 9]),
        }
        found = mix_intensity(mix, {"wind": 10.0})
        assert found[:1].tolist() == [(490 + 30) / 4]
        assert found[2] == 10
        assert np.isnan(found).tolist() == [False, True, False, True]
