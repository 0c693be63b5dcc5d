"""The summary of a run: the keys that other tools rely on.

SI units stand in the names. Totals over the sites are at the top, the same keys per site under
``sites.<name>``. Everything but ``wall`` is a function of scenario, seed and versions; a live run
has ``live`` as well, and is never the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from cosim.accounting.energy import (
    J_PER_KWH,
    Battery,
    SiteFlows,
    battery_summary,
    carbon_g,
    energy_kwh,
    grid_summary,
)
from cosim.accounting.paper import paper_table2
from cosim.accounting.quantiles import Quantiles
from cosim.loop.record import Run, SiteRecord
from cosim.results.requests import LATENCIES, RequestLog, SiteLatencies
from cosim.world.site_plan import SitePlan
from inference_sim.cluster import Cluster

_CARBONS = ("carbon_g", "marginal_carbon_g")
_MARGINAL = "marginal_carbon_intensity_g_per_kwh"
_PERCENTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
Section = dict[str, Any]


def summarise(run: Run, log: RequestLog, scenario_hash: str, run_s: float) -> Section:
    """Return the summary of a run.

    Args:
        run: What was run.
        log: Its requests.
        scenario_hash: Hash of the scenario and its input files.
        run_s: Wall time of the run [s].
    """
    plan, recorder = run.plan, run.recorder
    scenario, time = plan.scenario, plan.scenario.time
    simulated_s = recorder.steps * time.step_s
    sites = {
        site.name: _site_summary(run, site, recorder.sites[site.name], log)
        for site in plan.sites
        if recorder.steps
    }
    summary: Section = {
        "status": "failed" if run.failure else "completed",
        "scenario": {"name": scenario.name, "seed": scenario.seed, "hash": scenario_hash},
        "time": {
            "start": time.start.isoformat().replace("+00:00", "Z"),
            "duration_s": simulated_s,
            "step_s": time.step_s,
            "steps": recorder.steps,
        },
    }
    if run.failure:
        summary["failure"] = {"step": run.failure.step, "message": str(run.failure)}
    if sites:
        summary |= _totals(sites, log)
    if run.live is not None:
        summary["live"] = run.live.summary(recorder.steps)
    summary["controllers"] = _controllers(run)
    summary["sites"] = sites
    arrived = summary.get("requests", {}).get("arrived", 0)
    summary["wall"] = {
        "run_s": run_s,
        "x_real_time": simulated_s / run_s,
        "requests_per_s": arrived / run_s,
    }
    return summary


def flows_of(record: SiteRecord, step_s: float) -> SiteFlows:
    """Return the recorded power flows of a site."""
    return SiteFlows(
        facility_w=record.column("facility_power_w"),
        solar_w=record.column("solar_w"),
        import_w=record.column("import_w"),
        export_w=record.column("export_w"),
        battery_w=record.column("battery_power_w"),
        carbon_intensity_g_per_kwh=record.column("carbon_intensity_g_per_kwh"),
        step_s=step_s,
    )


def battery_of(record: SiteRecord) -> Battery | None:
    """Return the recorded battery of a site, if it has one."""
    config = record.site.config.microgrid.battery
    if config is None:
        return None
    soc = np.append(record.column("battery_soc"), record.final_soc)
    return Battery(capacity_wh=config.capacity_wh, soc=soc)


def _site_summary(run: Run, site: SitePlan, record: SiteRecord, log: RequestLog) -> Section:
    step_s = run.plan.scenario.time.step_s
    flows, battery = flows_of(record, step_s), battery_of(record)
    energy = energy_kwh(flows, battery)
    section: Section = {}
    embodied_g = 0.0
    if site.cluster is not None:
        cluster, latencies = run.clusters[site.name], log.sites[site.name]
        section |= _serving(record, cluster, latencies)
        if np.isfinite(record.column("power_cap_w")).any():
            section["power_cap"] = _power_cap(record)
        hours = len(record) * step_s / 3600
        given = site.config.cluster.embodied_g_per_gpu_hour if site.config.cluster else None
        rate = site.cluster.pool.gpu.embodied_g_per_gpu_hour if given is None else given
        embodied_g = rate * site.cluster.gpus * hours
        energy = {
            "gpu": flows.kwh(record.column("gpu_power_w")),
            "host": flows.kwh(record.column("host_power_w")),
            **energy,
        }
    section["energy_kwh"] = energy
    section["carbon_g"] = {"kind": site.carbon_kind, **carbon_g(flows, embodied_g)}
    if site.marginal_g_per_kwh is not None:
        by_marginal = replace(flows, carbon_intensity_g_per_kwh=record.column(_MARGINAL))
        section["marginal_carbon_g"] = {"kind": "marginal", **carbon_g(by_marginal, embodied_g)}
    if site.cluster is not None:
        for name in _carbons([section]):
            section[name] |= _per_work([section], name)
        section["attribution"] = _attribution([log.sites[site.name]], [section])
    section["battery"] = battery_summary(flows, battery) if battery else None
    section["grid"] = grid_summary(flows)
    if site.marginal_g_per_kwh is not None:
        section["grid"]["marginal_ci_mean_g_per_kwh"] = float(record.column(_MARGINAL).mean())
    if site.price_per_kwh is not None:
        bill = float(flows.import_w @ site.price_per_kwh) * step_s / 3.6e6
        price = site.config.microgrid.price
        section["cost"] = {"import": bill, "currency": price.currency if price else ""}
    if run.plan.scenario.accounting == "paper":
        section["paper"] = paper_table2(flows, battery)
    return section


def _serving(record: SiteRecord, cluster: Cluster, latencies: SiteLatencies) -> Section:
    config = cluster.config.pool
    replicas = cluster.replicas
    held = len(cluster.gateway.waiting) + len(cluster.deferral.waiting)
    waiting = held + sum(replica.waiting for replica in replicas)
    running = cluster.in_flight - waiting
    meters = [engine.meter for engine in cluster.engines]
    iterations = sum(meter.iterations for meter in meters)
    mean = sum(meter.batch_sum for meter in meters) / iterations if iterations else 0.0
    square = sum(meter.batch_square_sum for meter in meters) / iterations if iterations else 0.0
    return {
        "deployment": {
            "model": config.model.name,
            "gpu": config.gpu.name,
            "uncalibrated": _uncalibrated(cluster),
            "power_uncalibrated": config.power.uncalibrated_because,
        },
        "requests": {
            "arrived": cluster.arrived,
            "admitted": cluster.gateway.admitted,
            "completed": cluster.completed,
            "rejected": cluster.rejected,
            "waiting": waiting,
            "running": running,
            "preemptions": sum(replica.preemptions for replica in replicas),
        },
        "rejections": dict(sorted(cluster.rejections.items())),
        "tokens": {"prompt": latencies.prompt_tokens, "output": latencies.output_tokens},
        "latency_s": _latencies([latencies]),
        "slo": _slo([latencies]),
        "load_state": load_state(record, cluster),
        "batch": {
            "mean": mean,
            "std": math.sqrt(max(square - mean * mean, 0.0)),
            "max": max(meter.batch_max for meter in meters),
        },
        "gpu": {
            "count": config.gpus,
            "mfu_mean": float(record.column("mfu").mean()),
            "busy_fraction": float(record.column("busy_fraction").mean()),
            "power_mean_w": float(record.column("gpu_power_w").mean()) / config.gpus,
        },
    }


def _power_cap(record: SiteRecord) -> Section:
    """Return what a power cap did: to the clock of the busy GPUs, and whether it was held."""
    busy = record.column("busy_fraction")
    clock = np.nan_to_num(record.column("clock_mean"))
    return {
        "clock_mean": float(busy @ clock / busy.sum()) if busy.any() else None,
        "over_cap_fraction": float(record.column("over_cap_fraction").mean()),
    }


def _uncalibrated(cluster: Cluster) -> str:
    """Return why the times of this deployment are not backed by measurements; empty if they are."""
    stages = cluster.engines[0].pipeline.stages
    return "; ".join(dict.fromkeys(filter(None, (one.uncalibrated_because for one in stages))))


def load_state(record: SiteRecord, cluster: Cluster) -> str:
    """Class a run as ``stable``, ``backlogged`` or ``overloaded``.

    Overloaded: the queue grew from quarter to quarter of the time in which requests came, until
    what waited would have taken more than a tenth of that time to serve. Backlogged: what waits at
    the end would take more than two minutes. Latency means little in either.
    """
    queue = record.column("gateway_waiting") + record.column("replica_waiting")
    step_s = cluster.env.now / len(queue)
    per_step = float(record.column("completed").sum()) / len(queue)
    if not per_step:
        return "overloaded" if queue[-1] else "stable"
    came = int(np.flatnonzero(record.column("arrived"))[-1]) + 1
    quarters = [float(part.mean()) for part in np.array_split(queue[:came], 4) if len(part)]
    growing = all(earlier < later for earlier, later in pairwise(quarters))
    to_clear_steps = float(queue[came - 1]) / per_step
    if growing and to_clear_steps > came / 10 and to_clear_steps * step_s > 120:
        return "overloaded"
    return "backlogged" if queue[-1] / per_step * step_s > 120 else "stable"


def _latencies(parts: Sequence[SiteLatencies]) -> Section:
    pools = {name: Quantiles.pooled([getattr(part, name) for part in parts]) for name in LATENCIES}
    found: Section = {}
    for name, pool in pools.items():
        if not pool.count:
            found[name] = None
            continue
        found[name] = {"mean": pool.mean()}
        marks = pool.quantiles(list(_PERCENTILES.values()))
        found[name] |= dict(zip(_PERCENTILES, marks, strict=True))
    found["quantiles"] = next((one.how() for one in pools.values() if not one.exact), "exact")
    return found


def _slo(parts: Sequence[SiteLatencies]) -> Section:
    met: dict[str, list[int]] = {}
    for part in parts:
        for name, tally in part.by_class.items():
            both = met.setdefault(name, [0, 0])
            both[0] += tally[0]
            both[1] += tally[1]
    good, all_ = (sum(tally[k] for tally in met.values()) for k in (0, 1))
    return {
        "attainment": good / all_ if all_ else None,
        "by_class": {name: g / n if n else None for name, (g, n) in met.items()},
    }


def _carbons(parts: Sequence[Section]) -> list[str]:
    """Return the sections of emissions that all sites have: by one intensity, or by two."""
    return [name for name in _CARBONS if all(name in part for part in parts)]


def _per_work(serving: Sequence[Section], carbon: str) -> Section:
    """Return the carbon of sites that serve, by one intensity, per unit of what they served."""
    total = sum(part[carbon]["total"] for part in serving)
    completed = sum(part["requests"]["completed"] for part in serving)
    output = sum(part["tokens"]["output"] for part in serving)
    return {
        "per_request": total / completed if completed else None,
        "per_1k_output_tokens": total / output * 1000 if output else None,
    }


def _attribution(parts: Sequence[SiteLatencies], serving: Sequence[Section]) -> Section:
    """Return what the requests of each class bear, and what is left: idle, asleep, never served.

    Energy is that of the GPUs. Carbon is that of the import: hosts and overhead of the facility go
    with the GPU energy that they serve. Together they are what the meters say.
    """
    by_class: dict[str, Section] = {}
    for part in parts:
        for name, share in part.shares.items():
            one = by_class.setdefault(
                name,
                {
                    "requests": 0,
                    "completed": 0,
                    "late": 0,
                    "output_tokens": 0,
                    "energy_kwh": 0.0,
                    "carbon_g": 0.0,
                },
            )
            one["requests"] += share.requests
            one["completed"] += share.completed
            one["late"] += share.late
            one["output_tokens"] += share.output_tokens
            one["energy_kwh"] += share.energy_j / J_PER_KWH
            one["carbon_g"] += share.carbon_g
    energy = sum(one["energy_kwh"] for one in by_class.values())
    grams = sum(one["carbon_g"] for one in by_class.values())
    return {
        "requests": {"energy_kwh": energy, "carbon_g": grams},
        "idle": {
            "energy_kwh": sum(one["energy_kwh"]["gpu"] for one in serving) - energy,
            "carbon_g": sum(one["carbon_g"]["import"] for one in serving) - grams,
        },
        "by_class": by_class,
    }


def _totals(sites: Mapping[str, Section], log: RequestLog) -> Section:
    """Return the sums over sites; with one site, its own figures.

    What has no sum (batteries, grids, the paper's Table 2) is None with several sites.
    """
    if len(sites) == 1:
        return dict(next(iter(sites.values())))
    parts = list(sites.values())
    serving = [part for part in parts if "requests" in part]
    total: Section = {}
    if serving:
        total["requests"] = _sum(serving, "requests")
        total["rejections"] = _sum(serving, "rejections")
        total["tokens"] = _sum(serving, "tokens")
        latencies = list(log.sites.values())
        total["latency_s"] = _latencies(latencies)
        total["slo"] = _slo(latencies)
        states = [part["load_state"] for part in serving]
        total["load_state"] = next(
            (one for one in ("overloaded", "backlogged") if one in states), "stable"
        )
        total["batch"] = None
        gpus = [part["gpu"] for part in serving]
        count = sum(gpu["count"] for gpu in gpus)
        total["gpu"] = {"count": count} | {
            key: sum(gpu[key] * gpu["count"] for gpu in gpus) / count
            for key in ("mfu_mean", "busy_fraction", "power_mean_w")
        }
    total["energy_kwh"] = _sum(parts, "energy_kwh")
    keys = ("gross", "import", "export_credit", "embodied", "total")
    for name in _carbons(parts):
        kinds = {part[name]["kind"] for part in parts}
        total[name] = {"kind": kinds.pop() if len(kinds) == 1 else "mixed"}
        total[name] |= {key: sum(part[name][key] for part in parts) for key in keys}
        if serving:
            total[name] |= _per_work(serving, name)
    if serving:
        total["attribution"] = _attribution(list(log.sites.values()), serving)
    return total | {"battery": None, "grid": None}


def _sum(parts: Sequence[Section], name: str) -> Section:
    keys = dict.fromkeys(key for part in parts for key in part[name])
    return {key: sum(part[name].get(key, 0) for part in parts) for key in keys}


def _controllers(run: Run) -> list[Section]:
    return [
        {
            "type": entry.name,
            "site": entry.site,
            "actions": sum(
                change.controller == entry.name
                and entry.site in (None, change.site)
                and change.actuator in entry.controller.actuators
                for change in run.host.changes
            ),
            "guard_seconds": _guard_s(run, entry.site),
        }
        for entry in run.plan.controllers
    ]


def _guard_s(run: Run, site: str | None) -> float:
    """Return for how long the guard of the objectives held, at a site or at all [s]."""
    guards = run.host.guards
    return math.fsum(one.active_s for name, one in guards.items() if site in (None, name))
