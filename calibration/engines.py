"""Fits of engine profiles on measured vLLM runs, and errors with one model left out at a time.

Usage: ``python -m calibration.engines DATA.csv [--write]`` with the table described in
:mod:`calibration.measurements`. It prints the numbers for ``engines.yaml`` and, of the experts, for
``gpus.yaml``, then the tables of ``docs/validation.md``. With ``--write`` these go to the page, and
the errors by regime into the package (:mod:`calibration.errors`).
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from calibration.errors import write_errors
from calibration.measurements import CHAT_PROMPTS, Row, read, same
from calibration.page import bias, mape, table, write_section
from calibration.regimes import REGIMES, Regime
from inference_sim.hardware import find_gpu

TARGETS = {  # throughput MAPE of models left out, at most [%]
    "vLLM 0.11, H100, dense": 4.5,
    "vLLM 0.11, B200, dense": 9.0,
    "vLLM 0.11, H100, MoE": 6.5,
    "vLLM 0.11, B200, MoE": 12.0,
    "vLLM 0.5.4, A100 40 GB, dense": 10.0,
    "vLLM 0.5.4, H100, dense": 10.0,
}
MISSED = {"vLLM 0.11, B200, dense": 13.0}
"""Groups that do not reach their target, and the MAPE that they stay below [%]."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row and its errors: throughput and latency (NaN where not comparable), as fractions.

    Attributes:
        group: Regime and kind of model.
        family_left_out: Throughput error when all models of its shape are left out of the fit.
    """

    row: Row
    group: str
    throughput: float
    latency: float
    fitted: float
    family_left_out: float


def held_out(regime: Regime, rows: Sequence[Row]) -> list[Outcome]:
    """Return the errors of each row, predicted by a fit without its model."""
    by_label = _left_out(regime, rows, lambda row: row.label)
    by_shape = _left_out(regime, rows, lambda row: row.model.name)
    fitted, _ = regime.errors(rows, regime.fit(rows))
    return [
        Outcome(row, f"{regime.name}, {row.kind}", *label, float(fit), shape[0])
        for row, label, shape, fit in zip(rows, by_label, by_shape, fitted, strict=True)
    ]


def _left_out(
    regime: Regime, rows: Sequence[Row], key: Callable[[Row], str]
) -> list[tuple[float, float]]:
    by_row: dict[int, tuple[float, float]] = {}
    for name in sorted({key(row) for row in rows}):
        values = regime.fit([row for row in rows if key(row) != name])
        indices = [i for i, row in enumerate(rows) if key(row) == name]
        errors = regime.errors([rows[i] for i in indices], values)
        by_row |= {
            i: (float(t), float(latency)) for i, t, latency in zip(indices, *errors, strict=True)
        }
    return [by_row[i] for i in range(len(rows))]


def _by(outcomes: Iterable[Outcome], key: Callable[[Outcome], str]) -> dict[str, list[Outcome]]:
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(key(outcome), []).append(outcome)
    return groups


def summary(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return the throughput MAPE [%] by group, each model left out of its fit."""
    groups = _by(outcomes, lambda outcome: outcome.group)
    return {name: mape([outcome.throughput for outcome in group]) for name, group in groups.items()}


def _summary_table(outcomes: Sequence[Outcome]) -> str:
    rows = []
    for name, group in _by(outcomes, lambda outcome: outcome.group).items():
        latency = [outcome.latency for outcome in group if not np.isnan(outcome.latency)]
        shapes = {outcome.row.model.name for outcome in group}
        moe_alone = name.endswith("MoE") and len(shapes) < 2
        rows.append(
            [
                name,
                len(group),
                len({outcome.row.label for outcome in group}),
                mape([outcome.throughput for outcome in group]),
                TARGETS[name],
                bias([outcome.throughput for outcome in group]),
                mape([outcome.fitted for outcome in group]),
                float("nan") if moe_alone else mape([outcome.family_left_out for outcome in group]),
                mape(latency),
                bias(latency),
                len(latency),
            ]
        )
    header = (
        "regime", "rows", "models", "throughput MAPE %", "at most", "bias %", "in the fit %",
        "shape left out %", "ITL MAPE %", "ITL bias %", "ITL rows",
    )  # fmt: skip
    return table(header, rows)


def _split_table(outcomes: Sequence[Outcome], title: str, key: Callable[[Outcome], str]) -> str:
    rows: list[list[object]] = []
    for name, group in _by(outcomes, lambda outcome: outcome.group).items():
        for part, members in _by(sorted(group, key=lambda outcome: outcome.row.batch), key).items():
            errors = [outcome.throughput for outcome in members]
            latency = [outcome.latency for outcome in members if not np.isnan(outcome.latency)]
            itl = mape(latency) if latency else float("nan")
            rows.append([name, part, len(members), mape(errors), bias(errors), itl])
    return table(("regime", title, "rows", "throughput MAPE %", "bias %", "ITL MAPE %"), rows)


def explain(row: Row, throughput: float, rows: Sequence[Row]) -> str:
    """Return how a row differs in the data itself; `throughput` is its error as a fraction."""
    reasons = []
    series = same(rows, row)
    smaller = [other for other in series if other.batch < row.batch * 0.9]
    strongest = max(smaller, key=lambda other: other.power_w, default=row)
    if throughput > 0 and row.power_w < 0.97 * strongest.power_w:
        reasons.append(
            f"host-bound: {row.power_w:.0f} W per GPU, {strongest.power_w:.0f} W at batch "
            f"{strongest.batch:.0f}"
        )
    elif throughput < 0 and row.power_w < 0.3 * find_gpu(row.gpu).max_w:
        reasons.append(
            f"the host sets the pace ({row.power_w:.0f} W per GPU), and a faster one than with the "
            "other models"
        )
    for below, above in pairwise(other for other in series if 33 < other.batch <= row.batch):
        rise = above.itl_s / below.itl_s - 1
        if rise > 0.25 and above.batch < 1.6 * below.batch and throughput > 0:
            reasons.append(
                f"ITL jumps by {100 * rise:.0f} % from batch {below.batch:.0f} to {above.batch:.0f}"
            )
    if row.batch > 2 * row.output_tokens:
        reasons.append(
            f"{row.batch / row.output_tokens:.1f} prompts of unpublished length per iteration"
        )
    if row.batch < 0.95 * row.cap:
        reasons.append(f"KV cache full: {row.batch:.0f} of {row.cap} sequences run")
    if row.engine == "vllm-0.11" and row.stall > 1.2:
        reasons.append(f"stalls: batch / (ITL * throughput) = {row.stall:.2f}")
    if row.model.experts and row.batch < 40 and throughput < 0:
        reasons.append("routing is less even than assumed: fewer experts are touched")
    if row.model.name.startswith("google/gemma-2"):
        reasons.append("Gemma 2: soft-capped attention, which its kernels pay for")
    return "; ".join(reasons) or "nothing in the data sets it apart"


def _worst_table(outcomes: Sequence[Outcome], rows: Sequence[Row]) -> str:
    lines = []
    for name, group in _by(outcomes, lambda outcome: outcome.group).items():
        for outcome in sorted(group, key=lambda outcome: -abs(outcome.throughput))[:4]:
            row = outcome.row
            lines.append(
                [
                    name,
                    row.name,
                    f"{row.batch:.0f}",
                    f"{100 * outcome.throughput:+.0f}",
                    explain(row, outcome.throughput, rows),
                ]
            )
    return table(("regime", "run", "batch", "error %", "what sets it apart"), lines)


def _apart_table(rows: Sequence[Row]) -> str:
    lines = []
    for regime in REGIMES:
        apart = [row for row in regime.rows(rows) if not regime.fits(row)]
        for kind in ("dense", "MoE"):
            of_kind = [row for row in apart if row.kind == kind]
            if not of_kind:
                continue
            errors, _ = regime.errors(of_kind, regime.committed())
            reason = "gpqa: host-bound by something in the node, which other workloads do not show"
            if regime.engine == "vllm-0.5.4":
                reason = "4 and 8 GPUs: the experts' kernels and links are not identified"
            lines.append(
                [f"{regime.name}, {kind}", len(of_kind), mape(errors), bias(errors), reason]
            )
    return table(("shown apart", "rows", "throughput MAPE %", "bias %", "why"), lines)


def _prompt_table(rows: Sequence[Row]) -> str:
    lines: dict[str, list[object]] = {}
    for prompt in (None, *CHAT_PROMPTS):
        for regime in REGIMES:
            fitted = [row for row in regime.rows(rows) if regime.fits(row)]
            errors, _ = regime.errors(fitted, regime.fit(fitted, prompt), prompt)
            for kind in ("dense", "MoE"):
                of_kind = [e for e, row in zip(errors, fitted, strict=True) if row.kind == kind]
                if of_kind:
                    name = f"{regime.name}, {kind}"
                    lines.setdefault(name, [name]).append(mape(of_kind))
    header = ("throughput MAPE %, in the fit", "as assumed", *(f"{p:.0f}" for p in CHAT_PROMPTS))
    return table(header, lines.values())


def _left_out_table(left_out: Counter[str]) -> str:
    return table(("left out", "rows"), [[why, count] for why, count in left_out.most_common()])


def coefficients(rows: Sequence[Row]) -> str:
    """Return the fitted numbers, ready for the data files."""
    lines = []
    for regime in REGIMES:
        values = regime.fit([row for row in regime.rows(rows) if regime.fits(row)])
        pairs = list(zip(regime.parameters, values, strict=True))
        engine = ", ".join(f"{p.name}: {v:.4g}" for p, v in pairs if not p.of_experts)
        experts = ", ".join(f"{p.name}: {v:.4g}" for p, v in pairs if p.of_experts)
        lines.append(f"{regime.profile}: {{{engine}}}")
        if experts:
            lines.append(f"{regime.gpu}: experts: {{{experts}}}")
    return "\n".join(lines)


def outcomes_of(rows: Sequence[Row]) -> list[Outcome]:
    """Return the held-out errors of all regimes."""
    return [
        outcome
        for regime in REGIMES
        for outcome in held_out(regime, [row for row in regime.rows(rows) if regime.fits(row)])
    ]


def report(data: Path) -> tuple[str, dict[str, float]]:
    """Return the page's tables, and the throughput MAPE by group."""
    rows, left_out = read(data)
    outcomes = outcomes_of(rows)
    base = summary(outcomes)
    parts = [
        "### By regime",
        _summary_table(outcomes),
        "### By precision and number of GPUs",
        _split_table(
            outcomes,
            "weights",
            lambda outcome: f"{outcome.row.model.precision}, {outcome.row.gpus} GPU",
        ),
        "### By batch",
        _split_table(outcomes, "batch", lambda outcome: outcome.row.batch_range),
        "### By model",
        _split_table(outcomes, "model", lambda outcome: outcome.row.label.split("/")[-1]),
        "### Worst runs",
        _worst_table(outcomes, rows),
        "### Mean prompt length of chats, assumed otherwise [tokens]",
        _prompt_table(rows),
        "### Shown apart (with the committed coefficients)",
        _apart_table(rows),
        "### Left out",
        _left_out_table(left_out),
    ]
    return "\n\n".join(parts), base


def main(arguments: Sequence[str] | None = None) -> None:
    """Print coefficients and errors; with ``--write``, put the errors on the page and in a file."""
    parser = argparse.ArgumentParser(prog="python -m calibration.engines")
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--write", action="store_true", help="put the errors on the page and in the package"
    )
    options = parser.parse_args(arguments)
    rows, _ = read(options.data)
    print("# for inference_sim/execution/engines.yaml and inference_sim/hardware/gpus.yaml")
    print(coefficients(rows))
    text, _ = report(options.data)
    print(text)
    if options.write:
        write_section("engines", text)
        write_errors(rows)


if __name__ == "__main__":
    main()
