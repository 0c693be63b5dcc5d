"""``cosim.compare``: runs side by side, as a table of numbers, a page and JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cosim.errors import ScenarioError, did_you_mean
from cosim.report.page import Page
from cosim.report.run_data import RunData
from cosim.studies.compare.compared_run import ComparedRun
from cosim.studies.compare.measures import measures
from cosim.studies.compare.names import unique_names
from cosim.studies.compare.page import comparison_page
from cosim.studies.compare.settings import differing_settings
from cosim.studies.compare.side_by_side import SideBySide

MOST_ON_A_PAGE = 8
"""Runs that can be told apart by the colours of a page."""


@dataclass(frozen=True, slots=True)
class Comparison(SideBySide):
    """A comparison of runs: ``compare({"without": one, "with": other}).table``."""

    @property
    def table(self) -> pd.DataFrame:
        """The figures: a row for each run, a column for each figure, its unit in the name.

        `saving` is the share of the baseline's operational carbon that is saved at equal work, NaN
        where there is none; `no_saving` says why.
        """
        frame = pd.DataFrame(
            {
                row.column: [math.nan if value is None else value for value in row.values]
                for row in self.measures
            },
            index=pd.Index(self.names, name="run"),
        )
        against = self.against(self.baseline)
        frame.insert(
            0, "saving", [math.nan if saving is None else saving for saving in against.savings]
        )
        frame.insert(1, "no_saving", list(against.reasons))
        return frame

    def page(self) -> Page:
        """Return the page: the table, charts over time, latencies, breakdown.

        Raises:
            ScenarioError: If there are more runs than can be told apart.
        """
        if len(self.runs) > MOST_ON_A_PAGE:
            raise ScenarioError(
                f"a page shows at most {MOST_ON_A_PAGE} runs (got {len(self.runs)}); the table "
                "has them all"
            )
        return comparison_page(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison for JSON."""
        against = self.against(self.baseline)
        rows = self.table.drop(columns=["saving", "no_saving"]).to_dict("records")
        return {
            "baseline": self.names[self.baseline],
            "runs": [
                {
                    "name": run.name,
                    "status": run.data.summary.status,
                    "saving": saving,
                    "no_saving": reason,
                    **{
                        str(key): None if math.isnan(value) else value for key, value in row.items()
                    },
                }
                for run, saving, reason, row in zip(
                    self.runs, against.savings, against.reasons, rows, strict=True
                )
            ],
            "settings": {
                setting.path: dict(zip(self.names, setting.values, strict=True))
                for setting in self.settings
            },
            "warnings": list(against.warnings),
        }


def compare(runs: Mapping[str, RunData], baseline: str | None = None) -> Comparison:
    """Return runs side by side.

    Args:
        runs: The runs by name, at least two.
        baseline: Name of the run that the others are compared with; None for the first.

    Raises:
        ScenarioError: If there are fewer than two, the baseline is none of them, or a run took no
            step.
        CosimError: If a file of a result folder is damaged.
    """
    if len(runs) < 2:
        raise ScenarioError(f"expected at least two runs to compare (got {len(runs)})")
    if baseline is not None and baseline not in runs:
        raise ScenarioError(
            f"the baseline '{baseline}' is none of the runs: {', '.join(runs)}"
            f"{did_you_mean(baseline, list(runs))}"
        )
    compared = [ComparedRun.of(name, data) for name, data in runs.items()]
    return Comparison(
        compared,
        0 if baseline is None else list(runs).index(baseline),
        measures(compared),
        differing_settings([run.data.scenario for run in compared]),
    )


def compare_folders(folders: Sequence[Path], baseline: Path | None = None) -> Comparison:
    """Return result folders side by side, by their names.

    Args:
        folders: Result folders of ``cosim run``.
        baseline: One of them, or a further one, which then stands first; None for the first.

    Raises:
        ScenarioError: As :func:`compare`, or if one is not such a folder, or given twice.
        CosimError: If a file of a result folder is damaged.
    """
    listed = list(folders)
    if baseline is not None and baseline.resolve() not in [path.resolve() for path in listed]:
        listed.insert(0, baseline)
    seen: set[Path] = set()
    for path in listed:
        if path.resolve() in seen:
            raise ScenarioError(f"'{path}' is given twice; compare different result folders")
        seen.add(path.resolve())
    names = unique_names(listed)
    against = None
    if baseline is not None:
        against = names[[path.resolve() for path in listed].index(baseline.resolve())]
    runs = {name: RunData.load(path) for name, path in zip(names, listed, strict=True)}
    return compare(runs, against)
