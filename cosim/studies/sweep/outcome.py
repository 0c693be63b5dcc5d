"""The folder of a sweep: its files, and the sweep that they are read into again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cosim.results.folder import to_json
from cosim.studies.frame.study import FileContent, StudyFrame, read_json, read_runs
from cosim.studies.frame.table import TextTable, markdown_page
from cosim.studies.kinds import SWEEP
from cosim.studies.sweep.axes import Axis, AxisValue
from cosim.studies.sweep.columns import RUN_COLUMNS
from cosim.studies.sweep.page import sweep_page
from cosim.studies.sweep.rows import CaseRow, choose, rows
from cosim.studies.sweep.sweep import Sweep
from cosim.studies.sweep.table import cases_frame, full_table, notes, runs_frame, short_table


def to_dict(sweep: Sweep) -> dict[str, Any]:
    """Return a sweep for JSON; the same sweep gives the same bytes."""
    every = rows(sweep)
    choice = choose(every, sweep.baseline)
    return {
        "name": sweep.name,
        "description": sweep.description,
        "seeds": list(sweep.seeds),
        "set": list(sweep.settings),
        "axes": [
            {
                "label": axis.label,
                "unit": axis.unit,
                "values": [value.text for value in axis.values],
                "numbers": None if axis.numbers is None else list(axis.numbers),
            }
            for axis in sweep.axes
        ],
        "baseline": sweep.baseline,
        "compared": choice.figure,
        "best": None if choice.best is None else every.index(choice.best),
        "front": [every.index(row) for row in choice.front],
        "cases": [_case(sweep, row) for row in every],
        "study": sweep.text,
        "versions": dict(sweep.versions),
    }


def _case(sweep: Sweep, row: CaseRow) -> dict[str, Any]:
    widths = {name: figure.half_width for name, figure in row.figures.items()}
    return {
        "values": {
            axis.title: value.text for axis, value in zip(sweep.axes, row.values, strict=True)
        },
        "whole": row.whole,
        "failures": row.failures,
        "mean": {name: figure.mean for name, figure in row.figures.items()},
        "half_width": {name: width for name, width in widths.items() if math.isfinite(width)},
        "runs": [run.columns(RUN_COLUMNS) for run in row.runs],
    }


def _files(sweep: Sweep) -> Mapping[str, FileContent]:
    every = rows(sweep)
    choice = choose(every, sweep.baseline)
    table = full_table(sweep, every, choice)
    return {
        "runs.parquet": runs_frame(sweep).to_parquet,
        "cases.parquet": cases_frame(sweep).to_parquet,
        "sweep.md": markdown_page(
            sweep.name, table, notes(sweep, every, choice), sweep.description
        ),
        SWEEP.marker: to_json(to_dict(sweep)) + "\n",
    }


def _sweep(content: Mapping[str, Any]) -> Sweep:
    return Sweep(
        name=content["name"],
        description=content["description"],
        axes=tuple(
            Axis(
                label=axis["label"],
                values=tuple(AxisValue(text) for text in axis["values"]),
                numbers=None if axis["numbers"] is None else tuple(axis["numbers"]),
                unit=axis["unit"],
            )
            for axis in content["axes"]
        ),
        baseline=content["baseline"],
        seeds=tuple(content["seeds"]),
        runs=tuple(read_runs(case["runs"], RUN_COLUMNS) for case in content["cases"]),
        settings=tuple(content["set"]),
        text=content["study"],
        versions=content["versions"],
    )


def _load(folder: Path) -> Sweep:
    return read_json(folder / SWEEP.marker, SWEEP, _sweep)


def shown(sweep: Sweep) -> tuple[TextTable, Iterable[str]]:
    """Return the table that is printed, and its notes."""
    every = rows(sweep)
    choice = choose(every, sweep.baseline)
    return short_table(sweep, every, choice), notes(sweep, every, choice)


SWEEPS = StudyFrame(kind=SWEEP, files=_files, load=_load, page=sweep_page)
folder_page = SWEEPS.folder_page
