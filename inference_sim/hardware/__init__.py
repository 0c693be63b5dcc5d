"""GPUs: what they can do and draw. The numbers and their sources are in ``gpus.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from inference_sim.catalogue import read_data
from inference_sim.errors import UnknownName


@dataclass(frozen=True, slots=True)
class KernelCoefficients:
    """Efficiencies and overheads of a GPU's kernels (see ``execution/roofline.py``).

    Times in microseconds per operation (``t0``), per layer (``t0e``, ``t0a``); efficiencies ``e_*``
    as fractions of peak; ``p`` is the exponent that joins memory and compute time.
    """

    t0_us: float
    e_bw: float
    e_flop: float
    p: float
    t0e_us: float
    e_el: float
    t0a_us: float
    e_kv: float
    e_prefill: float


@dataclass(frozen=True, slots=True)
class TwoResourceCoefficients:
    """Coefficients of the two-resource power model [W]."""

    base_w: float
    compute_w: float
    memory_w: float
    sampling_w: float


@dataclass(frozen=True, slots=True)
class PowerLawCoefficients:
    """Coefficients of the paper's Eq. 1: powers [W], saturation MFU [fraction], exponent."""

    idle_w: float
    max_w: float
    mfu_sat: float
    gamma: float


@dataclass(frozen=True, slots=True)
class AllReduce:
    """Cost of an all-reduce among the GPUs of a tensor-parallel group."""

    latency_us: float
    bandwidth_gb_per_s: float


@dataclass(frozen=True, slots=True)
class GpuSpec:
    """One GPU type.

    Attributes:
        memory_gib: Device memory [GiB].
        peak_tflops: Dense bf16 peak [10^12 FLOP/s].
        memory_bandwidth_tb_per_s: HBM peak [10^12 B/s].
        max_w: Board power limit [W].
        loaded_idle_w: Power with weights resident and no request running [W].
        embodied_g_per_gpu_hour: Embodied carbon, spread over the lifetime [gCO2e per GPU and hour].
        mfu_power_law: Coefficients of Eq. 1; None where the paper gives none.
        all_reduce: By tensor-parallel degree; empty where it was not measured.
    """

    name: str
    description: str
    memory_gib: float
    peak_tflops: float
    memory_bandwidth_tb_per_s: float
    max_w: float
    loaded_idle_w: float
    kernels: KernelCoefficients
    two_resource: TwoResourceCoefficients
    embodied_g_per_gpu_hour: float
    sources: str
    mfu_power_law: PowerLawCoefficients | None = None
    all_reduce: Mapping[int, AllReduce] = field(default_factory=dict)

    @property
    def peak_flops(self) -> float:
        """Peak [FLOP/s]."""
        return self.peak_tflops * 1e12

    @property
    def peak_bytes_per_s(self) -> float:
        """Peak memory bandwidth [B/s]."""
        return self.memory_bandwidth_tb_per_s * 1e12


@cache
def gpu_names() -> tuple[str, ...]:
    """Return the names of all known GPUs."""
    return tuple(read_data(__name__, "gpus.yaml"))


@cache
def find_gpu(name: str) -> GpuSpec:
    """Return the GPU called `name`.

    Raises:
        UnknownName: If the catalogue has no such GPU.
    """
    entries = read_data(__name__, "gpus.yaml")
    if name not in entries:
        raise UnknownName("GPU", name, entries)
    entry = dict(entries[name])
    power_law = entry.pop("mfu_power_law", None)
    return GpuSpec(
        name=name,
        kernels=KernelCoefficients(**entry.pop("kernels")),
        two_resource=TwoResourceCoefficients(**entry.pop("two_resource")),
        mfu_power_law=PowerLawCoefficients(**power_law) if power_law else None,
        all_reduce={k: AllReduce(**v) for k, v in entry.pop("all_reduce", {}).items()},
        **entry,
    )
