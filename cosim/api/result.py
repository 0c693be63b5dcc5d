"""The result of a run: figures and tables, in memory or in a folder, always the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from html import escape
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, final

from cosim.errors import CosimError, RunFailed
from cosim.report.headline import headline
from cosim.report.run_data import ACTIONS, REQUESTS, STEPS, RunData
from cosim.report.run_report import run_page
from cosim.results.files import put_text
from cosim.results.folder import FROM_PYTHON
from cosim.results.result_folder import copy_results
from cosim.results.summary import Summary
from cosim.results.totals import RunTotals, ServingTotals

if TYPE_CHECKING:
    import pandas as pd

WriteFolder = Callable[[Path], Path]
"""Writes the files of a run into a folder of that path, and returns where that is."""


@final
class Result:
    """The result of a run.

    ``cosim.run`` makes one, and ``cosim.open_result`` reads one from a folder::

        result = cosim.run("scenario.yaml")
        result.totals.carbon_g.total  # [g]
        result.steps["facility_power_w"].plot()

    Attributes:
        data: Its content, for pages and comparisons; not part of the stable API.
    """

    def __init__(self, data: RunData, write: WriteFolder) -> None:
        self.data = data
        self._write = write

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Result:
        """Read the result of a run from its folder.

        Raises:
            ScenarioError: If it is not a result folder.
            CosimError: If a file of it is damaged.
        """
        folder = Path(path).resolve()
        return cls(RunData.load(Path(path)), partial(copy_results, folder))

    @property
    def name(self) -> str:
        """Name of the scenario."""
        return self.summary.scenario.name

    @property
    def folder(self) -> Path | None:
        """The folder that it is read from; None if it is in memory."""
        return self.data.path

    @property
    def summary(self) -> Summary:
        """Its figures, as ``summary.json`` has them."""
        return self.data.summary

    @property
    def totals(self) -> RunTotals:
        """Figures of all sites together.

        Raises:
            CosimError: If the run took no step.
        """
        if self.summary.totals is None:
            raise CosimError(f"the run has no figures: {self.failure}")
        return self.summary.totals

    @property
    def serving(self) -> ServingTotals:
        """Figures of all sites together, of a run in which requests are served.

        Raises:
            CosimError: If no site has a cluster, or the run took no step.
        """
        totals = self.totals
        if not isinstance(totals, ServingTotals):
            raise CosimError("no site of the run serves requests")
        return totals

    @property
    def failure(self) -> RunFailed | None:
        """Why the run broke off; None if it did not."""
        failure = self.summary.failure
        return None if failure is None else RunFailed(failure.message, step=failure.step)

    def raise_for_failure(self) -> Result:
        """Return the result itself, if the run did not break off.

        Raises:
            RunFailed: If it did.
        """
        if self.failure is not None:
            raise self.failure
        return self

    @cached_property
    def steps(self) -> pd.DataFrame:
        """A row for each step and site, as ``steps.parquet`` has them; powers are means."""
        return self.data.frame(STEPS)

    @cached_property
    def requests(self) -> pd.DataFrame:
        """A row for each request, as ``requests.parquet`` has them."""
        return self.data.frame(REQUESTS)

    @cached_property
    def actions(self) -> pd.DataFrame:
        """A row for each change of an actuator, as ``actions.parquet`` has them."""
        return self.data.frame(ACTIONS)

    @property
    def repeatable(self) -> bool:
        """Whether its scenario alone can repeat it: Python gave it no controller."""
        return FROM_PYTHON not in self.data.manifest

    def report(self, path: str | PathLike[str]) -> Path:
        """Write its page of charts and tables into one HTML file, and return the file."""
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        put_text(file, run_page(self.data).html())
        return file

    def save(self, path: str | PathLike[str]) -> Path:
        """Write it into a folder, as ``cosim run`` does, and return where that is.

        The folder has another name than was asked for where good results stand and the run failed.

        Raises:
            ScenarioError: If something else than earlier results stands there.
            CosimError: If not all could be written.
        """
        return self._write(Path(path))

    def __repr__(self) -> str:
        time = self.summary.time
        state = "" if self.failure is None else f", failed at step {self.failure.step}"
        where = "in memory" if self.folder is None else f"in '{self.folder}'"
        return f"<cosim.Result '{self.name}': {time.steps:,} steps{state}, {where}>"

    def _repr_html_(self) -> str:
        rows: list[tuple[str, str, str]] = []
        if self.failure is not None:
            rows.append((f"Failed at step {self.failure.step}", str(self.failure), ""))
        if self.summary.totals is not None:
            head = headline(self.summary)
            rows += [*head.cards, *(("Read with care", text, "") for text in head.warnings)]
        cells = "".join(
            f"<tr><th>{escape(name)}</th><td>{escape(value)}</td><td>{escape(remark)}</td></tr>"
            for name, value, remark in rows
        )
        return f"<table><caption>{escape(repr(self))}</caption>{cells}</table>"


def open_result(path: str | PathLike[str]) -> Result:
    """Return the result of a run that was written into a folder.

    Raises:
        ScenarioError: If it is not a result folder.
        CosimError: If a file of it is damaged.
    """
    return Result.load(path)
