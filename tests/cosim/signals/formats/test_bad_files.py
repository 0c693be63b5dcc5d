"""For each format, the bad files: a clear error with file and row, no hang, no wrong number."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.errors import Problem, SignalError
from cosim.signals import Series, text_file
from cosim.signals.formats import FORMATS, ReadOptions, read_signal
from cosim.signals.gaps import Fill
from tests.cosim.builders import write
from tests.cosim.signals.formats.examples import (
    BALANCE,
    ENTSOE_AUTUMN,
    ENTSOE_SPRING,
    ENTSOE_UTC,
    EXAMPLES,
    FORECASTS,
    MAPS_2025,
    NESO,
    PLAIN_MIX,
    SOLCAST,
    WATTTIME_CSV,
    entsoe,
    neso,
    neso_entry,
    watttime,
)

CSV = {
    "electricity_maps": MAPS_2025,
    "watttime": WATTTIME_CSV,
    "eia930": PLAIN_MIX,
    "entsoe": ENTSOE_UTC,
    "solcast": SOLCAST,
    "forecasts": FORECASTS,
}
JSON = {"watttime": watttime(), "neso": NESO.replace("null", "249")}
VALUES = {  # one value of the second row
    "electricity_maps": "340.08",
    "watttime": "871.5",
    "eia930": "12056",
    "entsoe": '"200"',
    "solcast": "903",
    "forecasts": "110",
}
ENDLESS = b"9" * 3_000_000


def refused(path: Path, options: ReadOptions | None = None, name: str | None = None) -> str:
    """The only problem of a file that must be refused, without the folder."""
    with pytest.raises(SignalError) as caught:
        read_signal(path, options, name)
    assert caught.value.problems
    for problem in caught.value.problems:
        assert problem.where.startswith(str(path))
        assert len(str(problem)) < 1200
    return str(caught.value.problems[0]).removeprefix(f"{path.parent}/")


def lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


@pytest.mark.parametrize("name", CSV)
class TestAnyCsv:
    """What may be wrong with each of the comma-separated formats."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "f.csv"

    def test_wrong_header(self, path: Path, name: str) -> None:
        write(path, "a,b,c\n1,2,3\n4,5,6\n")
        assert refused(path).startswith(
            "f.csv:1: no known format of signals (got the columns ['a', 'b', 'c'], known are elec"
        )
        assert refused(path, name=name).startswith("f.csv:1: there is no column ")

    def test_every_column_that_is_needed(self, path: Path, name: str) -> None:
        """Without it, either the format is not known, or the column is named."""
        needed = 0
        header = lines(CSV[name])[0].strip().split(",")
        for column in header:
            write(path, CSV[name].replace(column, "zzz", 1))
            with contextlib.suppress(SignalError):
                read_signal(path, name=name)
                continue
            needed += 1
            message = refused(path, name=name)
            assert message.startswith("f.csv:1: there is no column") or "no fuel has" in message
            assert refused(path).startswith(("f.csv:1: there is no column", "f.csv:1: no known"))
        assert needed >= (1 if name in ("eia930", "entsoe") else 2)

    @pytest.mark.parametrize("value", ["NaN", "", "n/a"])
    def test_a_missing_value(self, path: Path, name: str, value: str) -> None:
        write(path, CSV[name].replace(VALUES[name], value))
        assert "is missing; 'fill' says how" in (message := refused(path))
        assert message.startswith("f.csv:3: ")

    @pytest.mark.parametrize("value", ["x", "1_0", "12 MW", "1e999", "inf", "1.2.3", "٣"])
    def test_no_number(self, path: Path, name: str, value: str) -> None:
        write(path, CSV[name].replace(VALUES[name], value))
        assert "expected" in (message := refused(path))
        assert message.startswith("f.csv:3: ")

    def test_negative(self, path: Path, name: str) -> None:
        write(path, CSV[name].replace(VALUES[name], "-0.5"))
        if name in ("forecasts", "eia930", "entsoe"):  # of a forecast, or of a plant that idles
            read_signal(path)
            return
        assert refused(path).startswith("f.csv:3: expected a value that is not negative")

    def test_a_repeated_row(self, path: Path, name: str) -> None:
        head, first, *rest = lines(CSV[name])
        write(path, "".join([head, first, first, *rest]))
        message = refused(path)
        assert message.startswith("f.csv:3: expected one row per ")

    def test_rows_out_of_order(self, path: Path, name: str) -> None:
        head, first, second, *rest = lines(CSV[name])
        write(path, "".join([head, second, first, *rest]))
        if name == "forecasts":
            assert len(read_signal(path)[1]) == 4
            return
        assert refused(path).startswith("f.csv:3: expected stamps in order of time")

    def test_a_gap(self, path: Path, name: str) -> None:
        """One row too few; that needs four."""
        if name == "forecasts":
            text = CSV[name].replace("01-01T03:00", "01-01T04:00")
        else:
            *head, last = lines(CSV[name])
            text = "".join([*head, last, later(name, last)])
        write(path, text)
        row = len(lines(text))
        message = refused(path)
        assert message.startswith(f"f.csv:{row}: there is a gap: expected "), message
        assert "'fill' says how" in message
        filled = read_signal(path, ReadOptions(fill=Fill("hold", 7200)))[1]
        assert "filled (hold)" in filled.notes[0]

    @pytest.mark.parametrize("stamp", ["", "yesterday", "2022-13-45T00:00Z", "1e9", "12:00"])
    def test_no_stamp(self, path: Path, name: str, stamp: str) -> None:
        head, first, *rest = lines(CSV[name])
        fields = first.split(",")
        fields[1 if name == "entsoe" else 0] = stamp
        write(path, "".join([head, ",".join(fields), *rest]))
        assert refused(path).startswith("f.csv:2: expected a")

    def test_no_time_zone(self, path: Path, name: str) -> None:
        text = CSV[name]
        for mark in ("+00:00", "00Z", " (UTC)"):
            text = text.replace(mark, "00" if mark == "00Z" else "")
        if name == "electricity_maps":
            text = text.replace("Datetime (UTC)", "Datetime")
        write(path, text)
        message = refused(path, name=name)
        if name == "electricity_maps":
            assert message.startswith("f.csv:1: there is no column 'Datetime (UTC)'")
            return
        assert message.startswith("f.csv:2: the stamp has no time zone; ")
        series = read_signal(path, ReadOptions(timezone="Etc/GMT+1"))[1]
        assert series.starts_s[0] == read_signal(write(path, CSV[name]))[1].starts_s[0] + 3600

    def test_cut_off_within_a_row(self, path: Path, name: str) -> None:
        *head, last = lines(CSV[name])
        cut = last[: last.index(",") + 1] if name != "watttime" else last[:12]
        if last.count(",") == 1:
            cut = last[: last.index(",")]
        write(path, "".join([*head, cut]))
        message = refused(path)
        assert message.startswith(f"f.csv:{len(head) + 1}: ")
        if name not in ("watttime", "forecasts"):
            assert "is it cut off?" in message

    def test_cut_off_early(self, path: Path, name: str) -> None:
        write(path, "".join(lines(CSV[name])[:2]))
        assert refused(path) == "f.csv:1: a signal needs two rows of data or more (got 1)"

    def test_cut_off_anywhere(self, path: Path, name: str) -> None:
        """An error, or the rows that are whole; and perhaps a last one that looks so."""
        whole = read_signal(write(path, CSV[name]))[1].values.tolist()
        content = CSV[name].encode()
        for size in range(0, len(content), 7):
            path.write_bytes(content[:size])
            with contextlib.suppress(SignalError):
                values = read_signal(path)[1].values.tolist()
                assert values[:-1] == whole[: len(values) - 1] or name == "forecasts"

    @pytest.mark.parametrize(
        "content", [b"PK\x03\x04\x00\x00", bytes(range(256)), b"\0" * 100, b"\x89PNG\r\n\x1a\n\0"]
    )
    def test_binary(self, path: Path, name: str, content: bytes) -> None:
        path.write_bytes(content)
        assert "binary" in refused(path) or "UTF-8" in refused(path)
        path.write_bytes(CSV[name].encode() + content)
        assert "binary" in refused(path)

    def test_not_utf_8(self, path: Path, name: str) -> None:
        path.write_bytes(CSV[name].encode() + "é".encode("latin-1"))
        assert "UTF-8" in refused(path)

    def test_an_endless_line(self, path: Path, name: str) -> None:
        """Of 2 GB, for the most part a hole; only its first megabyte is read."""
        path.write_bytes(CSV[name].encode() + ENDLESS)
        with path.open("r+b") as file:
            file.truncate(2 << 30)
        start = time.monotonic()
        row = len(lines(CSV[name])) + 1
        assert refused(path) == (
            f"f.csv:{row}: expected comma-separated text (got a line of over 1,000,000 bytes)"
        )
        path.write_bytes(ENDLESS)
        assert refused(path).startswith("f.csv:1: expected comma-separated text (got a line of")
        assert time.monotonic() - start < 5

    def test_an_endless_quote(self, path: Path, name: str) -> None:
        head, first, *rest = lines(CSV[name])
        write(path, "".join([head, '"' + first, *rest]))
        refused(path)

    def test_too_many_fields(self, path: Path, name: str) -> None:
        head, first, *rest = lines(CSV[name])
        write(path, "".join([head, first.replace("\n", ",1,2\n"), *rest]))
        assert refused(path).startswith("f.csv:2: the file is not comma-separated")

    def test_semicolons(self, path: Path, name: str) -> None:
        write(path, CSV[name].replace(",", ";"))
        refused(path)
        refused(path, name=name)

    def test_json_in_its_place(self, path: Path, name: str) -> None:
        write(path, JSON["neso"])
        message = refused(path, name=name)
        assert "JSON" in message or 'expected {"meta"' in message

    def test_empty(self, path: Path, name: str) -> None:
        path.write_bytes(b"")
        assert refused(path, name=name) == "f.csv: the file is empty, or its first line is"


def later(name: str, row: str) -> str:
    """The last row, once more and two intervals later."""
    for old, new in {
        "2024-03-31 02": "2024-03-31 04",
        "08:10:00": "08:20:00",
        "2022-01-01 02": "2022-01-01 04",
        "02:00 - 01.01.2016 03": "04:00 - 01.01.2016 05",
        "19:15:00Z": "19:25:00Z",
    }.items():
        row = row.replace(old, new)
    return row


@pytest.mark.parametrize("name", JSON)
class TestAnyJson:
    """What may be wrong with each of the formats in JSON."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "f.json"

    @pytest.mark.parametrize(
        "content",
        ["{}", "[]", "[1]", '{"data": 3}', '{"data": []}', '{"data": {}}', '{"data": null}'],
    )
    def test_another_shape(self, path: Path, name: str, content: str) -> None:
        write(path, content)
        assert "no known format of signals (got JSON of another shape" in refused(path)
        assert refused(path, name=name).startswith("f.json: ")

    @pytest.mark.parametrize(
        "data", [[1, 2, 3], [None, None], [[], []], [{}, {}], ["a", "b"], [{"value": {}}] * 2]
    )
    def test_other_entries(self, path: Path, name: str, data: list[object]) -> None:
        write(path, watttime(data=data) if name == "watttime" else neso(*data))
        assert refused(path, name=name).startswith("f.json: data[0]: ")

    def test_cut_off_anywhere(self, path: Path, name: str) -> None:
        content = JSON[name]
        for size in range(0, len(content) - 1, 5):
            write(path, content[:size])
            message = refused(path, name=name)
            if size > 1:
                assert message.startswith("f.json:1: the file is not JSON: "), size

    @pytest.mark.parametrize(
        "content",
        ["[" * 100_000, '{"data":' * 50_000, '{"data": [' + "9" * 5000 + "]}", "{\0}", "{'a': 1}"],
    )
    def test_no_json(self, path: Path, name: str, content: str) -> None:
        write(path, content)
        assert refused(path, name=name).startswith("f.json:")

    @pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
    def test_no_number_of_json(self, path: Path, name: str, value: str) -> None:
        write(path, JSON[name].replace("870.5", value).replace("251", value))
        assert f"expected numbers (got {value})" in refused(path)

    @pytest.mark.parametrize("value", ["[]", "true", '"x"', "{}", "1e999", '"inf"'])
    def test_no_number(self, path: Path, name: str, value: str) -> None:
        write(path, JSON[name].replace("870.5", value).replace("251", value))
        assert refused(path).startswith("f.json: data[1]: expected a")

    def test_null_and_negative(self, path: Path, name: str) -> None:
        write(path, JSON[name].replace("870.5", "null").replace("251", "null"))
        assert "is missing; 'fill' says how" in refused(path)
        write(path, JSON[name].replace("870.5", "-1").replace("251", "-1"))
        assert refused(path).startswith("f.json: data[1]: expected a value that is not negative")

    @pytest.mark.parametrize("stamp", ['""', "null", "5", '"soon"', "[]"])
    def test_no_stamp(self, path: Path, name: str, stamp: str) -> None:
        key, old = {
            "watttime": ("point_time", "2022-07-15T00:05:00+00:00"),
            "neso": ("from", "2024-03-31T01:00Z"),
        }[name]
        write(path, JSON[name].replace(f'"{key}": "{old}"', f'"{key}": {stamp}'))
        assert refused(path).startswith("f.json: data[1]: expected an ISO 8601 stamp")

    def test_no_time_zone(self, path: Path, name: str) -> None:
        write(path, JSON[name].replace("+00:00", "").replace("0Z", "0"))
        assert refused(path).startswith("f.json: data[0]: the stamp has no time zone; ")

    def test_too_large(self, path: Path, name: str) -> None:
        write(path, JSON[name])
        with path.open("r+b") as file:
            file.truncate(2 << 30)
        assert refused(path) == "f.json:1: the file is too large for a signal in JSON (got 2.1 GB)"

    def test_one_entry(self, path: Path, name: str) -> None:
        one = watttime(data=[{"point_time": "2022-07-15T00:00Z", "value": 1}])
        write(path, one if name == "watttime" else neso(neso_entry("2024-01-01", "2024-01-02", 1)))
        assert refused(path) == "f.json: a signal needs two entries of 'data' or more (got 1)"


def entries(*minutes: int) -> list[dict[str, object]]:
    return [{"point_time": f"2022-07-15T00:{m:02}:00Z", "value": 870} for m in minutes]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (watttime(data=entries(0, 5, 5, 10)), "data[2]: expected one row per stamp"),
        (watttime(data=entries(0, 10, 5)), "data[2]: expected stamps in order"),
        (watttime(data=entries(0, 5, 10, 25)), "data[3]: there is a gap: expected 0:05:00"),
        (watttime(data=entries(0, 5, 10, 12)), "data[3]: the rows come too close"),
        (watttime({"units": "kgs"}), "meta.units: expected lbs_co2_per_mwh (got 'kgs')"),
        (watttime({"units": None}), "meta.units: expected lbs_co2_per_mwh (got None)"),
        (watttime({"signal_type": "health_damage"}), "signal_type: expected one of ['co2_moer', "),
        (
            neso(
                neso_entry("2024-01-01T00:00Z", "2024-01-01T00:30Z", 1),
                neso_entry("2024-01-01T00:30Z", "2024-01-01T01:30Z", 1),
            ),
            "data[1]: expected 'to' after 'from', by as much in every entry (got "
            "'2024-01-01T00:30Z to 2024-01-01T01:30Z')",
        ),
        (
            neso(*[neso_entry("2024-01-01T01:00Z", "2024-01-01T00:30Z", 1)] * 2),
            "data[0]: expected 'to' after 'from'",
        ),
        (
            neso(
                neso_entry("2024-01-01T00:00Z", "2024-01-01T00:30Z", 1),
                neso_entry("2024-01-01T01:00Z", "2024-01-01T01:30Z", 1),
            ),
            "data[1]: there is a gap: expected 0:30:00 between rows",
        ),
    ],
)
def test_json_of_one_format(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "f.json", text)
    assert refused(path).startswith(f"f.json: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            MAPS_2025.replace("gCO₂eq/kWh (Life", "kgCO₂eq/MWh (Life"),
            "1: expected the unit gCO₂eq/kWh (got 'Carbon intensity kgCO₂eq/MWh (Life cycle)')",
        ),
        (
            MAPS_2025.replace("1:00:00,Germany,Germany,DE", "1:00:00,France,France,FR"),
            "1: the file has 2 of 'Zone id': set 'area' to one (got ['DE', 'FR'])",
        ),
        (
            WATTTIME_CSV.replace("value", "value,units")
            .replace("870.0", "870.0,lbs_co2_per_mwh")
            .replace("871.5", "871.5,g_per_kwh")
            .replace(",0\n", ",0,lbs_co2_per_mwh\n"),
            "3: expected the unit lbs_co2_per_mwh (got 'g_per_kwh')",
        ),
        (
            WATTTIME_CSV.replace("value", "value,signal_type")
            .replace("870.0", "870.0,co2_moer")
            .replace("871.5", "871.5,co2_aoer")
            .replace(",0\n", ",0,co2_moer\n"),
            "3: expected one signal_type (got 'co2_aoer')",
        ),
        (
            BALANCE.replace("Net Generation (MW) from Coal", "Net Generation (GW) from Coal"),
            "1: expected generation in MW (got 'Net Generation (GW) from Coal')",
        ),
        (
            BALANCE.replace("from Coal", "from Unobtainium")
            .replace("BPAT", "CISO")
            .replace(",,,,,,0,", ",,,,,,5,"),
            "1: no factor is known for this fuel (got 'Net Generation (MW) from Unobtainium",
        ),
        (BALANCE, "1: the file has 2 of 'Balancing Authority': set 'area' to one (got ['CISO', "),
        (
            PLAIN_MIX.replace(",12056,", ",12056000000,"),
            "3: 'WAT': expected generation in MW (got '12056000000')",
        ),
        (PLAIN_MIX.replace(",12056,", ',"12,05",'), "3: expected a number (got '12,05')"),
        (entsoe(*["x"] * 2, unit="GW"), "1: expected generation in MW (got 'Biomass  - Actual "),
        (
            ENTSOE_UTC.replace("Fossil Gas  - Actual", "Fusion  - Actual"),
            "1: no factor is known for this fuel (got 'Fusion - Actual Aggregated [MW]', expected ",
        ),
        (
            ENTSOE_UTC.replace("02:00 - 01.01.2016 03:00", "02:00 - 01.01.2016 02:15"),
            "4: expected a time unit of 60 min as in the other rows (got '01.01.2016 02:00 - 0",
        ),
        (
            ENTSOE_UTC.replace("02:00 (UTC)", "02:00 (EET)"),
            "3: expected a time unit such as 01.01.2016 00:00 - 01.01.2016 01:00 (UTC) (got '01.01",
        ),
        (
            ENTSOE_AUTUMN.replace("25.10.2020 02:00 - 25.10.2020 03:00", "x", 1),
            "3: expected a time unit such as 01.01.2016 00:00 - 01.01.2016 01:00 (UTC) (got 'x ",
        ),
        (
            "".join(line for index, line in enumerate(lines(ENTSOE_AUTUMN)) if index != 2),
            "3: the clocks of Europe/Brussels change there, and the stamp stands for no time or",
        ),
        (
            ENTSOE_SPRING.replace("28.03.2021 03:00 -", "28.03.2021 02:00 -"),
            "4: ",
        ),
        (
            SOLCAST.replace("19:10:00Z,PT5M", "19:10:00Z,PT30M"),
            "4: expected the period PT5M as in the first row (got 'PT30M')",
        ),
        (SOLCAST.replace("PT5M", "5 min"), "2: expected a period such as PT30M (got '5 min'"),
        (SOLCAST.replace("PT5M", "PT0M"), "2: expected a period such as PT30M (got 'PT0M'"),
        (SOLCAST.replace("PT5M", "PT10M"), "3: the rows come too close: expected 0:10:00"),
        (SOLCAST.replace("Dni,Ghi", "Ghi,Ghi"), "1: more than one column 'Ghi'"),
        (
            FORECASTS.replace("T00:00:00Z,2024-01-01T0", "T09:00:00Z,2024-01-01T0").replace(
                "T01:00:00Z,2024-01-01T0", "T09:30:00Z,2024-01-01T0"
            ),
            "1: expected forecasts of two times or more, made 0 h before or earlier (got 0)",
        ),
    ],
)
def test_csv_of_one_format(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "f.csv", text)
    assert refused(path).startswith(f"f.csv:{message}")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("maps-2025", {"area": "FR"}, "f:1: area: no such 'Zone id' in the file (got 'FR', "),
        ("maps-2025", {"column": "indirect"}, "f: column: no such values in format 'electricity"),
        ("watttime-csv", {"column": "value"}, "f: column: no such values in format 'watttime' ("),
        ("watttime-json", {"area": "PJM"}, "f: area: the file is of region 'CAISO_NORTH' (got"),
        ("watttime-csv", {"area": "PJM"}, "f:1: area: the file does not name its area (got 'PJM')"),
        ("eia930-plain", {"area": "PJM"}, "f:1: area: the file does not name its area (got 'PJM')"),
        ("neso", {"area": "London"}, "f: area: the file is of the whole country (got 'London')"),
        ("forecasts", {"area": "London"}, "f: area: does not go with format 'forecasts'"),
        ("entsoe-utc", {"leave_out": ("fusion",)}, "f: leave_out: no such fuel (got 'fusion', exp"),
        ("solcast", {"factors": {"gas": 1}}, "f: factors: does not go with format 'solcast'"),
        ("eia930-plain", {"lead_s": 60}, "f: lead: does not go with format 'eia930'"),
        ("solcast", {"column": "gti"}, "f: column: no such values in format 'solcast' (got 'gti'"),
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, name: str, options, message: str) -> None:
    path = write(tmp_path / "f", EXAMPLES[name].text)
    assert refused(path, ReadOptions(**options)).startswith(message)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for name in (None, *FORMATS):
        assert "cannot be read: No such file" in refused(tmp_path / "none", name=name)
        assert "cannot be read: Is a directory" in refused(tmp_path, name=name)


def test_a_file_of_many_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "f.csv", ",".join(["PeriodEnd"] * 20_000) + "\n1\n2\n")
    assert refused(path) == "f.csv:1: expected at most 10000 columns (got 20000)"


def test_a_huge_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_file, "MAX_BYTES", 10)
    assert "too large for a signal" in refused(write(tmp_path / "f", SOLCAST))


STARTS = [example.text.encode() for example in EXAMPLES.values()]
PIECES = [
    *(b"", b"\n", b"\r", b",", b'"', b"\xe9", b"\0", b"-", b"9", b"e", b"n/e", b"1e308"),
    *(b"{", b"}", b"[", b"]", b"null", b"NaN", b'"value"', b"\xef\xbb\xbf", "₂".encode()),
    *(b"2022-01-01T00:00Z", b"9999-12-31T23:59Z", b"1677-01-01T00:00Z", b" (CET/CEST)", b"PT5M"),
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """One of the examples, with pieces of it replaced."""
    content = bytearray(draw(st.sampled_from(STARTS)))
    for _ in range(draw(st.integers(1, 5))):
        place = draw(st.integers(0, len(content)))
        length = draw(st.integers(0, 4) | st.integers(0, 200))
        piece = draw(st.sampled_from(PIECES) | st.binary(max_size=6))
        content[place : place + length] = piece
    return bytes(content)


@given(
    st.binary(max_size=300) | damaged(),
    st.sampled_from([None, *FORMATS]),
    st.sampled_from([None, "UTC", "Europe/Brussels"]),
    st.sampled_from([None, Fill("hold", 7200), Fill("linear", 86400)]),
)
def test_any_bytes_give_a_series_or_a_signal_error(
    tmp_path_factory, content: bytes, name: str | None, timezone: str | None, fill: Fill | None
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed"
    path.write_bytes(content)
    problems: tuple[Problem, ...] = ()
    series = None
    try:
        _, series = read_signal(path, ReadOptions(timezone=timezone, fill=fill), name)
    except SignalError as error:
        problems = error.problems
    assert isinstance(series, Series) != bool(problems)
    assert all(problem.where.startswith(str(path)) for problem in problems)
