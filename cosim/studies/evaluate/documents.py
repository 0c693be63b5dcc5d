"""Each policy of an evaluation as a scenario of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from controllers import Decoy
from cosim.scenario.loading import DataPath, Document, read_document, read_settings
from cosim.studies.evaluate.drain import drained
from cosim.studies.evaluate.ends import at_end
from cosim.studies.evaluate.variants import Case, Comparison, Variant
from cosim.world.plan import Plan, plan_document


def case_document(compared: Comparison, case: Case) -> Document:
    """Return the scenario of a case, whatever its seed."""
    document = variant_document(_week_document(compared, case.start), case.variant)
    return document if case.end is None else at_end(document, case.end)


def compared_document(compared: Comparison) -> Document:
    """Return the scenario as its policies are compared: without the end that `drain` takes off."""
    document = read_document(compared.source, compared.overrides)
    if not document.data["evaluation"].get("drain", True):
        return document
    return replace(document, data=drained(document.data))


@lru_cache(maxsize=4)
def _week_document(compared: Comparison, start: datetime | None) -> Document:
    """Return the scenario in one of the weeks."""
    week = () if start is None else (f"time.start={start.isoformat()}",)
    return read_document(compared.source, (*compared.overrides, *week))


def case_plan(compared: Comparison, case: Case, seed: int) -> Plan:
    """Return the plan of a case with one of the seeds of the first week, shifted to its own.

    Raises:
        ScenarioError: With every problem that could be found.
    """
    document = case_document(compared, case)
    seeded = {**document.data, "seed": seed + compared.shift(case)}
    return plan_document(replace(document, data=seeded))


def variant_document(document: Document, variant: Variant) -> Document:
    """Return the scenario with the keys of a policy in place of its own."""
    keys = document.data["evaluation"]
    if variant.index < 0:
        policy = read_settings([f"controllers={variant.added}"]).data
    else:
        policy = keys["policies"][variant.index]
    data = {key: value for key, value in document.data.items() if key != "evaluation"}
    entries, shown = policy.get("controllers", []), _shown(variant)
    if keys.get("drain", True):
        data = drained(data)
    data["controllers"] = [
        {**entry, **shown} if isinstance(entry, dict) else entry for entry in entries
    ]
    if "forecasts" in policy:
        data["forecasts"] = policy["forecasts"]
    place = ("evaluation", "policies", variant.index)
    depth = len(place)
    taken = {"controllers"} | ({"forecasts"} & policy.keys())

    def moved(marks: Mapping[DataPath, str]) -> dict[DataPath, str]:
        kept = {path: mark for path, mark in marks.items() if not (path and path[0] in taken)}
        return kept | {
            path[depth:]: mark
            for path, mark in marks.items()
            if path[:depth] == place and len(path) > depth and path[depth] in taken
        }

    return replace(
        document, data=data, marks=moved(document.marks), key_marks=moved(document.key_marks)
    )


def _shown(variant: Variant) -> dict[str, Any]:
    """Return the keys of an entry that say what it sees of the carbon intensity."""
    if variant.kind == "twin":
        return {"agnostic": True}
    match variant.decoy:
        case None:
            return {}
        case Decoy(kind="moved"):
            return {"decoy": {"type": "moved", "by": variant.decoy.by_s}}
        case decoy:
            return {"decoy": {"type": decoy.kind, "draw": decoy.draw}}
