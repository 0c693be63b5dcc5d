"""How an engine forms its next batch."""

from collections.abc import Mapping
from types import MappingProxyType

from inference_sim.errors import InferenceSimError
from inference_sim.plugins import find_part
from inference_sim.scheduling.base import Chunk, Scheduler
from inference_sim.scheduling.chunked import SarathiScheduler, VllmV1Scheduler
from inference_sim.scheduling.reserved import OrcaScheduler, StaticScheduler
from inference_sim.scheduling.vllm import VidurScheduler, VllmScheduler

SCHEDULERS: Mapping[str, type[Scheduler]] = MappingProxyType(
    {
        "vllm": VllmScheduler,
        "vidur": VidurScheduler,
        "vllm_v1": VllmV1Scheduler,
        "sarathi": SarathiScheduler,
        "orca": OrcaScheduler,
        "static": StaticScheduler,
    }
)
"""The schedulers that come with the simulator, by their names in scenarios."""


def find_scheduler(name: str) -> type[Scheduler]:
    """Return the class of a scheduler.

    Packages offer theirs as entry points of the group ``cosim.schedulers``.

    Raises:
        InferenceSimError: If there is none of that name, or it cannot be imported.
    """
    found = find_part("scheduler", name, SCHEDULERS)
    # Not issubclass: compiled classes share one cache of answers with their abstract base, which
    # would then take any scheduler for an instance of any other.
    if Scheduler not in getattr(found, "__mro__", ()):
        raise InferenceSimError(f"scheduler '{name}' must be a subclass of Scheduler (got {found})")
    return found


__all__ = [
    "SCHEDULERS",
    "Chunk",
    "OrcaScheduler",
    "SarathiScheduler",
    "Scheduler",
    "StaticScheduler",
    "VidurScheduler",
    "VllmScheduler",
    "VllmV1Scheduler",
    "find_scheduler",
]
