"""From the runs of a sweep to a row for each case, and which of them is best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cosim.studies.runs.figures import RunFigures
from cosim.studies.runs.interval import Interval
from cosim.studies.sweep.axes import AxisValue
from cosim.studies.sweep.cases import cases
from cosim.studies.sweep.columns import FIGURES
from cosim.studies.sweep.sweep import Sweep

LEAST_FASTER = 0.02
"""Share of a latency by which a case has to be faster to count as faster."""


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One case over all seeds.

    Attributes:
        values: Its value on each axis.
        runs: Its runs.
        figures: Mean and interval of each figure, over the runs that came to their end; a figure
            that one of these does not have is left out.
        whole: Whether every run did its work; see :attr:`RunFigures.is_whole`.
        left: Mean number of requests not served: left at the end, or turned away.
        failures: Runs that broke off.
    """

    values: tuple[AxisValue, ...]
    runs: tuple[RunFigures, ...]
    figures: Mapping[str, Interval]
    whole: bool
    left: float
    failures: int

    def mean(self, figure: str) -> float:
        """Return the mean of a figure; NaN if there is none."""
        return self.figures[figure].mean if figure in self.figures else math.nan


def rows(sweep: Sweep) -> list[CaseRow]:
    """Return a row for each case, in their order."""
    combined = zip(cases(sweep.axes), sweep.runs, strict=True)
    return [_row(case.values, runs) for case, runs in combined]


def _row(values: tuple[AxisValue, ...], runs: tuple[RunFigures, ...]) -> CaseRow:
    ended = [run for run in runs if not run.failure]
    figures: dict[str, Interval] = {}
    for name in FIGURES:
        known = [getattr(run, name) for run in ended]
        if known and None not in known:
            figures[name] = Interval.of([float(value) for value in known])
    return CaseRow(
        values=values,
        runs=runs,
        figures=figures,
        whole=all(run.is_whole for run in runs),
        left=sum(run.backlog + run.rejected for run in ended) / max(len(ended), 1),
        failures=len(runs) - len(ended),
    )


@dataclass(frozen=True, slots=True)
class Choice:
    """Choice of the case with the lowest carbon, of those that completed their work.

    Attributes:
        figure: Figure that is compared: ``total_g`` at the same work, or else ``per_1k_tokens_g``.
        best: The case that emits least; None if none did its work.
        runner_up: The next one; None if there is none.
        lead: By how much the best emits less than the next, seed by seed, as a share of it.
        front: The cases that no other beats in carbon and in the 99th percentile of the time to
            the first token at once, from the least carbon on.
        baseline: The case that the others are compared with; None if it did not do its work.
        stored_share: Share of what the best saves against it that is only the difference of what
            their batteries hold at the end; None where there is no saving.
    """

    figure: str
    best: CaseRow | None = None
    runner_up: CaseRow | None = None
    lead: Interval | None = None
    front: tuple[CaseRow, ...] = ()
    baseline: CaseRow | None = None
    stored_share: float | None = None


def choose(every: Sequence[CaseRow], baseline: int = 0) -> Choice:
    """Return which case is best; of equals the first one.

    Args:
        every: The cases.
        baseline: Number of the one that the others are compared with.
    """
    whole = [row for row in every if row.whole]
    figure = _compared(whole)
    ordered = sorted(
        (row for row in whole if figure in row.figures), key=lambda row: row.mean(figure)
    )
    if not ordered:
        return Choice(figure)
    best, *others = ordered
    first = every[baseline] if any(row is every[baseline] for row in ordered) else None
    runner_up = others[0] if others else None
    return Choice(
        figure=figure,
        best=best,
        runner_up=runner_up,
        lead=None if runner_up is None else _lead(best, runner_up, figure),
        front=_front(ordered, figure),
        baseline=first,
        stored_share=None if first is None else _stored_share(best, first),
    )


def _stored_share(best: CaseRow, first: CaseRow) -> float | None:
    """Return the share of a saving that is what the batteries hold at the end."""
    saved_g = first.mean("total_g") - best.mean("total_g")
    if not saved_g > 0:
        return None
    return (first.mean("stored_g") - best.mean("stored_g")) / saved_g


def _compared(whole: Sequence[CaseRow]) -> str:
    """Return the figure by which cases are compared: the total only at the same work."""
    work = {tuple(run.output_tokens for run in row.runs) for row in whole}
    tokens = all("per_1k_tokens_g" in row.figures for row in whole)
    return "per_1k_tokens_g" if len(work) > 1 and tokens else "total_g"


def _lead(best: CaseRow, other: CaseRow, figure: str) -> Interval:
    """Return the saving of the best case as a share of another's emissions, seed by seed."""
    pairs = [
        (getattr(run, figure), getattr(other_run, figure))
        for run, other_run in zip(best.runs, other.runs, strict=True)
    ]
    return Interval.of(
        [1 - best_g / other_g if other_g > 0 else math.nan for best_g, other_g in pairs]
    )


def _front(ordered: Sequence[CaseRow], figure: str) -> tuple[CaseRow, ...]:
    """Return the cases that no other beats: with ever more carbon, the latency has to fall.

    It has to fall by more than noise: 711 ms after 712 ms are nothing to pay for with carbon.
    """
    front: list[CaseRow] = []
    by_both = sorted(ordered, key=lambda row: (row.mean(figure), row.mean("ttft_p99_s")))
    for row in by_both:
        latency_s = row.mean("ttft_p99_s")
        if math.isnan(latency_s):
            continue
        if not front or latency_s < (1 - LEAST_FASTER) * front[-1].mean("ttft_p99_s"):
            front.append(row)
    return tuple(front)
