"""``evaluation.json``: all that came of an evaluation, written and read again."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from cosim.errors import CosimError, ScenarioError
from cosim.studies.evaluate.evaluation import Evaluation
from cosim.studies.evaluate.measure import RunFigures
from cosim.studies.evaluate.oracle import Bound
from cosim.studies.evaluate.statistics import rows
from cosim.studies.evaluate.table import flat_row

EVALUATION = "evaluation.json"


def to_dict(found: Evaluation) -> dict[str, Any]:
    """Return an evaluation for JSON: the table, and all that it is made from."""

    def plain(value: Any) -> Any:
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return {
        "scenario": found.name,
        "seeds": list(found.seeds),
        "policies": [
            {name: plain(value) for name, value in flat_row(row).items()} for row in found.rows
        ],
        "oracle": {str(seed): asdict(bound) for seed, bound in found.bounds.items()},
        "runs": [asdict(one) for one in found.runs],
        "definition": dict(found.scenario),
        "versions": dict(found.versions),
    }


@dataclass(frozen=True, slots=True)
class _Written:
    """What is read of the file; `policies` follow from it."""

    scenario: str
    seeds: tuple[int, ...]
    oracle: dict[int, Bound]
    runs: tuple[RunFigures, ...]
    definition: dict[str, Any]
    versions: dict[str, str]


def read_evaluation(folder: Path) -> Evaluation:
    """Read what a folder holds of an evaluation.

    Raises:
        ScenarioError: If it is no folder of an evaluation.
        CosimError: If the file is damaged, or of another version.
    """
    path = folder / EVALUATION
    if not path.is_file():
        raise ScenarioError(f"'{folder}' is not a folder of cosim evaluate: it has no {EVALUATION}")
    try:
        written = TypeAdapter(_Written).validate_json(path.read_bytes())
        if not written.runs:
            raise ValueError("runs: expected at least one (got 0)")
        table = tuple(rows(written.runs, written.oracle))
    except (OSError, ValueError) as error:
        raise CosimError(
            f"'{path}' cannot be read: {_reason(error)}; run cosim evaluate again, which makes "
            "only those runs again that its runs/ does not hold"
        ) from error
    return Evaluation(
        name=written.scenario,
        seeds=written.seeds,
        runs=written.runs,
        bounds=written.oracle,
        rows=table,
        scenario=written.definition,
        versions=written.versions,
    )


def _reason(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first, *others = error.errors()
    place = ".".join(map(str, first["loc"]))
    more = f" (and {len(others)} more)" if others else ""
    return f"{f'{place}: ' if place else ''}{first['msg']}{more}"
