"""The folder of an evaluation: its files, and the evaluation that they are read into again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from controllers import Decoy
from cosim.results.folder import to_json
from cosim.studies.bounds.bound import Bound
from cosim.studies.evaluate.end_rows import EndRuns, with_ends
from cosim.studies.evaluate.evaluation import Evaluation
from cosim.studies.evaluate.frames import (
    OF_POOLS,
    RUN_COLUMNS,
    flat_row,
    policies_frame,
    policy_runs,
    runs_frame,
    runs_of,
)
from cosim.studies.evaluate.notes import notes
from cosim.studies.evaluate.page import evaluation_page
from cosim.studies.evaluate.statistics import PolicyRuns, rows
from cosim.studies.evaluate.table import evaluation_table
from cosim.studies.evaluate.units import Units
from cosim.studies.evaluate.variants import CoefficientEnd, Kind, Variant
from cosim.studies.frame.study import FileContent, StudyFrame, read_json, read_runs
from cosim.studies.frame.table import TextTable, markdown_page
from cosim.studies.kinds import EVALUATE
from inference_sim.power.ends import ENDS


def to_dict(evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation for JSON: the table, and all that it is made from."""

    def finite(value: Any) -> Any:
        return None if isinstance(value, float) and not math.isfinite(value) else value

    content: dict[str, Any] = {
        "scenario": evaluation.name,
        "seeds": list(evaluation.seeds),
        "weeks": list(evaluation.weeks),
        "bulk_hour_utc": evaluation.bulk_hour_utc,
        "policies": [
            {name: finite(value) for name, value in flat_row(row).items()}
            for row in evaluation.rows
        ],
        "bounds": [bound and asdict(bound) for bound in evaluation.bounds],
        "runs": list(runs_of(evaluation)),
        "definition": dict(evaluation.scenario),
        "versions": dict(evaluation.versions),
    }
    if evaluation.ends:
        content["ends"] = [
            {
                "coefficient": of_end.end.coefficient,
                "high": of_end.end.high,
                "runs": list(policy_runs(of_end.policies, len(evaluation.seeds))),
            }
            for of_end in evaluation.ends
        ]
    return content


def _files(evaluation: Evaluation) -> Mapping[str, FileContent]:
    return {
        "runs.parquet": runs_frame(evaluation).to_parquet,
        "policies.parquet": policies_frame(evaluation).to_parquet,
        "evaluation.md": markdown_page(evaluation.name, *shown(evaluation)),
        EVALUATE.marker: to_json(to_dict(evaluation)) + "\n",
    }


@dataclass(frozen=True, slots=True)
class _WrittenEnd:
    """The runs at an end of a coefficient."""

    coefficient: str
    high: bool
    runs: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class _Written:
    """The part of the file that is read; its `policies` follow from it."""

    scenario: str
    seeds: tuple[int, ...]
    weeks: tuple[str, ...]
    bulk_hour_utc: int | None
    bounds: tuple[Bound | None, ...]
    runs: tuple[dict[str, Any], ...]
    definition: dict[str, Any]
    versions: dict[str, str]
    ends: tuple[_WrittenEnd, ...] = ()


@dataclass(frozen=True, slots=True)
class _RunOf:
    """The variant that a run is of."""

    policy: str
    kind: Kind
    decoy: Decoy | None


def _evaluation(content: Any) -> Evaluation:
    written = TypeAdapter(_Written).validate_python(content)
    if not written.runs:
        raise ValueError("runs: expected at least one (got 0)")
    units = Units(max(1, len(written.weeks)), len(written.seeds))
    expected = units.weeks * units.seeds
    policies = _policies(written.runs, expected)
    ends = tuple(EndRuns(_end(of_end), _policies(of_end.runs, expected)) for of_end in written.ends)
    if len(written.bounds) != expected:
        raise ValueError(f"bounds: expected {expected} (got {len(written.bounds)})")
    if policies[0].variant.kind != "baseline":
        raise ValueError("runs: expected those of the policy that does nothing first")
    return Evaluation(
        name=written.scenario,
        seeds=written.seeds,
        weeks=written.weeks,
        policies=policies,
        bounds=written.bounds,
        rows=tuple(with_ends(rows(policies, written.bounds, units), ends, units)),
        ends=ends,
        bulk_hour_utc=written.bulk_hour_utc,
        scenario=written.definition,
        versions=written.versions,
    )


def _end(written: _WrittenEnd) -> CoefficientEnd:
    if written.coefficient not in ENDS.names or not written.runs:
        raise ValueError(
            f"ends: expected runs of one of {', '.join(ENDS.names)} (got {written.coefficient!r} "
            f"with {len(written.runs)})"
        )
    return CoefficientEnd(written.coefficient, written.high)


def _policies(entries: Sequence[dict[str, Any]], expected: int) -> tuple[PolicyRuns, ...]:
    """Return runs by variant, as many of each as are expected."""
    by_variant: dict[Variant, list[Any]] = {}
    for entry, run in zip(entries, read_runs(entries, RUN_COLUMNS, OF_POOLS), strict=True):
        of = TypeAdapter(_RunOf).validate_python(entry)
        by_variant.setdefault(Variant(of.policy, -1, of.kind, of.decoy), []).append(run)
    policies = tuple(PolicyRuns(variant, tuple(runs)) for variant, runs in by_variant.items())
    for policy in policies:
        if len(policy.runs) != expected:
            raise ValueError(
                f"runs: expected {expected} of '{policy.variant.label}', one for each week and "
                f"seed (got {len(policy.runs)})"
            )
    return policies


def _load(folder: Path) -> Evaluation:
    return read_json(folder / EVALUATE.marker, EVALUATE, _evaluation)


def shown(evaluation: Evaluation) -> tuple[TextTable, Iterable[str]]:
    """Return the table that is printed, and its notes."""
    return evaluation_table(evaluation), notes(evaluation)


EVALUATION = StudyFrame(kind=EVALUATE, files=_files, load=_load, page=evaluation_page)
folder_page = EVALUATION.folder_page
