"""Schedulers: the rules by which an engine forms its next batch."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeGuard

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
"""The built-in schedulers, by their names in scenarios."""


_REQUIRED = ("can_admit", "make_cache", "take")
"""Methods that every scheduler defines; compiled classes do not list these themselves."""


def find_scheduler(name: str) -> type[Scheduler]:
    """Return the class of a scheduler.

    Packages offer theirs as entry points of the group ``cosim.schedulers``.

    Raises:
        InferenceSimError: If no scheduler has that name, it cannot be imported, or it is not a
            complete scheduler.
    """
    return checked_scheduler(find_part("scheduler", name, SCHEDULERS), f"'{name}'")


def checked_scheduler(part: object, where: str) -> type[Scheduler]:
    """Return `part` if it is a complete scheduler.

    Args:
        part: The class.
        where: Its name or its location, for errors.

    Raises:
        InferenceSimError: If it is not.
    """
    if not is_scheduler(part):
        raise InferenceSimError(
            f"scheduler {where} must be a subclass of inference_sim.scheduling.Scheduler "
            f"(got {part!r})"
        )
    missing = [name for name in _REQUIRED if _definer(part, name) is Scheduler]
    if not hasattr(part, "mixes"):
        missing.append("mixes")
    if missing:
        raise InferenceSimError(f"scheduler {where} must define {' and '.join(missing)}")
    return part


def is_scheduler(part: object) -> TypeGuard[type[Scheduler]]:
    """Return whether `part` is a subclass of :class:`Scheduler`.

    It does not use ``issubclass``: compiled classes share one cache of answers with their abstract
    base, which would then take any scheduler for an instance of any other.
    """
    return Scheduler in getattr(part, "__mro__", ())


def _definer(part: type[Scheduler], name: str) -> type:
    return next(base for base in part.__mro__ if name in vars(base))


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
    "checked_scheduler",
    "find_scheduler",
    "is_scheduler",
]
