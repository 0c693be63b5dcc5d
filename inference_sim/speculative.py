"""Speculative decoding: a cheap model drafts tokens, and the model that is served verifies them.

Each decode iteration drafts k tokens of every sequence, computes them and the newest one together,
and keeps those up to the first that differs from its own choice, and that choice (Leviathan et al.,
"Fast Inference from Transformers via Speculative Decoding", ICML 2023). So it gives 1 + a tokens of
a sequence in the mean, for the a that are accepted.

All sequences get the same number of tokens from an iteration: i iterations give floor(i (1 + a)),
so that the mean is exact and nothing is drawn. Real sequences differ, and have a spread of times
per token that is not modeled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from inference_sim.errors import InferenceSimError
from inference_sim.models import ModelSpec

MOST_DRAFT_TOKENS = 64
"""Most tokens that are drafted at a time; engines use 1 to 10."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speculative:
    """Drafts of an engine, and how many of them are accepted.

    Example::

        speculative = Speculative(draft_tokens=3, accepted_tokens=1.5)
        tokens = speculative.tokens(iterations=4)  # 10

    Attributes:
        draft_tokens: Tokens drafted in an iteration, of each sequence [tokens].
        accepted_tokens: Those of them that are accepted, in the mean [tokens].
        draft: The model that drafts; None for drafts that cost nothing on the GPU, as by look-up of
            n-grams.
        shares_embeddings: Whether that model computes with the embedding and the LM head of the one
            that it drafts for.
    """

    draft_tokens: int
    accepted_tokens: float
    draft: ModelSpec | None = None
    shares_embeddings: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.draft_tokens <= MOST_DRAFT_TOKENS:
            raise InferenceSimError(
                f"draft_tokens must be between 0 and {MOST_DRAFT_TOKENS} (got {self.draft_tokens})"
            )
        if not 0 <= self.accepted_tokens <= self.draft_tokens:
            raise InferenceSimError(
                f"accepted_tokens must be between 0 and draft_tokens, {self.draft_tokens} "
                f"(got {self.accepted_tokens:g})"
            )

    @property
    def decode_tokens(self) -> int:
        """Tokens of each sequence that an iteration computes: its newest one, and the drafts."""
        return 1 + self.draft_tokens

    @property
    def tokens_per_iteration(self) -> float:
        """Tokens that an iteration gives each sequence, in the mean."""
        return 1.0 + self.accepted_tokens

    @property
    def lookahead_tokens(self) -> int:
        """Tokens beyond the newest one for which a sequence needs KV blocks to decode [tokens].

        They are the drafts that are verified, and as many that a model drafts next, if one does
        (`num_lookahead_tokens` of vLLM's scheduler).
        """
        return self.draft_tokens * (1 if self.draft is None else 2)

    @property
    def weight_bytes(self) -> float:
        """Bytes of the weights that drafting takes beside the model."""
        if self.draft is None:
            return 0.0
        shared = self.draft.embedding_bytes if self.shares_embeddings else 0.0
        return self.draft.loaded_bytes - shared

    def kv_bytes_per_token(self, tensor_parallel: int) -> float:
        """Return the bytes of the KV cache that a token takes for drafting, on one GPU."""
        if self.draft is None:
            return 0.0
        per_layer = self.draft.kv_bytes_per_token_per_layer(tensor_parallel)
        return self.draft.attention_layers * per_layer

    def tokens(self, iterations: int) -> int:
        """Return the tokens that the first decode iterations of an engine give a sequence."""
        return math.floor(iterations * self.tokens_per_iteration)

    def least_iterations(self, tokens: int) -> int:
        """Return the fewest decode iterations that can give a sequence so many tokens.

        From the i-th on, n iterations give floor((i + n) r) - floor(i r) < n r + 1 tokens.
        """
        if tokens <= 0:
            return 0
        return math.floor((tokens - 1) / self.tokens_per_iteration) + 1

    def iterations_of(self, output_tokens: float) -> float:
        """Return the decode iterations of an output, in the mean over where it begins.

        The last one gives more than is left: half of what one gives beyond a token, in the mean.
        """
        rate = self.tokens_per_iteration
        return max(0.0, output_tokens - 1 + (rate - 1) / 2) / rate

    def check(self, model: ModelSpec, longest: int) -> None:
        """Check that the drafts fit a model.

        Args:
            model: The model that is served.
            longest: Longest request, prompt and output [tokens].

        Raises:
            InferenceSimError: If the draft model has another vocabulary or a shorter context.
        """
        draft = self.draft
        if model.state is not None:
            raise InferenceSimError(
                f"speculative decoding is not modelled for '{model.name}': its layers with a state "
                "would have to go back to the last token that is accepted"
            )
        if draft is None:
            return
        if draft.vocab_size != model.vocab_size:
            raise InferenceSimError(
                f"a draft model must have the vocabulary of the model, {model.vocab_size:,} tokens "
                f"of '{model.name}' (got {draft.vocab_size:,} of '{draft.name}')"
            )
        if draft.max_context_tokens < longest:
            raise InferenceSimError(
                f"the draft model '{draft.name}' has a context of {draft.max_context_tokens:,} "
                f"tokens, and requests may have {longest:,}: set max_model_len to "
                f"{draft.max_context_tokens:,} or less"
            )


def draft_layers(model: ModelSpec, layers: int) -> ModelSpec:
    """Return the model that `layers` layers of a model's own shape make, for drafts.

    Heads for multi-token prediction (DeepSeek-V3: arXiv 2412.19437, Section 2.2) and EAGLE's (Li et
    al., arXiv 2503.01840) are one layer, with the embedding and the LM head of the model. Their
    projection from its hidden states is left out.

    Raises:
        InferenceSimError: If the model has fewer layers.
    """
    if layers > model.layers:
        raise InferenceSimError(
            f"draft_layers must be at most {model.layers}, the layers of '{model.name}' "
            f"(got {layers})"
        )
    return replace(
        model,
        layers=layers,
        window_tokens=0,
        windowed_layers=0,
        chunked=False,
        state=None,
        single_mlp_layers=0,
        dense_layers=0,
        loaded_gib=None,
    )
