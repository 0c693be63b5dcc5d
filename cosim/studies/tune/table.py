"""A tuning as a table for people, its verdict, and its trials for other programs."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from cosim.accounting.words import percent, plural, unit_for
from cosim.studies.evaluate.table import TableUnits
from cosim.studies.frame.table import TextTable
from cosim.studies.runs.figures import LEAST_SERVED
from cosim.studies.runs.interval import interval
from cosim.studies.tune.space import value_text
from cosim.studies.tune.trials import Trial, ranked
from cosim.studies.tune.tuning import Tuning

SHOWN = 5
"""Trials of the printed table, from the best on."""


def trials_table(tuning: Tuning) -> TextTable:
    """Return the best trials in the weeks of the search, and the defaults."""
    shown = ranked(tuning.trials)[:SHOWN]
    if tuning.trials[0] not in shown:
        shown.append(tuning.trials[0])
    names = [parameter.name for parameter in tuning.parameters]
    unit = unit_for("g", max([1e3, *(trial.carbon_g for trial in shown if not trial.failures)]))
    head = ["trial", *names, f"carbon\n{unit.name}", "saving\n%", "objectives"]
    lines = [
        [
            trial.label.removeprefix("trial "),
            *map(value_text, trial.values),
            "-" if trial.failures else f"{trial.carbon_g / unit.size:,.3f}",
            "-" if trial.failures else f"{percent_points(tuning.saving(trial)):.2f}",
            _objectives(trial),
        ]
        for trial in shown
    ]
    return TextTable(head, lines, pale=[bool(trial.missed) for trial in shown])


def report_table(tuning: Tuning) -> TextTable:
    """Return the defaults and the best trial in the weeks of the report."""
    unit = TableUnits.of(tuning.rows).mass
    head = ["policy", f"carbon {unit.name}", "saving %", "SLO %", "late", "left", "missed"]
    lines = []
    for row, missed in zip(tuning.rows, (0, *tuning.missed), strict=True):
        name = row.variant.name
        attainment = "-" if row.attainment is None else f"{row.attainment * 100:.2f}"
        lines.append(
            [
                f"tuned ({tuning.best.label})" if name == "tuned" else name,
                interval(row.carbon_g, 1 / unit.size, 3),
                row.no_saving or interval(row.saving, 100.0, 1, star=row.saving_sure),
                attainment,
                f"{row.late:,.0f}",
                f"{row.backlog:,.0f}",
                f"{missed} of {len(tuning.tested[0])}",
            ]
        )
    return TextTable(head, lines)


def verdict(tuning: Tuning) -> str:
    """Return whether the policy, tuned, is better in weeks that the search never saw."""
    difference = tuning.difference
    text = interval(difference, 100.0, 2)
    _, missed = tuning.missed
    is_sure = difference.mean > difference.half_width and round(difference.mean, 4) > 0
    if is_sure and not missed and not _no_saving(tuning):
        return f"{tuning.policy} beats its defaults by {text} points on weeks it never saw."
    sentence = f"{tuning.policy} does not beat its defaults on weeks it never saw: {text} points"
    if missed:
        word = "but" if is_sure else "and"
        return f"{sentence}, {word} it misses its objectives in {_of(missed, tuning)}."
    if reason := _no_saving(tuning):
        return f"{sentence}, and it has no saving ({reason})."
    if not tuning.best.number:
        return f"{sentence}, for no other trial is better."
    return f"{sentence}."


def _no_saving(tuning: Tuning) -> str:
    """Return why the best trial has no saving in the weeks of the report; empty if it has."""
    return tuning.rows[2].no_saving


def _of(count: int, tuning: Tuning) -> str:
    return f"{count} of {plural(len(tuning.tested[0]), 'run')}"


def notes(tuning: Tuning) -> Iterator[str]:
    """Yield the verdict, and how to read the table, each a paragraph."""
    yield verdict(tuning)
    _, defaults, tuned = tuning.rows
    savings = ", ".join(
        f"{name} {row.no_saving or interval(row.saving, 100.0, 2) + ' %'}"
        for name, row in (("defaults", defaults), (f"tuned ({tuning.best.label})", tuned))
    )
    seeds = plural(len(tuning.seeds), "seed")
    yield (
        f"Saving against doing nothing in {len(tuning.test_weeks)} parts of the year from "
        f"{tuning.test_weeks[0]} to {tuning.test_weeks[-1]}, with {seeds} each: {savings}. Means "
        "with 95 % intervals over these parts (Student's t); the difference is taken part by part."
    )
    if tuning.missed[0] and tuning.best.number:
        yield (
            f"The defaults miss their objectives there in {_of(tuning.missed[0], tuning)}: the "
            "comparison is with a policy that serves less well."
        )
    yield from reading(tuning)


def reading(tuning: Tuning) -> Iterator[str]:
    """Yield how the trials were chosen, and how to read their table."""
    chosen = {"random": "a Sobol sequence", "tpe": "a Sobol sequence, then TPE"}[tuning.sampler]
    yield (
        f"Trials: {len(tuning.trials)} by {chosen}, in {len(tuning.tune_weeks)} other parts of the "
        f"year from {tuning.tune_weeks[0]} to {tuning.tune_weeks[-1]}. carbon: at equal work and "
        "with equal batteries. A trial that in some run left work, served more than "
        f"{percent(1 - LEAST_SERVED)} of the requests too late, or broke the SLOs of more than "
        f"{percent(1 - LEAST_SERVED)} of those that have some, comes after all others."
    )
    if failed := [trial for trial in tuning.trials if trial.failures]:
        yield (
            f"Broke off: {', '.join(trial.label for trial in failed)}. The first because: "
            f"{failed[0].failures[0]}"
        )
    if tuning.best.missed:
        yield "No trial met its objectives in all weeks of the search: the defaults stay."
    yield f"Searched: {'; '.join(parameter.extent for parameter in tuning.parameters)}."
    if tuning.fixed:
        yield f"Kept: {', '.join(tuning.fixed)}."
    if tuning.unsearched:
        yield (
            f"Not searched, for want of a range: {', '.join(tuning.unsearched)}. Give one by "
            "--range NAME=LOW:HIGH."
        )


def trials_frame(tuning: Tuning) -> pd.DataFrame:
    """Return a row for each trial, in their order; NaN for a number that is unset."""
    ranks = {trial.number: rank for rank, trial in enumerate(ranked(tuning.trials), start=1)}
    names = [parameter.name for parameter in tuning.parameters]
    return pd.DataFrame(
        [
            {
                "trial": trial.number,
                "rank": ranks[trial.number],
                **dict(zip(names, trial.values, strict=True)),
                "carbon_g": trial.carbon_g,
                "saving": tuning.saving(trial),
                "missed": trial.missed,
                "failures": len(trial.failures),
            }
            for trial in tuning.trials
        ]
    )


def percent_points(share: float) -> float:
    """Return a share in percent, and no zero below zero."""
    return round(share * 100, 2) + 0.0


def _objectives(trial: Trial) -> str:
    if not trial.missed:
        return "met"
    if trial.failures:
        return f"broke off in {len(trial.failures)} of {len(trial.runs)}"
    return f"missed in {trial.missed} of {len(trial.runs)}"
