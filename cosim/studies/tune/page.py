"""The page of a tuning: verdict, weeks of the report, trials."""

from __future__ import annotations

import math

from cosim.report.charts import BarChart, Point, ScatterChart, bar_chart, scatter_chart
from cosim.report.page import Page, Section, cards, paragraph, preformatted, table
from cosim.studies.runs.interval import Interval, interval
from cosim.studies.tune.space import Parameter
from cosim.studies.tune.table import (
    percent_points,
    reading,
    report_table,
    trials_table,
    verdict,
)
from cosim.studies.tune.trials import ranked
from cosim.studies.tune.tuning import Tuning
from inference_sim.files.yaml_text import write_yaml

_ENTRY = "An entry for the policies of the scenario's evaluation; the folder has it as tuned.yaml."


def tuning_page(tuning: Tuning) -> Page:
    """Return the page of a tuning."""
    return Page(
        f"{tuning.policy} tuned on {tuning.name}",
        [
            Section(
                "weeks", "Weeks that the search never saw",
                [_by_week(tuning), report_table(tuning).html()],
            ),
            Section(
                "trials", "Trials",
                [
                    *_by_parameter(tuning),
                    trials_table(tuning).html(),
                    *(paragraph(note, kind="note") for note in reading(tuning)),
                ],
            ),
            Section(
                "entry", "The policy, tuned",
                [paragraph(_ENTRY, kind="note"), preformatted(write_yaml(tuning.entry))],
            ),
            Section("scenario", "Scenario", [preformatted(write_yaml(tuning.scenario))]),
            Section("versions", "Versions and seeds", [table((), _about(tuning))]),
        ],
        subtitle=(
            f"{len(tuning.trials)} trials in {len(tuning.tune_weeks)} parts of a year, "
            f"reported in {len(tuning.test_weeks)} others"
        ),
        lead=[cards(_cards(tuning)), paragraph(verdict(tuning))],
    )  # fmt: skip


def _cards(tuning: Tuning) -> list[tuple[str, str, str]]:
    _, defaults, tuned = tuning.rows
    return [
        (
            "Defaults save",
            _share(defaults.no_saving, defaults.saving.mean),
            "against doing nothing",
        ),
        ("Tuned saves", _share(tuned.no_saving, tuned.saving.mean), tuning.best.label),
        ("Difference", f"{interval(tuning.difference, 100.0, 2)}", "points, on weeks it never saw"),
    ]


def _share(no_saving: str, share: float) -> str:
    return no_saving or f"{percent_points(share):.1f} %"


def _by_week(tuning: Tuning) -> BarChart:
    names = ("defaults", f"tuned ({tuning.best.label})")
    bars, intervals = {}, {}
    for name, shares in zip(names, tuning.savings, strict=True):
        mean = Interval.of(shares)
        bars[name] = [percent_points(share) for share in (*shares, mean.mean)]
        none = [math.nan] * len(shares)
        low, high = (100 * (mean.mean + sign * mean.half_width) for sign in (-1, 1))
        intervals[name] = ([*none, low], [*none, high])
    return bar_chart(
        "savings",
        "Saving against doing nothing",
        [*tuning.test_weeks, "mean of all"],
        bars,
        label="Emissions saved",
        unit="%",
        note="By the first day of each part of the year. Lines at the mean: 95 % intervals over "
        "the parts.",
        intervals=intervals,
    )


def _by_parameter(tuning: Tuning) -> list[ScatterChart]:
    """Return the savings of the trials over each parameter that is a number."""
    return [
        chart
        for axis, parameter in enumerate(tuning.parameters)
        if (chart := _over(tuning, axis, parameter)) is not None
    ]


def _over(tuning: Tuning, axis: int, parameter: Parameter) -> ScatterChart | None:
    if parameter.choices:
        return None
    best, points = ranked(tuning.trials)[0], []
    for trial in tuning.trials:
        value = trial.values[axis]
        if value is None or isinstance(value, str) or trial.failures:
            continue
        points.append(
            Point(
                trial.label,
                float(value),
                percent_points(tuning.saving(trial)),
                color="vermilion" if trial.missed else "blue",
                label=None if trial in (best, tuning.trials[0]) else "",
            )
        )
    if not points:
        return None
    return scatter_chart(
        f"trials_{axis}",
        f"Saving of the trials by {parameter.name}",
        points,
        x_label=parameter.name,
        y_label="Emissions saved in the weeks of the search",
        unit="%",
        log_x=parameter.is_log and all(point.x > 0 for point in points),
        note="Red: the objectives were missed.",
    )


def _about(tuning: Tuning) -> list[tuple[str, str]]:
    return [
        ("seeds", ", ".join(map(str, tuning.seeds))),
        ("weeks of the search", ", ".join(tuning.tune_weeks)),
        ("weeks of the report", ", ".join(tuning.test_weeks)),
        *tuning.versions.items(),
    ]
