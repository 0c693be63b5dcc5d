"""Precisions of weights: their bytes, and the parts of a model that may each have their own."""

from __future__ import annotations

from dataclasses import dataclass

from inference_sim.files.catalogue import FileEntry, Positive

BYTES_PER_VALUE = 2
"""Bytes of a bf16 value: of activations, and of all that a precision does not name."""

PRECISIONS = {
    "bf16": 2.0,
    "fp8": 1.0,
    "fp8_block": 1 + 4 / 128**2,
    "mxfp4": 4.25 / 8,
    "nvfp4": 4.5 / 8,
    "int8": 1.0,
    "int4": (4 + 20 / 128) / 8,
}
"""Bytes per weight. fp8_block has a 32-bit scale for each block of 128 x 128 (DeepSeek-V3,
arXiv:2412.19437, Section 3.3), mxfp4 an 8-bit scale for 32 values of 4 bits (OCP MX specification
1.0), nvfp4 one for 16 ("Introducing NVFP4", NVIDIA, 2025), int4 a 16-bit scale and a 4-bit zero
point for 128 (AWQ: Lin et al., MLSys 2024, group size 128). int4 is weight-only: it computes in
bf16."""

PARTS = ("attention", "state", "mlp", "experts", "head")
"""Parts with a precision of their own: attention's projections, those of state layers, MLPs that
every token computes, experts, and the LM head. Embedding and router stay bf16."""


@dataclass(frozen=True, slots=True)
class Weights(FileEntry):
    """Weights of one part.

    Attributes:
        precision: Precision of most of them.
        bytes_per_weight: Their mean bytes, which counts those that were left in another precision.
    """

    precision: str
    bytes_per_weight: Positive


def int4_bytes(group_size: int, zero_point_bits: int = 4) -> float:
    """Return the bytes of a 4-bit weight with a 16-bit scale for each `group_size` of them."""
    return (4 + (16 + zero_point_bits) / group_size) / 8
