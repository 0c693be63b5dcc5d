"""The folder of a sweep: written file by file, each whole or not at all."""

from __future__ import annotations

from pathlib import Path

from cosim.results.files import put_file, put_text
from cosim.results.folder import to_json
from cosim.studies.sweep.record import SWEEP, to_dict
from cosim.studies.sweep.report import write_report
from cosim.studies.sweep.sweep import Sweep
from cosim.studies.sweep.table import cases_frame, markdown, runs_frame


def write_sweep(found: Sweep, folder: Path) -> None:
    """Write ``sweep.json``, ``sweep.md``, ``report.html`` and two Parquet files."""
    folder.mkdir(parents=True, exist_ok=True)
    put_file(folder / "runs.parquet", lambda path: runs_frame(found).to_parquet(path))
    put_file(folder / "cases.parquet", lambda path: cases_frame(found).to_parquet(path))
    put_text(folder / "sweep.md", markdown(found))
    put_text(folder / SWEEP, to_json(to_dict(found)) + "\n")
    write_report(folder)
