"""The kinds of result folders that have a report, known by a file that each holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cosim.errors import ScenarioError
from cosim.results.partial_folder import state_of_missing

if TYPE_CHECKING:
    from cosim.report.page import Page


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of result folder.

    Attributes:
        command: The command that writes it.
        marker: A file that every such folder has, and no other.
        module: Module with ``folder_page(folder) -> Page``, imported when it is needed.
        compares: Comparison that it already makes, so that it takes no baseline; empty for a run.
        keeps_runs: Whether the figures of its runs are kept in ``runs/``.
        named: Keys of the marker, in JSON, by whose values a study is known.
    """

    command: str
    marker: str
    module: str
    compares: str = ""
    keeps_runs: bool = False
    named: Sequence[str] = ()

    def page(self, folder: Path) -> Page:
        """Return the page of a folder.

        Raises:
            CosimError: If a file in it is damaged.
        """
        page: Page = import_module(self.module).folder_page(folder)
        return page

    def check_baseline(self) -> None:
        """Check that a folder can be set beside a baseline.

        Raises:
            ScenarioError: If it is not of a run.
        """
        if self.compares:
            raise ScenarioError(
                "--baseline goes with the report of a run; this folder is of "
                f"{self.command}, whose {self.compares}"
            )


RUN = Kind("cosim run", "summary.json", "cosim.report.run_report")
EVALUATE = Kind(
    "cosim evaluate", "evaluation.json", "cosim.studies.evaluate.outcome",
    "policies are compared with doing nothing", keeps_runs=True, named=("scenario",),
)  # fmt: skip
REPRODUCE = Kind(
    "cosim reproduce", "rows.json", "cosim.studies.reproduce.outcome",
    "figures are compared with the paper's",
)  # fmt: skip
SWEEP = Kind(
    "cosim sweep", "sweep.json", "cosim.studies.sweep.outcome",
    "cases are compared with each other", keeps_runs=True, named=("name",),
)  # fmt: skip
TUNE = Kind(
    "cosim tune", "tuning.json", "cosim.studies.tune.outcome",
    "tuned policy is compared with its defaults", keeps_runs=True, named=("scenario", "policy"),
)  # fmt: skip
KINDS = (RUN, EVALUATE, REPRODUCE, SWEEP, TUNE)


def kind_of(folder: Path) -> Kind:
    """Return the kind of a result folder.

    Raises:
        ScenarioError: If it is of none.
    """
    if not folder.is_dir():
        state = "is a file" if folder.exists() else state_of_missing(folder)
        raise ScenarioError(f"'{folder}' {state}; expected a result folder")
    for kind in KINDS:
        if (folder / kind.marker).is_file():
            return kind
    if (folder / "runs").is_dir():
        raise ScenarioError(
            f"'{folder}' holds runs of a study that has not ended: it has a report when the study "
            "has, and the same command goes on from there"
        )
    *others, last = (f"{kind.marker} ({kind.command})" for kind in KINDS)
    raise ScenarioError(
        f"'{folder}' is not a result folder: expected one with {', '.join(others)} or {last}"
    )


def check_place(folder: Path, own: Kind, names: Sequence[str]) -> None:
    """Check that results can be written to a folder file by file.

    Results of the same study may be there: it goes on, or is made anew.

    Args:
        folder: The folder, which need not exist.
        own: The kind that is to be written.
        names: The values of its keys `named`.

    Raises:
        ScenarioError: If it is a file, or holds results of another kind or of another study.
    """
    if folder.exists() and not folder.is_dir():
        raise ScenarioError(f"'{folder}' is a file; choose another folder with -o")
    for kind in KINDS:
        if kind is not own and (folder / kind.marker).is_file():
            raise ScenarioError(
                f"'{folder}' holds results of {kind.command}; choose another folder with -o"
            )
    there = _names(folder / own.marker, own)
    if there is not None and there != list(names):
        raise ScenarioError(
            f"'{folder}' holds results of {own.command} for {_listed(there)}, not for "
            f"{_listed(names)}; choose another folder with -o"
        )


def _names(marker: Path, kind: Kind) -> list[Any] | None:
    """Return the names of the study that a folder holds; None for none, or a damaged one."""
    try:
        content = json.loads(marker.read_text(encoding="utf-8"))
        return [content[key] for key in kind.named]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
