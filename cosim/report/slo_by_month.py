"""SLO attainment by month: of the requests that arrived in it and have ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cosim.report.run_data import RunData
from inference_sim.arrays import FloatArray

_COLUMNS = (
    *("site", "class", "outcome", "output_tokens"),
    *("arrival_s", "first_token_s", "finish_s"),
)


def slo_by_month(
    run: RunData, site: str, month: NDArray[np.int64], months: int
) -> FloatArray | None:
    """Return the share of requests that met the SLOs of their class; None if none has any.

    Args:
        run: The run.
        site: The site.
        month: Month of each step, by number, shape (steps,).
        months: How many months there are.

    Returns:
        The shares, shape (months,); NaN for a month without such requests.
    """
    slos = _slos(run.scenario, site)
    if not slos:
        return None
    met, ended = np.zeros(months), np.zeros(months)
    for batch in run.requests(_COLUMNS):
        mine = batch.filter(pc.equal(batch["site"], site))
        for name, slo in slos.items():
            rows = mine.filter(pc.equal(mine["class"], name))
            good, over = _judged(rows, slo)
            step = (rows["arrival_s"].to_numpy(zero_copy_only=False) // run.step_s).astype(np.int64)
            place = month[np.minimum(step, len(month) - 1)]
            met += np.bincount(place[good], minlength=months)
            ended += np.bincount(place[over], minlength=months)
    shares: FloatArray = np.divide(met, ended, out=np.full(months, np.nan), where=ended > 0)
    return shares


def _slos(scenario: Mapping[str, Any], site: str) -> dict[str, Mapping[str, float]]:
    """Return the SLOs of the classes of a site that have any, by name."""
    own = next(entry for entry in scenario["sites"] if entry["name"] == site)
    workload = own.get("workload") or scenario.get("workload") or {}
    slos = {entry["name"]: entry.get("slo") or {} for entry in workload.get("classes") or ()}
    return {name: slo for name, slo in slos.items() if slo}


def _judged(
    rows: pa.RecordBatch, slo: Mapping[str, float]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which requests met their SLOs, and which have ended."""
    arrival_s, first_s, finish_s, tokens = (
        rows[name].to_numpy(zero_copy_only=False).astype(np.float64)
        for name in ("arrival_s", "first_token_s", "finish_s", "output_tokens")
    )
    completed = pc.equal(rows["outcome"], "completed").to_numpy(zero_copy_only=False)
    rejected = pc.equal(rows["outcome"], "rejected").to_numpy(zero_copy_only=False)
    good = completed.copy()
    if "ttft_s" in slo:
        good &= first_s - arrival_s <= slo["ttft_s"]
    if "tpot_s" in slo:
        gaps = np.where(tokens > 1, tokens - 1, np.nan)
        good &= ~((finish_s - first_s) / gaps > slo["tpot_s"])  # a single token has none
    if "e2e_s" in slo:
        good &= finish_s - arrival_s <= slo["e2e_s"]
    return good, completed | rejected
