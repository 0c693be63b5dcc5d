"""GPU types: what they can do and draw. The numbers and their sources are in ``gpus.yaml``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from inference_sim.catalogue import read_data
from inference_sim.errors import InferenceSimError, UnknownName
from inference_sim.hardware.nodes import Link, find_node


@dataclass(frozen=True, slots=True)
class KernelCoefficients:
    """Efficiencies and overheads of a GPU's kernels (see ``execution/roofline.py``).

    Times in microseconds per operation (``t0``), per layer (``t0e``, ``t0a``); efficiencies ``e_*``
    as fractions of peak; ``p`` is the exponent that joins memory and compute time. Matrix products
    of more than ``tile_tokens`` tokens compute whole tiles of that many (1: no such steps).
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
    tile_tokens: int = 1


@dataclass(frozen=True, slots=True)
class ExpertCoefficients:
    """Kernels of mixtures of experts: bandwidth efficiency, and overhead per layer [us]."""

    e_bw: float
    t0_us: float


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
class GpuSpec:
    """One GPU type.

    Attributes:
        memory_gib: Device memory that the driver reports [GiB].
        peak_tflops: Dense bf16 peak [10^12 FLOP/s].
        memory_bandwidth_tb_per_s: Memory peak [10^12 B/s].
        max_w: Board power limit [W].
        loaded_idle_w: Power with weights resident and no request running [W].
        cold_idle_w: Power with nothing loaded [W]; None where it is not known.
        sleep_w: Power of a GPU that was put to sleep [W]; None for that of cold idle.
        experts: Kernels of mixtures of experts.
        embodied_g_per_gpu_hour: Embodied carbon, spread over the lifetime [gCO2e per GPU and hour].
        node: The node type that it usually sits in.
        links_of: The catalogue GPU whose links (see ``nodes.yaml``) it has; "" for its own name.
        mfu_power_law: Coefficients of Eq. 1; None where the paper gives none.
        uncalibrated: What of this was not fitted on measurements; "" where all was.
        experts_uncalibrated: The same, of ``experts``.
        power_uncalibrated: The same, of ``two_resource``.
    """

    name: str
    description: str
    memory_gib: float
    peak_tflops: float
    memory_bandwidth_tb_per_s: float
    max_w: float
    loaded_idle_w: float
    kernels: KernelCoefficients
    experts: ExpertCoefficients
    two_resource: TwoResourceCoefficients
    embodied_g_per_gpu_hour: float
    sources: str
    node: str = "dgx"
    links_of: str = ""
    cold_idle_w: float | None = None
    sleep_w: float | None = None
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
    def asleep_w(self) -> float:
        """Power asleep [W]: cold idle unless told otherwise, loaded idle where that is unknown."""
        known = (self.sleep_w, self.cold_idle_w)
        return next((value for value in known if value is not None), self.loaded_idle_w)

    @property
    def link_name(self) -> str:
        """The name under which ``nodes.yaml`` has its links."""
        return self.links_of or self.name

    @property
    def all_reduce(self) -> Mapping[int, Link]:
        """All-reduce cost by number of GPUs, in the node type that it usually sits in."""
        return find_node(self.node).all_reduce.get(self.link_name, {})


@cache
def gpu_names() -> tuple[str, ...]:
    """Return the names of all known GPUs."""
    return tuple(read_data("inference_sim.hardware", "gpus.yaml"))


@cache
def find_gpu(name: str) -> GpuSpec:
    """Return the GPU called `name`, or the one that the file `name` describes.

    A file (``.yaml`` or ``.yml``) has the fields of :class:`GpuSpec`. With ``base: <known GPU>`` it
    names only what differs from that one::

        base: h100-sxm-80gb
        memory_gib: 94
        memory_bandwidth_tb_per_s: 3.9

    Raises:
        UnknownName: If the catalogue has no such GPU.
        InferenceSimError: If the file is missing, or lacks or misspells a field.
    """
    if name.endswith((".yaml", ".yml")):
        return _read_gpu(Path(name))
    entries = read_data("inference_sim.hardware", "gpus.yaml")
    if name not in entries:
        raise UnknownName("GPU", name, entries)
    return _build(name, entries[name])


_PARTS = {
    "kernels": KernelCoefficients,
    "experts": ExpertCoefficients,
    "two_resource": TwoResourceCoefficients,
    "mfu_power_law": PowerLawCoefficients,
}
_POWER_FIELDS = {
    "name", "description", "sources", "max_w", "loaded_idle_w", "cold_idle_w", "sleep_w",
    "two_resource", "mfu_power_law", "embodied_g_per_gpu_hour",
}  # fmt: skip
"""Fields of which no time depends: a file that changes only these is as calibrated as its base."""


def _build(name: str, entry: Mapping[str, Any]) -> GpuSpec:
    parts = {key: make(**entry[key]) for key, make in _PARTS.items() if entry.get(key)}
    return GpuSpec(**({"name": name, **entry} | parts))


def _read_gpu(path: Path) -> GpuSpec:
    try:
        own = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise InferenceSimError(f"cannot read the GPU file '{path}': {error}") from None
    if not isinstance(own, dict):
        raise InferenceSimError(f"GPU file '{path}': expected 'name: value' lines (got {own!r})")
    base = own.pop("base", None)
    entry: dict[str, Any] = {}
    if base is not None:
        entries = read_data("inference_sim.hardware", "gpus.yaml")
        if base not in entries:
            raise UnknownName(f"base GPU in '{path}'", str(base), entries)
        entry = {
            **entries[base],
            "links_of": entries[base].get("links_of", base),
        }
        if not _POWER_FIELDS.issuperset(own):
            entry["uncalibrated"] = f"its kernels are those of {base}, not measured"
        if "two_resource" not in own:
            entry["power_uncalibrated"] = f"the power of {base}, not measured"
    for key, value in own.items():
        entry[key] = {**entry.get(key, {}), **value} if key in _PARTS and value else value
    name = str(entry.pop("name", path.stem))
    try:
        spec = _build(name, entry)
    except TypeError as error:
        raise InferenceSimError(
            f"GPU file '{path}': {_plain(error)}; give it, or 'base: <known GPU>' to take the rest "
            "from one"
        ) from None
    for field in ("memory_gib", "peak_tflops", "memory_bandwidth_tb_per_s", "max_w"):
        value = getattr(spec, field)
        if not isinstance(value, int | float) or value <= 0:
            raise InferenceSimError(
                f"GPU file '{path}': '{field}' must be a number above 0 (got {value!r})"
            )
    for field, value in _powers(spec):
        if not isinstance(value, int | float) or isinstance(value, bool) or not value >= 0:
            raise InferenceSimError(
                f"GPU file '{path}': '{field}' must be a number from 0 (got {value!r})"
            )
    return spec


def _powers(spec: GpuSpec) -> Iterator[tuple[str, object]]:
    """Yield the powers of a GPU that are given, by the names that a file has for them."""
    for name in ("loaded_idle_w", "cold_idle_w", "sleep_w"):
        if (value := getattr(spec, name)) is not None:
            yield name, value
    for part in fields(spec.two_resource):
        yield f"two_resource.{part.name}", getattr(spec.two_resource, part.name)


def _plain(error: TypeError) -> str:
    """Say in words what a dataclass misses or does not know."""
    return str(error).split("__init__() ")[-1].replace("keyword argument", "field")
