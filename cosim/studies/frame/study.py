"""The frame of a study: the folder that its outcome is written into and read from, and its page."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from cosim.errors import CosimError, ScenarioError
from cosim.report.page import Page
from cosim.results.files import put_file, put_text
from cosim.studies.kinds import Kind
from cosim.studies.runs.figures import RunFigures

O = TypeVar("O")
T = TypeVar("T")

FileContent = str | Callable[[Path], object]
"""A text, or a function that writes a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFrame(Generic[O]):
    """The frame of a study, whose outcome is all that its folder and its page are made from.

    Attributes:
        kind: The kind of its result folder.
        files: Returns the files of an outcome by name, that of the marker among them.
        load: Returns the outcome that the files of a folder hold.
        page: Returns the page of an outcome.
    """

    kind: Kind
    files: Callable[[O], Mapping[str, FileContent]]
    load: Callable[[Path], O]
    page: Callable[[O], Page]

    def write(self, outcome: O, folder: Path) -> None:
        """Write an outcome and its page into a folder, each file whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files(outcome).items():
            if isinstance(content, str):
                put_text(folder / name, content)
            else:
                put_file(folder / name, content)
        self.page(outcome).write(folder)

    def read(self, folder: Path) -> O:
        """Read the outcome that a folder holds.

        Raises:
            ScenarioError: If it is not a folder of this study.
            CosimError: If a file is damaged, or of another version.
        """
        if not (folder / self.kind.marker).is_file():
            raise ScenarioError(
                f"'{folder}' is not a folder of {self.kind.command}: it has no {self.kind.marker}"
            )
        return self.load(folder)

    def folder_page(self, folder: Path) -> Page:
        """Return the page of a folder; see :meth:`read`."""
        return self.page(self.read(folder))


def read_json(path: Path, kind: Kind, parse: Callable[[Any], T]) -> T:
    """Read a JSON file of a result folder.

    Args:
        path: The file.
        kind: The kind of the folder.
        parse: Makes of its content whatever it holds.

    Raises:
        CosimError: If the file is damaged, or of another version.
    """
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise damaged(path, kind, error) from error


@dataclass(frozen=True, slots=True)
class _Runs:
    """Figures of runs, named as they stand in a file."""

    runs: tuple[RunFigures, ...]


def read_runs(
    entries: Sequence[Mapping[str, Any]], columns: Sequence[str], optional: Sequence[str] = ()
) -> tuple[RunFigures, ...]:
    """Return the figures of runs of which a file has some columns.

    Args:
        entries: The columns of each run.
        columns: The names that must be there; those that follow from others are not read.
        optional: Names that may be there.

    Raises:
        ValueError: If a column is missing, or has a value of another kind.
    """
    for number, entry in enumerate(entries):
        if missing := [name for name in columns if name not in entry]:
            raise ValueError(f"runs.{number}.{missing[0]}: Field required")
    fields = [name for name in columns if name in RunFigures.__dataclass_fields__]
    runs = [
        {name: entry[name] for name in (*fields, *optional) if name in entry} for entry in entries
    ]
    return TypeAdapter(_Runs).validate_python({"runs": runs}).runs


def damaged(path: Path, kind: Kind, error: Exception) -> CosimError:
    """Return the error that says that a file of a result folder cannot be read, and why."""
    keeps = (
        ", which makes only those runs again that its runs/ does not hold"
        if kind.keeps_runs
        else ""
    )
    return CosimError(f"'{path}' cannot be read: {_reason(error)}; run {kind.command} again{keeps}")


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error} is missing"
    if not isinstance(error, ValidationError):
        return str(error)
    first, *others = error.errors()
    place = ".".join(map(str, first["loc"]))
    more = f" (and {len(others)} more)" if others else ""
    return f"{f'{place}: ' if place else ''}{first['msg']}{more}"
