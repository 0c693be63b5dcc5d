import contextlib
import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.errors import SignalError
from cosim.signals import text_file
from cosim.signals.csv_file import read_csv

GOOD = """time,value
2023-06-08T00:00:00Z,1.5
2023-06-08T01:00:00Z,2.5
2023-06-08T02:00:00Z,3.5
"""


@pytest.fixture
def write(tmp_path: Path):
    def write_file(content: str | bytes) -> Path:
        path = tmp_path / "signal.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


def epoch_s(stamp: str) -> float:
    return datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp()


def rows(*stamps: str) -> str:
    return "time,value\n" + "".join(f"{stamp},1\n" for stamp in stamps)


def test_stamps_at_the_start(write) -> None:
    series = read_csv(write(GOOD))
    first_s = epoch_s("2023-06-08T00:00")
    assert series.starts_s.tolist() == [first_s, first_s + 3600, first_s + 7200]
    assert series.end_s == first_s + 10800
    assert series.values.tolist() == [1.5, 2.5, 3.5]
    assert series.source.endswith("signal.csv")


def test_stamps_at_the_end(write) -> None:
    series = read_csv(write(GOOD), stamp="end")
    first_s = epoch_s("2023-06-07T23:00")
    assert series.starts_s.tolist() == [first_s, first_s + 3600, first_s + 7200]
    assert series.end_s == first_s + 10800


def test_values_are_read_to_the_last_bit_and_scaled(write) -> None:
    values = np.random.default_rng(1).uniform(0, 1000, 500)
    days = np.datetime64("2023-01-01") + np.arange(500)
    text = "day,value\n" + "".join(
        f"{day}T00:00Z,{value!r}\n" for day, value in zip(days, values.tolist(), strict=True)
    )
    path = write(text)
    assert read_csv(path).values.tobytes() == values.tobytes()
    assert read_csv(path, factor=0.25).values.tobytes() == (values * 0.25).tobytes()


@pytest.mark.parametrize(
    "stamps",
    [
        ("2023-06-08 00:00:00+00:00", "2023-06-08 01:00:00+00:00"),
        ("2023-06-08 00:00 UTC", "2023-06-08 01:00 UTC"),
        ("2023-06-08T02:00:00+02:00", "2023-06-08T01:00Z"),
        ("2023-06-07T17:00-0700", "2023-06-07T18:00-07"),
        ("2023-06-08T00:00:00.0000000Z", "2023-06-08T01:00:00.0000000Z"),
        (" 2023-06-08T00:00Z", "2023-06-08T01:00Z "),
    ],
)
def test_forms_of_stamps(write, stamps) -> None:
    first_s = epoch_s("2023-06-08T00:00")
    assert read_csv(write(rows(*stamps))).starts_s.tolist() == [first_s, first_s + 3600]


def test_dates_in_a_time_zone(write) -> None:
    series = read_csv(write(rows("2023-06-07", "2023-06-08")), timezone="Europe/Berlin")
    assert series.starts_s[0] == epoch_s("2023-06-06T22:00")


def test_columns_by_name_in_any_order_with_byte_order_mark_and_spaces(write) -> None:
    path = write("\ufeff a , gCO₂ ,when\nx,5,2023-06-08T00:00Z\ny,6,2023-06-08T00:30Z\n".encode())
    series = read_csv(path, column="gCO₂", time_column="when")
    assert series.values.tolist() == [5, 6]


def test_blank_lines_and_crlf_do_not_matter(write) -> None:
    text = GOOD.replace("\n", "\r\n").replace("2023-06-08T01", "\r\n2023-06-08T01") + "\r\n\r\n"
    assert read_csv(write(text)).values.tolist() == [1.5, 2.5, 3.5]


def test_clock_of_a_time_zone_skips_an_hour_in_spring(write) -> None:
    stamps = ("2023-03-12 00:00", "2023-03-12 01:00", "2023-03-12 03:00", "2023-03-12 04:00")
    series = read_csv(write(rows(*stamps)), timezone="US/Pacific")
    assert series.starts_s[0] == epoch_s("2023-03-12T08:00")
    assert np.diff(series.starts_s).tolist() == [3600, 3600, 3600]


@pytest.mark.parametrize("per_hour", [1, 2, 4])
@pytest.mark.parametrize("stamp", ["start", "end"])
def test_clock_of_a_time_zone_repeats_an_hour_in_autumn(write, stamp, per_hour) -> None:
    """Its rows come twice, and their order tells which are which."""
    minutes = [f"{60 * part // per_hour:02}" for part in range(per_hour)]
    stamps = [f"2023-11-05 {hour}:{m}" for hour in ("00", "01", "01", "02") for m in minutes]
    series = read_csv(write(rows(*stamps)), timezone="US/Pacific", stamp=stamp)
    step_s = 3600 / per_hour
    first_s = epoch_s("2023-11-05T07:00") - (step_s if stamp == "end" else 0)
    assert series.starts_s.tolist() == (first_s + step_s * np.arange(4 * per_hour)).tolist()


@pytest.mark.parametrize(
    ("stamps", "line"),
    [
        (("2023-03-12 01:00", "2023-03-12 02:00", "2023-03-12 03:00"), 3),  # no such hour
        (("2023-11-05 00:00", "2023-11-05 01:00", "2023-11-05 02:00"), 3),  # twice
    ],
)
def test_clock_times_that_mean_no_hour_or_two(write, stamps, line) -> None:
    with pytest.raises(SignalError, match=rf"signal.csv:{line}: the clocks of US/Pacific change"):
        read_csv(write(rows(*stamps)), timezone="US/Pacific")


def test_time_zone_is_only_for_stamps_without_one(write) -> None:
    stamps = ("2023-06-08T00:00Z", "2023-06-07 18:00", "2023-06-07T19:00-07:00")
    series = read_csv(write(rows(*stamps)), timezone="US/Pacific")
    assert series.starts_s[0] == epoch_s("2023-06-08T00:00")
    assert np.diff(series.starts_s).tolist() == [3600, 3600]


BAD_FILES = [
    ("", None, "the file is empty"),
    (b"PK\x03\x04\x00\x00\x00", None, "binary file"),
    ("time,value\n2023-06-08T00:00Z,\xff".encode("latin-1"), None, "expected UTF-8"),
    ("time,value\n", 1, r"two rows of data or more \(got 0\)"),
    (rows("2023-06-08T00:00Z"), 1, r"two rows of data or more \(got 1\)"),
    (GOOD.replace(",", ";"), 1, r"with a comma \(got \['time;value'\]\)"),
    (GOOD.replace("2.5", "2,5"), None, "not comma-separated: Expected 2 fields in line 3, saw 3"),
    (GOOD.replace("time,value", "time,value,value"), 1, r"set 'column' to one"),
    (GOOD.replace("2.5", ""), 3, r"the value is missing.*\(got ''\)"),
    (GOOD.replace(",2.5", ""), 3, "the value is missing"),
    (GOOD.replace("2.5", "NaN"), 3, r"the value is missing.*\(got 'NaN'\)"),
    (GOOD.replace("2.5", "n/a").replace("3.5", ""), 3, "missing.*the first of 2 such rows"),
    (GOOD.replace("2.5", "abc"), 3, r"expected a number \(got 'abc'\)"),
    (GOOD.replace("2.5", "inf"), 3, r"expected a finite number \(got 'inf'\)"),
    (GOOD.replace("2.5", "1e999"), 3, "expected a (finite )?number"),
    (GOOD.replace("2.5", "1_000"), 3, r"expected a number"),
    (GOOD.replace("2.5", "-0.1"), 3, r"not negative \(got '-0.1'\)"),
    (GOOD.replace("T01:00:00Z", "T25:00:00Z"), 3, "expected an ISO 8601 stamp"),
    (GOOD.replace("2023-06-08T01:00:00Z", "06/08/2023 01:00"), 3, "expected an ISO 8601 stamp"),
    (GOOD.replace("2023-06-08T01:00:00Z", "now"), 3, "expected an ISO 8601 stamp"),
    (GOOD.replace("2023-06-08T01:00:00Z", ""), 3, r"expected an ISO 8601 stamp .*got ''"),
    (GOOD.replace("00Z", "00"), 2, "no time zone; give it one, or set 'timezone'"),
    (rows("2023-06-08T00:00Z", "2023-06-08T01:00"), 3, "no time zone"),
    (GOOD + "2023-06-08T02:00:00Z,1\n", 5, r"repeats the last \(got '2023-06-08T02:00:00Z'"),
    (GOOD + "2023-06-08T01:00:00Z,1\n", 5, "in order of time"),
    (
        GOOD + "2023-06-08T05:00:00Z,1\n",
        5,
        "there is a gap: expected 1:00:00 between rows as elsewhere, not the 3:00:00 from "
        r"2023-06-08T02:00:00Z; 'fill' says how to fill gaps \(got '2023-06-08T05:00:00Z'\)",
    ),
    (GOOD + "2023-06-08T02:30:00Z,1\n", 5, "the rows come too close: .*not the 0:30:00"),
    ("\n" + GOOD, None, "first line is"),
]


@pytest.mark.parametrize(("content", "line", "text"), BAD_FILES)
def test_bad_files_tell_where_they_are_bad(write, content, line, text) -> None:
    path = write(content)
    with pytest.raises(SignalError) as caught:
        read_csv(path)
    [problem] = caught.value.problems
    assert re.search(text, problem.message)
    if line is not None:
        assert problem.where == f"{path}:{line}"
    assert problem.where.startswith(str(path))


@given(st.data())
def test_any_damage_is_a_signal_error_or_none(tmp_path_factory, data: st.DataObject) -> None:
    content = bytearray(GOOD.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content)))
        length = data.draw(st.integers(0, 3))
        content[place : place + length] = data.draw(
            st.sampled_from([b"", b"\n", b",", b'"', b"\r", b"-", b"9", b"e", b"\xe9", b"\0", b"#"])
            | st.binary(max_size=3)
        )
    path = tmp_path_factory.getbasetemp() / "damaged.csv"
    path.write_bytes(content)
    with contextlib.suppress(SignalError):
        read_csv(path)


def test_line_counts_blank_lines(write) -> None:
    with pytest.raises(SignalError, match=r"signal.csv:6: expected a number"):
        read_csv(write(GOOD.replace("2023-06-08T02", "\n\n2023-06-08T02").replace("3.5", "x")))


def test_several_problems_at_once(write) -> None:
    text = GOOD.replace("1.5", "-1").replace("2.5", "x") + "2023-06-08T02:00:00Z,\n"
    with pytest.raises(SignalError) as caught:
        read_csv(write(text))
    lines = [problem.where.rpartition(":")[2] for problem in caught.value.problems]
    assert lines == ["5", "3", "2", "5"]


def test_negative_values_where_allowed(write) -> None:
    assert read_csv(write(GOOD.replace("2.5", "-2.5")), signed=True).values[1] == -2.5


def test_value_too_large_once_scaled(write) -> None:
    with pytest.raises(SignalError, match="finite number"):
        read_csv(write(GOOD.replace("2.5", "1e308")), factor=1e3)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ({"column": "valve"}, r"column: no such column \(got 'valve'.*did you mean 'value'\?"),
        ({"time_column": "t"}, r"time_column: no such column \(got 't', expected one of \['time'"),
        ({"column": "twin"}, "more than one such column"),
        ({"column": "time"}, "column and time_column are the same"),
        ({}, r"several columns of values: set 'column' to one \(got \['value', 'twin', 'twin'\]\)"),
    ],
)
def test_columns_that_cannot_be_found(write, names, text) -> None:
    path = write(GOOD.replace("value", "value,twin,twin").replace(".5\n", ".5,0,0\n"))
    with pytest.raises(SignalError, match=text):
        read_csv(path, **names)


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(SignalError, match="cannot be read: No such file"):
        read_csv(tmp_path / "none.csv")
    with pytest.raises(SignalError, match="cannot be read: Is a directory"):
        read_csv(tmp_path)


def test_huge_files_are_refused_unread(write, monkeypatch) -> None:
    monkeypatch.setattr(text_file, "MAX_BYTES", 10)
    with pytest.raises(SignalError, match="too large for a signal"):
        read_csv(write(GOOD))
