"""The shape of a language model: the sizes of its weights and its KV cache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from inference_sim.errors import InferenceSimError
from inference_sim.files.catalogue import Count, FileEntry, Positive, Whole
from inference_sim.models.layer_kinds import LayerKind, layer_kinds
from inference_sim.models.mixers import LatentAttention, StateLayers
from inference_sim.models.precision import BYTES_PER_VALUE, PARTS, PRECISIONS, Weights


@dataclass(frozen=True, slots=True)
class Experts(FileEntry):
    """The mixture of experts of a layer: each token computes `per_token` of `count` MLPs.

    Attributes:
        ffn_size: Inner size of one.
        gated: Whether it has a gate beside the up and down projections.
        latent_size: Size to which tokens are projected before the experts, and from which they are
            after; 0 for experts on the hidden size.
    """

    count: Count
    per_token: Count
    ffn_size: Count
    gated: bool = True
    latent_size: Whole = 0

    def touched(self, tokens: float) -> float:
        """Return the number of experts that a batch of `tokens` needs, if routing is uniform.

        Each token leaves an expert out with probability 1 - k/E, so E (1 - (1 - k/E)^tokens).
        Routing by groups of experts (DeepSeek-V3) is as even in the mean.
        """
        left_out: float = (1.0 - self.per_token / self.count) ** tokens
        return self.count * (1.0 - left_out)


@dataclass(frozen=True, slots=True)
class ModelSpec(FileEntry):
    """A decoder-only language model.

    Attributes:
        layers: Its residual blocks: a mixer (attention or a state) and an MLP each, or one of both.
        kv_heads: Heads of keys and values; 1 with latent attention.
        ffn_size: Inner size of the MLP that every token computes; beside experts that of the
            shared ones together, 0 where there are none.
        head_dim: Size of one attention head; 0 for hidden_size / query_heads.
        gated_mlp: Whether the MLP has a gate beside the up and down projections.
        gated_attention: Whether attention's output has a gate, projected with the queries.
        tied_embeddings: Whether the LM head is the embedding itself.
        windowed_layers: Layers whose attention reaches back `window_tokens` only.
        chunked: Whether these windows do not slide: attention reaches back to the last multiple of
            `window_tokens` (Llama-4). A decode beyond the first is taken to read whole windows,
            where it reads half of one in the mean.
        latent: Latent attention in place of grouped queries; None for these.
        state: Layers with a state in place of attention; None for none.
        single_mlp_layers: Layers that are an MLP alone, where the others are a mixer alone
            (Nemotron-H); 0 where each layer has both.
        dense_layers: Layers of a mixture of experts that have a dense MLP instead.
        dense_ffn_size: Inner size of that.
        experts: The experts of each layer; None for a dense model.
        precision: Precision of the linear layers' weights, one of :data:`PRECISIONS`; mxfp4
            concerns the experts alone where there are any, as gpt-oss ships. The embedding and the
            LM head stay bf16.
        parts: Weights of the parts (:data:`PARTS`) that differ from this.
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
    gated_attention: bool = False
    tied_embeddings: bool = False
    window_tokens: Whole = 0
    windowed_layers: Whole = 0
    chunked: bool = False
    latent: LatentAttention | None = None
    state: StateLayers | None = None
    single_mlp_layers: Whole = 0
    dense_layers: Whole = 0
    dense_ffn_size: Whole = 0
    experts: Experts | None = None
    precision: str = "bf16"
    parts: Mapping[str, Weights] = field(default_factory=dict, hash=False)
    kv_bytes_per_value: Positive = BYTES_PER_VALUE
    loaded_gib: Positive | None = None

    def __post_init__(self) -> None:
        for precision in (self.precision, *(part.precision for part in self.parts.values())):
            if precision not in PRECISIONS:
                raise InferenceSimError(
                    f"'{self.name}': 'precision' must be one of {', '.join(PRECISIONS)} "
                    f"(got {precision!r})"
                )
        if unknown := [part for part in self.parts if part not in PARTS]:
            raise InferenceSimError(
                f"'{self.name}': 'parts' must be among {', '.join(PARTS)} (got {unknown[0]!r})"
            )
        if self.attention_layers < 1:
            raise InferenceSimError(f"'{self.name}': a model needs a layer with attention")
        if not self.head_dim:
            object.__setattr__(self, "head_dim", self.hidden_size // self.query_heads)
        if self.dense_layers > self.mlp_layers or (self.dense_layers and not self.experts):
            raise InferenceSimError(f"'{self.name}': 'dense_layers' are some of those with experts")

    def with_precision(self, precision: str) -> ModelSpec:
        """Return the same model with its weights in `precision`.

        Raises:
            InferenceSimError: If the precision is unknown.
        """
        if precision == self.precision:
            return self
        return replace(self, precision=precision, parts={}, loaded_gib=None)

    @property
    def attention_layers(self) -> int:
        """Layers with attention."""
        states = self.state.layers if self.state else 0
        return self.layers - states - self.single_mlp_layers

    @property
    def mlp_layers(self) -> int:
        """Layers with an MLP."""
        return self.single_mlp_layers or self.layers

    @property
    def expert_layers(self) -> int:
        """Layers with experts."""
        return self.mlp_layers - self.dense_layers if self.experts else 0

    @property
    def kinds(self) -> tuple[LayerKind, ...]:
        """Its layers by kind."""
        return layer_kinds(
            attention=self.attention_layers,
            states=self.state.layers if self.state else 0,
            experts=self.expert_layers,
            dense=self.mlp_layers - self.expert_layers,
            single=self.single_mlp_layers > 0,
        )

    @property
    def attention_parameters_per_layer(self) -> int:
        """Weights of the projections of a layer with attention."""
        if self.latent is not None:
            return self.latent.parameters(self.hidden_size, self.query_heads)
        queries = (3 if self.gated_attention else 2) * self.query_heads
        return self.hidden_size * (queries + 2 * self.kv_heads) * self.head_dim

    @property
    def mlp_parameters_per_layer(self) -> int:
        """Weights of the MLP that every token computes."""
        return (3 if self.gated_mlp else 2) * self.hidden_size * self.ffn_size

    @property
    def dense_parameters_per_layer(self) -> int:
        """Weights of the MLP of a layer without experts."""
        size = self.dense_ffn_size if self.experts else self.ffn_size
        return (3 if self.gated_mlp else 2) * self.hidden_size * size

    @property
    def expert_parameters(self) -> int:
        """Weights of one expert of one layer."""
        if self.experts is None:
            return 0
        size = self.experts.latent_size or self.hidden_size
        return (3 if self.experts.gated else 2) * size * self.experts.ffn_size

    @property
    def _router_parameters_per_layer(self) -> int:
        return self.hidden_size * self.experts.count if self.experts else 0

    @property
    def parameters(self) -> int:
        """All weights, norms and biases left out (below 0.1 %)."""
        return self._parameters(self.experts.count if self.experts else 0)

    @property
    def active_parameters(self) -> int:
        """Weights that a token computes with, embedding and LM head included."""
        return self._parameters(self.experts.per_token if self.experts else 0)

    def _parameters(self, experts: int) -> int:
        by_part = self._parameters_by_part(experts)
        routers = self.expert_layers * self._router_parameters_per_layer
        return sum(by_part.values()) + routers + self.vocab_size * self.hidden_size

    def _parameters_by_part(self, experts: int) -> dict[str, int]:
        """Return the weights of each part, with so many experts of a layer."""
        dense = self.mlp_layers - self.expert_layers
        shared = self.mlp_parameters_per_layer
        if self.experts:
            shared += 2 * self.hidden_size * self.experts.latent_size
        return {
            "attention": self.attention_layers * self.attention_parameters_per_layer,
            "state": self.state.layers * self.state.parameters(self.hidden_size)
            if self.state
            else 0,
            "mlp": dense * self.dense_parameters_per_layer + self.expert_layers * shared,
            "experts": self.expert_layers * experts * self.expert_parameters,
            "head": 0 if self.tied_embeddings else self.vocab_size * self.hidden_size,
        }

    def weights_of(self, part: str) -> Weights:
        """Return precision and bytes of a part's weights."""
        if part in self.parts:
            return self.parts[part]
        experts_alone = self.experts is not None and self.precision == "mxfp4"
        if part == "head" or (experts_alone and part != "experts"):
            return Weights("bf16", BYTES_PER_VALUE)
        return Weights(self.precision, PRECISIONS[self.precision])

    def precisions_of(self, *parts: str) -> tuple[str, ...]:
        """Return the precisions of those parts that it has, each once."""
        counted = self._parameters_by_part(self.experts.count if self.experts else 0)
        present = (part for part in parts if counted[part])
        return tuple(dict.fromkeys(self.weights_of(part).precision for part in present))

    @property
    def weight_bytes(self) -> float:
        """Bytes of all weights."""
        counted = self._parameters_by_part(self.experts.count if self.experts else 0)
        layers = sum(
            weights * self.weights_of(part).bytes_per_weight for part, weights in counted.items()
        )
        plain = self.expert_layers * self._router_parameters_per_layer
        return layers + (plain + self.vocab_size * self.hidden_size) * BYTES_PER_VALUE

    @property
    def embedding_bytes(self) -> float:
        """Bytes of the embedding and of the LM head."""
        one = self.vocab_size * self.hidden_size
        head = 0.0 if self.tied_embeddings else one * self.weights_of("head").bytes_per_weight
        return one * BYTES_PER_VALUE + head

    @property
    def loaded_bytes(self) -> float:
        """Bytes of all weights once an engine has loaded them."""
        return self.weight_bytes if self.loaded_gib is None else self.loaded_gib * 1024**3

    def mixer_values_per_token(self, tensor_parallel: int) -> float:
        """Return the values of a token that go into and out of attention on one GPU."""
        if self.latent is not None:
            heads = self.query_heads / tensor_parallel
            per_head = self.latent.key_dim + self.latent.expanded_dim + self.latent.value_dim
            return self.latent.query_rank + self.latent.cached_values + heads * per_head
        heads = self.query_heads / tensor_parallel + max(self.kv_heads / tensor_parallel, 1.0)
        return 2 * self.head_dim * heads

    def activation_bytes_per_token(self, tensor_parallel: int = 1) -> float:
        """Return the bytes that a token takes on one GPU at the peak of a forward pass.

        Those of the residual, the layer's input, and the widest part of a layer: its buffers are
        alive at once, inputs and outputs of each product.
        """
        heads = (self.query_heads + max(self.kv_heads, tensor_parallel)) / tensor_parallel
        mixer = 2 * heads * self.head_dim
        if self.latent is not None:
            mixer = self.mixer_values_per_token(tensor_parallel)
        if self.state is not None:
            state = (self.state.in_size + self.state.inner_size) / tensor_parallel
            mixer = max(mixer, state)
        ffn_size = max(self.ffn_size, self.dense_ffn_size)
        mlp = (3 if self.gated_mlp else 2) * ffn_size / tensor_parallel
        experts = 0.0
        if self.experts is not None:
            inner = (3 if self.experts.gated else 2) * self.experts.ffn_size / tensor_parallel
            size = self.experts.latent_size or self.hidden_size
            experts = self.experts.per_token * (inner + size)
        widest = max(mixer, mlp + experts)
        return (2 * self.hidden_size + widest) * BYTES_PER_VALUE

    def kv_bytes_per_token_per_layer(self, tensor_parallel: int = 1) -> float:
        """Return the KV-cache bytes that one token takes on one GPU in a layer with attention.

        Those of its keys and values; with latent attention of the one vector that all heads share,
        which every GPU holds.
        """
        if self.latent is not None:
            return self.latent.cached_values * self.kv_bytes_per_value
        heads = max(self.kv_heads / tensor_parallel, 1.0)
        return 2 * heads * self.head_dim * self.kv_bytes_per_value

    def state_bytes_per_sequence(self, tensor_parallel: int = 1) -> float:
        """Return the bytes of a sequence's states on one GPU; 0 without state layers."""
        if self.state is None:
            return 0.0
        return self.state.layers * self.state.bytes_per_sequence / tensor_parallel
