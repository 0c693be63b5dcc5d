"""Runs side by side."""

from __future__ import annotations

from html import escape
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, final

from cosim.api.result import Result
from cosim.results.files import put_text
from cosim.studies.compare.compare import Comparison as SideBySide
from cosim.studies.compare.compare import compare as side_by_side

if TYPE_CHECKING:
    import pandas as pd

RunSource: TypeAlias = Result | str | PathLike[str]
"""A run: its result, or the path of its result folder."""


@final
class Comparison:
    """Runs side by side: ``cosim.compare(without=one, with_it=other).table``."""

    def __init__(self, runs: SideBySide) -> None:
        self._runs = runs

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the runs, in their order."""
        return tuple(self._runs.names)

    @property
    def table(self) -> pd.DataFrame:
        """A row for each run, with units in the names of the columns.

        `saving` is the share of the baseline's operational carbon that is saved at equal work, NaN
        where there is none; `no_saving` says why.
        """
        return self._runs.table

    @property
    def warnings(self) -> tuple[str, ...]:
        """Reasons for which the figures may mislead."""
        return tuple(self._runs.against(self._runs.baseline).warnings)

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison for JSON."""
        return self._runs.to_dict()

    def report(self, path: str | PathLike[str]) -> Path:
        """Write its page of charts and tables into one HTML file, and return the file.

        Raises:
            ScenarioError: If there are more runs than can be told apart.
        """
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        put_text(file, self._runs.page().html())
        return file

    def __repr__(self) -> str:
        return f"<cosim.Comparison of {', '.join(self.names)}>"

    def _repr_html_(self) -> str:
        warnings = "".join(f"<p>{escape(text)}</p>" for text in self.warnings)
        return f"{self.table.T.to_html(border=0)}{warnings}"


def compare(
    *runs: RunSource | tuple[str, RunSource],
    baseline: str | None = None,
    **named: RunSource,
) -> Comparison:
    """Return runs side by side.

    Args:
        runs: The runs: results, paths of result folders, or pairs of a name and one of these. One
            without a name has that of its folder, or of its scenario.
        baseline: Name of the run that the others are compared with; the first by default.
        named: Further runs, by their names.

    Raises:
        ScenarioError: If there are fewer than two, the baseline is none of them, or a run took no
            step.
        CosimError: If a file of a result folder is damaged.
    """
    listed: dict[str, Result] = {}
    for given in (*runs, *named.items()):
        name, run = given if isinstance(given, tuple) else ("", given)
        result = run if isinstance(run, Result) else Result.load(run)
        listed[_free(name or _name(result), listed)] = result
    return Comparison(side_by_side({name: run.data for name, run in listed.items()}, baseline))


def _name(result: Result) -> str:
    return result.name if result.folder is None else result.folder.resolve().name


def _free(name: str, taken: dict[str, Result]) -> str:
    """Return a name, with a number where it is taken."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name} {number}"
    return free
