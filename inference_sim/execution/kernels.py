"""Iteration time from a table of kernel times, for `kernels` execution.

The table (:mod:`~inference_sim.execution.kernel_table`) gives the time of the GPU's kernels; FLOPs
and bytes, by which power is computed, are the roofline's, and so are the engine's host, sampling
and serial times, which no table holds:

    iteration = layers(all tokens) + head(sampled) + attention of prompts + attention of decodes

The prompts of an iteration share their launch: of each, the time above that of a single token
counts. At a lower clock each time grows as that of the roofline does.

Beyond its points the curves of a table go on as before them, and the execution model is then
uncalibrated and says how far they went.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from inference_sim.errors import InferenceSimError
from inference_sim.execution.cost import AffineCost, IterationCost, Stage
from inference_sim.execution.engine_profile import EngineProfile
from inference_sim.execution.kernel_table import (
    KernelTable,
    TableModel,
    interpolated,
    read_kernel_table,
)
from inference_sim.execution.roofline import Roofline
from inference_sim.execution.shapes import unfitted_engine
from inference_sim.hardware import GpuSpec, NodeType
from inference_sim.models import ModelSpec

_ITERATION = "{:,.0f} tokens in an iteration (of {:,})"
_SAMPLED = "{:,.0f} sampled sequences (of {:,})"
_PROMPT = "a prompt of {:,.0f} tokens (of {:,})"
_BATCH = "a batch of {:,.0f} (of {:,})"
_CONTEXT = "longer contexts of decodes than were measured"  # how long, only single steps would see


class KernelExecution:
    """Iteration cost of a whole model on one tensor-parallel group, from a table.

    Args:
        table: Kernel times of the model.
        roofline: FLOPs, bytes and the engine's times, at the clock.
        full: The same roofline at the highest clock; None if `roofline` is that one.
        beyond: Farthest requests beyond the table so far, with its end, by what they say.

    Attributes:
        peak_flops: Peak of the GPU [FLOP/s].
    """

    def __init__(
        self,
        table: KernelTable,
        roofline: Roofline,
        full: Roofline | None = None,
        beyond: dict[str, tuple[float, float]] | None = None,
    ) -> None:
        self.table, self.peak_flops = table, roofline.peak_flops
        self._roofline, self._full = roofline, full or roofline
        self._beyond = {} if beyond is None else beyond
        self._launch_s = table.prompt_attention_s(1, 0)
        self._decode_memo: dict[int, AffineCost] = {}

    @property
    def uncalibrated_because(self) -> str:
        """Parts of the time that no measurement backs; requests beyond the table are the last."""
        table, engine = self.table, self._roofline.engine
        reasons = [
            f"kernel times of a table ({table.engine} {table.engine_version}), not fitted to runs"
        ]
        if engine.name == "none":
            reasons.append("host and sampler left out (engine 'none')")
        else:
            if engine.name.startswith("vllm") and table.engine != "vllm":
                reasons.append(f"host and sampler of '{engine.name}', not of {table.engine}")
            if unfitted := unfitted_engine(engine, self._roofline.gpu):
                reasons.append(unfitted)
        if table.extrapolated:
            reasons.append(f"extrapolated in the table: {', '.join(table.extrapolated)}")
        if self._beyond:
            farthest = ", ".join(words.format(*ends) for words, ends in self._beyond.items())
            reasons.append(f"beyond the kernel table: {farthest}")
        return "; ".join(reasons)

    def at_clock(self, clock_fraction: float) -> KernelExecution:
        """Return the same model with the GPU at a fraction of its highest clock."""
        if clock_fraction == self._roofline.clock_fraction:
            return self
        slower = self._full.at_clock(clock_fraction)
        return KernelExecution(self.table, slower, self._full, self._beyond)

    def decode(self, batch: int, context: float = math.inf) -> AffineCost:
        """Return the cost of a decode iteration of `batch` sequences, as a function of context.

        Its ``context_limit`` is the end of the table, beyond which the line goes on.
        """
        cost = self._decode_memo.get(batch)
        if cost is None:
            cost = self._decode_memo[batch] = self._decode(batch)
            self._note(_BATCH, batch, self.table.decode_attention.batch[-1])
        limit = cost.context_limit
        if context == math.inf or context < limit:
            return cost
        if context > limit:
            self._beyond[_CONTEXT] = (context, limit)
        return _with_limit(cost, math.inf)

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
        if not chunks:
            return self.decode(decode_batch, decode_context).at(decode_context)
        table = self.table
        tokens = sum(new for new, _ in chunks) + decode_batch
        seconds = self._dense_s(tokens, prompts_done + decode_batch) + self._launch_s
        for new, before in chunks:
            self._note(_PROMPT, new + before, table.most_prompt_tokens)
            seconds += max(table.prompt_attention_s(new, before) - self._launch_s, 0.0)
        if decode_batch:
            self.decode(decode_batch, decode_context)  # notes what is beyond the table
            base_s, per_context_s = self._attention_s(decode_batch)
            seconds += base_s + per_context_s * decode_context
        cost = self._roofline.iteration(chunks, prompts_done, decode_batch, decode_context)
        if self._roofline is not self._full:
            full = self._full.iteration(chunks, prompts_done, decode_batch, decode_context)
            seconds *= cost.gpu_s / full.gpu_s
        return IterationCost(
            gpu_s=seconds,
            sampling_s=cost.sampling_s,
            host_s=cost.host_s,
            flops=cost.flops,
            hbm_bytes=cost.hbm_bytes,
            serial_s=cost.serial_s,
            clock_fraction=cost.clock_fraction,
            padding_flops=cost.padding_flops,
        )

    def _decode(self, batch: int) -> AffineCost:
        cost, full = self._roofline.decode(batch), self._full.decode(batch)
        base_s, per_context_s = self._attention_s(batch)
        base_s += self._dense_s(batch, batch)
        times = self.table.decode_attention
        return AffineCost(
            gpu_s=base_s * (cost.gpu_s / full.gpu_s),
            gpu_s_per_context=per_context_s * (cost.gpu_s_per_context / full.gpu_s_per_context),
            sampling_s=cost.sampling_s,
            host_s=cost.host_s,
            flops=cost.flops,
            flops_per_context=cost.flops_per_context,
            hbm_bytes=cost.hbm_bytes,
            hbm_bytes_per_context=cost.hbm_bytes_per_context,
            serial_s=cost.serial_s,
            context_limit=batch * interpolated(times.batch, times.most_context, batch),
            clock_fraction=cost.clock_fraction,
            padding_flops=cost.padding_flops,
        )

    def _dense_s(self, tokens: int, sampled: int) -> float:
        """Return the time of all but attention [s]."""
        table = self.table
        self._note(_ITERATION, tokens, table.layers.most)
        self._note(_SAMPLED, sampled, table.head.most)
        return table.layers(tokens) + (table.head(sampled) if sampled else 0.0)

    def _attention_s(self, batch: int) -> tuple[float, float]:
        """Return the time of decode attention, and that of a token of context [s]."""
        times = self.table.decode_attention
        base_s = interpolated(times.batch, times.seconds, batch)
        return base_s, interpolated(times.batch, times.seconds_per_context, batch)

    def _note(self, words: str, value: float, most: float) -> None:
        if value > most and value > self._beyond.get(words, (0.0, 0.0))[0]:
            self._beyond[words] = (value, most)


def kernel_execution(
    model: ModelSpec,
    gpu: GpuSpec,
    path: Path,
    tensor_parallel: int = 1,
    stage: Stage | None = None,
    *,
    engine: EngineProfile,
    node: NodeType | None = None,
) -> KernelExecution:
    """Return an execution model that takes the times of kernels from a table.

    Raises:
        InferenceSimError: If the file is not a table, is one of another model, GPU or number of
            GPUs, or there are several pipeline stages.
    """
    table = read_kernel_table(path)
    asked = f"'{model.name}' on {tensor_parallel} x {gpu.name}"
    held = f"'{table.model.name}' on {table.tensor_parallel} x {table.gpu}"
    differences = table.model.differences_to(TableModel.of(model))
    if gpu.name != table.gpu:
        differences.append(f"gpu {table.gpu}, not {gpu.name}")
    if tensor_parallel != table.tensor_parallel:
        differences.append(f"tensor_parallel {table.tensor_parallel}, not {tensor_parallel}")
    if differences:
        raise InferenceSimError(
            f"'{path}' holds kernel times of {held}, not of {asked}: {'; '.join(differences)}"
        )
    if stage is not None and stage.layers < model.layers:
        raise InferenceSimError(
            f"'{path}' holds kernel times of a whole model: pipeline_parallel must be 1"
        )
    roofline = Roofline(
        model, gpu, engine, tensor_parallel, expert_parallel=table.expert_parallel, node=node
    )
    return KernelExecution(table, roofline)


def _with_limit(cost: AffineCost, context_limit: float) -> AffineCost:
    return AffineCost(
        cost.gpu_s, cost.gpu_s_per_context, cost.sampling_s, cost.host_s, cost.flops,
        cost.flops_per_context, cost.hbm_bytes, cost.hbm_bytes_per_context, cost.serial_s,
        context_limit, cost.clock_fraction, cost.padding_flops,
    )  # fmt: skip
