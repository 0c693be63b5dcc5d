"""Errors of predictions against measured runs, by regime. The numbers: ``measured_errors.yaml``.

A regime is an engine profile on a GPU, with dense models or mixtures of experts in one precision.
Each run is predicted by fits that never saw its architecture (``calibration/errors.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from inference_sim.execution.engine_profile import EngineProfile, engine_names, find_engine
from inference_sim.files.catalogue import Catalogue, Count, FileEntry, NonNegative
from inference_sim.hardware import GpuSpec, find_gpu, gpu_names
from inference_sim.models import ModelSpec


@dataclass(frozen=True, slots=True)
class ErrorFigures(FileEntry):
    """Errors of one quantity over the runs of a regime: predicted over measured, minus 1.

    Attributes:
        mape: Mean of their absolute values [fraction].
        bias: Their mean [fraction].
    """

    mape: NonNegative
    bias: float


@dataclass(frozen=True, slots=True)
class MeasuredErrors(FileEntry):
    """Errors in a regime, on saturated runs at the highest clock.

    Attributes:
        engine, gpu, precision: Names of the engine profile, the GPU and the weights' precision.
        experts: Whether its models are mixtures of experts.
        runs, architectures: How many were measured.
        gpus: Numbers of GPUs that they ran on.
        joules_per_token, power, throughput: The errors.
        within: Share of the predicted energy per token within which 90 % of the measured ones lie
            [fraction].
    """

    name: str
    engine: str
    gpu: str
    experts: bool
    precision: str
    runs: Count
    architectures: Count
    gpus: tuple[Count, ...]
    joules_per_token: ErrorFigures
    power: ErrorFigures
    throughput: ErrorFigures
    within: NonNegative


ERRORS = Catalogue("regime", __package__, "measured_errors.yaml", MeasuredErrors)


def regime_name(engine: str, gpu: str, precision: str, *, experts: bool) -> str:
    """Return the name of a regime."""
    return f"{engine}, {gpu}, {'experts' if experts else 'dense'}, {precision}"


@cache
def measured_errors(model: ModelSpec, gpu: GpuSpec, engine: EngineProfile) -> MeasuredErrors | None:
    """Return the errors in the regime of a combination; None where no run of it was measured.

    A GPU or an engine of a user's file is none that was measured, whatever its name.
    """
    if gpu.name not in gpu_names() or find_gpu(gpu.name) != gpu:
        return None
    shipped = find_engine(engine.name) if engine.name in engine_names() else None
    if shipped is None or engine not in (shipped, shipped.greedy):
        return None
    name = regime_name(engine.name, gpu.name, model.precision, experts=bool(model.experts))
    return ERRORS.find(name) if name in ERRORS.names else None
