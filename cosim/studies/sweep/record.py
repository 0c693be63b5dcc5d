"""``sweep.json``: all that came of a sweep, written and read again."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cosim.errors import CosimError, ScenarioError
from cosim.studies.sweep.axes import Axis, AxisValue
from cosim.studies.sweep.figures import RunFigures
from cosim.studies.sweep.rows import CaseRow, choose, rows
from cosim.studies.sweep.sweep import Sweep

SWEEP = "sweep.json"


def to_dict(found: Sweep) -> dict[str, Any]:
    """Return a sweep for JSON; the same sweep gives the same bytes."""
    every = rows(found)
    choice = choose(every)
    return {
        "name": found.name,
        "description": found.description,
        "seeds": list(found.seeds),
        "set": list(found.settings),
        "axes": [
            {
                "label": axis.label,
                "unit": axis.unit,
                "values": [value.text for value in axis.values],
                "numbers": None if axis.numbers is None else list(axis.numbers),
            }
            for axis in found.axes
        ],
        "compared": choice.figure,
        "best": None if choice.best is None else every.index(choice.best),
        "front": [every.index(row) for row in choice.front],
        "cases": [_case(found, row) for row in every],
        "study": found.text,
        "versions": dict(found.versions),
    }


def _case(found: Sweep, row: CaseRow) -> dict[str, Any]:
    widths = {name: one.half_width for name, one in row.figures.items()}
    return {
        "values": {
            axis.title: value.text for axis, value in zip(found.axes, row.values, strict=True)
        },
        "whole": row.whole,
        "failures": row.failures,
        "mean": {name: one.mean for name, one in row.figures.items()},
        "half_width": {name: width for name, width in widths.items() if math.isfinite(width)},
        "runs": [asdict(one) for one in row.runs],
    }


def read_sweep(folder: Path) -> Sweep:
    """Read what a folder holds of a sweep.

    Raises:
        ScenarioError: If it is no folder of a sweep.
        CosimError: If the file is damaged, or of another version.
    """
    path = folder / SWEEP
    if not path.is_file():
        raise ScenarioError(f"'{folder}' is not a folder of cosim sweep: it has no {SWEEP}")
    try:
        return _sweep(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CosimError(f"'{path}' cannot be read: {error!r}; run cosim sweep again") from error


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
        seeds=tuple(content["seeds"]),
        runs=tuple(tuple(RunFigures(**one) for one in case["runs"]) for case in content["cases"]),
        settings=tuple(content["set"]),
        text=content["study"],
        versions=content["versions"],
    )
