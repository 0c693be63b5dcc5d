"""Steady state of a saturated engine, from the cost of its iterations.

``batch`` sequences run all the time: whenever one ends, a prompt takes its place. In the mean an
iteration ends batch / output of them, so that it carries batch / output prompts, and the engine
gives batch tokens per mean iteration. A running request is met in proportion to its length, so its
context is prompt + E[l^2] / (2 E[l]) of the output lengths l, not prompt + E[l] / 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from inference_sim.execution import IterationCost, Roofline
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
        cached_tokens: Tokens of the mean prompt that a prefix cache holds: attended, not computed.
    """

    batch: float
    prompt_tokens: float
    output_tokens: float
    output_cv2: float
    cached_tokens: float = 0.0

    @property
    def context_tokens(self) -> float:
        """Mean context of the batch: tokens of all running sequences."""
        met = self.output_tokens * (1 + self.output_cv2) / 2
        return self.batch * (self.prompt_tokens + met)


@dataclass(frozen=True, slots=True)
class SteadyState:
    """A steady state: rate [tokens/s], and time of an iteration without prompts [s].

    ``phases`` are its kinds of iterations, with the share of the engine's steps that each takes
    part in, and what one costs. ``weights`` are how often each counts in the mean time of a step:
    the same, but for prompts that come in more than one of each step.
    """

    tokens_per_s: float
    decode_s: float
    phases: tuple[tuple[float, IterationCost], ...]
    weights: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        if self.tokens_per_s <= 0:
            raise ValueError(f"'tokens_per_s' must be above 0 (got {self.tokens_per_s})")


def steady_state(roofline: Roofline, load: Load, *, mixed: bool) -> SteadyState:
    """Return the steady state of one model replica without pipeline stages.

    Args:
        roofline: The iteration cost.
        load: Load that it serves.
        mixed: Whether prompts are computed beside decodes (vLLM v1), rather than in iterations of
            their own in which decodes wait (vLLM v0).
    """
    batch, context = max(1, round(load.batch)), load.context_tokens
    blocks = plan_blocks(roofline.model, roofline.gpu, roofline.tensor_parallel, MEMORY_UTILISATION)
    context = min(context, blocks * BLOCK_SIZE)  # no batch holds more than the KV cache
    decode = roofline.decode(batch, context).at(context)
    prompts = batch / load.output_tokens  # that end, and begin, per iteration
    cached = round(load.cached_tokens)
    chunk = (max(1, round(load.prompt_tokens) - cached), cached)
    at_once = max(1, round(prompts))
    if mixed:
        step = roofline.iteration([chunk] * at_once, at_once, batch, round(context))
        extra_s = step.duration_s - decode.duration_s
    else:
        step = roofline.iteration([chunk] * at_once, at_once)
        extra_s = step.duration_s
    share = prompts / at_once
    with_prompts = min(share, 1.0)
    return SteadyState(
        tokens_per_s=load.batch / (decode.duration_s + share * extra_s),
        decode_s=decode.duration_s,
        phases=(
            ((1.0 - with_prompts, decode), (with_prompts, step))
            if mixed
            else ((1.0, decode), (share, step))
        ),
        weights=(1.0 - share, share) if mixed else (1.0, share),
    )


def decoding(roofline: Roofline, batch: float, context_tokens: float) -> SteadyState:
    """Return the steady state of `batch` sequences that decode at one context, without prompts.

    Args:
        roofline: The iteration cost.
        batch: Running sequences.
        context_tokens: Mean context of a sequence.
    """
    context = batch * context_tokens
    cost = roofline.decode(max(1, round(batch)), context).at(context)
    return SteadyState(batch / cost.duration_s, cost.duration_s, ((1.0, cost),))


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
