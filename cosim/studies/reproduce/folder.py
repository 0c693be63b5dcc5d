"""The folder of a reproduction: it appears complete or not at all, and is read again."""

from __future__ import annotations

import csv
import json
import os
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cosim
from cosim.errors import CosimError, ScenarioError
from cosim.studies.reproduce.rows import Row
from cosim.studies.reproduce.tables import markdown

if TYPE_CHECKING:
    import pandas as pd

ROWS = "rows.json"
_MANIFEST, _STEPS, _FIGURES = "manifest.json", "table2_steps.parquet", "figures"
_SUFFIXES = {".json", ".csv", ".md", ".svg", ".png", ".html", ".parquet"}
_LIBRARIES = ("vessim", "simpy", "numpy", "scipy", "pandas", "pyarrow")


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What the folder of a reproduction holds.

    Attributes:
        rows: The rows of all experiments, in order.
        remarks: What has to be said of the whole.
        versions: What it was made with.
        steps: The steps of the case study by mode; None if it was not run.
    """

    rows: Sequence[Row]
    remarks: Sequence[str]
    versions: Mapping[str, str]
    steps: Mapping[str, pd.DataFrame] | None


def check_folder(path: Path) -> None:
    """Check that a folder of results can be put there.

    Raises:
        ScenarioError: If something else than an earlier reproduction is there.
    """
    if not path.exists():
        return
    names = sorted(entry.name for entry in path.iterdir()) if path.is_dir() else [path.name]
    inner = [*names, *(one.name for one in path.glob(f"{_FIGURES}/*"))]
    kinds = {Path(name).suffix for name in inner if name != _FIGURES}
    ours = ROWS in names and kinds <= (_SUFFIXES | {".pdf"})
    if not path.is_dir() or (names and not ours):
        raise ScenarioError(
            f"'{path}' is not a folder of an earlier reproduction; choose another with -o, or "
            "remove it"
        )


@contextmanager
def complete_folder(path: Path) -> Iterator[Path]:
    """Give a folder to write to, which gets the name `path` at the end, if all went well.

    Raises:
        ScenarioError: If something else is there, or nothing can be written there.
    """
    check_folder(path)
    place = path.resolve()
    partial = place.parent / f".{place.name}.partial-{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise ScenarioError(f"results cannot be written to '{path}': {error}") from error
    try:
        yield partial
        if place.exists():
            shutil.rmtree(place)
        partial.rename(place)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def write_rows(folder: Path, experiments: Sequence[Sequence[Row]], remarks: Sequence[str]) -> None:
    """Write ``rows.json``, ``rows.csv``, ``tables.md`` and ``manifest.json``.

    Args:
        folder: Where to.
        experiments: The rows of each experiment.
        remarks: What has to be said of the whole, such as where signals came from.
    """
    rows = [row for group in experiments for row in group]
    (folder / ROWS).write_text(to_json(rows) + "\n", encoding="utf-8")
    with (folder / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["exp", "case", "quantity", "published", "paper_mode", "corrected"])
        for row in rows:
            case = " ".join(f"{name}={value}" for name, value in row.case.items())
            for name, ours in row.paper_mode.items():
                values = (row.published[name], ours, row.corrected[name])
                writer.writerow([row.exp, case, name, *values])
    head = f"# The paper's experiments, run again\n\ncosim {cosim.__version__}\n"
    said = "".join(f"\n{remark}\n" for remark in remarks)
    tables = "\n".join(markdown(group) for group in experiments)
    (folder / "tables.md").write_text(f"{head}{said}\n{tables}", encoding="utf-8")
    versions = {"cosim": cosim.__version__, "Python": platform.python_version()}
    versions |= {name: version(name) for name in _LIBRARIES}
    manifest = {"versions": versions, "remarks": list(remarks)}
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    (folder / _MANIFEST).write_text(text + "\n", encoding="utf-8")


def write_steps(folder: Path, steps: Mapping[str, pd.DataFrame]) -> None:
    """Write the steps of the case study, by mode, into ``table2_steps.parquet``."""
    import pandas as pd

    frames = [frame.assign(mode=mode) for mode, frame in steps.items()]
    pd.concat(frames).to_parquet(folder / _STEPS, index=False)


def read_folder(folder: Path) -> Reproduction:
    """Read what was written.

    Raises:
        ScenarioError: If it is no folder of a reproduction.
        CosimError: If a file in it is damaged.
    """
    if not (folder / ROWS).is_file():
        raise ScenarioError(f"'{folder}' is not a folder of cosim reproduce: it has no {ROWS}")
    rows = _read(folder / ROWS, lambda entries: [Row(**entry) for entry in entries])
    remarks, versions = _read(
        folder / _MANIFEST, lambda manifest: (manifest["remarks"], manifest["versions"])
    )
    return Reproduction(rows, remarks, versions, _read_steps(folder / _STEPS))


def _read(path: Path, parse: Any) -> Any:
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise _damaged(path, error) from error


def _read_steps(path: Path) -> Mapping[str, pd.DataFrame] | None:
    if not path.exists():
        return None
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
        return {str(mode): steps for mode, steps in frame.groupby("mode", sort=False)}
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> CosimError:
    return CosimError(f"'{path}' cannot be read: {error}; run cosim reproduce again")


def to_json(rows: Sequence[Row]) -> str:
    """Return rows as JSON, one a line; NaN is an error."""
    lines = [json.dumps(row.as_dict(), allow_nan=False) for row in rows]
    return "[\n " + ",\n ".join(lines) + "\n]"
