"""The files that a fit leaves: a GPU or an engine profile that a scenario can name.

A file appears under its name when it is complete.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, TextIO

import cosim
from cosim.calibrate.fitting import bias, mape
from cosim.calibrate.latency import LatencyFit
from cosim.calibrate.power import PowerFit
from cosim.errors import CosimError, ScenarioError
from inference_sim.files.yaml_text import read_mapping, write_yaml
from inference_sim.hardware import GpuSpec, find_gpu

_DIGITS = 6


def gpu_file(fit: PowerFit, gpu_name: str, gpu: GpuSpec, idle_w: float | None) -> str:
    """Return a GPU file with the fitted coefficients; the rest is as before.

    Args:
        found: The fit.
        gpu_name: The GPU as it was named: one of the catalogue, or a file.
        gpu: The same, with the limit that was fitted with.
        idle_w: Measured power with a model loaded and no request [W], if there is one.
    """
    content: dict[str, Any] = {"base": gpu_name}
    if gpu_name.endswith((".yaml", ".yml")):
        content = read_mapping(Path(gpu_name), "a GPU").plain()
        content.pop("name", None)
    if gpu.max_w != find_gpu(gpu_name).max_w:
        content["max_w"] = gpu.max_w
    if idle_w is not None:
        content["loaded_idle_w"] = idle_w
    content["two_resource"] = _rounded(fit.coefficients)
    content["sources"] = f"power {_source(fit)}; all else is that of {gpu.name}"
    return _text(fit, content)


def engine_file(fit: LatencyFit, engine_name: str, gpu: GpuSpec) -> str:
    """Return an engine file with the fitted numbers; the rest is as in the profile before.

    Args:
        found: The fit.
        engine_name: The profile as it was named: one of the catalogue, or a file.
        gpu: The GPU that was measured.
    """
    content: dict[str, Any] = {"base": engine_name}
    if engine_name.endswith((".yaml", ".yml")):
        content = read_mapping(Path(engine_name), "an engine profile").plain()
        content.pop("name", None)
    content |= _rounded(fit.numbers)
    if "serial_s" in fit.numbers:
        content |= {"serial_s_per_layer": 0.0, "serial_s_per_layer_and_doubling": 0.0}
    if fit.factors:
        content["time_factors"] = _rounded(fit.factors)
    content["fitted_on"] = [gpu.name]
    what = ", ".join([*fit.numbers, *(["time_factors"] if fit.factors else [])])
    content["sources"] = f"{what} {_source(fit)}; all else is that of {engine_name}"
    return _text(fit, content)


def errors_text(fit: PowerFit | LatencyFit) -> str:
    """Return the errors of a fit in a line."""
    out = fit.held_out
    return (
        f"MAPE {mape(fit.errors):.1f} %, bias {bias(fit.errors):+z.1f} % in the fit; "
        f"MAPE {mape(out.errors):.1f} %, bias {bias(out.errors):+z.1f} % {out.how}"
    )


def write_text(path: Path, text: str) -> None:
    """Write a file that appears when it is complete.

    Raises:
        ScenarioError: If it cannot be written.
    """
    with writing(path) as draft:
        draft.file.write(text)


@dataclass
class Draft:
    """A file in the making.

    Attributes:
        file: To write to.
        path: The name that it gets when it is complete.
    """

    file: TextIO
    path: Path


@contextmanager
def writing(path: Path) -> Iterator[Draft]:
    """Yield a file beside `path` that is renamed to it at the end; a failed block leaves nothing.

    Raises:
        ScenarioError: If it cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        file = partial.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise ScenarioError(f"'{path}' cannot be written: {error.strerror}") from None
    draft = Draft(file, path)
    try:
        with file:
            yield draft
        partial.replace(draft.path)
    except OSError as error:
        raise CosimError(f"'{path}' cannot be written: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.{_DIGITS}g}") for name, value in values.items()}


def _source(fit: PowerFit | LatencyFit) -> str:
    return f"fitted on {fit.table.path.name} ({len(fit.measured)} rows)"


def _text(fit: PowerFit | LatencyFit, content: Mapping[str, Any]) -> str:
    """Return the file, with where it comes from at its head."""
    path = fit.table.path
    head = [
        f"Fitted by cosim {cosim.__version__} on {datetime.now(UTC).date()}.",
        f"Measurements: {path.name}, {len(fit.measured)} rows, "
        f"SHA-256 {sha256(path.read_bytes()).hexdigest()[:16]}.",
        f"{errors_text(fit)}.",
        *(f"{note}." for note in fit.notes),
    ]
    return "".join(f"# {line}\n" for line in head) + write_yaml(content, width=96)
