"""Configuration of the host memory behind the KV caches of a pool."""

from __future__ import annotations

from dataclasses import dataclass, field

from inference_sim.hardware import host_dram


@dataclass(frozen=True, slots=True, kw_only=True)
class KvOffload:
    """Host memory behind the KV cache of each replica.

    Example:
        >>> KvOffload(host_gib=256, host_gb_per_s=50).power_w(256)
        102.4

    Attributes:
        host_gib: Memory of each replica, of all its GPUs together [GiB].
        host_gb_per_s: Bandwidth from host to GPU, of each GPU by itself [GB/s].
        w_per_gib: Power of the memory that is set [W/GiB].
        embodied_g_per_gib_hour: Embodied carbon of all of it [gCO2e per GiB and hour].
    """

    host_gib: float
    host_gb_per_s: float
    w_per_gib: float = field(default_factory=lambda: host_dram().w_per_gib)
    embodied_g_per_gib_hour: float = field(
        default_factory=lambda: host_dram().embodied_g_per_gib_hour
    )

    def power_w(self, set_gib: float) -> float:
        """Return the power of a replica's memory of which `set_gib` are used [W].

        The rest is taken to draw nothing: it is used for other things, or powered down.
        """
        return set_gib * self.w_per_gib
