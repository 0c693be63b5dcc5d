"""The kinds of result folders that have a report, told by a file that each holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from cosim.errors import ScenarioError

if TYPE_CHECKING:
    from cosim.report.charts import Chart


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of result folder.

    Attributes:
        command: What writes it.
        marker: A file that every such folder has, and no other.
        module: Has ``write_report(folder, baseline) -> Path`` and
            ``folder_charts(folder, baseline) -> list[Chart]``; imported when it is needed.
    """

    command: str
    marker: str
    module: str

    @property
    def write_report(self) -> Callable[[Path, Path | None], Path]:
        """Writes the report of a folder, compared with another if there is one."""
        write: Callable[[Path, Path | None], Path] = import_module(self.module).write_report
        return write

    @property
    def folder_charts(self) -> Callable[[Path, Path | None], list[Chart]]:
        """Returns all charts of a folder's report."""
        charts: Callable[[Path, Path | None], list[Chart]] = import_module(
            self.module
        ).folder_charts
        return charts


KINDS = (
    Kind("cosim run", "summary.json", "cosim.report.run_report"),
    Kind("cosim evaluate", "evaluation.json", "cosim.evaluate.report"),
    Kind("cosim reproduce", "rows.json", "cosim.reproduce.report"),
    Kind("cosim sweep", "sweep.json", "cosim.sweep.report"),
)


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
        f"'{folder}' is no result folder: expected one with {', '.join(others)} or {last}"
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
