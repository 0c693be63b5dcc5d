"""The end of a compared run: deferrable requests stop in time, the others go on.

A policy may have deferred work when a run ends, and would save what it did not do. So the last
deferrable request comes its deadline before the end, and all policies serve all of them, beside the
same other requests as at any time: an end without those would be a free time for bulk.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cosim.scenario.fields import parse_duration_s


def drained(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checked scenario in which deferrable classes end their deadline before the run.

    A class keeps an `until` of its own; one without a deadline, or with one as long as the run, is
    as it was.

    Args:
        data: The scenario as it was read.
    """
    drained_data = dict(data)
    length = data["time"].get("duration")
    if length is None:  # it ends with the requests
        return drained_data
    length_s = parse_duration_s(length)
    if isinstance(data.get("workload"), Mapping):
        drained_data["workload"] = _ending(data["workload"], length_s)
    drained_data["sites"] = [
        {**site, "workload": _ending(site["workload"], length_s)}
        if isinstance(site.get("workload"), Mapping)
        else site
        for site in data["sites"]
    ]
    return drained_data


def _ending(workload: Mapping[str, Any], length_s: float) -> dict[str, Any]:
    """Return a workload whose deferrable classes end in time."""
    if "classes" not in workload:
        return dict(workload)
    return {**workload, "classes": [_ends(entry, length_s) for entry in workload["classes"]]}


def _ends(entry: Mapping[str, Any], length_s: float) -> dict[str, Any]:
    if not entry.get("deferrable") or entry.get("deadline") is None or entry.get("until"):
        return dict(entry)
    last_s = length_s - parse_duration_s(entry["deadline"])
    return {**entry, "until": last_s} if last_s > 0 else dict(entry)
