"""Measured steady states of a serving engine: rows of batch, lengths and pace.

A row is one replica that serves one load for a while. Columns:

- ``model``, ``tensor_parallel`` (1 by default): the model served, and its number of GPUs;
- ``batch``: mean number of running sequences, per replica;
- ``context_tokens``: mean context of a running sequence, for runs that only decode; or
  ``prompt_tokens`` and ``output_tokens``, mean lengths, for a load in which a new request takes the
  place of each that ends, with ``output_cv2``, the squared coefficient of variation of the output
  lengths (0 by default: all alike);
- ``tokens_per_s``, output tokens of the replica, or ``itl_s``, the mean inter-token latency.

The mean time between two tokens of a sequence is batch / tokens_per_s, so one of them is enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cosim.calibrate.steady_state import (
    MEMORY_UTILISATION,
    Load,
    SteadyState,
    decoding,
    steady_state,
)
from cosim.calibrate.table import Table
from inference_sim.arrays import FloatArray
from inference_sim.errors import InferenceSimError
from inference_sim.execution import EngineProfile, Roofline, find_engine
from inference_sim.hardware import GpuSpec
from inference_sim.kv_cache import BLOCK_SIZE
from inference_sim.memory_plan import plan_blocks
from inference_sim.models import ModelSpec, find_model

COLUMNS = (
    "model", "tensor_parallel", "batch", "context_tokens", "prompt_tokens", "output_tokens",
    "output_cv2", "tokens_per_s", "itl_s", "group",
)  # fmt: skip
_SLOWEST = 200.0  # times the kernels' own time: beyond, the unit is wrong rather than the engine
_PEAK = 1.05  # of what a GPU can do, for a measurement that is a little off
_STALLED = 1.6  # batch / (itl_s * tokens_per_s) from which the two do not belong together
_OVERFULL = 1.2  # times the KV cache that vLLM plans by default: others leave it more memory


@dataclass(frozen=True, slots=True)
class Row:
    """A measured steady state.

    Attributes:
        load: Load that it served; None where it only decoded, at `context_tokens` a sequence.
        tokens_per_s: Measured output tokens of the replica.
        group: Group that is left out together in a cross-validation.
    """

    line: int
    model: ModelSpec
    tensor_parallel: int
    batch: float
    load: Load | None
    context_tokens: float
    tokens_per_s: float
    group: str

    @property
    def name(self) -> str:
        """Model, width, batch and lengths, to print."""
        width = f" on {self.tensor_parallel} GPUs" if self.tensor_parallel > 1 else ""
        lengths = f"context {self.context_tokens:g}"
        if self.load is not None:
            lengths = f"{self.load.prompt_tokens:g} + {self.load.output_tokens:g} tokens"
        return f"{self.model.name.split('/')[-1]}{width}, batch {self.batch:g}, {lengths}"

    def state(self, gpu: GpuSpec, engine: EngineProfile, *, mixed: bool) -> SteadyState:
        """Return it as the simulator models it.

        Args:
            gpu: The GPU.
            engine: The engine profile.
            mixed: Whether prompts are computed beside decodes (see :func:`steady_state`).

        Raises:
            InferenceSimError: If the deployment cannot be simulated.
        """
        roofline = Roofline(self.model, gpu, engine, self.tensor_parallel)
        if self.load is None:
            return decoding(roofline, self.batch, self.context_tokens)
        return steady_state(roofline, self.load, mixed=mixed)


def read_rows(table: Table, models: Sequence[str], gpu: GpuSpec, *, mixed: bool) -> list[Row]:
    """Return the rows of a table; their faults are noted there.

    Args:
        table: The file.
        models: Names of the models whose rows count; without a column ``model``, the one model of
            all rows; empty for all.
        gpu: The GPU that they were measured on.
        mixed: As in :meth:`Row.state`.
    """
    names = _names(table, models)
    specs = {name: _model(table, names, name) for name in dict.fromkeys(names)}
    width = table.numbers(
        "tensor_parallel", default=1.0, expected="a number of GPUs", holds=lambda v: v >= 1,
        whole=True,
    )  # fmt: skip
    batch = table.numbers(
        "batch", expected="a mean number of running sequences, 1 or more", holds=lambda v: v >= 1
    )
    loads, context = _lengths(table, batch)
    tokens_per_s = _pace(table, batch)
    groups = table.texts("group") if table.has("group") else names
    if table.problems:
        return []
    rows = [
        Row(line, specs[name], int(w), b, load, c, rate, group)  # type: ignore[arg-type]
        for line, name, w, b, load, c, rate, group in zip(
            table.lines, names, width, batch.tolist(), loads, context.tolist(),
            tokens_per_s.tolist(), groups, strict=True,
        )
    ]  # fmt: skip
    _check_possible(table, rows, gpu, mixed=mixed)
    return [] if table.problems else rows


def _names(table: Table, models: Sequence[str]) -> list[str]:
    """Return the name of each row's model, and keep only the rows of `models`."""
    if not table.has("model"):
        if len(models) != 1:
            table.fault_in_header("no column 'model': add it, or name the model with --model")
        return [models[0] if models else ""] * len(table)
    names = table.texts("model")
    if not models:
        return names
    for model in models:
        if model not in names:
            table.fault_in_file(f"no row of --model {model}", "model")
    chosen = [name in models for name in names]
    table.keep(chosen)
    return [name for name, keep in zip(names, chosen, strict=True) if keep]


def _model(table: Table, names: Sequence[str], name: str) -> ModelSpec | None:
    if not name:
        return None
    if name.endswith(".json") and not Path(name).is_absolute():
        name = str(table.path.parent / name)
    try:
        return find_model(name)
    except InferenceSimError as error:
        if table.has("model"):
            table.fault([model_name == name for model_name in names], "model", str(error), names)
        else:
            table.fault_in_file(f"--model: {error}")
        return None


def _lengths(table: Table, batch: FloatArray) -> tuple[list[Load | None], FloatArray]:
    """Return the load of each row, or the context where it only decodes."""
    count = len(table)
    if table.has("context_tokens"):
        for name in ("prompt_tokens", "output_tokens", "output_cv2"):
            if table.has(name):
                table.fault_in_header(
                    f"columns 'context_tokens' and '{name}' exclude each other: give contexts for "
                    "runs that only decode, lengths for loads with prompts"
                )
        context = table.numbers(
            "context_tokens", expected="a mean context of 1 token or more", holds=lambda v: v >= 1
        )
        return [None] * count, context
    if not table.has("prompt_tokens", "output_tokens"):
        table.fault_in_header(
            "no lengths: expected a column 'context_tokens', or the columns 'prompt_tokens' and "
            "'output_tokens'"
        )
        return [None] * count, np.full(count, np.nan)
    length = "a mean length of 1 token or more"
    prompt = table.numbers("prompt_tokens", expected=length, holds=lambda v: v >= 1)
    output = table.numbers("output_tokens", expected=length, holds=lambda v: v >= 1)
    cv2 = table.numbers("output_cv2", default=0.0)
    loads = [
        Load(*numbers)
        for numbers in zip(
            batch.tolist(), prompt.tolist(), output.tolist(), cv2.tolist(), strict=True
        )
    ]
    return list(loads), np.full(count, np.nan)


def _pace(table: Table, batch: FloatArray) -> FloatArray:
    """Return the measured tokens per second of each row."""
    above = "a number above 0"
    rate = itl_s = None
    if table.has("tokens_per_s"):
        rate = table.numbers("tokens_per_s", expected=above, holds=lambda v: v > 0)
    if table.has("itl_s"):
        itl_s = table.numbers("itl_s", expected=above, holds=lambda v: v > 0)
    if rate is None and itl_s is None:
        table.fault_in_header("no pace: expected a column 'tokens_per_s' or 'itl_s'")
        return np.full(len(table), np.nan)
    if rate is None:
        assert itl_s is not None  # noqa: S101
        return batch / itl_s
    if itl_s is not None:
        stall = batch / (itl_s * rate)
        with np.errstate(invalid="ignore"):
            apart = (stall > _STALLED) | (stall < 1 / _STALLED)
        table.fault(
            apart, "itl_s",
            "does not belong to batch and tokens_per_s: batch / (itl_s * tokens_per_s) must be "
            "near 1; is it in ms, or are the others of several replicas?",
            [f"{t:g} s and {r:g} tokens/s at batch {b:g}: {s:.3g}"
             for t, r, b, s in zip(itl_s, rate, batch, stall, strict=True)],
        )  # fmt: skip
    return rate


def _check_possible(table: Table, rows: Sequence[Row], gpu: GpuSpec, *, mixed: bool) -> None:
    """Note rows that cannot be simulated, or that no such GPU can have been measured at."""
    engine = find_engine("none")
    pace = "tokens_per_s" if table.has("tokens_per_s") else "itl_s"
    size = len(rows)
    impossible: dict[str, tuple[list[bool], str, list[str]]] = {}

    def note(row: int, message: str, column: str, got: str) -> None:
        wrong, _, texts = impossible.setdefault(message, ([False] * size, column, [""] * size))
        wrong[row], texts[row] = True, got

    for i, row in enumerate(rows):
        try:
            state = row.state(gpu, engine, mixed=mixed)
            cache = plan_blocks(row.model, gpu, row.tensor_parallel, MEMORY_UTILISATION)
        except InferenceSimError as error:
            column = "tensor_parallel" if table.has("tensor_parallel") else "batch"
            note(i, str(error), column, f"{row.tensor_parallel} GPUs")
            continue
        tokens = row.batch * row.context_tokens
        if row.load is None and tokens > _OVERFULL * cache * BLOCK_SIZE:
            note(
                i,
                "more context than the KV cache holds; is it that of the whole batch, rather than "
                "the mean of a sequence?",
                "context_tokens",
                f"{row.batch:g} x {row.context_tokens:g} tokens, {cache * BLOCK_SIZE} fit",
            )
        mfu, bandwidth = utilisation(gpu, state, row.tokens_per_s)
        if max(mfu, bandwidth) > _PEAK:
            note(
                i,
                "faster than the GPU can be; is it of one replica and in seconds, and are batch, "
                "tensor_parallel and --gpu right?",
                pace,
                f"{row.tokens_per_s:g} tokens/s: {mfu:.2g} of its FLOP/s, {bandwidth:.2g} of its "
                "memory bandwidth",
            )
        slow = state.tokens_per_s / row.tokens_per_s
        if slow > _SLOWEST:
            note(
                i,
                "too slow to be meant; is itl_s in ms rather than s, or batch not of one replica?",
                pace,
                f"{row.tokens_per_s:g} tokens/s, {slow:.0f} times slower than its kernels",
            )
    for message, (wrong, column, texts) in impossible.items():
        table.fault(wrong, column, message, texts)


def utilisation(gpu: GpuSpec, state: SteadyState, tokens_per_s: float) -> tuple[float, float]:
    """Return MFU and bandwidth utilisation of a steady state's work at a pace [fractions].

    Both are the means over the kinds of iterations, by their time.
    """
    # FLOPs and bytes of the mean iteration over its time, which is 1 / pace of the simulated one.
    weights = np.array(state.weights)
    costs = [cost for _, cost in state.phases]
    mean_s = float(weights @ np.array([cost.duration_s for cost in costs]))
    rate = tokens_per_s / state.tokens_per_s / mean_s
    flops = float(weights @ np.array([cost.flops for cost in costs]))
    moved = float(weights @ np.array([cost.hbm_bytes for cost in costs]))
    return flops * rate / gpu.peak_flops, moved * rate / gpu.peak_bytes_per_s
