"""An evaluation for other programs: a row for each variant, and for each run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd

from cosim.studies.evaluate.evaluation import Evaluation
from cosim.studies.evaluate.statistics import PolicyRow, PolicyRuns
from cosim.studies.runs.interval import Interval

RUN_COLUMNS = (
    "seed", "import_g", "stored_g", "stored_low_g", "stored_high_g", "left_g", "marginal_g",
    "embodied_g", "facility_kwh", "import_kwh", "peak_import_w", "cost", "attainment",
    "attainment_by_class", "ttft_p99_s", "tpot_p99_s", "arrived", "completed", "backlog",
    "left_by_class", "late", "late_by_class", "wait_s", "output_tokens", "guard_s", "changes",
    "mattered_s", "mattered_s_by_actuator", "actuators", "load_state", "failure",
)  # fmt: skip
"""Figures of a run that an evaluation writes."""
OF_POOLS = ("quality_by_benchmark",)
"""Further ones, of runs with several pools."""
_MAY_BE_MISSING = (
    "marginal_g", "against_blind", "timing", "by_day", "against_flat", "of_bound",
    "marginal_saving",
)  # fmt: skip
"""Intervals of a row that not every policy has."""
_SAVINGS = (
    "saving", "against_blind", "timing", "by_day", "against_flat", "of_bound", "marginal_saving",
)  # fmt: skip
"""Intervals that say nothing of a run that broke off: it emitted less for it ran for less."""
_AT_ENDS = ("depends_on", "least_saving", "most_saving")
"""Figures of policies that were run at the ends of coefficients."""
_INTERVALS = {*_MAY_BE_MISSING, *_SAVINGS}


def runs_of(evaluation: Evaluation, *more: str) -> Iterator[dict[str, Any]]:
    """Yield the columns of each run; `more` are further figures."""
    yield from policy_runs(evaluation.policies, len(evaluation.seeds), *more)


def policy_runs(policies: Iterable[PolicyRuns], each: int, *more: str) -> Iterator[dict[str, Any]]:
    """Yield the columns of each run of policies; `each`: their seeds in a week."""
    for policy in policies:
        variant = policy.variant
        for number, run in enumerate(policy.runs):
            yield {
                "policy": variant.name,
                "kind": variant.kind,
                "decoy": None if variant.decoy is None else asdict(variant.decoy),
                "week": number // each,
            } | run.columns((*RUN_COLUMNS, *more, *(OF_POOLS if run.quality_by_benchmark else ())))


def runs_frame(evaluation: Evaluation) -> pd.DataFrame:
    """Return a row for each run; figures by class have a column for each class."""
    entries = []
    bounds = evaluation.bounds
    for number, entry in enumerate(runs_of(evaluation, "carbon_g", "equal_work_g")):
        bound = bounds[number % len(bounds)]
        least = {} if bound is None else {f"bound_{name}": g for name, g in asdict(bound).items()}
        decoy = entry.pop("decoy")
        label = "" if decoy is None else f"{decoy['kind']} {decoy['by_s'] or decoy['draw']:g}"
        entries.append(_flat({"decoy": label, **entry, **least}))
    return pd.DataFrame(entries)


def policies_frame(evaluation: Evaluation) -> pd.DataFrame:
    """Return a row for each variant; intervals as two columns, NaN where they are not known.

    Those with runs that broke off come last.
    """
    rows = sorted(evaluation.rows, key=lambda row: row.failures > 0)
    return pd.DataFrame([_flat(flat_row(row)) for row in rows])


def flat_row(row: PolicyRow) -> dict[str, Any]:
    """Return a row with intervals as two values, NaN for what is not known."""
    variant = row.variant
    flat: dict[str, Any] = {
        "policy": variant.name,
        "kind": variant.kind,
        "decoy": "" if variant.decoy is None else variant.decoy.label,
    }
    for name in row.__dataclass_fields__:
        value = getattr(row, name)
        if name == "variant" or (name in _AT_ENDS and row.depends_on is None):
            continue
        if row.failures and name == "saving_sure":
            value = False
        if row.failures and name in _SAVINGS:
            value = None
        if isinstance(value, Interval) or (value is None and name in _INTERVALS):
            flat[name] = math.nan if value is None else value.mean
            half = math.nan if value is None else value.half_width
            flat[f"{name}_half_width"] = half if math.isfinite(half) else math.nan
        elif isinstance(value, Mapping):
            flat[name] = dict(value)
        else:
            flat[name] = math.nan if value is None else value
    return flat


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with a column for each class of those by class."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{key}": inner for key, inner in value.items()}
        else:
            flat[name] = value
    return flat
