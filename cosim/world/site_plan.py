"""One site of a run: its part of the scenario, read, checked and sampled by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import nan

import numpy as np

from cosim.errors import Problem, ScenarioError
from cosim.scenario.cluster import PooledClusterKeys
from cosim.scenario.dispatch import TiersKeys
from cosim.scenario.loading import DataPath, Document, problem_at
from cosim.scenario.recorded import Kind
from cosim.scenario.scenario import Scenario
from cosim.scenario.signals import CarbonIntensity
from cosim.scenario.site import Site
from cosim.signals import Series
from cosim.signals.areas import AREA_ZONES, hours_apart
from cosim.world.closed_loop import with_rate
from cosim.world.demand import Demand, expected_demand
from cosim.world.sampling import sample_signals
from cosim.world.service import service_models
from cosim.world.workload import WorkloadSource, workload_source
from inference_sim.arrays import FloatArray
from inference_sim.deployment import ClusterConfig
from inference_sim.errors import InferenceSimError
from inference_sim.suggestions import did_you_mean

_FAR_H = 3.0
"""Least difference of time that makes a grid's signal that of another place [h]."""


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
        workload: Requests that arrive at the cluster.
        demand: The same in the mean.
        carbon_kind: Whether the carbon intensity is average or marginal.
        signal_notes: Corrections to the data of the signals, such as filled gaps; an intensity of
            another place; and forecasts without a day before the start to go by.
    """

    config: Site
    carbon_intensity_g_per_kwh: FloatArray
    solar_w: FloatArray
    load_w: FloatArray | None
    price_per_kwh: FloatArray | None
    marginal_g_per_kwh: FloatArray | None
    past_carbon_intensity_g_per_kwh: FloatArray
    past_solar_w: FloatArray
    cluster: ClusterConfig | None
    workload: WorkloadSource | None
    demand: Demand | None
    carbon_kind: Kind
    signal_notes: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the site."""
        return self.config.name


def plan_site(document: Document, scenario: Scenario, index: int) -> SitePlan:
    """Read and check all that one site needs.

    Args:
        document: The file of the scenario, for the places of problems.
        scenario: The scenario.
        index: Position of the site in it.

    Raises:
        ScenarioError: With every problem of the site.
    """
    site, time = scenario.sites[index], scenario.time
    signals = sample_signals(document, scenario, index)
    problems = [*signals.problems]
    workload: WorkloadSource | None = None
    if site.cluster is not None:
        try:
            workload = workload_source(scenario, index)
        except (InferenceSimError, ValueError) as error:
            own: DataPath = () if site.workload is None else ("sites", index)
            keys = site.workload or scenario.workload
            of_trace: DataPath = ("trace", "path") if keys and keys.trace else ()
            problems.append(problem_at(document, (*own, "workload", *of_trace), str(error)))
    if workload is not None:
        problems += _unknown_classes(document, scenario, index, workload)
    if problems:
        raise ScenarioError(problems)
    cluster: ClusterConfig | None = None
    if site.cluster is not None and workload is not None:
        outside = signals.means.get("outside")
        cluster = replace(
            site.cluster.config(),
            seed=scenario.seed + index,
            classes=tuple(keys.service_class() for keys in workload.config.classes),
            outside_temperature_c=None if outside is None else _by_time(outside, time.step_s),
        )
    demand: Demand | None = None
    if cluster is not None and workload is not None:
        longest = max(pool.max_context_tokens for pool in cluster.pools)
        demand = expected_demand(workload, time.step, time.steps, longest)
        if workload.closed:
            first, *_ = service_models(cluster, demand).values()
            workload = with_rate(workload, first)
            demand = expected_demand(workload, time.step, time.steps, longest)
    return SitePlan(
        config=site,
        carbon_intensity_g_per_kwh=signals.means.get("carbon_intensity", np.full(time.steps, nan)),
        solar_w=signals.means.get("solar", np.zeros(time.steps)),
        load_w=signals.means.get("load"),
        price_per_kwh=signals.means.get("price"),
        marginal_g_per_kwh=signals.means.get("marginal_carbon_intensity"),
        past_carbon_intensity_g_per_kwh=signals.past("carbon_intensity"),
        past_solar_w=signals.past("solar"),
        cluster=cluster,
        workload=workload,
        demand=demand,
        carbon_kind=_kind(site.microgrid.carbon_intensity, signals.series.get("carbon_intensity")),
        signal_notes=(*signals.notes, *_elsewhere(site)),
    )


def _unknown_classes(
    document: Document, scenario: Scenario, index: int, workload: WorkloadSource
) -> Iterator[Problem]:
    """Yield the classes with shares of their own that the workload does not have."""
    cluster = scenario.sites[index].cluster
    dispatch = cluster.dispatch if isinstance(cluster, PooledClusterKeys) else None
    if not isinstance(dispatch, TiersKeys):
        return
    names = [request_class.name for request_class in workload.config.classes]
    for name in dispatch.by_class:
        if name not in names:
            yield problem_at(
                document,
                ("sites", index, "cluster", "dispatch", "by_class", name),
                f"no class is named '{name}'; there are {', '.join(names)}"
                f"{did_you_mean(name, names)}",
            )


def _kind(config: CarbonIntensity, signal: Series | None) -> Kind:
    """Return the kind that the file states, or else the scenario."""
    return (signal.kind if signal is not None else None) or config.kind or "average"


def _elsewhere(site: Site) -> Iterator[str]:
    """Yield a note where the grid's signal is of another place than the site."""
    area = getattr(site.microgrid.carbon_intensity, "area", "")
    if site.location is not None and hours_apart(area, site.location.longitude) >= _FAR_H:
        yield (
            f"carbon_intensity is of {area} ({AREA_ZONES[area]}), hours away from the site's "
            f"location ({site.location.longitude:g} degrees east): its day is not that of the site"
        )


def _by_time(values: FloatArray, step_s: float) -> Callable[[float], float]:
    """Return means over steps as a function of the time in the run [s]; the last one holds on."""
    return lambda time_s: float(values[min(int(time_s // step_s), len(values) - 1)])
