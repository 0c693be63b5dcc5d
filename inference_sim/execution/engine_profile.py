"""Engine profiles: the share of an iteration that belongs to the engine, not to the GPU."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from inference_sim.catalogue import read_data
from inference_sim.errors import UnknownName


@dataclass(frozen=True, slots=True)
class EngineProfile:
    """Sampling and host time of a serving engine.

    An iteration takes ``max(gpu time, host time) + sampling time + serial time``, where

    - host time, which overlaps with the GPU's, is ``host_s + host_s_per_sequence * batch``;
    - sampling time, on the GPU, is ``sampling_s + sampling_s_per_sequence * sampled sequences``;
    - serial time, in which the GPU waits for the host, is ``serial_s + serial_s_per_sequence *
      sampled sequences + layers * (serial_s_per_layer + serial_s_per_layer_and_doubling *
      log2(tensor_parallel))``; 0 for an engine that schedules ahead.

    Attributes:
        all_reduce_latency_factor: On launch and latency of an all-reduce: CUDA graphs and one-shot
            kernels make it less than 1.
        fitted_on: The GPUs on which it was fitted; None where it holds for all.
    """

    name: str
    sampling_s: float
    sampling_s_per_sequence: float
    host_s: float
    host_s_per_sequence: float
    sources: str
    serial_s: float = 0.0
    serial_s_per_sequence: float = 0.0
    serial_s_per_layer: float = 0.0
    serial_s_per_layer_and_doubling: float = 0.0
    all_reduce_latency_factor: float = 1.0
    fitted_on: tuple[str, ...] | None = None


@cache
def engine_names() -> tuple[str, ...]:
    """Return the names of all known engine profiles."""
    return tuple(read_data("inference_sim.execution", "engines.yaml"))


@cache
def find_engine(name: str) -> EngineProfile:
    """Return the engine profile called `name`.

    Raises:
        UnknownName: If there is no such profile.
    """
    entries = read_data("inference_sim.execution", "engines.yaml")
    if name not in entries:
        raise UnknownName("engine profile", name, entries)
    entry = dict(entries[name])
    fitted_on = entry.pop("fitted_on", None)
    return EngineProfile(
        name=name, fitted_on=None if fitted_on is None else tuple(fitted_on), **entry
    )


def default_engine(gpu: str) -> str:
    """Return the profile of today's vLLM on a GPU; that of the H100 where none was fitted."""
    return "vllm-0.11-b200" if gpu.startswith("b200") else "vllm-0.11"
