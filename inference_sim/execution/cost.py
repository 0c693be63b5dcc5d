"""The interface of execution models: the cost of an iteration on one pipeline stage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class IterationCost:
    """Cost of one iteration on each GPU of a stage's tensor-parallel group.

    Attributes:
        gpu_s: Time of the GPU's kernels, communication included [s].
        sampling_s: Time of sampling, on the GPU and not overlapped [s].
        host_s: The host's own time; the iteration is never shorter than it [s].
        flops: Useful floating-point operations.
        hbm_bytes: Bytes moved between HBM and the chip.
        serial_s: Time of the host in which the GPU waits, on top of the rest [s].
        clock_fraction: Clock of the GPU over its highest one.
        padding_flops: Floating-point operations that power pays for beside the useful ones, in
            those of bf16: on rows that hold no token; below 0 where useful ones in a low precision
            cost less.
        duration_s: Duration of the iteration [s].
    """

    __slots__ = (
        "clock_fraction", "duration_s", "flops", "gpu_s", "hbm_bytes", "host_s", "padding_flops",
        "sampling_s", "serial_s",
    )  # fmt: skip

    def __init__(
        self,
        gpu_s: float,
        sampling_s: float,
        host_s: float,
        flops: float,
        hbm_bytes: float,
        serial_s: float = 0.0,
        clock_fraction: float = 1.0,
        padding_flops: float = 0.0,
    ) -> None:
        self.clock_fraction, self.padding_flops = clock_fraction, padding_flops
        self.gpu_s, self.sampling_s, self.host_s = gpu_s, sampling_s, host_s
        self.flops, self.hbm_bytes, self.serial_s = flops, hbm_bytes, serial_s
        self.duration_s = (gpu_s if gpu_s > host_s else host_s) + sampling_s + serial_s


class AffineCost:
    """Cost of a decode iteration of a fixed batch, as ``base + per_context * S``.

    S is the context of the batch [tokens]: the tokens of its sequences, the newest ones included.
    The line holds up to `context_limit`, where attention windows are full and another begins.
    """

    __slots__ = (
        "clock_fraction", "context_limit", "flops", "flops_per_context", "gpu_s",
        "gpu_s_per_context", "hbm_bytes", "hbm_bytes_per_context", "host_s", "padding_flops",
        "sampling_s", "serial_s",
    )  # fmt: skip

    def __init__(
        self,
        gpu_s: float,
        gpu_s_per_context: float,
        sampling_s: float,
        host_s: float,
        flops: float,
        flops_per_context: float,
        hbm_bytes: float,
        hbm_bytes_per_context: float,
        serial_s: float = 0.0,
        context_limit: float = math.inf,
        clock_fraction: float = 1.0,
        padding_flops: float = 0.0,
    ) -> None:
        self.clock_fraction, self.padding_flops = clock_fraction, padding_flops
        self.gpu_s, self.gpu_s_per_context = gpu_s, gpu_s_per_context
        self.sampling_s, self.host_s, self.serial_s = sampling_s, host_s, serial_s
        self.flops, self.flops_per_context = flops, flops_per_context
        self.hbm_bytes, self.hbm_bytes_per_context = hbm_bytes, hbm_bytes_per_context
        self.context_limit = context_limit

    def at(self, context: float) -> IterationCost:
        """Return the cost at a context of `context` tokens."""
        return IterationCost(
            gpu_s=self.gpu_s + self.gpu_s_per_context * context,
            sampling_s=self.sampling_s,
            host_s=self.host_s,
            flops=self.flops + self.flops_per_context * context,
            hbm_bytes=self.hbm_bytes + self.hbm_bytes_per_context * context,
            serial_s=self.serial_s,
            clock_fraction=self.clock_fraction,
            padding_flops=self.padding_flops,
        )


@dataclass(frozen=True, slots=True)
class Stage:
    """One pipeline stage: how many layers it computes, and whether it is the first or the last.

    The last stage computes the LM head and samples; the others hand activations over.
    """

    layers: int
    first: bool = True
    last: bool = True


def pipeline_stages(layers: int, pipeline_parallel: int) -> list[Stage]:
    """Return the stages of a model; the first ones take the layers that do not divide."""
    quotient, remainder = divmod(layers, pipeline_parallel)
    return [
        Stage(quotient + (k < remainder), first=k == 0, last=k == pipeline_parallel - 1)
        for k in range(pipeline_parallel)
    ]


class ExecutionModel(Protocol):
    """Iteration cost of one stage of one model on one tensor-parallel group.

    Attributes:
        peak_flops: Peak that the MFU of a GPU is relative to [FLOP/s].
        uncalibrated_because: Why its times are not backed by measurements; empty if they are.
    """

    @property
    def peak_flops(self) -> float: ...  # noqa: D102

    @property
    def uncalibrated_because(self) -> str: ...  # noqa: D102

    def decode(self, batch: int, context: float = math.inf) -> AffineCost:
        """Return the cost of a decode iteration of `batch` sequences, as a function of context.

        It is the line that holds at `context`, up to the cost's ``context_limit``.
        """
        ...

    def iteration(
        self,
        chunks: Sequence[tuple[int, int]],
        prompts_done: int,
        decode_batch: int = 0,
        decode_context: float = 0,
    ) -> IterationCost:
        """Return the cost of an iteration that computes prompts, and decodes beside them.

        Args:
            chunks: For each prompt, the tokens computed now and those computed before.
            prompts_done: How many of the chunks are the last of their prompt; each samples a token.
            decode_batch: Sequences that decode a token in the same iteration.
            decode_context: Tokens that these hold, the newest ones included [tokens].
        """
        ...

    def at_clock(self, clock_fraction: float) -> ExecutionModel:
        """Return the model of the same stage with the GPU at a fraction of its highest clock.

        Raises:
            InferenceSimError: If it does not know the effect of the clock on its times.
        """
        ...
