"""GPU types: their speed, memory and power. The numbers and their sources are in ``gpus.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from inference_sim.files.catalogue import Catalogue, Count, FileEntry, NonNegative, Positive
from inference_sim.hardware.nodes import Link, find_node


@dataclass(frozen=True, slots=True)
class KernelCoefficients(FileEntry):
    """Efficiencies and overheads of a GPU's kernels (see ``execution/roofline.py``).

    Times in microseconds per operation (``t0``), per layer (``t0e``, ``t0a``); efficiencies ``e_*``
    as fractions of peak; ``p`` is the exponent that joins memory and compute time. Matrix products
    of more than ``tile_tokens`` tokens compute whole tiles of that many (1: no such steps).
    ``t0s_us`` is the time of decode attention per layer and sequence, whatever its context.
    """

    t0_us: NonNegative
    e_bw: Positive
    e_flop: Positive
    p: Positive
    t0e_us: NonNegative
    e_el: Positive
    t0a_us: NonNegative
    e_kv: Positive
    e_prefill: Positive
    tile_tokens: Count = 1
    t0s_us: NonNegative = 0.0


@dataclass(frozen=True, slots=True)
class ProductCoefficients(FileEntry):
    """Matrix products in a precision of their own, as those of :class:`KernelCoefficients`."""

    t0_us: NonNegative
    e_bw: Positive
    e_flop: Positive
    p: Positive


@dataclass(frozen=True, slots=True)
class ExpertCoefficients(FileEntry):
    """Kernels of mixtures of experts: bandwidth efficiency, and overhead per layer [us].

    ``e_flop`` and ``p`` are those of the other matrix products where they are not given. Beside
    the products, ``passes`` times the hidden states of all pairs of a token and an expert are
    moved, to sort, scale and add them.
    """

    e_bw: Positive
    t0_us: NonNegative
    e_flop: Positive | None = None
    p: Positive | None = None
    passes: NonNegative = 0.0


@dataclass(frozen=True, slots=True)
class TwoResourceCoefficients(FileEntry):
    """Coefficients of the two-resource power model [W]."""

    base_w: NonNegative
    compute_w: NonNegative
    memory_w: NonNegative
    sampling_w: NonNegative


@dataclass(frozen=True, slots=True)
class PowerLawCoefficients(FileEntry):
    """Coefficients of the paper's Eq. 1: powers [W], saturation MFU [fraction], exponent."""

    idle_w: NonNegative
    max_w: Positive
    mfu_sat: Positive
    gamma: Positive


@dataclass(frozen=True, slots=True)
class ClockRange(FileEntry):
    """Settable clocks of the compute units [MHz]."""

    lowest: Positive
    highest: Positive


@dataclass(frozen=True, slots=True)
class GpuSpec(FileEntry):
    """One GPU type.

    Attributes:
        memory_gib: Device memory of the board [GiB].
        peak_tflops: Dense bf16 peak [10^12 FLOP/s].
        memory_bandwidth_tb_per_s: Memory peak [10^12 B/s].
        bandwidth_clock: Clock over the highest below which the bandwidth follows the clock: caches
            and their links belong to the compute units' clock; 0 where that is not known.
        max_w: Board power limit [W]: the highest power cap that it takes.
        least_cap_w: The lowest power cap that it takes [W]; 0 where it is not known.
        clocks_mhz: Clocks that it takes; None where they are not known.
        without: Precisions that no kernels serve on it. Weights in a precision without a speed of
            its own are expanded to bf16 for each product, as Marlin kernels do.
        loaded_idle_w: Power with weights resident and no request running [W].
        cold_idle_w: Power with nothing loaded [W]; None where it is not known.
        sleep_w: Power of a GPU that was put to sleep [W]; None for that of cold idle.
        cuda_memory_gib: Device memory that CUDA reports [GiB]; None where it is not known.
        default_engine: Engine profile where a scenario names none: that of today's vLLM on it, or
            of the H100 where none was fitted.
        experts: Kernels of mixtures of experts, in bf16 and in precisions without their own.
        products, precise_experts: Matrix products, and experts, in other precisions than bf16.
        served, served_experts: Precisions of linear layers, and of experts, whose times were
            compared with measured runs of an engine.
        precision_speed: Peak over that of bf16, by precision of the weights; 1 where it has none of
            its own.
        embodied_g_per_gpu_hour: Embodied carbon, spread over the lifetime [gCO2e per GPU and hour].
        node: The node type that it usually sits in.
        links_of: The GPU whose links (see ``nodes.yaml``) it has; "" for those under its own name.
        mfu_power_law: Coefficients of Eq. 1; None where the paper gives none.
        uncalibrated: Parts that were not fitted on measurements; "" where all were.
        experts_uncalibrated: The same, of ``experts``.
        power_uncalibrated: The same, of ``two_resource``.
    """

    name: str
    description: str
    memory_gib: Positive
    peak_tflops: Positive
    memory_bandwidth_tb_per_s: Positive
    max_w: Positive
    loaded_idle_w: NonNegative
    kernels: KernelCoefficients
    experts: ExpertCoefficients
    two_resource: TwoResourceCoefficients
    embodied_g_per_gpu_hour: NonNegative
    sources: str
    node: str = "dgx"
    links_of: str = ""
    default_engine: str = "vllm-0.11"
    least_cap_w: NonNegative = 0.0
    clocks_mhz: ClockRange | None = None
    without: tuple[str, ...] = ()
    bandwidth_clock: NonNegative = 0.0
    precision_speed: Mapping[str, Positive] = field(default_factory=dict, hash=False)
    products: Mapping[str, ProductCoefficients] = field(default_factory=dict, hash=False)
    precise_experts: Mapping[str, ExpertCoefficients] = field(default_factory=dict, hash=False)
    served: tuple[str, ...] = ("bf16",)
    served_experts: tuple[str, ...] = ("bf16", "mxfp4")
    cuda_memory_gib: Positive | None = None
    cold_idle_w: NonNegative | None = None
    sleep_w: NonNegative | None = None
    mfu_power_law: PowerLawCoefficients | None = None
    uncalibrated: str = ""
    experts_uncalibrated: str = ""
    power_uncalibrated: str = ""

    @property
    def peak_flops(self) -> float:
        """Peak [FLOP/s]."""
        return self.peak_tflops * 1e12

    @property
    def peak_bytes_per_s(self) -> float:
        """Peak memory bandwidth [B/s]."""
        return self.memory_bandwidth_tb_per_s * 1e12

    @property
    def usable_memory_gib(self) -> float:
        """Device memory that CUDA reports, or else the board's [GiB]."""
        return self.memory_gib if self.cuda_memory_gib is None else self.cuda_memory_gib

    @property
    def lowest_clock(self) -> float:
        """Its lowest clock over its highest; 0 where its clocks are not known."""
        clocks = self.clocks_mhz
        return clocks.lowest / clocks.highest if clocks else 0.0

    @property
    def calibrated(self) -> str:
        """The parts whose coefficients were fitted on measurements of it, in words."""
        parts = {"time": self.uncalibrated, "power": self.power_uncalibrated}
        return ", ".join(part for part, why_not in parts.items() if not why_not) or "not"

    @property
    def asleep_w(self) -> float:
        """Power asleep [W]; that of cold or loaded idle where it is unknown."""
        powers_w = (self.sleep_w, self.cold_idle_w)
        return next((value for value in powers_w if value is not None), self.loaded_idle_w)

    @property
    def link_name(self) -> str:
        """The name under which ``nodes.yaml`` has its links."""
        return self.links_of or self.name

    @property
    def all_reduce(self) -> Mapping[int, Link]:
        """All-reduce cost by number of GPUs, in the node type that it usually sits in."""
        return find_node(self.node).all_reduce.get(self.link_name, {})


GPUS = Catalogue("GPU", __package__, "gpus.yaml", GpuSpec)


def gpu_names() -> tuple[str, ...]:
    """Return the names of all known GPUs."""
    return GPUS.names


@cache
def find_gpu(name: str) -> GpuSpec:
    """Return the GPU called `name`, or the one that the file `name` describes.

    A file (``.yaml`` or ``.yml``) has the fields of :class:`GpuSpec`. With ``base: <known GPU>`` it
    names only the fields that differ from that one::

        base: h100-sxm-80gb
        memory_gib: 94
        memory_bandwidth_tb_per_s: 3.9

    Raises:
        UnknownName: If the catalogue has no such GPU.
        FileError: If the file is missing, lacks or misspells a field, or has a value that its field
            does not take.
    """
    if name.endswith((".yaml", ".yml")):
        return GPUS.read(Path(name), of_base=_not_measured)
    return GPUS.find(name)


_POWER_FIELDS = {
    "name", "description", "sources", "max_w", "loaded_idle_w", "cold_idle_w", "sleep_w",
    "two_resource", "mfu_power_law", "embodied_g_per_gpu_hour", "default_engine", "least_cap_w",
    "clocks_mhz",
}  # fmt: skip
"""Fields that do not concern its kernels: a file that changes only these is as calibrated as its
base."""


def _not_measured(base: str, values: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the fields that a GPU takes from its base, and those that were not measured."""
    fields: dict[str, str | None] = {"links_of": GPUS.entries[base].get("links_of", base)}
    if "memory_gib" in values:
        fields["cuda_memory_gib"] = None
    if not _POWER_FIELDS.issuperset(values):
        fields["uncalibrated"] = f"its kernels are those of {base}, not measured"
    if "two_resource" not in values:
        fields["power_uncalibrated"] = f"the power of {base}, not measured"
    return fields
