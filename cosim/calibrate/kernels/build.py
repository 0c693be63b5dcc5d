"""A kernel table, asked point by point from a source of kernel times."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from cosim.calibrate.kernels.package import PACKAGE, Subject, installed_version
from cosim.calibrate.kernels.source import KernelSource
from inference_sim.arrays import FloatArray
from inference_sim.execution.kernel_table import (
    FORMAT,
    DecodeTimes,
    KernelTable,
    PromptTimes,
    Times,
)

_DIGITS = 6
_SHORTEST_CONTEXT = 64  # of decodes: below, a line through times of launches says little
NOTICE = (
    "Times derived from the kernel measurements of NVIDIA AIConfigurator (aiconfigurator-core), "
    "Copyright (c) 2025-2026 NVIDIA CORPORATION & AFFILIATES, licensed under the Apache License, "
    "Version 2.0 (https://www.apache.org/licenses/LICENSE-2.0); sampled and fitted by cosim"
)


def build_table(subject: Subject) -> KernelTable:
    """Return the table of a model on a GPU, width and engine.

    Raises:
        CosimError: If the package is missing, or has no measurements for it.
    """
    source = KernelSource(subject)
    ends, kernels = source.ends, f"{subject.engine} {source.version}"
    tokens = points(ends.tokens, 8)  # as one prompt: of those beyond its end, attention is not used
    batches = points(max(ends.context), 4)
    head_s = [source.decode(batch, _SHORTEST_CONTEXT).head for batch in batches]
    return KernelTable(
        format=FORMAT,
        model=subject.model,
        gpu=subject.gpu,
        tensor_parallel=subject.tensor_parallel,
        expert_parallel=subject.expert_parallel,
        engine=subject.engine,
        engine_version=source.version,
        layers=Times(tokens, _rounded(source.prompt(count).rest for count in tokens)),
        head=Times(batches, _rounded(head_s)),
        prompt_attention=_prompt_attention(source),
        decode_attention=_decode_attention(source, batches),
        most_prompt_tokens=ends.prompt,
        sources=f"{PACKAGE} {installed_version()}: {kernels} on {subject.gpu}",
        notice=NOTICE,
        notes=source.notes,
        extrapolated=source.extrapolated,
    )


def points(most: int, per_octave: int) -> tuple[int, ...]:
    """Return counts from 1 to `most`, so many in each octave where they are apart."""
    count = math.ceil(math.log2(most) * per_octave)
    spaced = (round(2 ** (index / per_octave)) for index in range(count + 1))
    return tuple(sorted({min(each, most) for each in spaced}))


def _prompt_attention(source: KernelSource) -> tuple[PromptTimes, ...]:
    """Return attention of chunks, by the tokens before them.

    The package takes attention to the tokens before as a share of that of the whole prompt, its
    launch included, so that short chunks would be faster with tokens before them than without:
    the time with fewer of these is then taken.
    """
    most = source.ends.prompt
    rows: list[PromptTimes] = []
    slowest: dict[int, float] = {}
    for before in (0, *(each for each in points(most // 2, 1) if each >= 128)):
        counts = points(most - before, 4)
        for count in counts:
            slowest[count] = max(source.prompt(count, before).attention, slowest.get(count, 0.0))
        rows.append(PromptTimes(before, Times(counts, _rounded(slowest[n] for n in counts))))
    return tuple(rows)


def _decode_attention(source: KernelSource, batches: Sequence[int]) -> DecodeTimes:
    """Return lines in the context, fitted in shares of the time of all kernels."""
    lines = [_line(source, batch) for batch in batches]
    base_s, per_context_s, most, errors = zip(*lines, strict=True)
    return DecodeTimes(
        batch=tuple(batches),
        seconds=_rounded(base_s),
        seconds_per_context=_rounded(per_context_s),
        most_context=most,
        worst_error=round(max(errors), 4),
    )


def _line(source: KernelSource, batch: int) -> tuple[float, float, int, float]:
    """Return base, slope, end and worst error of attention's line at a batch."""
    ends = source.ends.context
    most = ends[min(measured for measured in ends if measured >= batch)]
    contexts = [n for n in points(most, 2) if n >= min(_SHORTEST_CONTEXT, most / 2)]
    steps = [source.decode(batch, context) for context in contexts]
    attention = np.array([step.attention for step in steps])
    total = np.array([step.attention + step.head + step.rest for step in steps])
    context = batch * np.array(contexts, dtype=float)
    base, slope = _weighted_line(context, attention, 1 / total)
    error = np.abs(base + slope * context - attention) / total
    return base, slope, most, float(error.max())


def _weighted_line(x: FloatArray, y: FloatArray, weights: FloatArray) -> tuple[float, float]:
    """Return the line, with neither a base nor a slope below 0, that fits weighted points best."""
    slope, base = np.polyfit(x, y, 1, w=weights)
    if base < 0:
        return 0.0, float((weights**2 * x * y).sum() / (weights**2 * x * x).sum())
    if slope < 0:
        return float((weights**2 * y).sum() / (weights**2).sum()), 0.0
    return float(base), float(slope)


def _rounded(seconds: Iterable[float]) -> tuple[float, ...]:
    return tuple(float(f"{value:.{_DIGITS}g}") for value in seconds)
