"""Runs side by side: their figures, and each against one of them, in words and with warnings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cosim.accounting.words import exact_percent, latency, mass
from cosim.report.difference import Difference
from cosim.studies.compare.alike import (
    cautions,
    in_words,
    own_cautions,
    why_no_saving,
    why_not_equal,
)
from cosim.studies.compare.compared_run import ComparedRun
from cosim.studies.compare.measures import Measure
from cosim.studies.compare.settings import Setting


@dataclass(frozen=True, slots=True)
class Against:
    """The runs of a comparison against one of them.

    Attributes:
        baseline: Number of the run that the others are compared with.
        savings: Share of its operational carbon that each run saves at equal work; None for the
            baseline, and where there is no saving.
        reasons: Why there is none, by run; empty where there is one.
        sentences: The main differences in words, one a run.
        warnings: Reasons for which runs cannot be compared, or with care only, one text for all
            runs that a reason holds for.
    """

    baseline: int
    savings: Sequence[float | None]
    reasons: Sequence[str]
    sentences: Sequence[str]
    warnings: Sequence[str]


@dataclass(frozen=True, slots=True)
class SideBySide:
    """Runs side by side.

    Attributes:
        runs: The runs.
        baseline: Number of the run that the others are compared with.
        measures: Their figures.
        settings: The settings in which their scenarios differ.
    """

    runs: Sequence[ComparedRun]
    baseline: int
    measures: Sequence[Measure]
    settings: Sequence[Setting]

    @property
    def names(self) -> list[str]:
        """Names of the runs."""
        return [run.name for run in self.runs]

    def against(self, baseline: int) -> Against:
        """Return the runs against one of them, by its number."""
        base = self.runs[baseline]
        others = [run for run in self.runs if run is not base]
        reasons = ["" if run is base else why_no_saving(run, base) for run in self.runs]
        savings = [
            None if run is base or reason else _saving(run, base)
            for run, reason in zip(self.runs, reasons, strict=True)
        ]
        careful = list(own_cautions(base))
        for run in others:
            careful += cautions(run, base)
        return Against(
            baseline,
            savings,
            reasons,
            [_sentence(run, base) for run in others],
            in_words(careful),
        )


def _saving(run: ComparedRun, baseline: ComparedRun) -> float | None:
    before = baseline.figures.equal_work_g
    return 1 - run.figures.equal_work_g / before if before > 0 else None


def _sentence(run: ComparedRun, baseline: ComparedRun) -> str:
    """Return the main differences of a run from another: carbon, energy, SLOs and latency."""
    own, before = run.figures.equal_work_g, baseline.figures.equal_work_g
    used, used_before = run.totals.energy_kwh.facility, baseline.totals.energy_kwh.facility
    total, total_before = run.totals.carbon_g.total, baseline.totals.carbon_g.total
    carbon = (
        f"operational carbon at equal work {Difference(own, before).lower()} "
        f"({mass(own)} against {mass(before)}; with the embodied "
        f"{Difference(total, total_before).lower()})"
    )
    if reason := why_not_equal(run, baseline):
        pair = [mass(compared.totals.carbon_g.import_) for compared in (run, baseline)]
        carbon = f"operational carbon {' against '.join(pair)}, no saving: {reason}"
    parts = [
        carbon,
        f"energy {Difference(used, used_before).lower()}",
    ]
    met, met_before = run.figures.attainment, baseline.figures.attainment
    if met is not None and met_before is not None:
        parts.append(f"SLO attainment {exact_percent(met)} against {exact_percent(met_before)}")
    elif run.serving is not None:
        parts.append("no SLOs to compare")
    if run.serving and baseline.serving:
        ttft, ttft_before = run.serving.latency_s.ttft, baseline.serving.latency_s.ttft
        if ttft is not None and ttft_before is not None:
            parts.append(
                f"first token within {latency(ttft.p99)} for 99 % of requests, against "
                f"{latency(ttft_before.p99)}"
            )
    return f"{run.name} against {baseline.name}: {'; '.join(parts)}."
