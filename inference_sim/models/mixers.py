"""Layers in which tokens meet otherwise than in grouped-query attention.

Multi-head latent attention keeps, for each token and layer, one compressed vector that all heads
share. A state layer (Mamba-2, gated DeltaNet) keeps a state of constant size for each sequence,
whatever its length.
"""

from __future__ import annotations

from dataclasses import dataclass

from inference_sim.files.catalogue import Count, FileEntry, Positive, Whole
from inference_sim.models.precision import BYTES_PER_VALUE

STATE_FLOPS = 6
"""Floating-point operations on each value of a state for a token: decay, update and read-out. Of
Mamba-2 they are 5 (Dao and Gu, arXiv:2405.21060), of gated DeltaNet 7 (Yang et al.,
arXiv:2412.06464)."""


@dataclass(frozen=True, slots=True)
class LatentAttention(FileEntry):
    """Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, Section 2.1).

    A prompt is computed with keys and values of every head, as multi-head attention; a decode with
    the projection of keys and values absorbed into queries and outputs, on the compressed vectors
    themselves.

    Attributes:
        kv_rank: Size of the compressed keys and values.
        nope_dim: Size of a head's query and key without positions.
        rope_dim: Size of their part with positions, one for all heads.
        value_dim: Size of a head's value.
        query_rank: Size of the compressed query; 0 where it is not compressed.
    """

    kv_rank: Count
    nope_dim: Count
    rope_dim: Count
    value_dim: Count
    query_rank: Whole = 0

    @property
    def cached_values(self) -> int:
        """Values in the KV cache of a token and layer."""
        return self.kv_rank + self.rope_dim

    @property
    def key_dim(self) -> int:
        """Size of a head's query and key."""
        return self.nope_dim + self.rope_dim

    @property
    def expanded_dim(self) -> int:
        """Size of a head's key and value as they are projected from the compressed vector."""
        return self.nope_dim + self.value_dim

    def parameters(self, hidden_size: int, heads: int) -> int:
        """Return the weights of a layer."""
        query = heads * self.key_dim
        queries = hidden_size * query
        if self.query_rank:
            queries = self.query_rank * (hidden_size + query)
        compressed = hidden_size * self.cached_values + self.kv_rank * heads * self.expanded_dim
        return queries + compressed + heads * self.value_dim * hidden_size

    def prefill_flops(self, heads: float) -> float:
        """Return the operations of a query token and a context token, not absorbed."""
        return 2 * heads * (self.key_dim + self.value_dim)

    def decode_flops(self, heads: float) -> float:
        """Return the same, absorbed."""
        return 2 * heads * (self.cached_values + self.kv_rank)


@dataclass(frozen=True, slots=True)
class StateLayers(FileEntry):
    """Layers with a state of constant size in place of a KV cache.

    Attributes:
        layers: How many of the model's layers they are.
        heads: Heads by which GPUs share a layer.
        in_size: Outputs of the input projections.
        inner_size: Inputs of the output projection.
        conv_size: Channels of the short convolution.
        conv_kernel: Tokens that it reaches.
        state_values: Values of the state of a sequence in one layer.
        state_bytes_per_value: Bytes of each.
    """

    layers: Count
    heads: Count
    in_size: Count
    inner_size: Count
    conv_size: Count
    conv_kernel: Count
    state_values: Count
    state_bytes_per_value: Positive = BYTES_PER_VALUE

    def parameters(self, hidden_size: int) -> int:
        """Return the weights of a layer."""
        projections = hidden_size * (self.in_size + self.inner_size)
        return projections + self.conv_size * self.conv_kernel

    @property
    def bytes_per_sequence(self) -> float:
        """Bytes of one sequence in one layer: the state, and the tokens of the convolution."""
        tokens = self.conv_kernel - 1
        return (
            self.state_values * self.state_bytes_per_value
            + self.conv_size * tokens * BYTES_PER_VALUE
        )
