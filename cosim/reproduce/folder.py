"""The folder of a reproduction: it appears complete or not at all."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cosim
from cosim.errors import ScenarioError
from cosim.reproduce.printing import markdown
from cosim.reproduce.rows import Row

_ROWS = "rows.json"
_SUFFIXES = {".json", ".csv", ".md", ".svg", ".png"}


def check_folder(path: Path) -> None:
    """Check that a folder of results can be put there.

    Raises:
        ScenarioError: If something else than an earlier reproduction is there.
    """
    if not path.exists():
        return
    names = sorted(entry.name for entry in path.iterdir()) if path.is_dir() else [path.name]
    ours = _ROWS in names and all(Path(name).suffix in _SUFFIXES for name in names)
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
    """Write ``rows.json``, ``rows.csv`` and ``tables.md``.

    Args:
        folder: Where to.
        experiments: The rows of each experiment.
        remarks: What has to be said of the whole, such as where signals came from.
    """
    rows = [row for group in experiments for row in group]
    (folder / _ROWS).write_text(to_json(rows) + "\n", encoding="utf-8")
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


def to_json(rows: Sequence[Row]) -> str:
    """Return rows as JSON, one a line; NaN is an error."""
    lines = [json.dumps(row.as_dict(), allow_nan=False) for row in rows]
    return "[\n " + ",\n ".join(lines) + "\n]"
