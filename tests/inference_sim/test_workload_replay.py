"""Traces played back: pace, shift and loops; files too large for memory."""

from __future__ import annotations

import re
import tracemalloc
from collections import deque
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from inference_sim.errors import TraceError
from inference_sim.workload import (
    Arrival,
    FixedLengths,
    HourlyArrivals,
    Replay,
    RequestTrace,
    TraceFile,
    find_lengths,
    generated_stream,
    open_trace,
    read_trace,
    text_blocks,
    trace_stream,
)
from tests.inference_sim.builders import approx
from tests.samples import sizes

VIDUR = "arrived_at,num_prefill_tokens,num_decode_tokens\n"
TRACE = RequestTrace(np.array([0.0, 1.0, 1.5, 9.0]), np.array([1, 2, 3, 4]), np.array([5, 6, 7, 8]))


def replayed(count: int | None = None, **changes: object) -> list[Arrival]:
    return list(islice(trace_stream(Replay(trace=TRACE, **changes), 0), count))


class TestReplay:
    def test_as_recorded(self) -> None:
        assert replayed() == list(trace_stream(TRACE, 0))
        assert replayed()[2][:4] == (1.5, 3, 7, 0)

    def test_pace(self) -> None:
        """Only the times are scaled."""
        fast = replayed(rate_scale=4.0)
        assert [one.time_s for one in fast] == [0.0, 0.25, 0.375, 2.25]
        assert [one[1:] for one in fast] == [one[1:] for one in replayed()]
        replay = Replay(trace=TRACE, rate_scale=4.0)
        assert replay.peak_rate_per_s == 4 * TRACE.peak_rate_per_s == approx(16 / 9, 1e-12)

    def test_shift(self) -> None:
        """In the time of the run, whatever the pace."""
        late = replayed(rate_scale=4.0, shift_s=100.0)
        assert [one.time_s for one in late] == [100.0, 100.25, 100.375, 102.25]

    def test_loop(self) -> None:
        """After a mean gap, here of 3 s, without end and at the mean rate of the trace."""
        looped = replayed(10, loop=True, shift_s=2.0)
        assert [one.time_s for one in looped] == [2, 3, 3.5, 11, 14, 15, 15.5, 23, 26, 27]
        assert [one.prompt_tokens for one in looped] == [1, 2, 3, 4, 1, 2, 3, 4, 1, 2]
        many = replayed(400_000, loop=True, rate_scale=2.0)
        assert many[-1].time_s == approx(100_000 * 12 / 2, 1e-4)
        assert np.diff([one.time_s for one in many]).min() == approx(0.25, 1e-6)

    def test_looped_classes_differ_from_turn_to_turn(self) -> None:
        stream = trace_stream(Replay(trace=TRACE, loop=True), 3, class_shares=(0.5, 0.5))
        classes = np.array([one.class_id for one in islice(stream, 4000)]).reshape(1000, 4)
        assert classes.mean(axis=0) == pytest.approx(0.5, abs=0.07)

    def test_a_number_of_requests_ends_a_loop(self) -> None:
        assert len(list(trace_stream(Replay(trace=TRACE, loop=True), 0, requests=11))) == 11

    def test_a_trace_of_one_moment_cannot_be_looped(self) -> None:
        moment = RequestTrace(np.zeros(3), np.ones(3, dtype=int), np.ones(3, dtype=int))
        assert len(list(trace_stream(Replay(trace=moment, shift_s=1.0), 0))) == 3
        with pytest.raises(TraceError, match="all arrive at once cannot be looped"):
            Replay(trace=moment, loop=True)


class TestTraceFile:
    @pytest.fixture
    def path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A file of 5,000 rows, read a few rows at a time."""
        monkeypatch.setattr(text_blocks, "BLOCK_BYTES", 300)
        rng = np.random.default_rng(0)
        times_s = 40.0 + np.cumsum(rng.exponential(0.2, 5000)).round(3)
        rows = (f"{time!r},{i + 1},{i % 9 + 1}\n" for i, time in enumerate(times_s.tolist()))
        path = tmp_path / "trace.csv"
        path.write_text(VIDUR + "".join(rows), encoding="utf-8")
        return path

    def test_the_same_as_from_memory(self, path: Path) -> None:
        """Requests, span, rate, and a loop of it."""
        trace, on_disk = read_trace(path, "vidur"), open_trace(path, "vidur", in_memory_bytes=1000)
        assert isinstance(on_disk, TraceFile)
        assert list(trace_stream(on_disk, 0)) == list(trace_stream(trace, 0))
        assert trace.times_s[0] == 0
        for name in ("requests", "span_s", "peak_rate_per_s"):
            assert getattr(on_disk, name) == getattr(trace, name), name
        in_minute = [((trace.times_s // 60) == minute).sum() for minute in range(20)]
        assert on_disk.peak_rate_per_s == approx(max(in_minute) / 60, 1e-12)
        both = [
            list(islice(trace_stream(Replay(trace=one, loop=True, rate_scale=3.0), 0), 12_000))
            for one in (trace, on_disk)
        ]
        assert both[0] == both[1]

    def test_small_files_are_held_in_memory(self, path: Path) -> None:
        assert isinstance(open_trace(path, "vidur"), RequestTrace)

    @pytest.mark.parametrize(
        ("line", "row", "message"),
        [
            (703, "0,5,5", ":703: arrives before the row above it"),
            *(
                (line, "0,5,5", f":{line}: arrives before the row above it")
                for line in range(20, 40)
            ),
            (1500, "x,5,5", ":1500: column arrived_at is not a finite number (got 'x')"),
            (4000, ",5,5", ":4000: column arrived_at is not a finite number (got '')"),
        ],
    )
    @pytest.mark.parametrize("in_memory_bytes", [1000, 10**9])
    def test_errors_name_the_line(
        self, path: Path, in_memory_bytes: int, line: int, row: str, message: str
    ) -> None:
        lines = path.read_text(encoding="utf-8").splitlines()
        lines[line - 1] = row
        path.write_text("\n".join(lines), encoding="utf-8")
        with pytest.raises(TraceError, match=re.escape(f"{path}{message}")):
            open_trace(path, "vidur", in_memory_bytes=in_memory_bytes)

    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(TraceError, match=r"none\.csv: cannot be read: No such file"):
            open_trace(tmp_path / "none.csv", "vidur")


class TestMemory:
    def peak_bytes(self, stream: object) -> int:
        tracemalloc.start()
        try:
            deque(stream, maxlen=0)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    @pytest.mark.parametrize(
        "requests", sizes(250_000, 2_000_000, "two million generated requests; every day 250,000")
    )
    def test_generated_requests(self, requests: int) -> None:
        """The arrivals alone of a quarter of a million would take 8 MB."""
        arrivals = HourlyArrivals(30.0, tuple(float(hour + 1) for hour in range(24)), 7.0)
        stream = generated_stream(
            arrivals,
            find_lengths("azure_2023_conversation"),
            1,
            requests=requests,
            class_shares=(0.7, 0.3),
            class_lengths={1: FixedLengths(100, 10)},
        )
        assert self.peak_bytes(stream) < 2e6

    def test_a_trace_file_in_loops(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of 30,000 rows, three times: less than the 720 kB that its arrays would take."""
        monkeypatch.setattr(text_blocks, "BLOCK_BYTES", 10_000)
        path = tmp_path / "trace.csv"
        path.write_text(VIDUR + "".join(f"{i},10,5\n" for i in range(30_000)), encoding="utf-8")
        trace = open_trace(path, "vidur", in_memory_bytes=0)
        stream = trace_stream(Replay(trace=trace, loop=True), 0, requests=90_000)
        assert self.peak_bytes(stream) < 7e5
