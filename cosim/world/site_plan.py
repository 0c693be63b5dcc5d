"""One site of a run: what a scenario says of it, read, checked and cut into steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.scenario.recorded import Kind
from cosim.scenario.site import Site
from cosim.world.demand import Demand
from cosim.world.workload import WorkloadSource
from inference_sim.deployment import ClusterConfig

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePlan:
    """One site, ready to run.

    Attributes:
        config: Its section of the scenario.
        carbon_intensity_g_per_kwh, solar_w: Means over each step, shape (steps,). A live intensity
            is NaN until the run gets there.
        load_w: Power of a plain load, shape (steps,); None where a cluster stands.
        price_per_kwh: Shape (steps,); None without a price.
        marginal_g_per_kwh: Marginal intensity, shape (steps,); None where it is not given.
        past_carbon_intensity_g_per_kwh, past_solar_w: Steps before the start, oldest first, up to 7
            days.
        cluster: The deployment; None where a plain load stands.
        workload: What comes to the cluster.
        demand: The same in the mean.
        carbon_kind: Whether the carbon intensity is average or marginal.
        signal_notes: What was done to the data of the signals, such as gaps that were filled.
    """

    config: Site
    carbon_intensity_g_per_kwh: Array
    solar_w: Array
    load_w: Array | None
    price_per_kwh: Array | None
    marginal_g_per_kwh: Array | None
    past_carbon_intensity_g_per_kwh: Array
    past_solar_w: Array
    cluster: ClusterConfig | None
    workload: WorkloadSource | None
    demand: Demand | None
    carbon_kind: Kind
    signal_notes: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the site."""
        return self.config.name
