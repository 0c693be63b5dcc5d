"""What a saturated engine delivers in the steady state, from the cost of its iterations.

``batch`` sequences run all the time: whenever one ends, a prompt takes its place. In the mean an
iteration ends batch / output of them, so that it carries batch / output prompts, and the engine
gives batch tokens per mean iteration. A running request is met in proportion to its length, so its
context is prompt + E[l^2] / (2 E[l]) of the output lengths l, not prompt + E[l] / 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from inference_sim.execution import Roofline
from inference_sim.kv_cache import BLOCK_SIZE
from inference_sim.memory_plan import plan_blocks

MEMORY_UTILISATION = 0.9  # vLLM's default


@dataclass(frozen=True, slots=True)
class Load:
    """A saturated load.

    Attributes:
        batch: Mean number of running sequences.
        prompt_tokens: Mean prompt length.
        output_tokens: Mean output length, E[l].
        output_cv2: Squared coefficient of variation of the output lengths.
        computed: Share of the prompt that is computed; the rest is in the prefix cache.
    """

    batch: float
    prompt_tokens: float
    output_tokens: float
    output_cv2: float
    computed: float = 1.0

    @property
    def context_tokens(self) -> float:
        """Mean context of the batch: what all running sequences hold."""
        met = self.output_tokens * (1 + self.output_cv2) / 2
        return self.batch * (self.prompt_tokens + met)


@dataclass(frozen=True, slots=True)
class SteadyState:
    """A steady state: rate [tokens/s], and what an iteration without prompts takes [s].

    ``flops``, ``hbm_bytes``, ``gpu_s`` and ``sampling_s`` are of the mean iteration, on one GPU.
    """

    tokens_per_s: float
    decode_s: float
    flops: float
    hbm_bytes: float
    gpu_s: float
    sampling_s: float

    def __post_init__(self) -> None:
        if self.tokens_per_s <= 0:
            raise ValueError(f"'tokens_per_s' must be above 0 (got {self.tokens_per_s})")


def steady_state(roofline: Roofline, load: Load, *, mixed: bool) -> SteadyState:
    """Return the steady state of one model replica without pipeline stages.

    Args:
        roofline: The iteration cost.
        load: What it serves.
        mixed: Whether prompts are computed beside decodes (vLLM v1), rather than in iterations of
            their own in which decodes wait (vLLM v0).
    """
    batch, context = max(1, round(load.batch)), load.context_tokens
    blocks = plan_blocks(roofline.model, roofline.gpu, roofline.tensor_parallel, MEMORY_UTILISATION)
    context = min(context, blocks * BLOCK_SIZE)  # no batch holds more than the KV cache
    decode = roofline.decode(batch, context).at(context)
    prompts = batch / load.output_tokens  # that end, and begin, per iteration
    cached = round(load.prompt_tokens * (1 - load.computed))
    chunk = (max(1, round(load.prompt_tokens) - cached), cached)
    at_once = max(1, round(prompts))
    if mixed:
        step = roofline.iteration([chunk] * at_once, at_once, batch, round(context))
        extra = [step.duration_s - decode.duration_s] + [
            getattr(step, name) - getattr(decode, name)
            for name in ("flops", "hbm_bytes", "gpu_s", "sampling_s")
        ]
    else:
        step = roofline.iteration([chunk] * at_once, at_once)
        extra = [step.duration_s, step.flops, step.hbm_bytes, step.gpu_s, step.sampling_s]
    share = prompts / at_once
    duration_s = decode.duration_s + share * extra[0]
    return SteadyState(
        tokens_per_s=load.batch / duration_s,
        decode_s=decode.duration_s,
        flops=decode.flops + share * extra[1],
        hbm_bytes=decode.hbm_bytes + share * extra[2],
        gpu_s=decode.gpu_s + share * extra[3],
        sampling_s=decode.sampling_s + share * extra[4],
    )


def time_factor(roofline: Roofline, load: Load, tokens_per_s: float, *, mixed: bool) -> float:
    """Return the factor on GPU time with which a measured throughput is met.

    Args:
        roofline: The model, GPU and engine; a time factor that it has counts.
        load: The load of the measured row.
        tokens_per_s: Measured output tokens per second.
        mixed: As in :func:`steady_state`.

    Raises:
        ValueError: If the engine's own time alone takes longer than the measurement.
    """

    def rate(factor: float) -> float:
        scaled = Roofline(
            roofline.model,
            roofline.gpu,
            roofline.engine,
            roofline.tensor_parallel,
            roofline.stage,
            node=roofline.node,
            time_factor=factor,
        )
        return steady_state(scaled, load, mixed=mixed).tokens_per_s

    low, high = 1e-3, 1e3
    if not rate(high) < tokens_per_s < rate(low):
        raise ValueError(
            f"no factor on the GPU's time gives {tokens_per_s:g} tokens/s: without any it would be "
            f"{rate(low):g} tokens/s"
        )
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if rate(middle) > tokens_per_s else (low, middle)
    return middle
