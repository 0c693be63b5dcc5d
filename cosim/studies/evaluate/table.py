"""An evaluation as a table: for people, and for other programs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from cosim.accounting.words import percent
from cosim.studies.evaluate.evaluation import Evaluation
from cosim.studies.evaluate.statistics import BATTERY, LEFT_WORK, PolicyRow
from cosim.studies.frame.table import TextTable
from cosim.studies.runs.figures import LEAST_SERVED, MUCH_STORED
from cosim.studies.runs.interval import Interval, interval

HEADER = (
    "policy", "carbon kg", "saving %", "by timing %", "of oracle %", "energy kWh", "SLO %",
    "TTFT p99 s", "TPOT p99 ms", "late", "left", "guard h",
)  # fmt: skip


RUN_COLUMNS = (
    "seed", "import_g", "stored_g", "embodied_g", "facility_kwh", "import_kwh", "cost",
    "attainment", "ttft_p99_s", "tpot_p99_s", "arrived", "completed", "backlog", "late",
    "output_tokens", "guard_s", "changes", "mattered_s", "is_wide", "load_state", "failure",
)  # fmt: skip
"""Figures of a run that an evaluation writes."""


def evaluation_table(evaluation: Evaluation) -> TextTable:
    """Return the table of an evaluation; carbon-agnostic baselines are paler."""
    rows = evaluation.rows
    return TextTable(HEADER, [cells(row) for row in rows], pale=[row.twin for row in rows])


def cells(row: PolicyRow) -> tuple[str, ...]:
    """Return a row as text, in the order of `HEADER`."""
    return (
        label(row),
        interval(row.carbon_g, 1e-3, 3),
        row.no_saving or interval(row.saving, 100.0, 1, star=True),
        "" if row.timing is None or row.no_saving else interval(row.timing, 100.0, 1, star=True),
        "" if row.of_oracle is None or row.no_saving else interval(row.of_oracle, 100.0, 0),
        interval(row.facility_kwh, 1.0, 1),
        number(row.attainment, 100.0, 2),
        number(row.ttft_p99_s, 1.0, 3),
        number(row.tpot_p99_s, 1e3, 1),
        f"{row.late:.0f}",
        f"{row.backlog:.0f}" + (f", {row.failures} failed" if row.failures else ""),
        f"{row.guard_s / 3600:.1f}",
    )


def label(row: PolicyRow) -> str:
    """Return the name of a row, marked if it is a carbon-agnostic baseline."""
    return f"{row.policy} (agnostic)" if row.twin else row.policy


def number(value: float | None, factor: float, digits: int) -> str:
    """Return a number, or a dash for none."""
    return "-" if value is None else f"{value * factor:.{digits}f}"


def notes(evaluation: Evaluation) -> Iterator[str]:
    """Yield the notes that the table is read by."""
    count, noop = len(evaluation.seeds), evaluation.rows[0].policy
    yield (
        f"{count} seed{'s' if count > 1 else ''}, the same for all policies. Means with 95 % "
        "intervals (Student's t); * where the interval excludes zero."
        if count > 1
        else "One seed: no intervals."
    )
    yield (
        "carbon: emissions from grid imports, corrected for the change of the batteries' charge "
        f"(valued at the mean intensity) and scaled to the output tokens of {noop}. saving: "
        f"against {noop}, seed by seed. by timing: against the policy's carbon-agnostic baseline, "
        "which sees only the mean intensity. SLO, TTFT and TPOT: requests that may not be "
        "deferred. late: completed after their deadline. left: not served at the end."
    )
    if evaluation.bounds:
        bounds = list(evaluation.bounds.values())
        mean = {
            name: math.fsum(getattr(bound, name) for bound in bounds) / len(bounds) / 1000
            for name in ("all_g", "wide_g", "deferral_g", "battery_g", "nothing_g")
        }
        scale = math.fsum(bound.scale for bound in bounds) / len(bounds)
        yield (
            f"oracle: at best {mean['all_g']:.3f} kg with perfect knowledge, or "
            f"{mean['wide_g']:.3f} kg for policies that also set replicas or clocks; in its model "
            f"{mean['nothing_g']:.3f} kg with neither battery nor deferral, "
            f"{mean['battery_g']:.3f} kg with the battery alone, {mean['deferral_g']:.3f} kg with "
            f"deferral alone. Its loads are those of the model times {scale:.3f}, so that doing "
            "nothing uses the simulated energy."
        )
    if stored := stored_policies(evaluation):
        yield (
            f"Battery content: {'; '.join(stored)}. That part of a saving is the difference of "
            "what the batteries hold at the end, valued at the mean intensity, and nothing that "
            "the policy saved in the run: begin and end with the same charge, or run for longer."
        )
    if idle := idle_policies(evaluation):
        yield (
            f"Never mattered: {', '.join(idle)}. What they set was in nobody's way, so that their "
            "runs are as if nothing had been set: the load is too low for them, or they set too "
            "little."
        )
    left = [label(row) for row in evaluation.rows if row.no_saving == LEFT_WORK]
    if left:
        yield (
            f"Left work: {', '.join(left)}. More than {percent(1 - LEAST_SERVED)} of the requests "
            "that arrived were not served, so that the row has no saving and no rank: carbon of "
            "work not done is not a saving."
        )
    filled = [label(row) for row in evaluation.rows if row.no_saving == BATTERY]
    if filled:
        yield (
            f"Battery: {', '.join(filled)}. The imports emitted no less than without controllers; "
            "only what the batteries hold at the end would make a saving of it."
        )


def stored_policies(evaluation: Evaluation) -> list[str]:
    """Return the policies of whose saving much is only what the batteries hold at the end."""
    first = evaluation.policies[0].runs
    texts = []
    for policy in evaluation.policies[1:]:
        if policy.twin or any(run.failure for run in policy.runs):
            continue
        saved_g = sum(run.carbon_g for run in first) - sum(run.carbon_g for run in policy.runs)
        stored_g = sum(run.stored_g for run in first) - sum(run.stored_g for run in policy.runs)
        if saved_g > 0 and abs(stored_g) > MUCH_STORED * saved_g:
            texts.append(f"{policy.policy} {percent(stored_g / saved_g)}")
    return texts


def idle_policies(evaluation: Evaluation) -> list[str]:
    """Return the names of the policies whose settings mattered in no run."""
    return [
        policy.policy
        for policy in evaluation.policies
        if not policy.twin
        and any(run.changes for run in policy.runs)
        and not any(run.mattered_s for run in policy.runs)
    ]


def runs_of(evaluation: Evaluation, *more: str) -> Iterator[dict[str, Any]]:
    """Yield the columns of each run; `more` are further figures."""
    for policy in evaluation.policies:
        for run in policy.runs:
            columns = run.columns((*RUN_COLUMNS, *more))
            yield {"policy": policy.policy, "twin": policy.twin} | columns


def runs_frame(evaluation: Evaluation) -> pd.DataFrame:
    """Return a row for each run."""
    frame = pd.DataFrame(list(runs_of(evaluation, "carbon_g")))
    frame["oracle_g"] = [evaluation.bounds[seed].all_g for seed in frame["seed"]]
    return frame


def policies_frame(evaluation: Evaluation) -> pd.DataFrame:
    """Return a row for each policy; intervals as two columns, NaN where they are not known."""
    return pd.DataFrame([flat_row(row) for row in evaluation.rows])


def flat_row(row: PolicyRow) -> dict[str, Any]:
    """Return a row for a data frame: intervals as two values, NaN for what is not known."""
    flat: dict[str, Any] = {}
    for name in row.__dataclass_fields__:
        value = getattr(row, name)
        if isinstance(value, Interval) or (value is None and name in ("timing", "of_oracle")):
            flat[name] = math.nan if value is None else value.mean
            half = math.nan if value is None else value.half_width
            flat[f"{name}_half_width"] = half if math.isfinite(half) else math.nan
        else:
            flat[name] = math.nan if value is None else value
    return flat
