"""Releases of vLLM, as far as their schedulers differ.

What each does was read off vLLM's own scheduler, run on small workloads: `calibration.schedules`
replays them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from inference_sim.errors import InferenceSimError


@dataclass(frozen=True, slots=True)
class Release:
    """A release of vLLM's v1 engine.

    Attributes:
        name: Its number.
        admits_whole_prompts: Whether a prompt is admitted only if all of it fits into the cache,
            instead of its first chunk (`scheduler_reserve_full_isl`).
        takes_empty_blocks_first: Whether freed blocks that can never be found again are the next
            to be taken, instead of the last.
        schedules_ahead: Whether an iteration is planned while the one before runs, so that a
            request that arrives in iteration k starts in k + 2 (`async_scheduling`).
        pads_nearly_even_groups: Whether layers with and without an attention window, if nearly as
            many, share the KV cache as one group each.
    """

    name: str
    admits_whole_prompts: bool
    takes_empty_blocks_first: bool
    schedules_ahead: bool
    pads_nearly_even_groups: bool


RELEASES: Mapping[str, Release] = MappingProxyType(
    {
        "0.11": Release(
            "0.11",
            admits_whole_prompts=False,
            takes_empty_blocks_first=False,
            schedules_ahead=False,
            pads_nearly_even_groups=False,
        ),
        "0.33": Release(
            "0.33",
            admits_whole_prompts=True,
            takes_empty_blocks_first=True,
            schedules_ahead=True,
            pads_nearly_even_groups=True,
        ),
    }
)
"""The releases by number; those between follow the nearest older one."""
DEFAULT_RELEASE = "0.11"
"""The one whose times are measured; see ``execution/engines.yaml``."""


def find_release(name: str) -> Release:
    """Return a release.

    Raises:
        InferenceSimError: If it is not known.
    """
    release = RELEASES.get(name)
    if release is None:
        raise InferenceSimError(
            f"unknown release of vLLM '{name}'; there are {', '.join(RELEASES)}"
        )
    return release
