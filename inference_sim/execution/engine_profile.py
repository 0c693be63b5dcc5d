"""Engine profiles: the share of an iteration that belongs to the engine, not to the GPU."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from inference_sim.catalogue import read_data
from inference_sim.errors import InferenceSimError, UnknownName
from inference_sim.hardware import GpuSpec


@dataclass(frozen=True, slots=True)
class EngineProfile:
    """Sampling and host time of a serving engine.

    An iteration takes ``max(gpu time, host time) + sampling time + serial time``, where

    - host time, which overlaps with the GPU's, is ``host_s + host_s_per_sequence * batch``;
    - sampling time, on the GPU, is ``sampling_s + sampled sequences * (sampling_s_per_sequence +
      sampling_s_per_logit * vocabulary)``: top-p sampling sorts the vocabulary, greedy does not;
    - serial time, in which the GPU waits for the host, is ``serial_s + serial_s_per_sequence *
      sampled sequences + serial_s_per_prompt * finished prompts + layers * (serial_s_per_layer +
      serial_s_per_layer_and_doubling * log2(tensor_parallel))``. An engine that schedules ahead
      has little of it: what it cannot do before the last tokens are known.

    Attributes:
        all_reduce_latency_factor: On launch and latency of an all-reduce: CUDA graphs and one-shot
            kernels make it less than 1.
        fitted_on: The GPUs on which it was fitted; None where it holds for all.
        time_factors: Factors on the GPU's time, from measurements of a model, by model name.
    """

    name: str
    sampling_s: float
    sampling_s_per_sequence: float
    host_s: float
    host_s_per_sequence: float
    sources: str
    sampling_s_per_logit: float = 0.0
    serial_s: float = 0.0
    serial_s_per_sequence: float = 0.0
    serial_s_per_prompt: float = 0.0
    serial_s_per_layer: float = 0.0
    serial_s_per_layer_and_doubling: float = 0.0
    all_reduce_latency_factor: float = 1.0
    fitted_on: tuple[str, ...] | None = None
    time_factors: Mapping[str, float] = field(default_factory=dict, hash=False)

    def sequence_sampling_s(self, vocab_size: int) -> float:
        """Return what sampling one sequence from a vocabulary takes [s]."""
        return self.sampling_s_per_sequence + self.sampling_s_per_logit * vocab_size

    def with_numbers(self, numbers: Mapping[str, float]) -> EngineProfile:
        """Return the same profile with some of its numbers changed, by field name."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return EngineProfile(**{**values, **numbers})


@cache
def engine_names() -> tuple[str, ...]:
    """Return the names of all known engine profiles."""
    return tuple(read_data("inference_sim.execution", "engines.yaml"))


@cache
def find_engine(name: str) -> EngineProfile:
    """Return the engine profile called `name`, or the one that the file `name` describes.

    A file (``.yaml`` or ``.yml``) has the fields of :class:`EngineProfile`. With ``base: <known
    profile>`` it names only what differs from that one::

        base: vllm-0.11
        sampling_s: 0.0009
        fitted_on: [h100-sxm-80gb]

    Raises:
        UnknownName: If the catalogue has no such profile.
        InferenceSimError: If the file is missing, lacks or misspells a field, or has a value that
            is not a time or a factor.
    """
    if name.endswith((".yaml", ".yml")):
        return _read_engine(Path(name))
    entries = read_data("inference_sim.execution", "engines.yaml")
    if name not in entries:
        raise UnknownName("engine profile", name, entries)
    return _build({"name": name, **entries[name]})


def default_engine(gpu: GpuSpec) -> str:
    """Return the profile of today's vLLM on a GPU; that of the H100 where none was fitted."""
    return "vllm-0.11-b200" if gpu.link_name.startswith("b200") else "vllm-0.11"


def _build(entry: Mapping[str, Any]) -> EngineProfile:
    fitted_on = entry.get("fitted_on")
    return EngineProfile(**{**entry, "fitted_on": None if fitted_on is None else tuple(fitted_on)})


def _read_engine(path: Path) -> EngineProfile:
    where = f"engine file '{path}'"
    try:
        own = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InferenceSimError(f"cannot read the {where}: {error}") from None
    if not isinstance(own, dict):
        raise InferenceSimError(f"{where}: expected 'name: value' lines (got {own!r})")
    base = own.pop("base", None)
    entry: dict[str, Any] = {"name": path.stem, "sources": str(path)}
    if base is not None:
        entries = read_data("inference_sim.execution", "engines.yaml")
        if base not in entries:
            raise UnknownName(f"base engine profile in '{path}'", str(base), entries)
        entry |= entries[base]
    known = [one.name for one in fields(EngineProfile)]
    for key in own:
        if key not in known:
            raise UnknownName(f"field in the {where}", str(key), known)
    _check_values(where, own)
    entry |= own
    missing = [one for one in _REQUIRED if one not in entry]
    if missing:
        raise InferenceSimError(
            f"{where}: {', '.join(missing)} missing; give them, or 'base: <known profile>' to take "
            "the rest from one"
        )
    return _build(entry)


_REQUIRED = ("sampling_s", "sampling_s_per_sequence", "host_s", "host_s_per_sequence")


def _check_values(where: str, own: Mapping[str, Any]) -> None:
    """Check what a file gives.

    Raises:
        InferenceSimError: With every value that is not what its field takes.
    """
    wrong = []
    for key, value in own.items():
        if key in ("name", "sources"):
            continue
        if key == "fitted_on":
            if value is not None and not isinstance(value, list):
                wrong.append(f"'{key}' must be a list of GPU names (got {value!r})")
        elif key == "time_factors":
            if not isinstance(value, dict):
                wrong.append(f"'{key}' must be a mapping of model names (got {value!r})")
                continue
            wrong += [
                f"'{key}' of '{model}' must be a number above 0 (got {factor!r})"
                for model, factor in value.items()
                if not (_is_number(factor) and factor > 0)
            ]
        elif not (_is_number(value) and value >= 0):
            hint = ", with a decimal point: 1.0e-3" if isinstance(value, str) else ""
            wrong.append(f"'{key}' must be a number that is not negative{hint} (got {value!r})")
    if wrong:
        raise InferenceSimError(f"{where}: {'; '.join(wrong)}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
