"""From what clusters and Vessim report to the fields of an observation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from controllers.base import SiteObservation

_COUNTS = frozenset(one.name for one in fields(SiteObservation) if one.type == "int")
_OBSERVED = frozenset(one.name for one in fields(SiteObservation))
_MAY_BE_MISSING = frozenset({"ttft_p99_s", "tpot_p99_s", "deferrable_slack_s"})


def cluster_fields(telemetry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a `SiteObservation` that a cluster's telemetry fills.

    Args:
        telemetry: Values of the last step by field name; empty before the first step. What was not
            there to be observed is NaN, or infinite, and becomes None. What no field is named after
            is left out: a simulator may report more than controllers see.
    """
    found: dict[str, Any] = {}
    for name, value in telemetry.items():
        if name not in _OBSERVED:
            continue
        if name == "latency_p99_s_by_class":
            found[name] = MappingProxyType({one: _pair(pair) for one, pair in value.items()})
        elif name in _COUNTS:
            found[name] = int(value)
        elif name in _MAY_BE_MISSING and not math.isfinite(value):
            found[name] = None
        else:
            found[name] = float(value)
    return found


def _pair(latencies: tuple[float, float]) -> tuple[float | None, float | None]:
    ttft_s, tpot_s = latencies
    return (
        ttft_s if math.isfinite(ttft_s) else None,
        tpot_s if math.isfinite(tpot_s) else None,
    )


def microgrid_telemetry(
    dispatch_states: Mapping[str, Mapping[str, Any]], p_grid: float | None = None
) -> dict[str, float | None]:
    """Return the microgrid's side of an observation from what a Vessim microgrid reports.

    Args:
        dispatch_states: Vessim's states of its dispatchables by name. One with a ``soc`` is the
            battery. ``current_power`` [W] is positive for charging and export, negative for
            discharging and import.
        p_grid: Vessim's net exchange with the grid [W], export positive. By default, the power of
            all dispatchables but the battery.

    Returns:
        ``import_w``, ``export_w``, ``battery_soc`` (None without a battery), ``battery_power_w``
        (charging positive); empty if there are no states yet.
    """
    if not dispatch_states:
        return {}
    batteries = [state for state in dispatch_states.values() if "soc" in state]
    if len(batteries) > 1:
        raise ValueError(f"expected at most one battery per microgrid (got {len(batteries)})")
    battery = batteries[0] if batteries else None
    if p_grid is None:
        p_grid = sum(s["current_power"] for s in dispatch_states.values() if "soc" not in s)
    return {
        "import_w": max(0.0, -float(p_grid)),
        "export_w": max(0.0, float(p_grid)),
        "battery_soc": float(battery["soc"]) if battery else None,
        "battery_power_w": float(battery["current_power"]) if battery else 0.0,
    }
