"""Contexts of controllers: a site's actuator ranges, signals, forecasts and service model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from controllers import (
    ActuatorLimits,
    ClassInfo,
    PoolContext,
    ServiceModel,
    SiteContext,
    SiteSignals,
)
from controllers.forecast import Forecaster
from controllers.service import LoadSplit
from cosim.scenario.cluster import PooledClusterKeys
from cosim.scenario.control import ForecastsKeys
from cosim.scenario.microgrid import ClcBattery, SimpleBattery
from cosim.scenario.scenario import Time
from cosim.world.demand import Demand
from cosim.world.forecasts import forecaster
from cosim.world.service import class_weights, service_models
from cosim.world.site_plan import SitePlan
from inference_sim.deployment import ClusterConfig
from inference_sim.pace import CLOCKS
from inference_sim.pool_config import PoolConfig

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
    services: dict[str, ServiceModel] = {}
    classes: tuple[ClassInfo, ...] = ()
    if cluster is not None and site.demand is not None:
        peak_w, idle_w = cluster.peak_power_w, cluster.idle_power_w
        services = service_models(cluster, site.demand)
        classes = _classes(site, cluster, site.demand, services)
    pools = _pools(site, services)
    limits = _limits(site, pools, classes, step_s)
    return SiteContext(
        site=site.name,
        start=start,
        step_s=step_s,
        steps=steps,
        limits=limits,
        pools=pools,
        past_carbon_intensity_g_per_kwh=site.past_carbon_intensity_g_per_kwh,
        peak_power_w=peak_w,
        idle_power_w=idle_w,
        battery_capacity_wh=battery.capacity_wh if battery else None,
        battery_min_soc=battery.min_soc if battery else None,
        battery_efficiency=_CLC_EFFICIENCY if isinstance(battery, ClcBattery) else (1.0, 1.0),
        classes=classes,
        service=next(iter(services.values())) if len(services) == 1 else None,
    )


def _limits(
    site: SitePlan,
    pools: Mapping[str, PoolContext],
    classes: Sequence[ClassInfo],
    step_s: float,
) -> dict[str, ActuatorLimits]:
    """Return the ranges of the actuators of the site, and of those that its pools share.

    The greatest admission rate, of which policies set fractions, is the gateway's if it has one,
    otherwise the workload's highest mean rate; without a policy the gateway stays as it is.
    Deferrable requests, where there are any, may be released as fast as the cluster serves them.
    """
    cluster, workload = site.cluster, site.workload
    if cluster is None or workload is None or not pools:
        return {}
    rate = cluster.gateway.admission_rate_per_s
    most = rate if math.isfinite(rate) else workload.peak_rate_per_s
    limits = {"admission_rate": ActuatorLimits(0.0, most, initial=rate)}
    limits |= _of_every_pool([context.limits for context in pools.values()])
    split = LoadSplit.of(classes)
    if split.deferrable_share > 0:
        capacity_per_s = _capacity_per_s(cluster, pools)
        fastest = max(capacity_per_s / split.deferrable_weight, workload.peak_rate_per_s)
        limits["deferrable_rate"] = ActuatorLimits(0.0, fastest, initial=math.inf)
    if (battery := site.config.microgrid.battery) is not None:
        charge_w, discharge_w = battery_limits_w(battery, step_s)
        limits["battery_power"] = ActuatorLimits(-discharge_w, charge_w, initial=math.inf)
    return limits


def _capacity_per_s(cluster: ClusterConfig, pools: Mapping[str, PoolContext]) -> float:
    """Return the requests that the pools of a cluster can serve [requests/s].

    Of pools that compute prompts, and those that decode, the slower ones set the pace.
    """
    by_role: dict[str, float] = {}
    for pool in cluster.pools:
        service = pools[pool.name].service
        capacity_per_s = 0.0 if service is None else service.capacity_per_s()
        by_role[pool.role] = by_role.get(pool.role, 0.0) + capacity_per_s
    apart = min(by_role.get("prefill", 0.0), by_role.get("decode", 0.0))
    return by_role.get("both", 0.0) + apart


def _of_every_pool(ranges: Sequence[Mapping[str, ActuatorLimits]]) -> dict[str, ActuatorLimits]:
    """Return the ranges of the values that every pool takes."""
    first, *others = ranges
    if not others:
        return dict(first)
    shared: dict[str, ActuatorLimits] = {}
    for name in first:
        if not all(name in limits for limits in others):
            continue
        of_pools = [limits[name] for limits in ranges]
        least = max(limits.minimum for limits in of_pools)
        most = min(limits.maximum for limits in of_pools)
        if least <= most:
            initial = max(limits.unthrottled for limits in of_pools)
            unlimited = math.inf if math.isinf(initial) else None
            shared[name] = ActuatorLimits(least, most, initial=unlimited)
    return shared


def _pools(site: SitePlan, services: Mapping[str, ServiceModel]) -> dict[str, PoolContext]:
    """Return the pools of a site's cluster, with the ranges of their actuators."""
    cluster = site.cluster
    if cluster is None or site.workload is None or not services:
        return {}
    shares = cluster.dispatch.settable_shares
    keys = site.config.cluster
    several = keys.pools if isinstance(keys, PooledClusterKeys) else []
    quality = {pool.name: pool.quality for pool in several}
    return {
        pool.name: PoolContext(
            limits=_of_pool(pool, services[pool.name], shares.get(pool.name)),
            service=services[pool.name],
            quality=quality.get(pool.name, {}),
        )
        for pool in cluster.pools
    }


def _of_pool(
    pool: PoolConfig, service: ServiceModel, share: float | None
) -> dict[str, ActuatorLimits]:
    """Return the ranges of a pool's actuators.

    Profiles know the highest clock alone. A power cap is at most the scenario's own, or what the
    GPU draws at most. Host memory behind the KV cache is at most what the scenario has.
    """
    limits = {
        "batch_cap": ActuatorLimits(1, pool.batch_cap),
        "active_replicas": ActuatorLimits(1, pool.replicas),
    }
    if len(service.clocks) > 1:
        for name in CLOCKS:
            limits[name] = ActuatorLimits(pool.lowest_clock, 1.0)
        power, cap_w = pool.power, pool.power_cap_w
        initial_w = cap_w if cap_w < power.max_w else math.inf
        most_w = min(cap_w, power.max_w)
        limits["power_cap"] = ActuatorLimits(min(pool.lowest_cap_w, most_w), most_w, initial_w)
    if pool.kv_offload is not None:
        limits["cache_host_gib"] = ActuatorLimits(0.0, pool.kv_offload.host_gib)
    if share is not None:
        limits["tier_share"] = ActuatorLimits(0.0, 1.0, initial=share)
    return limits


def battery_limits_w(battery: SimpleBattery | ClcBattery, step_s: float) -> tuple[float, float]:
    """Return the most that a battery charges and discharges with [W]."""
    capacity_wh = battery.capacity_wh
    if isinstance(battery, ClcBattery):
        return _CLC_CHARGE_PER_H * capacity_wh, _CLC_DISCHARGE_PER_H * capacity_wh
    per_h = battery.c_rate or 3600 / step_s  # without a limit: all of it in a step
    return per_h * capacity_wh, per_h * capacity_wh


def _classes(
    site: SitePlan, cluster: ClusterConfig, demand: Demand, services: Mapping[str, ServiceModel]
) -> tuple[ClassInfo, ...]:
    """Return the classes of a site's workload, with lengths, and weights in its first pool."""
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
    pool = cluster.pools[0]
    tpot_s = LoadSplit.of(infos).tpot_slo_s
    weights = class_weights(pool, cluster.pue, demand, services[pool.name], tpot_s)
    return tuple(
        replace(
            info,
            prompt_tokens=part.prompt_tokens,
            output_tokens=part.output_tokens,
            weight=weight,
        )
        for info, part, weight in zip(infos, demand.by_class, weights, strict=True)
    )
