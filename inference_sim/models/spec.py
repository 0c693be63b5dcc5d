"""The shape of a language model: the sizes of its weights and its KV cache."""

from __future__ import annotations

from dataclasses import dataclass, replace

from inference_sim.errors import InferenceSimError
from inference_sim.files.catalogue import Count, FileEntry, Positive, Whole

BYTES_PER_VALUE = 2
"""Bytes of a bf16 value: of activations, and of all that a precision does not name."""

PRECISIONS = {"bf16": 2.0, "fp8": 1.0, "mxfp4": 4.25 / 8, "int8": 1.0, "int4": (4 + 20 / 128) / 8}
"""Bytes per weight. mxfp4 has an 8-bit scale for 32 values of 4 bits (OCP MX specification 1.0),
int4 a 16-bit scale and a 4-bit zero point for 128 (AWQ: Lin et al., MLSys 2024, group size 128)."""


@dataclass(frozen=True, slots=True)
class Experts(FileEntry):
    """The mixture of experts of a layer: each token computes `per_token` of `count` gated MLPs."""

    count: Count
    per_token: Count
    ffn_size: Count

    def touched(self, tokens: float) -> float:
        """Return the number of experts that a batch of `tokens` needs, if routing is uniform.

        Each token leaves an expert out with probability 1 - k/E, so E (1 - (1 - k/E)^tokens).
        """
        left_out: float = (1.0 - self.per_token / self.count) ** tokens
        return self.count * (1.0 - left_out)


@dataclass(frozen=True, slots=True)
class ModelSpec(FileEntry):
    """A decoder-only transformer with grouped-query attention.

    Attributes:
        ffn_size: Inner size of the MLP that every token computes; beside experts that of the
            shared one, 0 where there is none.
        head_dim: Size of one attention head; 0 for hidden_size / query_heads.
        gated_mlp: Whether the MLP has a gate beside the up and down projections.
        tied_embeddings: Whether the LM head is the embedding itself.
        windowed_layers: Layers whose attention reaches back `window_tokens` only.
        experts: The experts of each layer; None for a dense model.
        precision: Precision of the linear layers' weights, one of :data:`PRECISIONS`; mxfp4
            concerns the experts alone where there are any, as gpt-oss ships. The embedding and the
            LM head stay bf16.
        kv_bytes_per_value: Bytes per value of the KV cache.
        loaded_gib: Memory that the weights take once an engine has loaded them [GiB]; None for
            their bytes.
    """

    name: str
    layers: Count
    hidden_size: Count
    query_heads: Count
    kv_heads: Count
    ffn_size: Whole
    vocab_size: Count
    max_context_tokens: Count
    head_dim: Whole = 0
    gated_mlp: bool = True
    tied_embeddings: bool = False
    window_tokens: Whole = 0
    windowed_layers: Whole = 0
    experts: Experts | None = None
    precision: str = "bf16"
    kv_bytes_per_value: Positive = BYTES_PER_VALUE
    loaded_gib: Positive | None = None

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise InferenceSimError(
                f"'{self.name}': 'precision' must be one of {', '.join(PRECISIONS)} "
                f"(got {self.precision!r})"
            )
        if not self.head_dim:
            object.__setattr__(self, "head_dim", self.hidden_size // self.query_heads)

    def with_precision(self, precision: str) -> ModelSpec:
        """Return the same model with its weights in `precision`.

        Raises:
            InferenceSimError: If the precision is unknown.
        """
        loaded_gib = self.loaded_gib if precision == self.precision else None
        return replace(self, precision=precision, loaded_gib=loaded_gib)

    @property
    def attention_parameters_per_layer(self) -> int:
        """Weights of a layer's qkv and output projections."""
        heads = 2 * self.query_heads + 2 * self.kv_heads
        return self.hidden_size * heads * self.head_dim

    @property
    def mlp_parameters_per_layer(self) -> int:
        """Weights of the MLP that every token computes."""
        return (3 if self.gated_mlp else 2) * self.hidden_size * self.ffn_size

    @property
    def expert_parameters(self) -> int:
        """Weights of one expert of one layer."""
        return 3 * self.hidden_size * self.experts.ffn_size if self.experts else 0

    @property
    def _router_parameters_per_layer(self) -> int:
        return self.hidden_size * self.experts.count if self.experts else 0

    @property
    def parameters(self) -> int:
        """All weights, norms and biases left out (below 0.1 %)."""
        experts = self.experts.count if self.experts else 0
        return self._parameters(experts) + self._embedding_parameters

    @property
    def active_parameters(self) -> int:
        """Weights that a token computes with, embedding and LM head included."""
        experts = self.experts.per_token if self.experts else 0
        return self._parameters(experts) + self._embedding_parameters

    def _parameters(self, experts: int) -> int:
        return self.layers * (
            self.attention_parameters_per_layer
            + self.mlp_parameters_per_layer
            + self._router_parameters_per_layer
            + experts * self.expert_parameters
        )

    @property
    def _embedding_parameters(self) -> int:
        return (1 if self.tied_embeddings else 2) * self.vocab_size * self.hidden_size

    @property
    def linear_bytes_per_weight(self) -> float:
        """Bytes per weight of the attention projections and the MLP."""
        return 2.0 if self.experts and self.precision == "mxfp4" else PRECISIONS[self.precision]

    @property
    def expert_bytes_per_weight(self) -> float:
        """Bytes per weight of the experts."""
        return PRECISIONS[self.precision]

    @property
    def weight_bytes(self) -> float:
        """Bytes of all weights."""
        linear = self.attention_parameters_per_layer + self.mlp_parameters_per_layer
        experts = self.experts.count * self.expert_parameters if self.experts else 0
        per_layer = (
            linear * self.linear_bytes_per_weight
            + experts * self.expert_bytes_per_weight
            + self._router_parameters_per_layer * BYTES_PER_VALUE
        )
        return self.layers * per_layer + self.embedding_bytes

    @property
    def embedding_bytes(self) -> float:
        """Bytes of the embedding and of the LM head."""
        return self._embedding_parameters * BYTES_PER_VALUE

    @property
    def loaded_bytes(self) -> float:
        """Bytes of all weights once an engine has loaded them."""
        return self.weight_bytes if self.loaded_gib is None else self.loaded_gib * 1024**3

    def activation_bytes_per_token(self, tensor_parallel: int = 1) -> float:
        """Return the bytes that a token takes on one GPU at the peak of a forward pass.

        Those of the residual, the layer's input, and the widest part of a layer: its buffers are
        alive at once, inputs and outputs of each product.
        """
        heads = (self.query_heads + max(self.kv_heads, tensor_parallel)) / tensor_parallel
        attention = 2 * heads * self.head_dim
        mlp = (3 if self.gated_mlp else 2) * self.ffn_size / tensor_parallel
        experts = 0.0
        if self.experts is not None:
            inner = 3 * self.experts.ffn_size / tensor_parallel
            experts = self.experts.per_token * (inner + self.hidden_size)
        widest = max(attention, mlp + experts)
        return (2 * self.hidden_size + widest) * BYTES_PER_VALUE

    def kv_bytes_per_token_per_layer(self, tensor_parallel: int = 1) -> float:
        """Return the KV-cache bytes that one token takes on one GPU in one layer (K and V)."""
        heads = max(self.kv_heads / tensor_parallel, 1.0)
        return 2 * heads * self.head_dim * self.kv_bytes_per_value
