"""Traces with columns of their own: read by a map, refused with the map to write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inference_sim.errors import TraceError
from inference_sim.workload import open_trace, read_trace, text_blocks, trace_stream
from inference_sim.workload.trace_classes import ClassNumbers
from inference_sim.workload.trace_columns import mapped_format
from inference_sim.workload.trace_formats import FORMATS, TraceFormat
from tests.inference_sim.test_trace_formats import AZURE, VIDUR, written

NAMES = {"time": "ts", "prompt": "in", "output": "out"}
LOG = "ts,tier,in,out\n0,chat,10,5\n2,batch,20,6\n3.5,chat,30,7\n"


def csv_format(time_unit: str = "s", **more: str) -> TraceFormat:
    return mapped_format("csv", {**NAMES, **more}, time_unit)


def refusal(path: Path, trace_format: TraceFormat | None = None) -> str:
    with pytest.raises(TraceError) as error:
        read_trace(path, trace_format)
    assert str(error.value).startswith(str(path))
    assert len(str(error.value)) < 1100
    return str(error.value).removeprefix(str(path))


class TestMapped:
    @pytest.mark.parametrize("in_memory_bytes", [0, 10_000])
    def test_csv_with_classes(self, tmp_path: Path, in_memory_bytes: int) -> None:
        path = written(tmp_path, LOG)
        classes = ClassNumbers({"batch": 0, "chat": 1})
        trace = open_trace(
            path,
            csv_format(**{"class": "tier"}),
            classes=classes,
            in_memory_bytes=in_memory_bytes,
        )
        assert trace.class_counts == [1, 2]
        stream = list(trace_stream(trace, 5, class_shares=(0.5, 0.5)))
        assert [one[:4] for one in stream] == [(0, 10, 5, 1), (2, 20, 6, 0), (3.5, 30, 7, 1)]

    @pytest.mark.parametrize(
        ("unit", "stamps", "times_s"),
        [
            ("s", ["1", "3.5"], [0, 2.5]),
            ("ms", ["1", "3.5"], [0, 0.0025]),
            ("us", ["1", "3"], [0, 2e-6]),
            ("ns", ["1700000000000000000", "1700000002500000000"], [0, 2.5]),
            ("epoch", ["1700000000.25", "1700000002.75"], [0, 2.5]),
            ("iso", ["2026-01-01T00:00:00Z", "2026-01-01T01:00:02.5+01:00"], [0, 2.5]),
            ("iso", ["2026-01-01 00:00:00", "2026-01-01 00:00:02.500000001"], [0, 2.500000001]),
        ],
    )
    @pytest.mark.parametrize("form", ["csv", "jsonl"])
    def test_units(
        self, tmp_path: Path, form: str, unit: str, stamps: list[str], times_s: list[float]
    ) -> None:
        if form == "csv":
            text = "ts,in,out\n" + "".join(f"{stamp},10,5\n" for stamp in stamps)
        else:
            values = [stamp if unit == "iso" else float(stamp) for stamp in stamps]
            text = "".join(json.dumps({"ts": at, "in": 10, "out": 5}) + "\n" for at in values)
        trace = read_trace(written(tmp_path, text), mapped_format(form, NAMES, unit))
        assert trace.times_s.tolist() == pytest.approx(times_s, abs=1e-12)

    def test_dotted_paths(self, tmp_path: Path) -> None:
        """Flat, nested, or in between; the blank session is none."""
        rows = [
            {"at": 1.5, "usage": {"in": 5, "out": 6}, "meta": {"user": "ann"}},
            {"at": 2, "usage.in": 7, "usage.out": 8},
            {"at": 3, "usage": {"in": 9, "out": 1}, "meta.user": 12},
        ]
        path = written(tmp_path, "".join(json.dumps(row) + "\n" for row in rows))
        columns = {"time": "at", "prompt": "usage.in", "output": "usage.out"}
        described = mapped_format("jsonl", {**columns, "session": "meta.user"}, "s")
        trace = open_trace(path, described, talk=True)
        (part,) = trace.parts()
        assert part.times_s.tolist() == [0, 0.5, 1.5]
        assert part.prompt_tokens.tolist() == [5, 7, 9]
        assert part.talk is not None
        assert part.talk.sessions is not None
        assert part.talk.sessions.tolist() == ["ann", None, "12"]

    @pytest.mark.parametrize("block_bytes", [1, 1 << 20])
    def test_sorted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int
    ) -> None:
        """Equal times stay as they stand; classes and invalid rows go with their rows."""
        monkeypatch.setattr(text_blocks, "BLOCK_BYTES", block_bytes)
        path = written(tmp_path, "ts,in,out,c\n7,1,1,a\n5,0,1,a\n3,2,1,b\n7,3,1,c\n1,4,1,d\n")
        classes = ClassNumbers()
        trace = open_trace(
            path, csv_format(**{"class": "c"}), skip_invalid=True, sort=True, classes=classes
        )
        (part,) = trace.parts()
        assert part.times_s.tolist() == [0, 2, 6, 6]
        assert part.prompt_tokens.tolist() == [4, 2, 1, 3]
        assert trace.skipped == 1
        assert part.class_ids is not None
        names = {number: name for name, number in classes.numbers.items()}
        assert [names[number] for number in part.class_ids.tolist()] == ["d", "b", "a", "c"]

    def test_rows_that_go_back_say_what_helps(self, tmp_path: Path) -> None:
        message = refusal(written(tmp_path, "ts,in,out\n7,1,1\n5,1,1\n"), csv_format())
        assert message.startswith(":3: arrives before the row above it")
        assert "`sort: true` sorts one" in message


class TestRefused:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("t,in,out\n1,1,1\n", ":1: the header lacks ts (it has t, in, out)"),
            ("ts,in,out\n1,some,1\n", ":2: column in is not a whole number from 1"),
            ("ts,in,out\nnow,1,1\n", ":2: column ts is not a finite number (got 'now')"),
            ("ts,in,out\n-1,1,1\n", ":2: column ts is negative (got '-1')"),
            ("ts,in,out\n2026-01-01,1,1\n", "set `time_unit` to one of s, ms, us, ns, epoch, iso"),
            ("ts,in,in,out\n1,1,1,1\n", ":1: the header has in more than once"),
            ('{"ts": 1, "in": 2, "out": 3}\n', ":1: the header lacks ts, in, out"),
        ],
    )
    def test_files(self, tmp_path: Path, text: str, message: str) -> None:
        assert message in refusal(written(tmp_path, text), csv_format())

    @pytest.mark.parametrize(
        ("mark", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")]
    )
    def test_other_delimiters(self, tmp_path: Path, mark: str, name: str) -> None:
        path = written(tmp_path, "ts,in,out\n1,1,1\n".replace(",", mark))
        hint = f"; its columns seem to be separated by {name} (expected commas)"
        message = refusal(path, csv_format())
        assert message.startswith(":1: the header lacks ts, in, out (it has ts")
        assert message.endswith(hint)
        assert refusal(path, FORMATS["vidur"]).endswith(hint)
        assert refusal(path).endswith(hint)  # where the map would name columns that there are not

    @pytest.mark.parametrize("header", ["ts", "t;s,in"])
    def test_no_delimiter_is_guessed(self, tmp_path: Path, header: str) -> None:
        assert "separated" not in refusal(written(tmp_path, f"{header}\n1\n"), csv_format())

    def test_epoch_of_another_unit(self, tmp_path: Path) -> None:
        path = written(tmp_path, "ts,in,out\n1700000000000,1,1\n1700000001000,1,1\n")
        message = refusal(path, csv_format("epoch"))
        assert message.startswith(":2: column ts is not in seconds since 1970; set `time_unit`")

    def test_a_named_column_that_no_line_has(self, tmp_path: Path) -> None:
        path = written(tmp_path, '{"ts": 1, "in": 2, "out": 3}\n')
        described = mapped_format("jsonl", {**NAMES, "session": "who"}, "s")
        assert ":1: the object lacks who (it has ts, in, out)" in refusal(path, described)

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            ({"time": "a", "prompt": "b"}, "the columns lack output"),
            ({**NAMES, "tim": "b"}, r"\(got tim; did you mean 'time'\?\)"),
            ({**NAMES, "prompt": "ts"}, "are different columns"),
            ({**NAMES, "parent": "p"}, "expected the column `request`"),
            ({**NAMES, "prefix": "p"}, "goes with `prefix_block_tokens`"),
        ],
    )
    def test_maps(self, columns: dict[str, str], message: str) -> None:
        with pytest.raises(TraceError, match=message):
            mapped_format("csv", columns, "s")

    def test_unknown_classes(self, tmp_path: Path) -> None:
        path = written(tmp_path, LOG + "4,,1,1\n5,bulk,1,1\n")
        with pytest.raises(TraceError) as error:
            open_trace(path, csv_format(**{"class": "tier"}), classes=ClassNumbers({"chat": 0}))
        assert str(error.value).startswith(
            f"{path}:3: column tier has classes that the workload has not: 'batch', '', 'bulk' "
            "(known: chat)"
        )

    def test_a_column_that_is_no_class(self, tmp_path: Path) -> None:
        path = written(tmp_path, "ts,in,out\n" + "".join(f"{at},1,1\n" for at in range(300)))
        with pytest.raises(TraceError, match="more than 200 classes: is ts the class"):
            open_trace(path, csv_format(**{"class": "ts"}), classes=ClassNumbers())


class TestTheMapToWrite:
    @pytest.mark.parametrize(
        ("text", "columns", "unit"),
        [
            (
                "ts,model,in_tokens,out_tokens\n1700000000123,a,1,2\n",
                "{time: ts, prompt: in_tokens, output: out_tokens}",
                "ms",
            ),
            (
                "request_id,arrival_time,num_prompt_tokens,num_cached_tokens,num_output_tokens\n"
                "x,12.5,1,0,2\n",
                "{time: arrival_time, prompt: num_prompt_tokens, output: num_output_tokens}",
                "s",
            ),
            (
                '{"received": "2026-01-01T00:00:00Z", "usage": {"prompt tokens": 5, '
                '"completion": 3}}\n',
                "{time: received, prompt: 'usage.prompt tokens', output: usage.completion}",
                "iso",
            ),
            (
                "a,b\n1,2\n",
                "{time: TIME_COLUMN, prompt: PROMPT_COLUMN, output: OUTPUT_COLUMN}",
                "s",
            ),
        ],
    )
    def test_guessed(self, tmp_path: Path, text: str, columns: str, unit: str) -> None:
        form = "jsonl" if text.startswith("{") else "csv"
        path = written(tmp_path, text)
        message = refusal(path)
        assert message.startswith(":1: no known format of request traces (got ")
        assert f"known: {', '.join(FORMATS)}" in message
        assert f"{{format: {form}, path: " in message
        assert message.endswith(f", columns: {columns}, time_unit: {unit}}}`")

    def test_it_can_be_written(self, tmp_path: Path) -> None:
        """The guess, taken as it is, reads the file."""
        path = written(tmp_path, "ts,in_tokens,out_tokens\n1700000000.5,10,5\n1700000001,20,6\n")
        assert "{time: ts, prompt: in_tokens, output: out_tokens}, time_unit: s}" in refusal(path)
        columns = {"time": "ts", "prompt": "in_tokens", "output": "out_tokens"}
        trace = read_trace(path, mapped_format("csv", columns, "s"))
        assert trace.times_s.tolist() == [0, 0.5]

    def test_two_formats_at_once(self, tmp_path: Path) -> None:
        header = f"{VIDUR.strip()},{AZURE.strip()}\n"
        path = written(tmp_path, header + "0,1,2,2026-01-01 00:00:00,3,4\n")
        message = refusal(path)
        assert message == (
            ":1: has the columns of several formats: azure, vidur; `format` says which it is"
        )
        assert read_trace(path, "vidur").prompt_tokens.tolist() == [1]
