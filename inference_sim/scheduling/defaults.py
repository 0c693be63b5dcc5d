"""Defaults of vLLM by release and GPU. The numbers and their sources are in ``releases.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from inference_sim.files.catalogue import Catalogue, Count, FileEntry, NonNegative, Positive
from inference_sim.hardware import GpuSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchDefaults(FileEntry):
    """Caps of a batch.

    Attributes:
        batch_cap: Most sequences that run at once [sequences].
        max_batch_tokens: Most tokens of one iteration [tokens].
        least_memory_gib: Memory from which on they hold [GiB].
        other_than: Word in the name of GPUs for which they do not hold; "" for none.
    """

    batch_cap: Count
    max_batch_tokens: Count
    least_memory_gib: NonNegative = 0.0
    other_than: str = ""

    def hold_for(self, gpu: GpuSpec) -> bool:
        """Return whether they hold for a GPU."""
        name = f"{gpu.name} {gpu.link_name} {gpu.description}".lower()
        excluded = bool(self.other_than) and self.other_than in name
        return gpu.usable_memory_gib >= self.least_memory_gib and not excluded


@dataclass(frozen=True, slots=True)
class ReleaseDefaults(FileEntry):
    """Defaults of a release, and its needs of memory.

    Attributes:
        memory_utilisation: Share of GPU memory that it takes [0 to 1].
        prefix_caching: Whether it finds KV blocks again by what they hold.
        batches: Caps of a batch; the first that hold for a GPU count.
        bytes_per_logit: Peak memory of the sampler, per sequence and entry of the vocabulary [B].
        non_torch_gib: Memory outside PyTorch's, by the GPUs that share a layer [GiB].
    """

    name: str
    memory_utilisation: Positive
    prefix_caching: bool
    batches: tuple[BatchDefaults, ...]
    bytes_per_logit: Positive
    sources: str
    non_torch_gib: Mapping[str, NonNegative] = field(hash=False)

    def batch(self, gpu: GpuSpec) -> BatchDefaults:
        """Return the caps of a batch on a GPU."""
        return next(batch for batch in self.batches if batch.hold_for(gpu))

    def non_torch_bytes(self, tensor_parallel: int) -> float:
        """Return the memory outside PyTorch's on each of so many GPUs that share a layer [B]."""
        known = {int(width): gib for width, gib in self.non_torch_gib.items()}
        return known[max(width for width in known if width <= tensor_parallel)] * 1024**3


_RELEASES = Catalogue("release of vLLM", __package__, "releases.yaml", ReleaseDefaults)


def release_defaults(name: str) -> ReleaseDefaults:
    """Return the defaults of a release.

    Raises:
        UnknownName: If it is not known.
    """
    return _RELEASES.find(name)
