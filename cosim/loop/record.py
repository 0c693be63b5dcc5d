"""A run and its record: a row per step and site.

A step is recorded after the clusters have run it and the microgrids have dispatched it. Its row
takes the work of a cluster from the cluster's telemetry, and its supply from Vessim.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_type_hints

import numpy as np

from controllers import ControllerHost
from controllers.actuators import ACTUATORS, Settings, of_site
from cosim.accounting.energy import J_PER_KWH
from cosim.errors import RunFailed
from cosim.loop.live import Live
from cosim.world.microgrid import BATTERY, MicrogridState
from cosim.world.observe import settings
from cosim.world.plan import Plan
from cosim.world.site_plan import SitePlan
from inference_sim.arrays import FloatArray
from inference_sim.cluster import Cluster
from inference_sim.telemetry import NUMBERS, PoolTelemetry, StepTelemetry

GRID_COLUMNS = (
    "facility_power_w",
    "solar_w",
    "battery_power_w",
    "import_w",
    "export_w",
    "battery_soc",
    "carbon_intensity_g_per_kwh",
    "marginal_carbon_intensity_g_per_kwh",
    "price_per_kwh",
)
CACHE_COLUMNS = ("prefilled_tokens", "cached_tokens")
"""Columns of a site where prefixes are cached."""
OFFLOAD_COLUMNS = ("loaded_tokens", "cache_host_gib")
"""Columns of a site with host memory behind the KV cache."""
CLUSTER_COLUMNS = tuple(
    name for name in NUMBERS if name not in ("facility_power_w", *CACHE_COLUMNS, *OFFLOAD_COLUMNS)
)
SETTINGS = {
    name: actuator.field
    for name, actuator in ACTUATORS.items()
    if actuator.part == "cluster" and not actuator.divides  # a site's own share says nothing
}
"""Columns of the values in force, by actuator."""
POOL_COLUMNS = tuple(
    name for name, kind in get_type_hints(PoolTelemetry).items() if kind in (int, float)
)
"""Columns of each of several pools, beside its settings."""
CLIENT_COLUMNS = ("timed_out", "retried")
"""Columns of a site whose clients do not all wait, or whose requests depend on the answers."""

_SUPPLY = ("import_w", "carbon_intensity_g_per_kwh", "gpu_power_w")


class PoolRecord:
    """The steps of one pool so far, by column."""

    def __init__(self) -> None:
        self._columns = {name: array("d") for name in POOL_COLUMNS}

    def keep(self, steps: int) -> None:
        """Keep so many steps."""
        for values in self._columns.values():
            del values[steps:]

    def add(self, telemetry: PoolTelemetry) -> None:
        """Add a step, with the values that were in force in it."""
        for name in POOL_COLUMNS:
            self._columns[name].append(getattr(telemetry, name))
        for name, value in telemetry.settings.items():
            self._columns.setdefault(ACTUATORS[name].field, array("d")).append(value)

    @property
    def columns(self) -> dict[str, FloatArray]:
        """The columns, each of shape (steps,)."""
        return {name: np.frombuffer(values) for name, values in self._columns.items()}


class SiteRecord:
    """The steps of one site so far, by column."""

    def __init__(self, site: SitePlan) -> None:
        self.site = site
        names: tuple[str, ...] = GRID_COLUMNS
        if site.cluster is not None:
            names += CLUSTER_COLUMNS
            names += tuple(field for field in SETTINGS.values() if field not in OFFLOAD_COLUMNS)
            if site.workload is not None and site.workload.clients is not None:
                names += CLIENT_COLUMNS
            if any(pool.prefix_caching for pool in site.cluster.pools):
                names += CACHE_COLUMNS
            if any(pool.kv_offload is not None for pool in site.cluster.pools):
                names += OFFLOAD_COLUMNS
        self._columns = {name: array("d") for name in names}
        pools = () if site.cluster is None else site.cluster.pools
        self.pools = {pool.name: PoolRecord() for pool in pools} if len(pools) > 1 else {}
        """The steps of each of several pools; empty with one."""
        self.final_soc = float("nan")
        """State of charge at the end of the run; NaN without a battery."""

    def __len__(self) -> int:
        return len(self._columns["facility_power_w"])

    def keep(self, steps: int) -> None:
        """Keep so many steps: the next one may be half recorded where an interrupt came in it."""
        for values in self._columns.values():
            del values[steps:]
        for pool in self.pools.values():
            pool.keep(steps)

    def column(self, name: str) -> FloatArray:
        """Return a column, shape (steps,)."""
        return np.frombuffer(self._columns[name], dtype=np.float64)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self._columns)

    def g_per_gpu_j(self) -> float:
        """Return the import's emissions in the last step over the GPUs' energy [g/J].

        Hosts and overhead of the facility go with the GPUs that cause them.
        """
        last = {name: self._columns[name][-1] for name in _SUPPLY}
        if not last["gpu_power_w"]:
            return 0.0
        grams_per_s = last["import_w"] * last["carbon_intensity_g_per_kwh"] / J_PER_KWH
        return grams_per_s / last["gpu_power_w"]

    def add(self, state: MicrogridState, telemetry: StepTelemetry | None) -> None:
        """Add the step that has just been dispatched.

        Args:
            state: The microgrid after the dispatch.
            telemetry: The cluster's report of the step; None without a cluster.
        """
        row = self._supply(len(self), state)
        if telemetry is not None:
            in_force = settings(telemetry)
            row |= telemetry.as_dict()
            row |= telemetry.clients
            row |= {
                field: _of_site(name, in_force)
                for name, field in SETTINGS.items()
                if field in self._columns
            }
        for name, values in self._columns.items():
            values.append(row[name])
        if telemetry is not None:
            for name, pool in self.pools.items():
                pool.add(telemetry.pools[name])

    def _supply(self, step: int, state: MicrogridState) -> dict[str, float]:
        """Return the columns that every site has, with the power of a plain load."""
        site, p_grid = self.site, float(state["p_grid"])
        battery = state["dispatch_states"].get(BATTERY)
        return {
            "facility_power_w": _value(site.load_w, step, without=0.0),
            "solar_w": float(site.solar_w[step]),
            "battery_power_w": float(battery["current_power"]) if battery else 0.0,
            "import_w": max(0.0, -p_grid),
            "export_w": max(0.0, p_grid),
            "battery_soc": float(battery["soc"]) if battery else math.nan,
            "carbon_intensity_g_per_kwh": float(site.carbon_intensity_g_per_kwh[step]),
            "marginal_carbon_intensity_g_per_kwh": _value(site.marginal_g_per_kwh, step),
            "price_per_kwh": _value(site.price_per_kwh, step),
        }


def _of_site(actuator: str, in_force: Settings) -> float:
    value = of_site(actuator, in_force)
    if value is None:
        raise LookupError(f"the cluster has no knob for actuator {actuator}")
    return value


def _value(values: FloatArray | None, step: int, without: float = math.nan) -> float:
    """Return the value of a step; `without`, if the site has no such signal."""
    return without if values is None else float(values[step])


class Recorder:
    """The record of all sites, step by step.

    Args:
        plan: The plan of the run.

    Attributes:
        sites: The records, by site.
        steps: Steps recorded so far.
    """

    def __init__(self, plan: Plan) -> None:
        self.sites = {site.name: SiteRecord(site) for site in plan.sites}
        self.steps = 0

    def add(
        self, states: Mapping[str, MicrogridState], telemetry: Mapping[str, StepTelemetry]
    ) -> None:
        """Add the step that has just been dispatched.

        Args:
            states: The microgrids after the dispatch, by site.
            telemetry: The clusters' reports of the step, by site.
        """
        for name, record in self.sites.items():
            record.add(states[name], telemetry.get(name))
        self.steps += 1

    def settle(self) -> None:
        """Drop the partial record of an interrupted step."""
        for record in self.sites.values():
            record.keep(self.steps)


@dataclass(frozen=True, slots=True)
class Run:
    """A run, whose parts change until it has ended by itself or by a failure.

    Attributes:
        plan: The plan that it follows.
        recorder: The steps it took.
        clusters: The clusters, by site.
        host: The controllers, and the record of their changes.
        live: Its clock and feeds, if it goes in real time.
        failure: The reason why it broke off; None if it did not.
    """

    plan: Plan
    recorder: Recorder
    clusters: Mapping[str, Cluster]
    host: ControllerHost
    live: Live | None = None
    failure: RunFailed | None = None
