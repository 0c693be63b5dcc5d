"""The folder of a reproduction: its files, and the outcome that they are read into again."""

from __future__ import annotations

import csv
import io
import json
import platform
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import cosim
from cosim.errors import ScenarioError
from cosim.studies.frame.study import FileContent, StudyFrame, damaged, read_json
from cosim.studies.kinds import REPRODUCE
from cosim.studies.reproduce.page import reproduction_page
from cosim.studies.reproduce.rows import Reproduction, Row
from cosim.studies.reproduce.tables import markdown

if TYPE_CHECKING:
    import pandas as pd

_MANIFEST, _STEPS, _FIGURES = "manifest.json", "table2_steps.parquet", "figures"
_SUFFIXES = {".json", ".csv", ".md", ".svg", ".png", ".html", ".parquet", ".pdf"}
_LIBRARIES = ("vessim", "simpy", "numpy", "scipy", "pandas", "pyarrow")


def check_folder(path: Path) -> None:
    """Check that a folder of results can be put there.

    Raises:
        ScenarioError: If something else than an earlier reproduction is there.
    """
    if path.exists() and not is_reproduction(path):
        raise ScenarioError(
            f"'{path}' is not a folder of an earlier reproduction; choose another with -o, or "
            "remove it"
        )


def is_reproduction(path: Path) -> bool:
    """Return whether an earlier reproduction, or an empty folder, stands there."""
    if not path.is_dir():
        return False
    names = {entry.name for entry in path.iterdir()}
    files = [*(names - {_FIGURES}), *(file.name for file in path.glob(f"{_FIGURES}/*"))]
    return not names or (
        REPRODUCE.marker in names and {Path(name).suffix for name in files} <= _SUFFIXES
    )


def versions() -> dict[str, str]:
    """Return the versions that the figures depend on."""
    libraries = {name: version(name) for name in _LIBRARIES}
    return {"cosim": cosim.__version__, "Python": platform.python_version()} | libraries


def _files(reproduction: Reproduction) -> Mapping[str, FileContent]:
    remarks = reproduction.remarks
    manifest = {"versions": dict(reproduction.versions), "remarks": list(remarks)}
    head = f"# The paper's experiments, run again\n\ncosim {cosim.__version__}\n"
    head += "".join(f"\n{remark}\n" for remark in remarks)
    tables = "\n".join(markdown(rows) for rows in reproduction.experiments)
    files: dict[str, FileContent] = {
        REPRODUCE.marker: rows_json(reproduction.rows) + "\n",
        "rows.csv": _csv(reproduction.rows),
        "tables.md": f"{head}\n{tables}",
        _MANIFEST: json.dumps(manifest, indent=2, ensure_ascii=False) + "\n",
    }
    if reproduction.steps is not None:
        import pandas as pd

        frames = [frame.assign(mode=mode) for mode, frame in reproduction.steps.items()]
        files[_STEPS] = partial(pd.concat(frames).to_parquet, index=False)
    return files


def rows_json(rows: Sequence[Row]) -> str:
    """Return rows as JSON, one a line; NaN is an error."""
    lines = [json.dumps(row.as_dict(), allow_nan=False) for row in rows]
    return "[\n " + ",\n ".join(lines) + "\n]"


def _csv(rows: Sequence[Row]) -> str:
    """Return a line for each quantity of each row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["exp", "case", "quantity", "published", "paper_mode", "corrected"])
    for row in rows:
        case = " ".join(f"{name}={value}" for name, value in row.case.items())
        for name, ours in row.paper_mode.items():
            values = (row.published[name], ours, row.corrected[name])
            writer.writerow([row.exp, case, name, *values])
    return text.getvalue()


def _load(folder: Path) -> Reproduction:
    rows = read_json(
        folder / REPRODUCE.marker, REPRODUCE, lambda entries: [Row(**entry) for entry in entries]
    )
    remarks, made_with = read_json(
        folder / _MANIFEST,
        REPRODUCE,
        lambda manifest: (manifest["remarks"], manifest["versions"]),
    )
    return Reproduction(rows, remarks, made_with, _read_steps(folder / _STEPS))


def _read_steps(path: Path) -> Mapping[str, pd.DataFrame] | None:
    if not path.exists():
        return None
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
        return {str(mode): steps for mode, steps in frame.groupby("mode", sort=False)}
    except (OSError, ValueError, KeyError) as error:
        raise damaged(path, REPRODUCE, error) from error


REPRODUCTION = StudyFrame(kind=REPRODUCE, files=_files, load=_load, page=reproduction_page)
folder_page = REPRODUCTION.folder_page
