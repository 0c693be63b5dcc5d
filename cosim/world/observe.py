"""Observations of controllers from the reports of clusters and of Vessim, field by field.

The one place that knows both sides: every value is named here, so that a field which is renamed or
forgotten on one of them is an error of types.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from controllers import (
    LatencyView,
    MicrogridReport,
    PoolView,
    QueueView,
    SiteReport,
)
from controllers.actuators import SITE, Settings
from inference_sim.telemetry import PoolTelemetry, StepTelemetry


def site_report(telemetry: StepTelemetry | None) -> SiteReport:
    """Return the report of a cluster's step for controllers.

    Args:
        telemetry: Telemetry of its cluster; None before the first step.
    """
    if telemetry is None:
        return SiteReport()
    return SiteReport(
        facility_power_w=telemetry.facility_power_w,
        queue=QueueView(
            arrived=telemetry.arrived,
            deferrable_arrived=telemetry.deferrable_arrived,
            admitted=telemetry.admitted,
            completed=telemetry.completed,
            gateway_waiting=telemetry.gateway_waiting,
            deferrable_waiting=telemetry.deferrable_waiting,
            deferrable_waiting_tokens=telemetry.deferrable_waiting_tokens,
            deferrable_slack_s=_known(telemetry.deferrable_slack_s),
        ),
        serving=_pool(telemetry),
        pools={name: _pool(pool) for name, pool in telemetry.pools.items()},
        latency=_latency(telemetry.ttft_p99_s, telemetry.tpot_p99_s),
        classes={
            name: _latency(ttft_s, tpot_s)
            for name, (ttft_s, tpot_s) in telemetry.latency_p99_s_by_class.items()
        },
    )


def settings(telemetry: StepTelemetry) -> Settings:
    """Return the values in force in a cluster's step, by actuator and pool."""
    return {(name, SITE): value for name, value in telemetry.settings.items()} | {
        (name, pool): value
        for pool, reported in telemetry.pools.items()
        for name, value in reported.settings.items()
    }


def microgrid_report(
    dispatch_states: Mapping[str, Mapping[str, Any]], p_grid: float | None
) -> MicrogridReport:
    """Return the report of a microgrid's step for controllers.

    Args:
        dispatch_states: Vessim's states of its dispatchables by name. One with a ``soc`` is the
            battery. ``current_power`` [W] is positive for charging and export, negative for
            discharging and import.
        p_grid: Vessim's net exchange with the grid [W], export positive. None for the power of
            all dispatchables but the battery.

    Raises:
        ValueError: If there is more than one battery.
    """
    if not dispatch_states:
        return MicrogridReport()
    batteries = [state for state in dispatch_states.values() if "soc" in state]
    if len(batteries) > 1:
        raise ValueError(f"expected at most one battery per microgrid (got {len(batteries)})")
    battery = batteries[0] if batteries else None
    if p_grid is None:
        p_grid = sum(
            state["current_power"] for state in dispatch_states.values() if "soc" not in state
        )
    return MicrogridReport(
        import_w=max(0.0, -float(p_grid)),
        export_w=max(0.0, float(p_grid)),
        battery_soc=float(battery["soc"]) if battery else None,
        battery_power_w=float(battery["current_power"]) if battery else 0.0,
    )


def _pool(telemetry: PoolTelemetry) -> PoolView:
    return PoolView(
        replica_waiting=telemetry.replica_waiting,
        running=telemetry.running,
        busy_fraction=telemetry.busy_fraction,
        kv_utilisation=telemetry.kv_utilisation,
        batch_mean=telemetry.batch_mean,
        awake_replicas=telemetry.awake_replicas,
        prefilled_tokens=telemetry.prefilled_tokens,
        cached_tokens=telemetry.cached_tokens,
        loaded_tokens=telemetry.loaded_tokens,
    )


def _latency(ttft_s: float, tpot_s: float) -> LatencyView:
    return LatencyView(ttft_p99_s=_known(ttft_s), tpot_p99_s=_known(tpot_s))


def _known(value: float) -> float | None:
    """Return a value; None where nothing was reported."""
    return value if math.isfinite(value) else None
