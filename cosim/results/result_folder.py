"""The result folder of a run: it appears whole, or marked failed, and never costs good results.

It is marked as failed from the beginning until it is whole.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from cosim.errors import CosimError, ScenarioError
from cosim.results.files import COMPARISON, REPORT
from cosim.results.partial_folder import PartialFolder
from cosim.results.summary import ScenarioName
from cosim.results.vessim_record import EXPERIMENT, TIMESERIES

FAILED = "FAILED"
"""Name of the file that marks a folder as of a run that did not end well; it says why."""
MANIFEST = "manifest.json"
SUMMARY = "summary.json"
_FIGURES = "figures"
_FILES = {
    "actions.parquet",
    "by_hour.csv",
    "by_month.csv",
    COMPARISON,
    EXPERIMENT,
    FAILED,
    _FIGURES,
    MANIFEST,
    REPORT,
    "requests.parquet",
    "scenario.resolved.yaml",
    "steps.parquet",
    "pools.parquet",
    SUMMARY,
    TIMESERIES,
}
_UNDER_WAY = "The run has not ended, or its results could not be written.\n"


class ResultFolder:
    """A result folder in the making.

    Args:
        path: Where it is to appear.

    Raises:
        ScenarioError: If something else than results stands there, or nothing can be written.
    """

    def __init__(self, path: Path) -> None:
        if path.exists() and (foreign := _not_ours(path)):
            raise ScenarioError(
                f"'{path}' is not a folder of results, or not only that ({foreign}); choose "
                "another with -o, or remove it"
            )
        self._asked = path
        self._partial = PartialFolder(path, may_replace=lambda other: not _not_ours(other))
        try:
            self._mark.write_text(_UNDER_WAY, encoding="utf-8")
        except OSError as error:
            self.discard()
            raise self._partial.unwritable(error) from error

    @property
    def _mark(self) -> Path:
        return self._partial.hidden / FAILED

    @property
    def requests_path(self) -> Path:
        """Path of the requests while the run goes on."""
        return self._partial.hidden / "requests.parquet"

    def discard(self) -> None:
        """Remove the files written so far."""
        self._partial.discard()

    def finish(
        self, write: Callable[[Path], object], failure: str = "", lost: OSError | None = None
    ) -> Path:
        """Write the rest and give the folder its name.

        A failed run does not replace the results of one that ended well, nor does any replace a
        folder into which somebody put a file meanwhile: it takes another name beside it.

        Args:
            write: Writes everything but the requests into a folder.
            failure: Why the run failed; empty if it did not.
            lost: Why the requests could not be written; None if they could.

        Returns:
            The folder.

        Raises:
            CosimError: If not all could be written; it says where the rest is.
        """
        try:
            if was_removed := not self.requests_path.exists():
                self._partial.hidden.mkdir(parents=True, exist_ok=True)
            self._mark.write_text(failure or _UNDER_WAY, encoding="utf-8")
            write(self._partial.hidden)
            if lost is not None:
                raise lost
            if was_removed:
                raise FileNotFoundError(f"'{self.requests_path.name}' was removed during the run")
            if not failure:
                self._mark.unlink()
            return self._put(failed=bool(failure))
        except OSError as error:
            raise self.unwritten(error) from error

    def unwritten(self, error: OSError) -> CosimError:
        """Keep the files that could be written, marked as failed, and return the error."""
        try:
            kept = self._put(failed=True)
        except OSError:
            return CosimError(f"the results could not be written to '{self._asked}': {error}")
        return CosimError(
            f"the results could not all be written: {error}; those that could are in "
            f"'{kept}', marked as failed"
        )

    def _put(self, *, failed: bool) -> Path:
        """Rename the folder to its name, or to one beside it, and return that."""
        place = self._partial.path
        good_results = place.exists() and not (place / FAILED).exists()
        return self._partial.put("failed" if failed and good_results else "")


def held_scenario(path: Path) -> ScenarioName | None:
    """Return the scenario of the run that a folder holds; None if it holds none."""
    try:
        content = json.loads((path / SUMMARY).read_text(encoding="utf-8"))["scenario"]
        return ScenarioName(name=content["name"], seed=content["seed"], hash=content["hash"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def copy_results(source: Path, path: Path) -> Path:
    """Copy a result folder to another place, and return where that is.

    Raises:
        ScenarioError: If something else than earlier results stands there.
        CosimError: If not all could be written.
    """
    folder = ResultFolder(path)
    mark = source / FAILED
    failure = mark.read_text(encoding="utf-8") if mark.exists() else ""

    def write(place: Path) -> None:
        for entry in _entries(source):
            if entry.is_dir():
                shutil.copytree(entry, place / entry.name)
            elif entry.name not in (FAILED, folder.requests_path.name):
                shutil.copyfile(entry, place / entry.name)

    try:
        shutil.copyfile(source / folder.requests_path.name, folder.requests_path)
        return folder.finish(write, failure)
    except OSError as error:
        raise folder.unwritten(error) from error
    except BaseException:
        folder.discard()
        raise


def _not_ours(path: Path) -> str:
    """Return the content of `path` that is not results; empty if it may be replaced."""
    if not path.is_dir():
        return "a file"
    names = {entry.name for entry in path.iterdir()}
    if not names:
        return ""
    figures = {f"{_FIGURES}/{entry.name}" for entry in _entries(path / _FIGURES)}
    if foreign := sorted(names - _FILES) + sorted(
        name for name in figures if not name.endswith((".svg", ".pdf"))
    ):
        return f"it holds {', '.join(foreign[:3])}{' and more' if len(foreign) > 3 else ''}"
    if FAILED in names and MANIFEST not in names:  # a run that could not write its results
        return ""
    try:
        ours = "cosim" in json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        ours = False
    return "" if ours else f"its {MANIFEST} is not one of results"


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
