"""Scenario keys of a scheduler: the rules by which a replica forms its batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from cosim.scenario.fields import CatalogueName, Count, NonNegative, StrictModel, up_to
from cosim.scenario.parts import SchedulerName
from inference_sim.models import ModelSpec, find_model
from inference_sim.speculative import MOST_DRAFT_TOKENS, Speculative, draft_layers


def _release_text(value: Any) -> Any:
    """Return a release written without quotes, which is a number, as text."""
    return f"{value:g}" if isinstance(value, float) else value


_SCHEDULER_FLAGS = {
    "max_num_seqs": "batch_cap",
    "max_num_batched_tokens": "max_batch_tokens",
    "enable_prefix_caching": "prefix_caching",
    "num_gpu_blocks_override": "kv_blocks",
    "speculative_config": "speculative",
    "num_speculative_tokens": "speculative.draft_tokens",
}
CLUSTER_FLAGS = {
    "gpu_memory_utilization": "memory_utilisation",
    "tensor_parallel_size": "tensor_parallel",
    "pipeline_parallel_size": "pipeline_parallel",
    "data_parallel_size": "replicas",
    "quantization": "precision",
    "kv_offloading_size": "kv_offload.host_gib",
}
_SAME_FLAGS = ("max_model_len", "kv_cache_dtype", "block_size")
"""Flags of vLLM whose names the keys of a scheduler have."""
FLAGS_OF_A_SCHEDULER = _SCHEDULER_FLAGS | dict(zip(_SAME_FLAGS, _SAME_FLAGS, strict=True))
"""Keys of a scheduler by vLLM's flag."""


class SpeculativeKeys(StrictModel):
    """Speculative decoding: tokens are drafted, and the model verifies several at once."""

    names_elsewhere: ClassVar[Mapping[str, str]] = {
        "num_speculative_tokens": "draft_tokens",
        "model": "draft_model",
    }

    draft_tokens: Annotated[
        int, Field(ge=0), up_to(MOST_DRAFT_TOKENS, "engines draft 1 to 10 tokens at a time")
    ]
    """Tokens drafted of each sequence in an iteration (num_speculative_tokens); 0 for none."""
    accepted_tokens: NonNegative
    """Drafts of these that are accepted, in the mean [tokens]. It depends on the text, on what
    drafts and on the temperature, so there is no default; vLLM logs a mean acceptance length, which
    is one more."""
    draft_model: CatalogueName | None = None
    """Model that drafts on the same GPUs, with the vocabulary of the model; its weights and its
    share of the KV cache take memory."""
    draft_layers: Count | None = None
    """Layers of the model's own shape that draft, with its embedding and its LM head: 1 for heads
    of EAGLE and for multi-token prediction. Without these two keys drafts cost nothing on the GPU,
    as those of n-grams."""

    @field_validator("draft_model")
    @classmethod
    def _known_model(cls, value: str | None) -> str | None:
        if value is not None:
            find_model(value)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> SpeculativeKeys:
        if self.accepted_tokens > self.draft_tokens:
            raise ValueError(
                f"accepted_tokens must be at most draft_tokens, {self.draft_tokens} (got "
                f"{self.accepted_tokens:g}); it counts the drafts, without the token that each "
                "iteration gives anyway"
            )
        if self.draft_model is not None and self.draft_layers is not None:
            raise ValueError("drafts come from draft_model or from draft_layers, not from both")
        return self

    def drafts(self, model: ModelSpec) -> Speculative | None:
        """Return the drafts for a model; None where none are drafted.

        Raises:
            InferenceSimError: If the model has fewer layers than are to draft.
        """
        if not self.draft_tokens:
            return None
        draft: ModelSpec | None = None
        if self.draft_model is not None:
            draft = find_model(self.draft_model)
        elif self.draft_layers is not None:
            draft = draft_layers(model, self.draft_layers)
        return Speculative(
            draft_tokens=self.draft_tokens,
            accepted_tokens=self.accepted_tokens,
            draft=draft,
            shares_embeddings=self.draft_layers is not None,
        )


class SchedulerKeys(StrictModel):
    """Rules by which a replica forms its batches."""

    names_elsewhere: ClassVar[Mapping[str, str]] = _SCHEDULER_FLAGS | {
        flag: f"cluster.{key}" for flag, key in CLUSTER_FLAGS.items()
    }

    type: SchedulerName = "vllm_v1"
    """vllm_v1: today's vLLM, chunked prefill mixed with decodes. vllm: v0, prompts first. vidur:
    the same as Vidur models it, which `execution: vidur` takes for vllm. sarathi: chunks of 512
    tokens. orca: prompts whole and mixed in. static: FasterTransformer. Or `./file.py:Class` for
    one of your own (`cosim schedulers` lists those that have a name)."""
    release: Annotated[Literal["0.11", "0.33"] | None, BeforeValidator(_release_text)] = None
    """Release of vLLM that vllm_v1 follows: its rules, its plan of the GPU's memory, and its
    defaults for prefix_caching, batch_cap, max_batch_tokens and memory_utilisation; 0.11 by
    default. 0.33 admits a prompt only if all of it fits into the KV cache, and plans an iteration
    while the one before runs: a request that arrives in an iteration starts in the second one after
    it. With `execution: vidur` there is none by default: the rules are those of 0.11, and the KV
    cache and the caps Vidur's."""
    prefix_caching: bool | None = None
    """Whether vllm_v1 finds KV blocks of earlier prompts again by what they hold, until others
    take them (enable_prefix_caching); as the release has it, true, by default."""
    batch_cap: Annotated[Count, up_to(1_000_000, "engines run some thousands at most")] | None = (
        None
    )
    """Most sequences that run at once on a replica (max_num_seqs). By default that of the release:
    1024 on GPUs of 70 GiB and more but the A100, 256 on others; 128 for other schedulers than
    vllm_v1."""
    max_batch_tokens: Count | None = None
    """Most tokens of one iteration (max_num_batched_tokens). By default that of the release: 8192
    on GPUs of 70 GiB and more but the A100, 2048 on others, 16384 on a B200 with 0.33; and 512 for
    sarathi. For vllm those of one prefill, for vidur padded to its longest prompt, which
    bounds the length of a request too; the model's context by default. orca and static do not
    count them."""
    max_model_len: Count | None = None
    """Longest request, prompt and output [tokens]; the model's context by default. The KV cache
    must hold one of them."""
    kv_cache_dtype: Literal["auto", "fp8"] = "auto"
    """Type of the values of the KV cache: fp8 is a byte, auto the model's own, 2 bytes but for
    those that a file says."""
    block_size: Literal[1, 8, 16, 32, 64, 128] = 16
    """Tokens of a KV block."""
    kv_blocks: (
        Annotated[Count, up_to(100_000_000, "a replica's GPUs hold some millions at most")] | None
    ) = None
    """KV blocks of a replica (num_gpu_blocks_override); as many as fit beside the weights by
    default."""
    speculative: SpeculativeKeys | None = None
    """Speculative decoding, for vllm_v1 with one pipeline stage and `execution: roofline`; none by
    default."""
