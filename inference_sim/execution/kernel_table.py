"""Tables of kernel times of one model on one GPU and width, as JSON files.

``cosim kernels build`` writes them. A table holds the time of all kernels of an iteration in four
parts, each as curves that are linear between their points:

    layers(tokens)                     all but attention: products, norms, experts, communication
    head(sequences)                    the LM head over the sequences that sample a token
    prompt attention(new, before)      of a chunk of a prompt, by the tokens computed before
    decode attention(batch, context)   base + slope * context, for each batch
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from inference_sim.errors import FileError, InferenceSimError, Problem
from inference_sim.files.catalogue import Count, FileEntry, NonNegative, Positive, Whole
from inference_sim.files.json_text import read_json_object
from inference_sim.models import Experts, ModelSpec

FORMAT: Literal["cosim kernel table 1"] = "cosim kernel table 1"


@dataclass(frozen=True, slots=True)
class TableModel(FileEntry):
    """The part of a model that kernel times depend on.

    Attributes:
        name: The model as it was named; another one of the same shape has the same times.
        precision: Precision of attention's projections and of the MLP.
        experts: The experts of each layer; None for a dense model.
        expert_precision: Precision of these; "" for a dense model.
    """

    name: str
    layers: Count
    hidden_size: Count
    query_heads: Count
    kv_heads: Count
    head_dim: Count
    ffn_size: Whole
    vocab_size: Count
    precision: str
    kv_bytes_per_value: Positive
    experts: Experts | None = None
    expert_precision: str = ""

    @classmethod
    def of(cls, model: ModelSpec) -> TableModel:
        """Return that part of `model`.

        Raises:
            InferenceSimError: If it has a part that tables do not hold; the message names it.
        """
        if part := _part_without_tables(model):
            raise InferenceSimError(f"kernel tables do not hold {part}, which '{model.name}' has")
        return cls(
            name=model.name,
            layers=model.layers,
            hidden_size=model.hidden_size,
            query_heads=model.query_heads,
            kv_heads=model.kv_heads,
            head_dim=model.head_dim,
            ffn_size=model.ffn_size,
            vocab_size=model.vocab_size,
            precision=model.weights_of("attention").precision,
            kv_bytes_per_value=model.kv_bytes_per_value,
            experts=model.experts,
            expert_precision=model.weights_of("experts").precision if model.experts else "",
        )

    def differences_to(self, other: TableModel) -> list[str]:
        """Return the fields in which another model differs, in words; the name does not count."""
        return [
            f"{part.name} {getattr(self, part.name)}, not {getattr(other, part.name)}"
            for part in fields(self)
            if part.name != "name" and getattr(self, part.name) != getattr(other, part.name)
        ]


def _part_without_tables(model: ModelSpec) -> str:
    """Return a part of a model that kernel tables do not hold; "" if they hold all of it."""
    experts = model.experts
    parts = {
        "latent attention": model.latent is not None,
        "layers with a state": model.state is not None,
        "attention windows": model.windowed_layers > 0,
        "gates of attention": model.gated_attention,
        "an MLP without a gate": not model.gated_mlp,
        "shared experts": experts is not None and model.ffn_size > 0,
        "dense layers beside those with experts": model.dense_layers > 0,
        "experts of a latent size, or without a gate": experts is not None
        and (experts.latent_size > 0 or not experts.gated),
        "an attention and an MLP of different precisions": experts is None
        and model.weights_of("attention").precision != model.weights_of("mlp").precision,
        "an LM head in another precision than bf16": model.weights_of("head").precision != "bf16",
    }
    return next((part for part, present in parts.items() if present), "")


@dataclass(frozen=True, slots=True)
class Times(FileEntry):
    """A time by a count of tokens or sequences, linear between its points.

    Below the first point it is constant; beyond the last one it follows the last two.

    Attributes:
        at: Counts, rising.
        seconds: Time at each [s].
    """

    at: tuple[Whole, ...]
    seconds: tuple[NonNegative, ...]

    def __post_init__(self) -> None:
        _check_points(self.at, seconds=self.seconds)

    @property
    def most(self) -> int:
        """The last count."""
        return self.at[-1]

    def __call__(self, count: float) -> float:
        """Return the time at a count [s]."""
        return interpolated(self.at, self.seconds, count)


@dataclass(frozen=True, slots=True)
class PromptTimes(FileEntry):
    """Attention of a chunk of a prompt, for one number of tokens computed before.

    Attributes:
        before: These [tokens].
        times: Time by the tokens computed now.
    """

    before: Whole
    times: Times


@dataclass(frozen=True, slots=True)
class DecodeTimes(FileEntry):
    """Attention of a decode, by batch, as lines in the context of the whole batch.

    Attributes:
        batch: Sequences, rising.
        seconds: Time at no context [s].
        seconds_per_context: Time for each token of context [s].
        most_context: Longest mean context of a sequence that the line was fitted to [tokens].
        worst_error: Largest error of a line, as a share of the time of all kernels of a decode.
    """

    batch: tuple[Count, ...]
    seconds: tuple[NonNegative, ...]
    seconds_per_context: tuple[NonNegative, ...]
    most_context: tuple[Count, ...]
    worst_error: NonNegative

    def __post_init__(self) -> None:
        _check_points(
            self.batch,
            seconds=self.seconds,
            seconds_per_context=self.seconds_per_context,
            most_context=self.most_context,
        )


@dataclass(frozen=True, slots=True)
class KernelTable(FileEntry):
    """Kernel times of one model on one GPU and width.

    Attributes:
        gpu: Name of the GPU.
        tensor_parallel: GPUs that share each layer.
        expert_parallel: Groups of these that hold different experts.
        engine: Engine whose kernels they are, and its version.
        most_prompt_tokens: Longest prompt that attention was measured for [tokens].
        sources: Origin of the times.
        notice: License of the origin.
        notes: Peculiarities of this table.
        extrapolated: Parts for which the origin has no measurements that reach so far.
    """

    format: Literal["cosim kernel table 1"]
    model: TableModel
    gpu: str
    tensor_parallel: Count
    expert_parallel: Count
    engine: str
    engine_version: str
    layers: Times
    head: Times
    prompt_attention: tuple[PromptTimes, ...]
    decode_attention: DecodeTimes
    most_prompt_tokens: Count
    sources: str
    notice: str
    notes: tuple[str, ...] = ()
    extrapolated: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        before = [row.before for row in self.prompt_attention]
        if before[:1] != [0] or any(low >= high for low, high in pairwise(before)):
            raise InferenceSimError(
                "the values of 'before' in 'prompt_attention' must rise, from 0"
            )

    def prompt_attention_s(self, new: int, before: int) -> float:
        """Return the time of attention of `new` tokens to themselves and `before` others [s]."""
        rows = self.prompt_attention
        if not before or len(rows) == 1:
            return rows[0].times(new)
        index = min(max(bisect_right(rows, before, key=_before), 1), len(rows) - 1)
        low, high = rows[index - 1], rows[index]
        low_s, high_s = low.times(new), high.times(new)
        share = (before - low.before) / (high.before - low.before)
        return low_s + max(high_s - low_s, 0.0) * share

    def to_json(self) -> str:
        """Return the text of its file, with each of its parts on a line."""
        parts = (f'"{key}": {json.dumps(value)}' for key, value in asdict(self).items())
        return "{\n" + ",\n".join(parts) + "\n}\n"


def _before(row: PromptTimes) -> int:
    return row.before


def interpolated(at: Sequence[float], values: Sequence[float], x: float) -> float:
    """Return the value at `x`: constant below the first point, beyond the last as before it."""
    if x <= at[0] or len(at) == 1:
        return values[0]
    index = min(bisect_right(at, x), len(at) - 1)
    low, high = at[index - 1], at[index]
    slope = (values[index] - values[index - 1]) / (high - low)
    if x > high:
        return values[index] + max(slope, 0.0) * (x - high)
    return values[index - 1] + slope * (x - low)


def _check_points(at: Sequence[float], **columns: Sequence[float]) -> None:
    """Refuse points that do not rise, or columns of another length.

    Raises:
        InferenceSimError: If there are such.
    """
    if not at:
        raise InferenceSimError("a table needs at least one point")
    for low, high in pairwise(at):
        if low >= high:
            raise InferenceSimError(f"points must rise ({low} stands before {high})")
    for name, values in columns.items():
        if len(values) != len(at):
            raise InferenceSimError(f"'{name}' must have {len(at)} values, one for each point")


def read_kernel_table(path: Path) -> KernelTable:
    """Return the table in a file.

    Raises:
        FileError: If it cannot be read, or is not such a table; the message has path and key.
    """
    from pydantic import TypeAdapter, ValidationError

    from inference_sim.files.wording import explain

    values = read_json_object(path)
    if values.get("format") != FORMAT:
        raise FileError(
            f"'{path}' is not a kernel table as `cosim kernels build` writes it "
            f"('format' is {values.get('format')!r:.40}, not '{FORMAT}')"
        )
    adapter: Any = TypeAdapter(KernelTable)
    try:
        table: KernelTable = adapter.validate_python(values)
    except ValidationError as error:
        details = explain(error, KernelTable, values)
        raise FileError(
            [Problem(each.message, ".".join(map(str, each.path)), str(path)) for each in details]
        ) from None
    return table
