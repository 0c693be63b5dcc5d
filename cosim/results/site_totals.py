"""Totals of a site, from its record."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np

from cosim.accounting.energy import (
    Battery,
    SiteFlows,
    battery_use,
    carbon_g,
    energy_kwh,
    grid_use,
)
from cosim.accounting.paper import paper_table2
from cosim.loop.record import Run, SiteRecord
from cosim.results.coverage import Coverage, SiteUse, coverage_of
from cosim.results.pool_totals import deployment, embodied_g, pool_totals, served_quality
from cosim.results.pooling import (
    attribution,
    energy_per_work,
    per_work,
    request_latencies,
    slo_attainment,
)
from cosim.results.requests import SiteLatencies
from cosim.results.totals import (
    BatchSizes,
    Cost,
    Deployment,
    GpuUse,
    LoadState,
    LoadTotals,
    PowerCapUse,
    RequestCounts,
    RunTotals,
    ServingTotals,
    TokenCounts,
    TraceLeftOut,
    TransferTotals,
)
from cosim.scenario.cluster import ClusterKeys
from cosim.world.site_plan import SitePlan
from inference_sim.cluster import Cluster

_MARGINAL = "marginal_carbon_intensity_g_per_kwh"


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


def site_totals(run: Run, site: SitePlan, latencies: SiteLatencies | None) -> RunTotals:
    """Return the totals of a site that has taken at least one step.

    Args:
        run: The run.
        site: The site.
        latencies: Of its requests; None for a plain load.
    """
    record, step_s = run.recorder.sites[site.name], run.plan.scenario.time.step_s
    flows, battery = flows_of(record, step_s), battery_of(record)
    embodied = sum(embodied_g(site).values()) * len(record) * step_s / 3600
    carbon, marginal_carbon = carbon_g(flows, embodied, site.carbon_kind), None
    marginal = None if site.marginal_g_per_kwh is None else record.column(_MARGINAL)
    if marginal is not None:
        by_marginal = replace(flows, carbon_intensity_g_per_kwh=marginal)
        marginal_carbon = carbon_g(by_marginal, embodied, "marginal")
    plain = LoadTotals(
        energy_kwh=energy_kwh(flows, battery),
        carbon_g=carbon,
        marginal_carbon_g=marginal_carbon,
        battery=battery_use(flows, battery) if battery else None,
        grid=grid_use(flows, marginal),
        cost=_cost(site, record, flows),
        paper=paper_table2(flows, battery) if run.plan.scenario.accounting == "paper" else None,
    )
    if latencies is None:
        return plain
    totals = _serving_totals(plain, record, flows, run.clusters[site.name], latencies)
    return replace(totals, trace_left_out=_trace_left_out(site))


def _transfers(cluster: Cluster) -> TransferTotals | None:
    """Return the transfers between the pools of a cluster, if it has such pools."""
    if cluster.handover is None:
        return None
    transfers = cluster.handover.transfers
    mean_s = transfers.total_s / transfers.count if transfers.count else None
    return TransferTotals(count=transfers.count, mean_s=mean_s)


def _serving_totals(
    plain: LoadTotals,
    record: SiteRecord,
    flows: SiteFlows,
    cluster: Cluster,
    latencies: SiteLatencies,
) -> ServingTotals:
    """Return the totals of a site that serves: `plain` are those of its facility as a load."""
    requests = _requests(cluster, record.site)
    tokens = _tokens(cluster, latencies)
    gpu_kwh = flows.kwh(record.column("gpu_power_w"))
    host_kwh = flows.kwh(record.column("host_power_w"))
    marginal = plain.marginal_carbon_g
    pools = pool_totals(record, cluster, latencies, flows.step_s)
    shares = attribution([latencies], gpu_kwh, plain.carbon_g.import_)
    use = SiteUse(
        flows=flows,
        gpu_w=record.column("gpu_power_w"),
        host_w=record.column("host_power_w"),
        idle_kwh=shares.idle.energy_kwh,
        embodied_g=plain.carbon_g.embodied,
    )
    described = None if pools else deployment(next(iter(cluster.pools.values())))
    return ServingTotals(
        deployment=described,
        pools=pools or None,
        quality=served_quality(pools) or None,
        transfers=_transfers(cluster),
        requests=requests,
        rejections=dict(sorted(cluster.rejections.items())),
        tokens=tokens,
        latency_s=request_latencies([latencies]),
        slo=slo_attainment([latencies]),
        load_state=load_state(record, cluster),
        batch=_batch(cluster),
        gpu=_gpu(record, cluster),
        power_cap=_power_cap(record),
        energy_kwh=replace(plain.energy_kwh, gpu=gpu_kwh, host=host_kwh),
        energy_per_work=energy_per_work(plain.energy_kwh.facility, requests, tokens),
        carbon_g=per_work(plain.carbon_g, plain.carbon_g.total, requests, tokens),
        marginal_carbon_g=(
            None if marginal is None else per_work(marginal, marginal.total, requests, tokens)
        ),
        coverage=_coverage(record.site, described, use),
        attribution=shares,
        battery=plain.battery,
        grid=plain.grid,
        cost=plain.cost,
        paper=plain.paper,
    )


def _coverage(site: SitePlan, described: Deployment | None, use: SiteUse) -> Coverage | None:
    """Return the coverage of a site; None with several pools, whose errors are not added up yet."""
    keys = site.config.cluster
    if not isinstance(keys, ClusterKeys) or site.cluster is None or described is None:
        return None
    reasons = [described.uncalibrated, described.power_uncalibrated]
    return coverage_of(keys, site.cluster.pool, [reason for reason in reasons if reason], use)


def _trace_left_out(site: SitePlan) -> TraceLeftOut | None:
    source = site.workload
    if source is None or not (source.trace_failures or source.trace_skipped):
        return None
    return TraceLeftOut(failed=source.trace_failures, invalid=source.trace_skipped)


def _cost(site: SitePlan, record: SiteRecord, flows: SiteFlows) -> Cost | None:
    if site.price_per_kwh is None:
        return None
    bill = float(flows.import_w @ record.column("price_per_kwh")) * flows.step_s / 3.6e6
    price = site.config.microgrid.price
    return Cost(import_=bill, currency=price.currency if price else "")


def _requests(cluster: Cluster, site: SitePlan) -> RequestCounts:
    queued = len(cluster.gateway.waiting) + len(cluster.deferral.waiting)
    waiting = queued + sum(replica.waiting for replica in cluster.replicas)
    return RequestCounts(
        arrived=cluster.arrived,
        admitted=cluster.gateway.admitted,
        completed=cluster.completed,
        rejected=cluster.rejected,
        waiting=waiting,
        running=cluster.in_flight - waiting,
        preemptions=sum(replica.preemptions for replica in cluster.replicas),
        **_client_counts(cluster, site),
    )


def _client_counts(cluster: Cluster, site: SitePlan) -> dict[str, int]:
    """Return the counts that there are of clients who do not all wait, or go on by answers."""
    clients, counts = cluster.clients, dict[str, int]()
    if clients is None or site.workload is None:
        return counts
    keys = site.workload.config
    if keys.timeout is not None or keys.retry is not None:
        counts |= {"timed_out": cluster.timed_out, "given_up": clients.given_up}
    if keys.retry is not None:
        counts["retried"] = clients.retried
    if keys.sessions is not None:
        counts["cut_sessions"] = clients.cut
    return counts


def _tokens(cluster: Cluster, latencies: SiteLatencies) -> TokenCounts:
    tokens = TokenCounts(prompt=latencies.prompt_tokens, output=latencies.output_tokens)
    if not any(pool.prefix_caching for pool in cluster.config.pools):
        return tokens
    tokens = replace(
        tokens,
        prefilled=sum(replica.prefilled_tokens for replica in cluster.replicas),
        cached=sum(replica.cached_tokens for replica in cluster.replicas),
    )
    if all(pool.kv_offload is None for pool in cluster.config.pools):
        return tokens
    return replace(tokens, loaded=sum(replica.loaded_tokens for replica in cluster.replicas))


def _batch(cluster: Cluster) -> BatchSizes:
    meters = [engine.meter for engine in cluster.engines]
    iterations = sum(meter.iterations for meter in meters)
    mean = sum(meter.batch_sum for meter in meters) / iterations if iterations else 0.0
    square = sum(meter.batch_square_sum for meter in meters) / iterations if iterations else 0.0
    return BatchSizes(
        mean=mean,
        std=math.sqrt(max(square - mean * mean, 0.0)),
        max=max(meter.batch_max for meter in meters),
    )


def _gpu(record: SiteRecord, cluster: Cluster) -> GpuUse:
    gpus = cluster.config.gpus
    return GpuUse(
        count=gpus,
        mfu_mean=float(record.column("mfu").mean()),
        busy_fraction=float(record.column("busy_fraction").mean()),
        power_mean_w=float(record.column("gpu_power_w").mean()) / gpus,
    )


def _power_cap(record: SiteRecord) -> PowerCapUse | None:
    """Return how a power cap slowed the busy GPUs, and whether it was held; None without one."""
    if not np.isfinite(record.column("power_cap_w")).any():
        return None
    busy = record.column("busy_fraction")
    clock = np.nan_to_num(record.column("clock_mean"))
    return PowerCapUse(
        clock_mean=float(busy @ clock / busy.sum()) if busy.any() else None,
        over_cap_fraction=float(record.column("over_cap_fraction").mean()),
    )


def load_state(record: SiteRecord, cluster: Cluster) -> LoadState:
    """Classify a run as ``stable``, ``backlogged`` or ``overloaded``.

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
