"""Trace files of Azure and Vidur, what can be wrong with them, and the real Azure traces."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from inference_sim.errors import TraceError
from inference_sim.workload import read_trace
from tests.inference_sim.builders import approx

AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
VIDUR = "arrived_at,num_prefill_tokens,num_decode_tokens\n"
REAL = Path(__file__).parents[3] / "shared" / "data" / "traces"


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "trace.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_azure(tmp_path: Path) -> None:
    """Stamps of seven digits, counted from the first."""
    rows = (
        "2023-11-16 18:15:46.6805900,374,44\n"
        "2023-11-16 18:15:46.6805901,396,109\n"
        "2023-11-16 18:15:50.9951690,1,1\n"
        "2023-11-17 00:00:00,879,55\n"
    )
    trace = read_trace(written(tmp_path, AZURE + rows), "azure")
    expected = [0.0, 1e-7, 4.314579, 5 * 3600 + 44 * 60 + 13.31941]
    assert trace.times_s.tolist() == approx(expected, 1e-12)
    assert trace.prompt_tokens.tolist() == [374, 396, 1, 879]
    assert trace.output_tokens.tolist() == [44, 109, 1, 55]
    assert trace.prompt_tokens.dtype == np.int64


def test_azure_2024(tmp_path: Path) -> None:
    """Stamps with an offset from UTC, and fewer digits where they are zero."""
    rows = "2024-05-10 00:00:00.009930+00:00,2162,5\n2024-05-10 02:00:01+02:00,2399,6\n"
    trace = read_trace(written(tmp_path, AZURE + rows), "azure")
    assert trace.times_s.tolist() == approx([0.0, 0.99007], 1e-12)


def test_vidur(tmp_path: Path) -> None:
    """Seconds from any start; other columns and another order do not matter."""
    header = "num_decode_tokens,num_prefill_tokens,x,arrived_at\n"
    text = header + "5,10,a,100.25\n6,20,b,100.25\n7,30,,1e3\n"
    trace = read_trace(written(tmp_path, text), "vidur")
    assert trace.times_s.tolist() == [0.0, 0.0, 899.75]
    assert trace.prompt_tokens.tolist() == [10, 20, 30]
    assert trace.output_tokens.tolist() == [5, 6, 7]


def test_windows_line_ends_and_byte_order_mark(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbf" + (VIDUR + "0,10,5\n1.5,20,6\n").replace("\n", "\r\n").encode()
    trace = read_trace(written(tmp_path, text), "vidur")
    assert trace.times_s.tolist() == [0.0, 1.5]


GOOD = "0,10,5\n1,10,5\n"
BAD = {
    "missing column": ("arrived_at,num_prefill_tokens\n0,10\n", ":1: the header lacks num_decode"),
    "other format": (AZURE + "2023-11-16 18:15:46,3,4\n", ":1: the header lacks arrived_at, num_p"),
    "no header": ("0,10,5\n1,10,5\n", ":1: the header lacks arrived_at, num_prefill_tokens, num_d"),
    "no rows": (VIDUR, ": holds no requests"),
    "empty": ("", ": is empty"),
    "only empty lines": ("\n\r\n\n", ": is empty"),
    "binary": (bytes(range(128, 256)) * 9, ":1: the header lacks arrived_at"),
    "compressed": (b"\x1f\x8b\x08\x00" + bytes(range(128, 256)), ": is compressed with gzip"),
    "zeros": (bytes(4096), ":1: holds a byte 0"),
    "binary from some line": (VIDUR + GOOD + "2,3\0", ":4: holds a byte 0"),
    "NaN time": (VIDUR + GOOD + "nan,10,5\n", ":4: column arrived_at is not a finite number"),
    "no time": (VIDUR + GOOD + ",10,5\n", ":4: column arrived_at is not a finite number"),
    "infinite time": (VIDUR + GOOD + "inf,10,5\n", ":4: column arrived_at is not a finite number"),
    "text for time": (VIDUR + "soon,10,5\n", ":2: column arrived_at is not a finite number"),
    "negative": (VIDUR + GOOD + "2,-3,5\n", ":4: column num_prefill_tokens is not a whole number"),
    "zero prompt": (VIDUR + GOOD + "2,0,5\n", ":4: column num_prefill_tokens is not a whole"),
    "zero output": (VIDUR + "0,4,0\n" + GOOD, ":2: column num_decode_tokens is not a whole number"),
    "fraction": (VIDUR + GOOD + "2,3,4.5\n", ":4: column num_decode_tokens is not a whole number"),
    "no tokens": (VIDUR + GOOD + "2,3,\n", ":4: column num_decode_tokens is not a whole number"),
    "short row": (VIDUR + "2,3\n" + GOOD, ":2: has 2 columns where the header has 3"),
    "long row": (VIDUR + "2,3,4,5\n" + GOOD, ":2: has 4 columns where the header has 3"),
    "cut off": (
        VIDUR + GOOD + "2,3",
        ":4: has 2 columns where the header has 3; the file ends here",
    ),
    "open quote": (VIDUR + GOOD + '2,3,"4\n3,4,5\n', ":4: is not a row of CSV"),
    "column twice": ("arrived_at," + VIDUR + GOOD, ":1: the header has arrived_at more than once"),
    "endless": (VIDUR + GOOD + "2,3,1e300\n", ":4: column num_decode_tokens is not a whole number"),
    "unsorted": (VIDUR + GOOD + "0.5,10,5\n", ":4: arrives before the row above it"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_vidur_traces(tmp_path: Path, case: str) -> None:
    """The message names the file and the first bad line."""
    text, expected = BAD[case]
    path = written(tmp_path, text)
    with pytest.raises(TraceError, match=re.escape(f"{path}{expected}")):
        read_trace(path, "vidur")


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("yesterday,3,4", ":3: column TIMESTAMP is not a time stamp (got 'yesterday')"),
        ("2023-11-31 18:15:46,3,4", ":3: column TIMESTAMP is not a time stamp"),
        (",3,4", ":3: column TIMESTAMP is not a time stamp (got '')"),
        ("2023-11-16 18:15:45.9,3,4", ":3: arrives before the row above it"),
        (
            "2023-11-16 18:15:47+00:00,3,4",
            ":3: column TIMESTAMP has an offset from UTC, which the rows above lack",
        ),
        ("2023-11-16 18:15:47,3,x", ":3: column GeneratedTokens is not a whole number from 1"),
    ],
)
def test_bad_azure_traces(tmp_path: Path, row: str, text: str) -> None:
    path = written(tmp_path, f"{AZURE}2023-11-16 18:15:46,3,4\n{row}\n")
    with pytest.raises(TraceError, match=re.escape(f"{path}{text}")):
        read_trace(path, "azure")


@pytest.mark.parametrize(("row", "has_a_way_out"), [("2,0,5", True), ("nan,3,4", False)])
def test_rows_without_tokens_name_the_way_out(
    tmp_path: Path, row: str, has_a_way_out: bool
) -> None:
    """It is not offered for wrong times, which may well be those of the whole file."""
    path = written(tmp_path, f"{VIDUR}{GOOD}{row}\n")
    with pytest.raises(TraceError, match=":4: ") as caught:
        read_trace(path, "vidur")
    assert str(caught.value).endswith("`skip: invalid` leaves such rows out") == has_a_way_out


def test_several_bad_rows_are_counted(tmp_path: Path) -> None:
    path = written(tmp_path, VIDUR + "0,10,5\n" + "1,0,5\n" * 3)
    with pytest.raises(TraceError, match=r":3: .*\(got '0'; 3 such rows up to line 5\)"):
        read_trace(path, "vidur")


def test_the_first_wrong_line_is_named(tmp_path: Path) -> None:
    """Whatever its column, and before a row without the right shape."""
    path = written(tmp_path, VIDUR + "0,10,5\n0,10,x\n0,0,5\nsoon,1,1\n1,2\n")
    with pytest.raises(TraceError, match=r":3: column num_decode_tokens .*\(got 'x'\)"):
        read_trace(path, "vidur")


def test_lines_are_counted_past_empty_ones(tmp_path: Path) -> None:
    path = written(tmp_path, "\n\r\n" + VIDUR + "\n0,10,5\n\n\n1,10,5\n\n0.5,10,5\n")
    with pytest.raises(TraceError, match=":10: arrives before the row above it"):
        read_trace(path, "vidur")


def test_stamps_must_all_have_an_offset_or_none(tmp_path: Path) -> None:
    """Two clocks in a file would make a gap of hours."""
    rows = "2024-05-10 00:00:00+02:00,3,4\n2024-05-10 00:00:01,3,4\n"
    with pytest.raises(TraceError, match=":3: column TIMESTAMP lacks the offset from UTC that"):
        read_trace(written(tmp_path, AZURE + rows), "azure")


@pytest.mark.parametrize("name", ["none.csv", "."])
def test_no_such_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(TraceError, match=f"{name}|{tmp_path}: cannot be read: "):
        read_trace(tmp_path / name, "azure")


@pytest.mark.skipif(not REAL.is_dir(), reason="the Azure traces are not there")
@pytest.mark.parametrize(
    ("name", "rows", "prompt", "output", "second_s"),
    [("conv", 19_366, 1155, 211, 4.314579), ("code", 8_819, 2048, 28, 0.052)],
)
def test_real_azure_trace(name: str, rows: int, prompt: int, output: int, second_s: float) -> None:
    trace = read_trace(REAL / f"AzureLLMInferenceTrace_{name}.csv", "azure")
    assert len(trace.times_s) == rows
    assert round(trace.prompt_tokens.mean()) == prompt
    assert round(trace.output_tokens.mean()) == output
    assert trace.times_s[0] == 0
    assert 3400 < trace.times_s[-1] < 3600
    assert trace.times_s[1] == approx(second_s, 1e-14)  # seven digits
