"""Iterations that draft tokens with a model of their own, and verify them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from inference_sim.errors import InferenceSimError
from inference_sim.execution.cost import AffineCost, ExecutionModel, IterationCost
from inference_sim.execution.roofline import Roofline
from inference_sim.speculative import Speculative

_ENGINE_S = (
    "sampling_s", "sampling_s_per_sequence", "sampling_s_per_logit", "host_s",
    "host_s_per_sequence", "serial_s", "serial_s_per_sequence", "serial_s_per_prompt",
    "serial_s_per_layer", "serial_s_per_layer_and_doubling",
)  # fmt: skip
"""Times of an engine that an iteration has once, and not for each draft."""
_UNCALIBRATED = "speculative decoding (the roofline of more tokens, and of the draft model)"


def speculative_stage(stage: ExecutionModel, speculative: Speculative) -> ExecutionModel:
    """Return the execution model of iterations that draft and verify.

    Args:
        stage: That of the model without drafts, on all of its layers.
        speculative: The drafts.

    Raises:
        InferenceSimError: If the execution model cannot verify several tokens, or the draft model
            cannot be split over as many GPUs.
    """
    if not isinstance(stage, Roofline):
        raise InferenceSimError(
            "profiles and kernel tables give times of one token of each sequence only; for "
            "speculative decoding use execution: {type: roofline}"
        )
    verifying = stage.verifying(speculative.draft_tokens)
    draft: Roofline | None = None
    if speculative.draft is not None:
        draft = Roofline(
            speculative.draft,
            stage.gpu,
            stage.engine.with_numbers(dict.fromkeys(_ENGINE_S, 0.0)),
            stage.tensor_parallel,
            expert_parallel=stage.expert_parallel if speculative.draft.experts else 1,
            node=stage.node,
            clock_fraction=stage.clock_fraction,
        )
    return DraftingStage(verifying, draft, speculative.draft_tokens)


class DraftingStage:
    """An execution model whose decodes draft tokens of each sequence, and verify them together.

    The draft model decodes once for each draft, and computes all prompts. Of these iterations only
    the kernels count, with its LM head: the host's part and sampling are those of the iteration.

    Args:
        verifying: Cost of the iterations that verify.
        draft: Cost of an iteration of the draft model; None for none.
        drafts: Tokens drafted in an iteration, of each sequence.
    """

    def __init__(self, verifying: Roofline, draft: Roofline | None, drafts: int) -> None:
        self._verifying, self._draft, self._drafts = verifying, draft, drafts
        self.peak_flops = verifying.peak_flops
        reasons = [verifying.uncalibrated_because, _UNCALIBRATED]
        self.uncalibrated_because = "; ".join(filter(None, reasons))
        self._memo: dict[tuple[int, float, float], AffineCost] = {}

    def at_clock(self, clock_fraction: float) -> DraftingStage:
        """Return the same stage with the GPU at a fraction of its highest clock."""
        draft = None if self._draft is None else self._draft.at_clock(clock_fraction)
        return DraftingStage(self._verifying.at_clock(clock_fraction), draft, self._drafts)

    def decode(self, batch: int, context: float = math.inf) -> AffineCost:
        """Return the cost of an iteration that decodes `batch` sequences, by their context."""
        target = self._verifying.decode(batch, context)
        if self._draft is None:
            return target
        draft = self._draft.decode(batch, context)
        lines = (batch, target.context_limit, draft.context_limit)
        cost = self._memo.get(lines)
        if cost is None:
            times = self._drafts
            grown = batch * (times - 1) / 2  # context of the draft model, in the mean of its runs
            cost = self._memo[lines] = AffineCost(
                gpu_s=target.gpu_s + times * (draft.gpu_s + draft.gpu_s_per_context * grown),
                gpu_s_per_context=target.gpu_s_per_context + times * draft.gpu_s_per_context,
                sampling_s=target.sampling_s,
                host_s=target.host_s,
                flops=target.flops + times * (draft.flops + draft.flops_per_context * grown),
                flops_per_context=target.flops_per_context + times * draft.flops_per_context,
                hbm_bytes=target.hbm_bytes
                + times * (draft.hbm_bytes + draft.hbm_bytes_per_context * grown),
                hbm_bytes_per_context=target.hbm_bytes_per_context
                + times * draft.hbm_bytes_per_context,
                serial_s=target.serial_s,
                context_limit=min(target.context_limit, draft.context_limit),
                clock_fraction=target.clock_fraction,
                padding_flops=target.padding_flops + times * draft.padding_flops,
            )
        return cost

    def iteration(
        self,
        chunks: Sequence[tuple[int, int]],
        prompts_done: int,
        decode_batch: int = 0,
        decode_context: float = 0,
    ) -> IterationCost:
        """Return the cost of an iteration that computes prompts, and decodes beside them."""
        if not chunks:
            return self.decode(decode_batch, decode_context).at(decode_context)
        target = self._verifying.iteration(chunks, prompts_done, decode_batch, decode_context)
        if self._draft is None:
            return target
        parts = [self._draft.iteration(chunks, 0)]
        if decode_batch:
            draft = self._draft.decode(decode_batch, decode_context)
            contexts = (decode_context + decode_batch * done for done in range(self._drafts))
            parts += [draft.at(context) for context in contexts]
        return IterationCost(
            gpu_s=target.gpu_s + sum(part.gpu_s for part in parts),
            sampling_s=target.sampling_s,
            host_s=target.host_s,
            flops=target.flops + sum(part.flops for part in parts),
            hbm_bytes=target.hbm_bytes + sum(part.hbm_bytes for part in parts),
            serial_s=target.serial_s,
            clock_fraction=target.clock_fraction,
            padding_flops=target.padding_flops + sum(part.padding_flops for part in parts),
        )
