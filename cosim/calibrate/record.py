"""Samples the NVIDIA GPUs of a machine into a CSV file, through NVML.

NVML is read with nvidia-ml-py (the extra ``nvml``), which is imported when it is used. A quantity
that a GPU does not offer is an empty field. The reference for each call is NVIDIA's "NVML API
Reference Guide".
"""

from __future__ import annotations

import csv
import importlib
import math
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any, TextIO

from cosim.calibrate.output import writing
from cosim.errors import CosimError, ScenarioError, install_hint

COLUMNS = (
    "time", "gpu", "name", "power_w", "power_limit_w", "sm_clock_mhz", "memory_clock_mhz",
    "gpu_busy_percent", "memory_busy_percent", "temperature_c", "memory_used_mib",
)  # fmt: skip
"""``gpu_busy_percent`` is the share of time in which any kernel ran, ``memory_busy_percent`` that
in which memory was read or written: neither is a share of the peak, as mfu and
bandwidth_utilisation are."""
_LONGEST_S = 31 * 86400.0


@dataclass(frozen=True, slots=True)
class Clock:
    """Source of time; tests bring their own."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def record_gpus(
    path: Path, *, seconds: float, interval_s: float, clock: Clock | None = None
) -> bool:
    """Record into a file, and print the power of each GPU.

    Args:
        path: The file; it appears when all samples are taken. After Ctrl-C those until then are in
            ``<path>.partial``.
        seconds: How long [s].
        interval_s: Time between two samples [s].
        clock: Where time comes from; the machine's by default.

    Returns:
        Whether the recording is complete.

    Raises:
        ScenarioError: If a time is not possible, or the file cannot be written.
        CosimError: If there is no NVIDIA GPU, driver or package, or the driver fails meanwhile.
    """
    if not 0.01 <= interval_s <= seconds <= _LONGEST_S:
        raise ScenarioError(
            f"expected 0.01 <= --interval <= --seconds <= {_LONGEST_S:.0f} "
            f"(got --interval {interval_s:g}, --seconds {seconds:g})"
        )
    nvml = _start()
    try:
        gpus = _gpus(nvml)
        with writing(path) as draft:
            print(f"Recording {_list(gpus)} for {seconds:g} s; Ctrl-C ends it", file=sys.stderr)
            recorder = _Recorder(nvml, gpus, draft.file)
            try:
                recorder.record(seconds, interval_s, clock or Clock())
            except KeyboardInterrupt:
                draft.path = path.with_name(f"{path.name}.partial")
    except nvml.NVMLError as error:
        raise CosimError(f"the NVIDIA driver failed while it was read: {error}") from None
    finally:
        with suppress(nvml.NVMLError):
            nvml.nvmlShutdown()
    recorder.print_means()
    complete = draft.path == path
    print(
        f"{'Written' if complete else 'Interrupted: the samples so far are written'} to "
        f"{draft.path}"
    )
    return complete


def _start() -> Any:
    """Return the NVML module, initialised.

    Raises:
        CosimError: If there is no package or no driver.
    """
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        raise CosimError(
            f"recording needs the package nvidia-ml-py: {install_hint('nvml')} (and a machine "
            "with an NVIDIA GPU and its driver)"
        ) from None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        raise CosimError(
            f"no NVIDIA driver answers on this machine ({error}); record where the GPUs are: "
            "`nvidia-smi` must list them there"
        ) from None
    return nvml


def _gpus(nvml: Any) -> list[tuple[int, Any, str]]:
    """Return index, handle and name of each GPU.

    Raises:
        CosimError: If there is none.
    """
    count = nvml.nvmlDeviceGetCount()
    if not count:
        raise CosimError("the NVIDIA driver sees no GPU (`nvidia-smi` lists them)")
    gpus = []
    for index in range(count):
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        name = nvml.nvmlDeviceGetName(handle)
        gpus.append((index, handle, name.decode() if isinstance(name, bytes) else str(name)))
    return gpus


class _Recorder:
    """Writer of a row per GPU and moment, which keeps their powers."""

    def __init__(self, nvml: Any, gpus: Sequence[tuple[int, Any, str]], file: TextIO) -> None:
        self._nvml, self._gpus, self._file = nvml, gpus, file
        self._power_w: dict[int, list[float]] = {index: [] for index, _, _ in gpus}

    def record(self, seconds: float, interval_s: float, clock: Clock) -> None:
        """Sample for a while; moments do not drift, and those that are missed are left out."""
        writer = csv.writer(self._file, lineterminator="\n")
        writer.writerow(COLUMNS)
        begin, ticks, tick = clock.now(), round(seconds / interval_s), 0
        while tick < ticks:
            stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
            for index, handle, name in self._gpus:
                fields = self._read(handle)
                writer.writerow([stamp.replace("+00:00", "Z"), index, name, *fields])
                if fields[0] != "":
                    self._power_w[index].append(float(fields[0]))
            self._file.flush()
            tick = max(tick + 1, math.floor((clock.now() - begin) / interval_s))
            clock.sleep(max(0.0, begin + tick * interval_s - clock.now()))

    def print_means(self) -> None:
        """Print the values for the column power_w of `cosim calibrate power`."""
        for index, _, name in self._gpus:
            watts = self._power_w[index]
            if not watts:
                print(f"GPU {index} ({name}): it does not report its power")
                continue
            print(
                f"GPU {index} ({name}): {fmean(watts):.1f} W on average over {len(watts)} samples, "
                f"standard deviation {pstdev(watts):.1f} W, {min(watts):.1f} to {max(watts):.1f} W"
            )

    def _read(self, handle: Any) -> list[float | str]:
        """Return the fields of a row; empty where the GPU does not offer one."""
        nvml = self._nvml

        def of(read: Callable[[], float], scale: float = 1.0) -> float | str:
            try:
                return round(read() / scale, 3)
            except (nvml.NVMLError_NotSupported, nvml.NVMLError_NoPermission):
                return ""

        return [
            of(lambda: nvml.nvmlDeviceGetPowerUsage(handle), 1000.0),
            of(lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle), 1000.0),
            of(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
            of(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM)),
            of(lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
            of(lambda: nvml.nvmlDeviceGetUtilizationRates(handle).memory),
            of(lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
            of(lambda: nvml.nvmlDeviceGetMemoryInfo(handle).used, 2.0**20),
        ]


def _list(gpus: Sequence[tuple[int, Any, str]]) -> str:
    return ", ".join(f"GPU {index} ({name})" for index, _, name in gpus)
