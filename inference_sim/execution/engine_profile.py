"""Engine profiles: the share of an iteration that belongs to the engine, not to the GPU."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from inference_sim.catalogue import read_data
from inference_sim.errors import UnknownName


@dataclass(frozen=True, slots=True)
class EngineProfile:
    """Sampling and host time of a serving engine.

    An iteration takes ``max(gpu time, host time) + sampling time``, where host time is
    ``host_s + host_s_per_sequence * batch`` and sampling time is
    ``sampling_s + sampling_s_per_sequence * sampled sequences``.
    """

    name: str
    sampling_s: float
    sampling_s_per_sequence: float
    host_s: float
    host_s_per_sequence: float
    sources: str


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
    return EngineProfile(name=name, **entries[name])
