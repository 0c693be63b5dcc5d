"""Figures of the scenarios that come with the repository, each shortened to a second or two.

A change of any of them is a change of results: it is either a bug, or meant and explained. Then

    python -m tests.golden.update

writes the files anew, to be committed with the change that moved them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent
RELATIVE_TOLERANCE = 1e-9

SHORT: Mapping[str, tuple[str, ...]] = {
    "azure_trace": (),
    "deferrable": (
        "time.start=2022-06-08T01:30:00Z",
        "time.duration=16h",
        "workload.requests=6000",
    ),
    "disaggregated": ("time.duration=5min",),
    "evaluate_policies": ("time.duration=1d", "workload.requests=3000"),
    "flagship": (
        "time.start=2022-04-12T13:00:00Z",
        "time.duration=11h",
        "workload.requests=3000",
    ),
    "own_controller": (
        "time.start=2022-06-08T01:30:00Z",
        "time.duration=15h",
        "workload.requests=6000",
    ),
    "paper_case_study": ("time.duration=20min",),
    "paper_table2": (),
    "quality_tiers": ("time.duration=4h",),
    "quickstart": (
        "time.start=2022-06-08T01:30:00Z",
        "time.duration=12h",
        "workload.requests=6000",
    ),
    "sunny_battery": ("time.duration=1d", "workload.requests=3000"),
    "agents": ("time.duration=40min",),
    "tight_slo": ("time.duration=2h", "workload.requests=3000"),
    "two_sites": ("time.duration=1h",),
    "wrong_forecasts": ("time.duration=12h", "workload.requests=1500"),
}
"""What shortens each scenario; as it is where it is short enough."""

COUPLING = "coupling=native"


def figures(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a summary: per site, without what is rounded or said twice."""
    kept = (
        "requests",
        "tokens",
        "load_state",
        "batch",
        "gpu",
        "slo",
        "energy_kwh",
        "carbon_g",
        "battery",
        "grid",
        "paper",
    )
    sites = {}
    for name, section in summary["sites"].items():
        sites[name] = {key: section[key] for key in kept if key in section}
        if "latency_s" in section:
            sites[name]["latency_s"] = {
                key: {mark: values[mark] for mark in ("mean", "p50", "p99")}
                for key, values in section["latency_s"].items()
                if key != "quantiles"
            }
    return {
        "steps": summary["time"]["steps"],
        "controllers": {
            f"{entry['type']} on {entry['site']}": entry["actions"]
            for entry in summary["controllers"]
        },
        "sites": sites,
    }
