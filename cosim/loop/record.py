"""The record of a run: a row per step and site, and every request.

Vessim calls the recorder once a step, after the clusters have run it and the microgrids have
dispatched it. What a cluster did is read from the cluster; what supplied it, from Vessim.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import numpy as np
import vessim
from numpy.typing import NDArray

from cosim.accounting.energy import J_PER_KWH
from cosim.world.microgrid import BATTERY
from cosim.world.plan import Plan
from cosim.world.site_plan import SitePlan
from inference_sim.cluster import Cluster
from inference_sim.request import Request
from inference_sim.telemetry import NUMBERS, StepTelemetry

Array = NDArray[np.float64]

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
CLUSTER_COLUMNS = tuple(name for name in NUMBERS if name != "facility_power_w")

_SUPPLY = ("import_w", "carbon_intensity_g_per_kwh", "gpu_power_w")
RequestSink = Callable[[str, list[Request]], None]


class Drained(Exception):  # the wished-for end of a run, not an error
    """Ends a run at the first step by which every request has ended."""


class SiteRecord:
    """The steps of one site so far, by column."""

    def __init__(self, site: SitePlan) -> None:
        self.site = site
        names = GRID_COLUMNS + (CLUSTER_COLUMNS if site.cluster is not None else ())
        self._columns = {name: array("d") for name in names}
        self.final_soc = float("nan")
        """State of charge at the end of the run; NaN without a battery."""

    def __len__(self) -> int:
        return len(self._columns["facility_power_w"])

    def column(self, name: str) -> Array:
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

    def add(self, state: Mapping[str, Any], telemetry: StepTelemetry | None) -> None:
        """Add the step that the microgrid has just dispatched."""
        step, site = len(self), self.site
        battery = state["dispatch_states"].get(BATTERY)
        p_grid = float(state["p_grid"])
        solar_w = float(site.solar_w[step])
        price, marginal = site.price_per_kwh, site.marginal_g_per_kwh
        if telemetry is not None:
            facility_w = telemetry.facility_power_w
        else:
            facility_w = float(site.load_w[step]) if site.load_w is not None else 0.0
        row: dict[str, float] = {
            "facility_power_w": facility_w,
            "solar_w": solar_w,
            "battery_power_w": float(battery["current_power"]) if battery else 0.0,
            "import_w": max(0.0, -p_grid),
            "export_w": max(0.0, p_grid),
            "battery_soc": float(battery["soc"]) if battery else float("nan"),
            "carbon_intensity_g_per_kwh": float(site.carbon_intensity_g_per_kwh[step]),
            "marginal_carbon_intensity_g_per_kwh": math.nan
            if marginal is None
            else float(marginal[step]),
            "price_per_kwh": float(price[step]) if price is not None else float("nan"),
        }
        if telemetry is not None:
            row |= telemetry.as_dict()
        for name, values in self._columns.items():
            values.append(row[name])


class Recorder(vessim.Controller):  # type: ignore[misc]
    """Keeps the record of a run, step by step.

    Args:
        plan: What is run.
        clusters: The clusters by site.
        telemetry: The latest telemetry by site; kept up to date by the coupling.
        on_requests: Called with the requests that ended in each step.
        on_step: Called after each step with the number of steps done.
        before_step: Called with the index of each step before it is recorded.
    """

    def __init__(
        self,
        plan: Plan,
        clusters: Mapping[str, Cluster],
        telemetry: Mapping[str, StepTelemetry],
        on_requests: RequestSink,
        on_step: Callable[[int], None],
        before_step: Callable[[int], None] = lambda step: None,
    ) -> None:
        self._before_step = before_step
        self._plan, self._clusters, self._telemetry = plan, clusters, telemetry
        self._on_requests, self._on_step = on_requests, on_step
        self.sites = {site.name: SiteRecord(site) for site in plan.sites}
        self.steps = 0
        for cluster in clusters.values():
            cluster.follow_carbon()

    def step(self, now: datetime, microgrid_states: Mapping[str, Any]) -> None:
        """Take the step that begins at `now`.

        Raises:
            Drained: If the run ends when its requests have, and they have.
        """
        self._before_step(self.steps)
        for name, record in self.sites.items():
            record.add(microgrid_states[name], self._telemetry.get(name))
            if name in self._clusters:
                self._clusters[name].settle_carbon(record.g_per_gpu_j())
                ended = self._clusters[name].take_ended()
                if ended:
                    self._on_requests(name, ended)
        self.steps += 1
        self._on_step(self.steps)
        if self._plan.scenario.time.until == "drained" and all(
            cluster.drained for cluster in self._clusters.values()
        ):
            raise Drained
