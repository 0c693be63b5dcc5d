"""Figures of runs that are kept in files, so that no run is made twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cosim
from cosim.results.files import put_text
from cosim.results.folder import file_hash, input_files, scenario_hash
from cosim.studies.runs.figures import RunFigures
from cosim.studies.runs.measure import run_figures
from cosim.world.plan import Plan

_FIELDS = tuple(RunFigures.__dataclass_fields__)


def plan_key(plan: Plan) -> str:
    """Return a hash of all that a file of figures depends on.

    It covers the scenario, the files that it reads, the version of cosim and the names of the
    figures: a file with other figures than today's is not taken.
    """
    hashes = {place: file_hash(path) for place, path in input_files(plan).items()}
    parts = (scenario_hash(plan, hashes), *_FIELDS, cosim.__version__)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def kept_or_made(plan: Plan, case: str, folder: Path) -> tuple[RunFigures, bool]:
    """Return the figures of a run that was kept, or make it and keep them.

    The file has the name of the run's key. Figures of a run that broke off are kept, to be looked
    at, and not taken.

    Args:
        plan: The run.
        case: Its case in words, for whoever looks into the file.
        folder: Where the files are.

    Returns:
        The figures, and whether they were made now.
    """
    key = plan_key(plan)
    kept = _kept(_path(folder, key), key)
    if kept is not None:
        return kept, False
    figures = run_figures(plan)
    _keep(folder, key, case, figures)
    return figures, True


def lost_run(plan: Plan, case: str, folder: Path, reason: str) -> RunFigures:
    """Return the figures of a run that came to no end, and keep them to be looked at."""
    figures = RunFigures(seed=plan.scenario.seed, failure=reason)
    _keep(folder, plan_key(plan), case, figures)
    return figures


def _path(folder: Path, key: str) -> Path:
    return folder / f"{key}.json"


def _keep(folder: Path, key: str, case: str, figures: RunFigures) -> None:
    values = asdict(figures)
    content = {"key": key, "case": case, "figures": values, "sha256": _checksum(values)}
    folder.mkdir(parents=True, exist_ok=True)
    put_text(_path(folder, key), json.dumps(content, indent=2))


def _checksum(figures: Mapping[str, Any]) -> str:
    """Return a checksum of figures, by which those that were changed by hand are not taken."""
    return hashlib.sha256(json.dumps(figures).encode()).hexdigest()


def _kept(path: Path, key: str) -> RunFigures | None:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        figures = content["figures"]
        if content["key"] != key or tuple(figures) != _FIELDS or figures["failure"]:
            return None
        if content["sha256"] != _checksum(figures):
            return None
        return RunFigures(**figures)
    except (OSError, ValueError, KeyError, TypeError):  # none, or damaged
        return None
