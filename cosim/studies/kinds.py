"""The kinds of result folders that have a report, told by a file that each holds."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cosim.errors import ScenarioError

if TYPE_CHECKING:
    from cosim.report.charts import Chart


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of result folder.

    Attributes:
        command: What writes it.
        marker: A file that every such folder has, and no other.
        module: Has ``write_report(folder) -> Path`` and ``folder_charts(folder) -> list[Chart]``;
            imported when it is needed. Those of a run also take a baseline.
        compares: What it compares already, so that it takes no baseline; empty for a run.
    """

    command: str
    marker: str
    module: str
    compares: str = ""

    def write_report(self, folder: Path, baseline: Path | None = None) -> Path:
        """Write the report of a folder, compared with another if there is one.

        Raises:
            ScenarioError: If there is a baseline, and it takes none.
        """
        path: Path = self._call("write_report", folder, baseline)
        return path

    def folder_charts(self, folder: Path, baseline: Path | None = None) -> list[Chart]:
        """Return all charts of a folder's report; see :meth:`write_report`."""
        charts: list[Chart] = self._call("folder_charts", folder, baseline)
        return charts

    def _call(self, name: str, folder: Path, baseline: Path | None) -> Any:
        function = getattr(import_module(self.module), name)
        if baseline is None:
            return function(folder)
        if self.compares:
            raise ScenarioError(
                "--baseline goes with the report of a run; this folder is of "
                f"{self.command}, whose {self.compares}"
            )
        return function(folder, baseline)


KINDS = (
    Kind("cosim run", "summary.json", "cosim.report.run_report"),
    Kind(
        "cosim evaluate", "evaluation.json", "cosim.studies.evaluate.report",
        "policies are compared with doing nothing",
    ),
    Kind(
        "cosim reproduce", "rows.json", "cosim.studies.reproduce.report",
        "figures are compared with the paper's",
    ),
    Kind(
        "cosim sweep", "sweep.json", "cosim.studies.sweep.report",
        "cases are compared with each other",
    ),
)  # fmt: skip


def kind_of(folder: Path) -> Kind:
    """Return the kind of a result folder.

    Raises:
        ScenarioError: If it is of none.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise ScenarioError(f"'{folder}' {what}; expected a result folder")
    for kind in KINDS:
        if (folder / kind.marker).is_file():
            return kind
    *others, last = (f"{kind.marker} ({kind.command})" for kind in KINDS)
    raise ScenarioError(
        f"'{folder}' is not a result folder: expected one with {', '.join(others)} or {last}"
    )


def check_place(folder: Path, own: str) -> None:
    """Check that results can be written to a folder file by file.

    Args:
        folder: The folder, which need not exist.
        own: The marker of the kind that is to be written.

    Raises:
        ScenarioError: If it is a file, or holds results of another kind.
    """
    if folder.exists() and not folder.is_dir():
        raise ScenarioError(f"'{folder}' is a file; choose another folder with -o")
    for kind in KINDS:
        if kind.marker != own and (folder / kind.marker).is_file():
            raise ScenarioError(
                f"'{folder}' holds results of {kind.command}; choose another folder with -o"
            )
