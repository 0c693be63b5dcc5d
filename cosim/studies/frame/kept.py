"""Figures of runs that are kept in files, so that no run is made twice.

A file has the name of its run's key, which the scenario, its files and the code of cosim go into.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cosim.results.files import put_text
from cosim.studies.runs.figures import RunFigures

_FIELDS = tuple(RunFigures.__dataclass_fields__)


def keep(folder: Path, key: str, case: str, figures: RunFigures) -> None:
    """Keep the figures of a run.

    Figures of a run that broke off are kept, to be looked at, and not taken.

    Args:
        folder: Where the files are.
        key: Key of the run.
        case: Its case in words, for whoever looks into the file.
        figures: The figures.
    """
    values = asdict(figures)
    content = {"key": key, "case": case, "figures": values, "sha256": _checksum(values)}
    folder.mkdir(parents=True, exist_ok=True)
    put_text(_path(folder, key), json.dumps(content, indent=2))


def kept(folder: Path, key: str) -> RunFigures | None:
    """Return the figures of a run that was kept; None if there are none, or they are damaged."""
    try:
        content: dict[str, Any] = json.loads(_path(folder, key).read_text(encoding="utf-8"))
        figures = content["figures"]
        if content["key"] != key or tuple(figures) != _FIELDS or figures["failure"]:
            return None
        if content["sha256"] != _checksum(figures):
            return None
        return RunFigures(**figures)
    except (OSError, ValueError, KeyError, TypeError):  # none, or damaged
        return None


def _path(folder: Path, key: str) -> Path:
    return folder / f"{key}.json"


def _checksum(figures: Mapping[str, Any]) -> str:
    """Return a checksum of figures, by which those that were changed by hand are not taken."""
    return hashlib.sha256(json.dumps(figures).encode()).hexdigest()
