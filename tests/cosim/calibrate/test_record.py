# ruff: noqa: N801, N802 - the made-up NVML has the names of the real one
"""Recording, with a made-up NVML: what is written when, and what is said where there is none."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from cosim.calibrate.record import COLUMNS, Clock, record_gpus
from cosim.errors import CosimError, ScenarioError
from tests.conftest import Cli


class FakeClock:
    """Time that passes when somebody sleeps, or as `took` says with each look at it."""

    def __init__(self, took: float = 0.0, on_sleep: Callable[[int], None] = lambda n: None) -> None:
        self.time, self.took, self.slept, self.on_sleep = 0.0, took, 0, on_sleep

    def clock(self) -> Clock:
        return Clock(now=self.now, sleep=self.sleep)

    def now(self) -> float:
        self.time += self.took
        return self.time

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.slept += 1
        self.on_sleep(self.slept)
        self.time += seconds


class Nvml(ModuleType):
    """As much of pynvml as is used; powers go up by 10 W with each reading."""

    class NVMLError(Exception):
        pass

    class NVMLError_NotSupported(NVMLError):
        pass

    class NVMLError_NoPermission(NVMLError):
        pass

    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0

    def __init__(self, gpus: int = 2) -> None:
        super().__init__("pynvml")
        self.gpus, self.reads, self.open = gpus, 0, 0

    def nvmlInit(self) -> None:
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:
        return self.gpus

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetName(self, handle: int) -> bytes | str:
        return b"NVIDIA H100" if handle else "NVIDIA H100"

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:
        self.reads += 1
        return 300_000 + 10_000 * ((self.reads - 1) // self.gpus) + handle  # mW

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: int) -> int:
        return 700_000

    def nvmlDeviceGetClockInfo(self, handle: int, kind: int) -> int:
        return {1: 1980, 2: 2619}[kind]

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> SimpleNamespace:
        return SimpleNamespace(gpu=97, memory=55)

    def nvmlDeviceGetTemperature(self, handle: int, kind: int) -> int:
        raise self.NVMLError_NotSupported

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:
        return SimpleNamespace(used=70 * 2**30)


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Nvml:
    module = Nvml()
    monkeypatch.setitem(sys.modules, "pynvml", module)
    return module


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_row_per_gpu_and_moment(
    nvml: Nvml, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "r.csv"
    assert record_gpus(path, seconds=5, interval_s=1, clock=FakeClock().clock())
    found = rows(path)
    assert tuple(found[0]) == COLUMNS
    assert [row["gpu"] for row in found] == ["0", "1"] * 5
    assert [row["power_w"] for row in found[::2]] == ["300.0", "310.0", "320.0", "330.0", "340.0"]
    assert found[1]["power_w"] == "300.001"
    first = found[0]
    assert (first["power_limit_w"], first["sm_clock_mhz"], first["memory_clock_mhz"]) == (
        "700.0",
        "1980.0",
        "2619.0",
    )
    assert (first["gpu_busy_percent"], first["memory_busy_percent"]) == ("97.0", "55.0")
    assert (first["temperature_c"], first["memory_used_mib"]) == ("", "71680.0")  # not offered
    assert first["time"].endswith("Z")
    out = capsys.readouterr().out
    assert (
        "GPU 0 (NVIDIA H100): 320.0 W on average over 5 samples, standard deviation 14.1 W" in out
    )
    assert nvml.open == 0
    assert [one.name for one in tmp_path.iterdir()] == ["r.csv"]


def test_missed_moments_are_left_out(nvml: Nvml, tmp_path: Path) -> None:
    """Looking takes longer than the interval: it records what it can, and ends in time."""
    clock = FakeClock(took=0.7)
    assert record_gpus(tmp_path / "r.csv", seconds=10, interval_s=1, clock=clock.clock())
    assert 3 <= len(rows(tmp_path / "r.csv")) / 2 < 10
    assert clock.time < 13


def test_an_interrupted_recording_is_marked(
    nvml: Nvml, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(slept: int) -> None:
        if slept == 3:
            raise KeyboardInterrupt

    path = tmp_path / "r.csv"
    path.write_text("an earlier one")
    clock = FakeClock(on_sleep=interrupt)
    assert not record_gpus(path, seconds=60, interval_s=1, clock=clock.clock())
    assert path.read_text() == "an earlier one"
    assert len(rows(tmp_path / "r.csv.partial")) == 6
    assert "Interrupted: the samples so far are written to" in capsys.readouterr().out
    assert sorted(one.name for one in tmp_path.iterdir()) == ["r.csv", "r.csv.partial"]
    assert nvml.open == 0


def test_a_driver_that_fails_meanwhile_leaves_nothing(
    nvml: Nvml, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(handle: int) -> int:
        raise nvml.NVMLError("GPU is lost")

    monkeypatch.setattr(nvml, "nvmlDeviceGetEnforcedPowerLimit", lost)
    with pytest.raises(CosimError, match="the NVIDIA driver failed while it was read: GPU is lost"):
        record_gpus(tmp_path / "r.csv", seconds=5, interval_s=1, clock=FakeClock().clock())
    assert list(tmp_path.iterdir()) == []
    assert nvml.open == 0


@pytest.mark.parametrize(("seconds", "interval"), [(0, 1), (5, 0), (5, 6), (-1, -1), (1e9, 1)])
def test_impossible_times(nvml: Nvml, tmp_path: Path, seconds: float, interval: float) -> None:
    with pytest.raises(ScenarioError, match=r"expected 0\.01 <= --interval <= --seconds"):
        record_gpus(tmp_path / "r.csv", seconds=seconds, interval_s=interval)


def test_without_the_package(cosim: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    answer = cosim("calibrate", "record", "-o", "r.csv")
    assert (answer.code, answer.out) == (1, "")
    assert (
        "recording needs the package nvidia-ml-py: pip install 'carbon-cosim[nvml]'" in answer.err
    )
    assert list(tmp_path.iterdir()) == []


def test_without_a_driver(cosim: Cli, nvml: Nvml, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise nvml.NVMLError("NVML Shared Library Not Found")

    monkeypatch.setattr(nvml, "nvmlInit", absent)
    answer = cosim("calibrate", "record")
    assert answer.code == 1
    assert "no NVIDIA driver answers on this machine (NVML Shared Library Not Found)" in answer.err


def test_without_a_gpu(cosim: Cli, nvml: Nvml) -> None:
    nvml.gpus = 0
    answer = cosim("calibrate", "record")
    assert answer.code == 1
    assert "the NVIDIA driver sees no GPU" in answer.err
    assert nvml.open == 0


def test_the_command_records(cosim: Cli, nvml: Nvml, tmp_path: Path) -> None:
    answer = cosim("calibrate", "record", "--seconds", "0.05", "--interval", "0.01", "-o", "r.csv")
    assert answer.code == 0
    assert "Written to r.csv" in answer.out
    assert rows(tmp_path / "r.csv")
