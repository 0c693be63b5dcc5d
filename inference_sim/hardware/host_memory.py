"""Host memory of a server. The numbers and their sources are in ``host_memory.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from inference_sim.files.catalogue import Catalogue, FileEntry, NonNegative


@dataclass(frozen=True, slots=True)
class HostMemory(FileEntry):
    """A kind of host memory.

    Attributes:
        w_per_gib: Its power [W/GiB].
        embodied_g_per_gib_hour: Embodied carbon, spread over the lifetime [gCO2e per GiB and hour].
    """

    name: str
    description: str
    w_per_gib: NonNegative
    embodied_g_per_gib_hour: NonNegative


_KINDS = Catalogue("host memory", __package__, "host_memory.yaml", HostMemory)


@cache
def host_dram() -> HostMemory:
    """Return the DRAM of a server."""
    return _KINDS.find("dram")
