"""Scenario keys of the host memory behind the KV caches."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cosim.scenario.fields import NonNegative, Positive, StrictModel
from inference_sim.hardware import host_dram
from inference_sim.kv_offload import KvOffload

MAX_HOST_GIB = 65_536
"""Most host memory of a replica: twice that of the largest servers [GiB]."""


class KvOffloadKeys(StrictModel):
    """Host memory behind the KV cache of each replica: what the GPUs lose is loaded from there."""

    host_gib: Annotated[float, Field(gt=0, le=MAX_HOST_GIB)]
    """Host memory of a replica for KV blocks [GiB], of all its GPUs together
    (kv_offloading_size)."""
    host_gb_per_s: Positive
    """Bandwidth from host to each GPU [GB/s]; about 50 over PCIe 5.0 (H100, H200, B200), and 25
    over PCIe 4.0 (A100, L40S)."""
    w_per_gib: NonNegative = host_dram().w_per_gib
    """Power of the memory [W/GiB], of as much of it as is set (cache_host_gib)."""
    embodied_g_per_gib_hour: NonNegative = host_dram().embodied_g_per_gib_hour
    """Embodied carbon of the memory [g per GiB and hour], of all of it; 0 if the server has it
    anyhow."""

    def offload(self) -> KvOffload:
        """Return it as the simulator takes it."""
        return KvOffload(
            host_gib=self.host_gib,
            host_gb_per_s=self.host_gb_per_s,
            w_per_gib=self.w_per_gib,
            embodied_g_per_gib_hour=self.embodied_g_per_gib_hour,
        )
