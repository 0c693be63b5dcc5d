"""LLM architectures. The numbers are in ``models.yaml``, as their publishers give them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from inference_sim.catalogue import read_data
from inference_sim.errors import UnknownName

BYTES_PER_VALUE = 2  # bf16 weights, activations and KV cache


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A dense decoder-only transformer with grouped-query attention and a gated MLP."""

    name: str
    layers: int
    hidden_size: int
    query_heads: int
    kv_heads: int
    ffn_size: int
    vocab_size: int
    max_context_tokens: int

    @property
    def head_dim(self) -> int:
        """Size of one attention head."""
        return self.hidden_size // self.query_heads

    @property
    def linear_parameters_per_layer(self) -> int:
        """Weights of a layer's four linear operations (qkv, out, gate-up, down)."""
        h, ff = self.hidden_size, self.ffn_size
        qkv = h * (self.query_heads + 2 * self.kv_heads) * self.head_dim
        out = self.query_heads * self.head_dim * h
        return qkv + out + 3 * h * ff

    @property
    def parameters(self) -> int:
        """All weights: layers, embedding and LM head (norms are left out: below 0.01 %)."""
        return (
            self.layers * self.linear_parameters_per_layer + 2 * self.vocab_size * self.hidden_size
        )

    def kv_bytes_per_token_per_layer(self, tensor_parallel: int = 1) -> float:
        """KV-cache bytes that one token takes on one GPU in one layer (K and V)."""
        heads = max(self.kv_heads / tensor_parallel, 1.0)
        return 2 * heads * self.head_dim * BYTES_PER_VALUE


@cache
def model_names() -> tuple[str, ...]:
    """Return the names of all known models."""
    return tuple(read_data(__name__, "models.yaml"))


@cache
def find_model(name: str) -> ModelSpec:
    """Return the model called `name` (its Hugging Face name).

    Raises:
        UnknownName: If the catalogue has no such model.
    """
    entries = read_data(__name__, "models.yaml")
    if name not in entries:
        raise UnknownName("model", name, entries)
    return ModelSpec(name=name, **entries[name])
