"""The formats of traces: recognised, read to the last digit, refused with file and line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from inference_sim.errors import TraceError, UnknownName
from inference_sim.workload import open_trace, read_trace, text_blocks
from inference_sim.workload.text_blocks import LONGEST_LINE_BYTES, Block, read_blocks
from inference_sim.workload.trace_arrow import parsed_at_once
from inference_sim.workload.trace_formats import FORMATS
from inference_sim.workload.trace_lines import LineParser
from inference_sim.workload.trace_opening import OpenedTrace, open_as, recognise_format
from tests.samples import examples

AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
BURSTGPT = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
BURSTGPT_3 = (
    "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
)

VIDUR = "arrived_at,num_prefill_tokens,num_decode_tokens\n"
GOOD = {
    "azure": AZURE
    + "2023-11-16 18:15:46.6805900,374,44\r\n2023-11-16 18:15:50.9951690,396,109\r\n"
    + "2023-11-16 18:15:51.2224670,879,55",  # the published files end without a line end
    "burstgpt": BURSTGPT
    + "5,ChatGPT,472,18,490,Conversation log\n"
    + "45,GPT-4,1087,230,1317,API log\n"
    + "45,ChatGPT,417,0,417,API log\n"
    + "118,ChatGPT,1360,276,1636,Conversation log\n",
    "mooncake": '{"timestamp": 27482, "input_length": 1255, "output_length": 52, '
    '"hash_ids": [46, 47, 2353]}\n'
    '{"timestamp": 30535, "input_length": 972, "output_length": 26, "hash_ids": [46, 2366]}\n'
    '{"output_length": 1, "hash_ids": [], "input_length": 2, "timestamp": 30536}\n',
    "otel": '{"startTimeUnixNano": "1700000001500000000", "attributes": [{"key": '
    '"gen_ai.usage.input_tokens", "value": {"intValue": "7"}}, {"key": '
    '"gen_ai.usage.output_tokens", "value": {"intValue": 8}}]}\n'
    '{"startTimeUnixNano": "1700000000000000000", "attributes": {"gen_ai.usage.input_tokens": 5, '
    '"gen_ai.usage.output_tokens": 6}}\n',
    "vidur": VIDUR + "0.0,10,5\n1.5,20,6\n1.5,30,7\n",
}
EXPECTED = {
    "azure": ([0, 4.314579, 4.541877], [374, 396, 879], [44, 109, 55], 0),
    "burstgpt": ([0, 40, 113], [472, 1087, 1360], [18, 230, 276], 1),
    "mooncake": ([0, 3.053, 3.054], [1255, 972, 2], [52, 26, 1], 0),
    "otel": ([0, 1.5], [5, 7], [6, 8], 0),
    "vidur": ([0, 1.5, 1.5], [10, 20, 30], [5, 6, 7], 0),
}


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "trace.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refusal(path: Path, name: str | None = None) -> str:
    with pytest.raises(TraceError) as error:
        read_trace(path, name)
    message = str(error.value)
    assert message.startswith(str(path))
    assert len(message) < 1000
    return message.removeprefix(str(path))


class TestGoodFiles:
    @pytest.mark.parametrize("name", GOOD)
    @pytest.mark.parametrize("named", [True, False])
    def test_read_to_the_last_digit(self, tmp_path: Path, name: str, named: bool) -> None:
        path = written(tmp_path, GOOD[name])
        assert recognise_format(path).name == name
        trace = read_trace(path, name if named else None)
        times_s, prompt, output, failures = EXPECTED[name]
        assert trace.times_s.tolist() == pytest.approx(times_s, abs=1e-12)
        assert trace.prompt_tokens.tolist() == prompt
        assert trace.output_tokens.tolist() == output
        assert trace.failures == failures

    @pytest.mark.parametrize("name", GOOD)
    def test_left_in_its_file(
        self, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The same, with every line in a block of its own."""
        path = written(tmp_path, GOOD[name])
        whole = read_trace(path)
        monkeypatch.setattr(text_blocks, "BLOCK_BYTES", 1)
        on_disk = open_trace(path, in_memory_bytes=0)
        assert on_disk.failures == whole.failures
        assert on_disk.span_s == whole.span_s
        (times, *lengths) = (
            np.concatenate([getattr(part, name) for part in on_disk.parts()]).tolist()
            for name in ("times_s", "prompt_tokens", "output_tokens")
        )
        assert times == whole.times_s.tolist()
        assert lengths == [whole.prompt_tokens.tolist(), whole.output_tokens.tolist()]

    def test_later_burstgpt(self, tmp_path: Path) -> None:
        """With sessions; the first request failed, so that time counts from the second."""
        rows = (
            "0,,1.5,ChatGPT,0,0,0,API log\n7.25,,,GPT-4,10,2,12,API log\n"
            "9.25,3,1,ChatGPT,5,0,5,API log\n10,3,1,ChatGPT,5,1,6,API log\n"
        )
        trace = read_trace(written(tmp_path, BURSTGPT_3 + rows))
        assert trace.times_s.tolist() == [0, 2.75]
        assert (trace.requests, trace.failures) == (2, 2)

    def test_many_failures(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whole blocks of them, at the beginning, between and at the end."""
        rows = "".join(f"{t},m,5,{int(300 <= t < 310)},5,x\n" for t in range(600))
        path = written(tmp_path, BURSTGPT + rows)
        monkeypatch.setattr(text_blocks, "BLOCK_BYTES", 64)
        for trace in (read_trace(path), open_trace(path, in_memory_bytes=0)):
            assert (trace.requests, trace.failures, trace.span_s) == (10, 590, 9)

    def test_stamps_across_a_change_of_clocks(self, tmp_path: Path) -> None:
        """Offsets from UTC are kept apart, row by row: here the clocks go back."""
        rows = "2024-10-27 02:59:59+02:00,1,1\n2024-10-27 02:00:00+01:00,1,1\n"
        trace = read_trace(written(tmp_path, AZURE + rows))
        assert trace.times_s.tolist() == [0, 1]

    def test_unusual_but_clear(self, tmp_path: Path) -> None:
        """Quotes, tokens written as floats, spaces, and a header with spaces."""
        text = (
            'num_decode_tokens, arrived_at ,num_prefill_tokens,a,a\n"5",0,10.0,",",x\n6, 1 ,7,,\n'
        )
        trace = read_trace(written(tmp_path, text))
        assert trace.times_s.tolist() == [0, 1]
        assert trace.prompt_tokens.tolist() == [10, 7]
        assert trace.output_tokens.tolist() == [5, 6]


BAD_ROW: dict[str, dict[str, tuple[str, str]]] = {
    "azure": {
        "NaN": ("2023-11-16 18:15:52,nan,4", "ContextTokens is not a whole number"),
        "no stamp": (",3,4", "TIMESTAMP is not a time stamp (got '')"),
        "not a stamp": ("5,3,4", "TIMESTAMP is not a time stamp (got '5')"),
        "zero": ("2023-11-16 18:15:52,0,4", "ContextTokens is not a whole number from 1"),
        "negative": ("2023-11-16 18:15:52,3,-4", "GeneratedTokens is not a whole number from 1"),
        "another clock": ("2023-11-16 18:15:52Z,3,4", "TIMESTAMP has an offset from UTC"),
        "centuries": ("2200-11-16 18:15:52,3,4", "arrives 177 years after the first request"),
        "out of range": ("9999-11-16 18:15:52,3,4", "TIMESTAMP is not a time stamp"),
        "unsorted": ("2023-11-16 18:15:49,3,4", "arrives before the row above"),
        "cut off": ("2023-11-16 18:1", "has 1 column where the header has 3; the file ends here"),
        "endless": ("2023-11-16 18:15:52,3,99999999999", "to 2,147,483,647 (got '99999999999')"),
    },
    "burstgpt": {
        "NaN": ("nan,m,3,4,7,x", "Timestamp is not a finite number (got 'nan')"),
        "no tokens": ("200,m,3,,3,x", "Response tokens is not a whole number from 0"),
        "negative": ("200,m,3,-1,2,x", "Response tokens is not a whole number from 0"),
        "no prompt": ("200,m,0,4,4,x", "Request tokens is not a whole number from 1"),
        "negative failure": ("200,m,-3,0,0,x", "Request tokens is not a whole number from 0"),
        "unsorted": ("100,m,3,4,7,x", "arrives before the row above"),
        "unsorted failure": ("100,m,3,0,7,x", "arrives before the row above"),
        "cut off": ("200,m,3,4", "has 4 columns where the header has 6; the file ends here"),
    },
    "mooncake": {
        "NaN": (
            '{"timestamp": NaN, "input_length": 1, "output_length": 1}',
            "timestamp is not a f",
        ),
        "null": ('{"timestamp": null, "input_length": 1, "output_length": 1}', "(got None)"),
        "text": ('{"timestamp": "4", "input_length": 1, "output_length": 1}', "(got '4')"),
        "true": ('{"timestamp": 40000, "input_length": true, "output_length": 1}', "(got True)"),
        "zero": (
            '{"timestamp": 40000, "input_length": 1, "output_length": 0}',
            "whole number from",
        ),
        "half": ('{"timestamp": 40000, "input_length": 1.5, "output_length": 1}', "(got 1.5)"),
        "huge": (
            '{"timestamp": 1' + "0" * 400 + ', "input_length": 1, "output_length": 1}',
            "finit",
        ),
        "unsorted": ('{"timestamp": 3, "input_length": 1, "output_length": 1}', "arrives before"),
        "microseconds": (
            '{"timestamp": 1700000000000000, "input_length": 1, "output_length": 1}',
            "years after the first request: is timestamp in milliseconds?",
        ),
        "no key": ('{"timestamp": 40000, "input_length": 1}', "the object lacks output_length"),
        "an array": ("[40000, 1, 1]", "is not a JSON object (got [40000, 1, 1])"),
        "cut off": ('{"timestamp": 40000, "inp', "the file ends here and may have been cut off"),
        "not JSON": ("40000,1,1", "is not a JSON object of one line"),
        "two at once": (
            '{"timestamp": 40000, "input_length": 1, "output_length": 1}' * 2,
            "is not a JSON object of one line",
        ),
        "deep": ("[" * 100_000, "is not a JSON object of one line"),
    },
    "vidur": {
        "NaN": ("nan,3,4", "arrived_at is not a finite number"),
        "infinite": ("-inf,3,4", "arrived_at is not a finite number"),
        "underscore": ("1_0,3,4", "arrived_at is not a finite number (got '1_0')"),
        "zero": ("2,3,0", "num_decode_tokens is not a whole number from 1"),
        "unsorted": ("1.25,3,4", "arrives before the row above"),
        "nanoseconds": (
            "1700000000000000000,3,4",
            "years after the first request: is arrived_at in",
        ),
        "endless": ("1e300,3,4", "years after the first request: is arrived_at in seconds?"),
        "cut off": ("2,3", "has 2 columns where the header has 3; the file ends here"),
    },
}


NO_TRACE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", ": is empty"),
    "line ends": (b"\n" * 3_000_000, ": is empty"),
    "carriage returns": (b"\r" * 3000, ": is empty"),
    "zip": (b"PK\x03\x04" + bytes(100), ": is a zip archive"),
    "parquet": (b"PAR1" + bytes(100), ": is a Parquet file"),
    "UTF-16": ("Timestamp,Model".encode("utf-16"), ": is UTF-16 text"),
    "LFS": (b"version https://git-lfs.github.com/spec/v1\noid x\n", ": is a Git LFS pointer"),
    "binary": (bytes(range(1, 256)) + bytes(100), ":2: holds a byte 0"),
    "a JSON array": (b"[1, 2]\n", ":1: is not a JSON object"),
    "a JSON object on several lines": (b'{\n"timestamp": 1}\n', ":1: is not a JSON object"),
    "deep JSON": (b"[" * 100_000 + b"\n", ":1: is not a JSON object"),
}


class TestBadFiles:
    @pytest.mark.parametrize(
        ("name", "case"), [(name, case) for name, cases in BAD_ROW.items() for case in cases]
    )
    def test_a_bad_row_at_the_end(self, tmp_path: Path, name: str, case: str) -> None:
        row, expected = BAD_ROW[name][case]
        text = GOOD[name].rstrip("\r\n") + "\n" + row
        line = text.count("\n") + 1
        message = refusal(written(tmp_path, text), name)
        assert message.startswith(f":{line}: ")
        assert expected in message

    @pytest.mark.parametrize("name", GOOD)
    def test_a_file_of_another_format(self, tmp_path: Path, name: str) -> None:
        """The message names both."""
        for other in set(GOOD) - {name}:
            message = refusal(written(tmp_path, GOOD[other]), name)
            assert message.startswith(":1: ")
            assert f"a trace of format '{name}' has" in message
            assert f"it looks like format '{other}'" in message

    @pytest.mark.parametrize("name", ["azure", "burstgpt", "vidur"])
    def test_a_missing_column(self, tmp_path: Path, name: str) -> None:
        for column in FORMATS[name].columns:
            text = GOOD[name].replace(column, "x", 1)
            assert f":1: the header lacks {column} (a trace" in refusal(
                written(tmp_path, text), name
            )
            assert ":1: no known format of request traces" in refusal(written(tmp_path, text))

    def test_a_missing_key(self, tmp_path: Path) -> None:
        text = GOOD["mooncake"].replace("input_length", "x", 1)
        path = written(tmp_path, text)
        assert ":1: the object lacks input_length (a trace" in refusal(path, "mooncake")

    @pytest.mark.parametrize("name", [*GOOD, None])
    @pytest.mark.parametrize("case", NO_TRACE)
    def test_no_trace_at_all(self, tmp_path: Path, name: str | None, case: str) -> None:
        content, expected = NO_TRACE[case]
        assert refusal(written(tmp_path, content), name).startswith(expected)

    @pytest.mark.parametrize("name", ["azure", "burstgpt", "vidur"])
    def test_no_rows(self, tmp_path: Path, name: str) -> None:
        header, _, _ = GOOD[name].partition("\n")
        assert refusal(written(tmp_path, header + "\n"), name) == ": holds no requests"
        assert refusal(written(tmp_path, header), name) == ": holds no requests"

    def test_nothing_but_failures(self, tmp_path: Path) -> None:
        path = written(tmp_path, BURSTGPT + "1,m,2,0,2,x\n" * 1200)
        assert refusal(path) == ": holds no requests but 1,200 that failed"

    def test_no_such_format(self, tmp_path: Path) -> None:
        with pytest.raises(UnknownName, match="did you mean 'azure'"):
            read_trace(written(tmp_path, GOOD["azure"]), "azur")

    @pytest.mark.parametrize("name", [*GOOD, None])
    @pytest.mark.parametrize("first", ["", "valid"])
    def test_a_line_without_end(self, tmp_path: Path, name: str | None, first: str) -> None:
        """64 MB of it, of which a little more than the longest line is read."""
        path = tmp_path / "trace.txt"
        with path.open("wb") as file:
            text = GOOD[name or "azure"].rstrip("\r\n") + "\n" if first else ""
            file.write(text.encode())
            for _ in range(64):
                file.write(b"7" * (1 << 20))
        line = text.count("\n") + 1
        began = time.process_time()
        message = refusal(path, name)
        assert message.startswith(f":{line}: a line of more than {LONGEST_LINE_BYTES:,} bytes")
        assert time.process_time() - began < 5

    def test_memory_of_a_line_without_end(self, tmp_path: Path) -> None:
        path = tmp_path / "trace.txt"
        with path.open("wb") as file:
            file.truncate(0)
            for _ in range(64):
                file.write(b"7" * (1 << 20))
        tracemalloc.start()
        try:
            refusal(path, "vidur")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 8e6


# Whatever is in a file, it is read or refused with its name; and both parsers agree.

NUMBERS = st.one_of(
    st.integers(-2, 5000).map(str),
    st.floats(-1, 1e6).map(repr),
    st.sampled_from(["", "nan", "inf", "-0", "1e3", "7.0", " 4", "5 ", "+3", "x", "9" * 30, '"6"']),
)
STAMPS_WITHOUT_OFFSET = st.datetimes(
    min_value=datetime(1990, 1, 1), max_value=datetime(2200, 1, 1)
).map(str)
STAMPS = st.one_of(
    STAMPS_WITHOUT_OFFSET,
    st.sampled_from(
        [
            "2023-11-16",
            "2023-11-16 18:15",
            "2023-11-16T18:15:46.6805901",
            "2023-11-16 18:15:46Z",
            "2023-11-16 18:15:46.123+05:30",
            "2023-11-16 24:00:00",
            "2023-02-29 00:00:00",
            "18:15:46",
            "2023-11-16 18:15:46 UTC",
            "",
        ]
    ),
)
ENDS = st.sampled_from(["\n", "\r\n", "\n\n"])


def csv_rows(name: str) -> st.SearchStrategy[bytes]:
    """Half of them with nothing wrong in any row."""
    one = FORMATS[name]
    tokens = st.integers(1, 5000).map(str)
    stamps = STAMPS if one.stamps else NUMBERS
    fine = st.tuples(
        STAMPS_WITHOUT_OFFSET if one.stamps else st.floats(0, 9).map(str), tokens, tokens
    )
    lists = st.one_of(
        st.lists(st.tuples(fine, st.sampled_from(["\n", "\r\n"])), max_size=6),
        st.lists(st.tuples(st.tuples(stamps, NUMBERS, NUMBERS), ENDS), max_size=4),
    )
    return lists.map(lambda made: "".join(",".join(c) + end for c, end in made).encode())


JSON_VALUES = st.one_of(
    st.integers(-2, 5000),
    st.floats(allow_nan=True),
    st.none(),
    st.booleans(),
    st.text(max_size=3),
    st.lists(st.integers(), max_size=3),
)
JSON_ROWS = st.one_of(
    st.lists(
        st.fixed_dictionaries(dict.fromkeys(FORMATS["mooncake"].columns, st.integers(1, 9))),
        max_size=5,
    ),
    st.lists(
        st.one_of(
            st.fixed_dictionaries(dict.fromkeys(FORMATS["mooncake"].columns, JSON_VALUES)),
            st.dictionaries(st.sampled_from(["timestamp", "input_length", "x"]), JSON_VALUES),
            JSON_VALUES,
        ),
        max_size=4,
    ),
).map(lambda rows: "".join(json.dumps(row) + "\n" for row in rows).encode())
FUZZ = settings(
    max_examples=examples(80), suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def opened(path: Path, name: str) -> OpenedTrace:
    with closing(open_as(path, name)) as trace:
        return trace


def both_parsers(path: Path, name: str, header: bytes, rows: bytes) -> None:
    """Arrow gives nothing, or what the lines give, which then are without error."""
    path.write_bytes(header)
    trace = opened(path, name) if header else None
    if trace is None:
        path.write_bytes(rows.partition(b"\n")[0])
        try:
            trace = opened(path, name)
        except TraceError:
            return
    block = Block(rows, 1, is_last=True)
    at_once = parsed_at_once(trace, block, LineParser(path, trace))
    if at_once is None:
        return
    by_line = LineParser(path, trace).parsed(block)
    assert list(at_once.lines) == list(by_line.lines)
    for column in ("ticks", "prompt_tokens", "output_tokens"):
        fast, plain = getattr(at_once, column), getattr(by_line, column)
        assert fast.tolist() == plain.tolist(), column
        assert fast.dtype == plain.dtype


class TestAnyContent:
    @pytest.mark.parametrize("name", ["azure", "vidur"])
    @FUZZ
    @given(data=st.data())
    def test_parsers_agree_on_csv(self, tmp_path: Path, name: str, data: st.DataObject) -> None:
        rows = data.draw(csv_rows(name))
        if rows:
            header = ",".join(FORMATS[name].columns).encode() + b"\n"
            both_parsers(tmp_path / "t", name, header, rows)

    @FUZZ
    @given(rows=JSON_ROWS)
    def test_parsers_agree_on_json(self, tmp_path: Path, rows: bytes) -> None:
        if rows:
            both_parsers(tmp_path / "t", "mooncake", b"", rows)

    @pytest.mark.parametrize("name", GOOD)
    @FUZZ
    @given(data=st.data())
    def test_read_or_refused(
        self, tmp_path: Path, name: str, data: st.DataObject, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A good file with some bytes cut, changed or put in, in blocks of any size."""
        content = GOOD[name].encode()
        at = data.draw(st.integers(0, len(content)))
        to = data.draw(st.integers(at, min(len(content), at + 40)))
        put = data.draw(
            st.one_of(st.binary(max_size=8), st.sampled_from([b"\n", b",", b'"', b"0"]))
        )
        path = tmp_path / "t"
        path.write_bytes(content[:at] + put + content[to:])
        monkeypatch.setattr(
            text_blocks, "BLOCK_BYTES", data.draw(st.sampled_from([1, 50, 1 << 20]))
        )
        for chosen in (name, None):
            try:
                trace = read_trace(path, chosen)
            except TraceError as error:
                refused = str(error)
            else:
                refused = ""
            if refused:
                assert re.match(re.escape(str(path)) + r"(:\d+)?: \S", refused)
                continue
            assert trace.requests == len(trace.prompt_tokens) == len(trace.output_tokens) > 0
            assert trace.times_s[0] == 0
            assert (np.diff(trace.times_s) >= 0).all()
            assert trace.prompt_tokens.min() >= 1
            assert trace.output_tokens.min() >= 1

    @settings(max_examples=examples(80))
    @given(
        st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r\n"]), max_size=40),
        st.integers(1, 9),
    )
    @example([b"\n"], 1)
    def test_blocks_are_the_file(self, parts: list[bytes], size: int) -> None:
        """Whole lines, numbered, nothing lost."""
        content = b"".join(parts)
        blocks = list(text_blocks._blocks(Path("t"), iter(_cut(content, size))))
        assert b"".join(block.text for block in blocks) == content
        assert all(block.text.endswith(b"\n") for block in blocks[:-1])
        assert [block.is_last for block in blocks] == [False] * (len(blocks) - 1) + [True] * bool(
            blocks
        )
        numbered = [pair for block in blocks for pair in block.numbered_lines()]
        lines = enumerate(content.split(b"\n"), 1)
        assert numbered == [(n, line.rstrip(b"\r")) for n, line in lines if line.rstrip(b"\r")]


def _cut(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


def test_a_byte_order_mark_is_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, b"\xef\xbb\xbf" + GOOD["vidur"].encode())
    (block,) = read_blocks(path)
    assert block.text.startswith(b"arrived_at")


STREAM = """
import sys
from pathlib import Path
from inference_sim.workload import open_trace, trace_stream

def peak_kib():  # of this process alone: what getrusage tells begins at its parent's
    (line,) = (one for one in open("/proc/self/status") if one.startswith("VmHWM"))
    return int(line.split()[1])

small = open_trace(Path(sys.argv[1]), in_memory_bytes=0)
count = sum(1 for _ in trace_stream(small, 0))
before = peak_kib()
trace = open_trace(Path(sys.argv[2]), in_memory_bytes=0)
count = sum(1 for _ in trace_stream(trace, 0))
print(count, peak_kib() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("name", ["azure", "mooncake"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, name: str) -> None:
    """A million rows: a few MB more than for a tenth of them. Their arrays alone take 24 MB."""
    make: Callable[[int], str] = (
        (
            lambda i: (
                f"2023-11-16 18:{i // 20000:02}:{i // 400 % 50 + 10}.{i % 400:07},{i % 99 + 1},7\n"
            )
        )
        if name == "azure"
        else (lambda i: f'{{"timestamp":{i},"input_length":{i % 99 + 1},"output_length":7}}\n')
    )
    paths = []
    for count in (100_000, 1_000_000):
        paths.append(tmp_path / f"{count}.txt")
        with paths[-1].open("w", encoding="utf-8") as file:
            file.write(AZURE if name == "azure" else "")
            file.writelines(map(make, range(count)))
    done = subprocess.run(
        [sys.executable, "-c", STREAM, *map(str, paths)], capture_output=True, text=True, check=True
    )
    count, grown_kib = map(int, done.stdout.split())
    assert count == 1_000_000
    assert grown_kib < 14_000
