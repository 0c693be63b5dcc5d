"""Times in the unit that a trace has, rows that are left out, and formats that packages offer."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from inference_sim.errors import InferenceSimError, TraceError
from inference_sim.workload import open_trace, read_trace, text_blocks
from inference_sim.workload.trace_conformance import check_format
from inference_sim.workload.trace_formats import FORMATS, TraceFormat, find_format
from inference_sim.workload.trace_opening import recognise_format
from tests.inference_sim.test_trace_formats import AZURE, BURSTGPT, VIDUR, written

CASES = Path(__file__).parents[3] / "shared" / "cases" / "traces"

BAILIAN = (
    '{"chat_id": 5, "parent_chat_id": -1, "timestamp": 2.5, "input_length": 30, '
    '"output_length": 8, "type": "text", "turn": 1, "hash_ids": [1]}\n'
    '{"chat_id": 6, "parent_chat_id": 5, "timestamp": 62, "input_length": 40, '
    '"output_length": 9, "type": "text", "turn": 2, "hash_ids": [1, 2]}\n'
)
MOONCAKE = (
    '{"timestamp": 1000, "input_length": 30, "output_length": 8}\n'
    '{"timestamp": 2500.5, "input_length": 40, "output_length": 9}\n'
)
MICROSECONDS = AZURE + "100000,30,8\n1600000,40,9\n"


class TestUnits:
    def test_bailian_has_seconds(self, tmp_path: Path) -> None:
        path = written(tmp_path, BAILIAN)
        assert recognise_format(path).name == "bailian"
        trace = read_trace(path)
        assert trace.times_s.tolist() == [0, 59.5]
        assert trace.prompt_tokens.tolist() == [30, 40]

    def test_bailian_is_not_read_as_mooncake(self, tmp_path: Path) -> None:
        """Also where it is called so, and all its seconds are whole."""
        path = written(tmp_path, BAILIAN.replace("2.5", "2"))
        assert read_trace(path).times_s.tolist() == [0, 60]
        with pytest.raises(TraceError) as error:
            read_trace(path, "mooncake")
        assert str(error.value) == (
            f"{path}:1: has chat_id, as format 'bailian' has, whose times are in seconds (got "
            "format 'mooncake', in milliseconds)"
        )

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (
                MOONCAKE,
                ":2: column timestamp has a fraction, where mooncake has whole milliseconds",
            ),
            (MICROSECONDS, ":2: column TIMESTAMP is a plain number, not a time stamp"),
            (AZURE + "2023,30,8\n2024,40,9\n", ":2: column TIMESTAMP is a plain number"),
            (AZURE + "20240510,30,8\n", ":2: column TIMESTAMP is a plain number"),
        ],
    )
    @pytest.mark.parametrize("skip_invalid", [True, False])
    def test_another_unit_is_refused(
        self, tmp_path: Path, text: str, message: str, skip_invalid: bool
    ) -> None:
        path = written(tmp_path, text)
        with pytest.raises(TraceError) as error:
            read_trace(path, skip_invalid=skip_invalid)
        assert str(error.value).startswith(f"{path}{message}")
        assert "set `time_unit` to one of s, ms, us, ns, epoch, iso (got" in str(error.value)

    @pytest.mark.parametrize(
        ("text", "unit", "last_s"),
        [
            (MOONCAKE, "ms", 1.5005),
            (MOONCAKE, "s", 1500.5),
            (MICROSECONDS, "us", 1.5),
            (VIDUR + "0,1,1\n1500000000,1,1\n", "ns", 1.5),
            (BAILIAN, "ms", 0.0595),
        ],
    )
    @pytest.mark.parametrize("in_memory_bytes", [0, 1000])
    def test_unit_that_is_set(
        self, tmp_path: Path, text: str, unit: str, last_s: float, in_memory_bytes: int
    ) -> None:
        path = written(tmp_path, text)
        trace = open_trace(path, time_unit=unit, in_memory_bytes=in_memory_bytes)
        (part,) = trace.parts()
        assert part.times_s[-1] == pytest.approx(last_s, abs=1e-12)


class TestSkipping:
    @pytest.mark.parametrize(
        ("text", "times_s", "skipped", "failures"),
        [
            (
                AZURE + "2024-05-10 00:00:01Z,5,5\n2024-05-10 00:00:02Z,5,0\n"
                "2024-05-10 00:00:03Z,0,5\n2024-05-10 00:00:04Z,5\n7,5,5\n,5,5\n"
                "2024-05-10 00:00:05,5,5\n2024-05-10 00:00:06Z,5,many\n2024-05-10 00:00:08Z,5,5\n",
                [0, 7], 7, 0,
            ),
            (
                AZURE + "whenever,5,5\n2024-05-10 00:00:02Z,5,5\n2024-05-10 00:00:03Z,5,5",
                [0, 1], 1, 0,
            ),
            (
                BURSTGPT + "1,a,5,0,5,x\n2,a,5,5,10,x\n3,a,-5,5,0,x\n4,a,5,5,10,x\n",
                [0, 2], 1, 1,
            ),
            (
                BAILIAN + '{"timestamp": 70, "input_length": 1}\n{"chat_id": 8, "timestamp": 72.5, '
                '"input_length": 1, "output_length": 1}\n{"timestamp": ',
                [0, 59.5, 70], 2, 0,
            ),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("block_bytes", [1, 1 << 20])
    def test_wrong_rows_are_left_out_and_counted(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        text: str,
        times_s: list[float],
        skipped: int,
        failures: int,
        block_bytes: int,
    ) -> None:
        monkeypatch.setattr(text_blocks, "BLOCK_BYTES", block_bytes)
        path = written(tmp_path, text)
        with pytest.raises(TraceError):
            read_trace(path)
        trace = read_trace(path, skip_invalid=True)
        assert trace.times_s.tolist() == times_s
        assert (trace.skipped, trace.failures) == (skipped, failures)
        on_disk = open_trace(path, skip_invalid=True, in_memory_bytes=0)
        assert (on_disk.skipped, on_disk.requests) == (skipped, len(times_s))
        assert sum(part.requests for part in on_disk.parts()) == len(times_s)

    def test_the_order_of_a_file_is_not_a_row(self, tmp_path: Path) -> None:
        path = written(tmp_path, VIDUR + "5,1,1\n3,1,1\n")
        with pytest.raises(TraceError, match="arrives before the row above it"):
            read_trace(path, skip_invalid=True)

    def test_nothing_left(self, tmp_path: Path) -> None:
        path = written(tmp_path, VIDUR + "5,0,1\n6,1,0\n")
        with pytest.raises(TraceError, match="holds no requests but 2 invalid rows"):
            read_trace(path, skip_invalid=True)


class TestOfferedFormats:
    MINE = TraceFormat("mine", ("at", "in", "out"), "A log of mine", ticks_per_s=1e6)

    def offer(self, monkeypatch: pytest.MonkeyPatch, loaded: object) -> None:
        point = EntryPoint("mine", "a_package:MINE", "cosim.traces")
        monkeypatch.setattr(EntryPoint, "load", lambda self: loaded)
        monkeypatch.setattr(
            "inference_sim.plugins.entry_points",
            lambda group: [point] if group == "cosim.traces" else [],
        )

    @pytest.mark.parametrize("name", [None, "mine"])
    def test_recognised_and_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str | None
    ) -> None:
        self.offer(monkeypatch, self.MINE)
        path = written(tmp_path, "at,in,out\n5,1,2\n1500005,3,4\n")
        assert read_trace(path, name).times_s.tolist() == [0, 1.5]

    @pytest.mark.parametrize(
        ("loaded", "message"),
        [
            (FORMATS["vidur"], "format of traces 'mine' calls itself 'vidur'"),
            (5, r"format of traces 'mine' must be a TraceFormat \(got 5\)"),
        ],
    )
    def test_refused(self, monkeypatch: pytest.MonkeyPatch, loaded: object, message: str) -> None:
        self.offer(monkeypatch, loaded)
        with pytest.raises(InferenceSimError, match=message):
            find_format("mine")


@pytest.mark.parametrize(
    ("name", "skip_invalid", "times_s", "skipped"),
    [
        ("bailian.jsonl", False, [0, 4.5, 117.75, 600], 0),
        ("azure_gen0.csv", True, [0], 2),
        ("moon_out0.jsonl", True, [0], 1),
    ],
)
def test_shared_cases(name: str, skip_invalid: bool, times_s: list[float], skipped: int) -> None:
    path = CASES / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    trace = read_trace(path, skip_invalid=skip_invalid)
    assert (trace.times_s.tolist(), trace.skipped) == (times_s, skipped)


class TestConformance:
    LOG = TraceFormat("log", ("at", "in", "out"), "A log", ticks_per_s=1e3, json_lines=True)
    SAMPLE = '{"at": 5, "in": 1, "out": 2}\n{"at": 1505, "in": 3, "out": 4}\n'
    STAMPED = SAMPLE.replace("1505", '"2026-01-01T00:00:01Z"').replace(
        "5,", '"2026-01-01T00:00:00Z",'
    )

    @pytest.mark.parametrize(
        ("trace_format", "sample"),
        [(LOG, SAMPLE), (replace(LOG, stamps=True, ticks_per_s=1e9), STAMPED)],
    )
    def test_conforming(self, tmp_path: Path, trace_format: TraceFormat, sample: str) -> None:
        assert check_format(trace_format, written(tmp_path, sample)) == []

    @pytest.mark.parametrize(
        ("trace_format", "sample", "problem"),
        [
            (replace(LOG, name="vidur"), SAMPLE, "a format 'vidur' comes with the simulator"),
            (replace(LOG, ticks_per_s=60.0), SAMPLE, "expected 1, 1e3, 1e6 or 1e9 ticks_per_s"),
            (replace(LOG, stamps=True), SAMPLE, "expected ticks_per_s=1e9 (got 1000)"),
            (replace(LOG, columns=("at", "in", "in")), SAMPLE, "all different"),
            (
                replace(FORMATS["mooncake"], name="mine"),
                MOONCAKE,
                "has the columns of format 'mooncake'",
            ),
            (LOG, BAILIAN, "the sample is recognised as format 'bailian'"),
            (LOG, SAMPLE.replace("1505", "5"), "that do not arrive at once"),
            (LOG, SAMPLE.replace("4", "0"), ":2: column out is not a whole number"),
        ],
    )
    def test_not_conforming(
        self, tmp_path: Path, trace_format: TraceFormat, sample: str, problem: str
    ) -> None:
        (found,) = check_format(trace_format, written(tmp_path, sample))
        assert problem in found
