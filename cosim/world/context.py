"""Contexts of controllers: a site's actuator ranges, signals, forecasts and service model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from controllers import (
    ACTUATORS,
    ActuatorLimits,
    ClassInfo,
    PoolContext,
    ServiceModel,
    SiteContext,
    SiteSignals,
)
from controllers.forecast import Forecaster
from controllers.service import LoadSplit
from cosim.scenario.control import ForecastsKeys
from cosim.scenario.microgrid import ClcBattery, SimpleBattery
from cosim.scenario.scenario import Time
from cosim.world.demand import Demand
from cosim.world.forecasts import forecaster
from cosim.world.service import class_weights, service_model
from cosim.world.site_plan import SitePlan
from inference_sim.deployment import ClusterConfig
from inference_sim.pace import CLOCKS

_CLC_CHARGE_PER_H, _CLC_DISCHARGE_PER_H = 0.7, 1.5  # of Vessim's cells, over capacity
_CLC_EFFICIENCY = (0.978, 1 / 1.014)


def site_signals(
    site: SitePlan, forecasts: ForecastsKeys, time: Time, seed: tuple[int, ...]
) -> SiteSignals:
    """Return the signals of a site, and who forecasts them.

    Args:
        site: The site.
        forecasts: The scenario's forecasts.
        time: Start and steps of the run.
        seed: Seed of the forecasts' errors.

    Raises:
        SignalError: If a file of recorded forecasts cannot be used.
    """
    demand = site.demand
    signals = SiteSignals(
        site.carbon_intensity_g_per_kwh,
        site.solar_w,
        site.price_per_kwh,
        site.load_w,
        None if demand is None else demand.rate_per_s,
        None if demand is None else demand.deferrable_per_s,
        {
            "carbon_intensity": site.past_carbon_intensity_g_per_kwh,
            "solar": site.past_solar_w,
            "arrivals": np.empty(0) if demand is None else demand.past_rate_per_s,
            "deferrable_arrivals": (
                np.empty(0) if demand is None else demand.past_deferrable_per_s
            ),
        },
    )
    forecasters: dict[str, Forecaster] = {}
    models = (
        ("carbon_intensity", forecasts.carbon_intensity, 0),
        ("solar", forecasts.solar, 1),
        ("arrivals", forecasts.arrivals, 2),
        ("deferrable_arrivals", forecasts.arrivals, 2),  # with the same errors
    )
    for name, model, number in models:
        forecasters[name] = forecaster(
            model,
            signals.past.get(name, np.empty(0)),
            signals.values(name),
            start=time.start,
            step_s=time.step,
            seed=(*seed, number),
        )
    return replace(signals, forecasters=forecasters)


def site_context(site: SitePlan, start: datetime, step_s: float, steps: int) -> SiteContext:
    """Return the context that a controller gets of a site before a run.

    Args:
        site: The site.
        start: Start of the run; with a time zone.
        step_s: Length of a step [s].
        steps: Steps of the run.
    """
    battery, cluster = site.config.microgrid.battery, site.cluster
    peak_w = float(site.load_w.max()) if site.load_w is not None else 0.0
    idle_w = float(site.load_w.min()) if site.load_w is not None else 0.0
    service: ServiceModel | None = None
    classes: tuple[ClassInfo, ...] = ()
    if cluster is not None and site.demand is not None:
        peak_w, idle_w = cluster.peak_power_w, cluster.idle_power_w
        service = service_model(cluster, site.demand)
        classes = _classes(site, cluster, site.demand, service)
    limits = _limits(site, service, classes, step_s)
    return SiteContext(
        site=site.name,
        start=start,
        step_s=step_s,
        steps=steps,
        limits=limits,
        pools=_pools(site, service, limits),
        past_carbon_intensity_g_per_kwh=site.past_carbon_intensity_g_per_kwh,
        peak_power_w=peak_w,
        idle_power_w=idle_w,
        battery_capacity_wh=battery.capacity_wh if battery else None,
        battery_min_soc=battery.min_soc if battery else None,
        battery_efficiency=_CLC_EFFICIENCY if isinstance(battery, ClcBattery) else (1.0, 1.0),
        classes=classes,
        service=service,
    )


def _limits(
    site: SitePlan, service: ServiceModel | None, classes: Sequence[ClassInfo], step_s: float
) -> dict[str, ActuatorLimits]:
    """Return the ranges of the actuators.

    The greatest admission rate, of which policies set fractions, is the gateway's if it has one,
    otherwise the workload's highest mean rate; without a policy the gateway stays as it is.
    Deferrable requests, where there are any, may be released as fast as the cluster serves them.
    Profiles know the highest clock alone. A power cap is at most the scenario's own, or what the
    GPU draws at most. Host memory behind the KV cache is at most what the scenario has.
    """
    cluster, workload = site.cluster, site.workload
    if cluster is None or workload is None or service is None:
        return {}
    pool, rate = cluster.pool, cluster.gateway.admission_rate_per_s
    most = rate if math.isfinite(rate) else workload.peak_rate_per_s
    limits = {
        "admission_rate": ActuatorLimits(0.0, most, initial=rate),
        "batch_cap": ActuatorLimits(1, pool.batch_cap),
        "active_replicas": ActuatorLimits(1, pool.replicas),
    }
    split = LoadSplit.of(classes)
    if split.deferrable_share > 0:
        served_per_s = service.capacity_per_s() / split.deferrable_weight
        fastest = max(served_per_s, workload.peak_rate_per_s)
        limits["deferrable_rate"] = ActuatorLimits(0.0, fastest, initial=math.inf)
    if len(service.clocks) > 1:
        for name in CLOCKS:
            limits[name] = ActuatorLimits(pool.lowest_clock, 1.0)
        power, cap_w = pool.power, pool.power_cap_w
        initial_w = cap_w if cap_w < power.max_w else math.inf
        most_w = min(cap_w, power.max_w)
        limits["power_cap"] = ActuatorLimits(min(pool.lowest_cap_w, most_w), most_w, initial_w)
    if pool.kv_offload is not None:
        limits["cache_host_gib"] = ActuatorLimits(0.0, pool.kv_offload.host_gib)
    if (battery := site.config.microgrid.battery) is not None:
        charge_w, discharge_w = battery_limits_w(battery, step_s)
        limits["battery_power"] = ActuatorLimits(-discharge_w, charge_w, initial=math.inf)
    return limits


def _pools(
    site: SitePlan, service: ServiceModel | None, limits: Mapping[str, ActuatorLimits]
) -> dict[str, PoolContext]:
    """Return the only pool of a site's cluster, with the ranges of its actuators."""
    if site.cluster is None:
        return {}
    of_pool = {name: value for name, value in limits.items() if ACTUATORS[name].scope == "pool"}
    return {site.cluster.pool.name: PoolContext(limits=of_pool, service=service)}


def battery_limits_w(battery: SimpleBattery | ClcBattery, step_s: float) -> tuple[float, float]:
    """Return the most that a battery charges and discharges with [W]."""
    capacity_wh = battery.capacity_wh
    if isinstance(battery, ClcBattery):
        return _CLC_CHARGE_PER_H * capacity_wh, _CLC_DISCHARGE_PER_H * capacity_wh
    per_h = battery.c_rate or 3600 / step_s  # without a limit: all of it in a step
    return per_h * capacity_wh, per_h * capacity_wh


def _classes(
    site: SitePlan, cluster: ClusterConfig, demand: Demand, service: ServiceModel
) -> tuple[ClassInfo, ...]:
    """Return the classes of a site's workload, with their lengths and weights."""
    if site.workload is None:
        return ()
    infos = tuple(
        ClassInfo(
            name=request_class.name,
            share=request_class.share,
            deferrable=request_class.deferrable,
            deadline_s=math.inf if request_class.deadline is None else request_class.deadline,
            latest_start_s=request_class.service_class().latest_start_s(0.0),
            ttft_slo_s=request_class.slo.ttft_s,
            tpot_slo_s=request_class.slo.tpot_s,
            prompt_tokens=demand.prompt_tokens,
            output_tokens=demand.output_tokens,
        )
        for request_class in site.workload.config.classes
    )
    if not demand.by_class:
        return infos
    weights = class_weights(cluster, demand, service, LoadSplit.of(infos).tpot_slo_s)
    return tuple(
        replace(
            info,
            prompt_tokens=part.prompt_tokens,
            output_tokens=part.output_tokens,
            weight=weight,
        )
        for info, part, weight in zip(infos, demand.by_class, weights, strict=True)
    )
