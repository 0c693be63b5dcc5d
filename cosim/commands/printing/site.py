"""The totals of a site, in rows of a title and its text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cosim.accounting.energy import BatteryUse, Carbon, Energy, GridUse
from cosim.accounting.paper import PaperTable2
from cosim.accounting.words import (
    count,
    energy,
    exact_percent,
    latency,
    mass,
    number,
    percent,
    plural,
    power,
    span,
    unit_for,
)
from cosim.results.coverage import Coverage
from cosim.results.totals import (
    BatchSizes,
    Deployment,
    EnergyPerWork,
    GpuUse,
    PowerCapUse,
    RequestLatencies,
    RunTotals,
    ServingCarbon,
    ServingTotals,
    TokenCounts,
)
from inference_sim.deployment import ClusterConfig
from inference_sim.pool_config import PoolConfig


def site_rows(totals: RunTotals) -> Iterator[tuple[str, str]]:
    """Yield the rows of a site: work, latency, energy, carbon, battery and grid."""
    if isinstance(totals, ServingTotals):
        yield "Work", work(totals)
        yield "Latency", _latency(totals.latency_s)
        if totals.slo.attainment is not None:
            yield "SLO", _slo(totals.slo.attainment, totals.slo.by_class)
        yield "GPUs", _gpus(totals.gpu, totals.batch)
        if totals.power_cap is not None:
            yield "Cap", _power_cap(totals.power_cap)
    yield "Energy", energy_balance(totals.energy_kwh)
    if isinstance(totals, ServingTotals) and totals.energy_per_work.wh_per_request is not None:
        yield "", _per_work(totals.energy_per_work)
    yield from carbon_rows(totals)
    if totals.battery is not None:
        yield "Battery", _battery(totals.battery, totals.energy_kwh.battery_loss)
    if totals.grid is not None:
        yield "Grid", _grid(totals.grid)
    if totals.cost is not None:
        yield "Cost", f"{totals.cost.import_:z,.2f} {totals.cost.currency}"
    if totals.paper is not None:
        yield "Paper", _paper(totals.paper)


def deployments_of(cluster: ClusterConfig, totals: ServingTotals) -> Iterator[tuple[str, str]]:
    """Yield the deployment, or that of each of several pools and the requests that it served."""
    if totals.deployment is not None:
        pool = _pool(cluster.pools[0], totals.deployment, f"PUE {cluster.pue}, ")
        yield "Cluster", pool
        return
    of_pools = totals.pools or {}
    if of_pools:
        yield "Cluster", f"{len(of_pools)} pools, {cluster.gpus:,} GPUs, PUE {cluster.pue}"
    for pool_config in cluster.pools:
        if (found := of_pools.get(pool_config.name)) is None:
            continue
        yield "Pool", f"{pool_config.name}: {_pool(pool_config, found.deployment)}"
        if pool_config.role == "prefill":
            yield "", f"computed prompts for other pools; GPUs {number(found.gpu_kwh)} kWh"
        elif found.share is not None:
            per_token = found.gpu_j_per_output_token
            joules = "" if per_token is None else f", {number(per_token)} J per output token"
            yield (
                "",
                f"served {percent(found.share)} of the requests; GPUs {number(found.gpu_kwh)} kWh"
                f"{joules}",
            )
    if (transfers := totals.transfers) is not None and transfers.mean_s is not None:
        yield (
            "Transfer",
            f"{transfers.count:,} of KV between pools, {latency(transfers.mean_s)} each on average "
            "after the prefill",
        )
    for name, scores in (totals.quality or {}).items():
        yield (
            "Quality",
            f"{name}: " + ", ".join(f"{key} {number(at)}" for key, at in scores.items()),
        )


def _pool(pool: PoolConfig, described: Deployment, facility: str = "") -> str:
    """Return a pool, and its uncalibrated parts."""
    host = f"{pool.host_power_w:g} W per GPU" if pool.host_power_w else "left out"
    reasons = [
        f"; {part} uncalibrated: {reason}"
        for part, reason in (
            ("timing", described.uncalibrated),
            ("power", described.power_uncalibrated),
        )
        if reason
    ]
    return (
        f"{pool.model.name} on {pool.gpus:,} x {pool.gpu.name}, {pool.scheduler_name} "
        f"scheduler, {facility}host power {host}{_host_memory(pool)}" + "".join(reasons)
    )


def _host_memory(pool: PoolConfig) -> str:
    offload = pool.kv_offload
    if offload is None:
        return ""
    return f", {offload.host_gib:g} GiB of host memory behind each KV cache"


def work(totals: ServingTotals) -> str:
    """Return the requests that arrived and their outcome."""
    requests, tokens = totals.requests, totals.tokens
    parts = [f"{requests.arrived:,} requests arrived", f"{requests.completed:,} completed"]
    if reasons := ", ".join(reason.replace("_", " ") for reason in totals.rejections):
        parts.append(f"{requests.rejected:,} rejected ({reasons})")
    if requests.timed_out:
        parts.append(f"{requests.timed_out:,} timed out")
    if requests.retried:
        parts.append(f"{requests.retried:,} sent again")
    left = (("waiting", requests.waiting), ("running", requests.running))
    parts += [f"{amount:,} {name}" for name, amount in left if amount]
    if requests.preemptions:
        parts.append(plural(requests.preemptions, "preemption"))
    if requests.cut_sessions:
        parts.append(f"{plural(requests.cut_sessions, 'session')} ended before max_model_len")
    return (
        ", ".join(parts)
        + f"; {count(tokens.prompt)} prompt and {count(tokens.output)} output tokens"
        + _cached(tokens)
    )


def _cached(tokens: TokenCounts) -> str:
    """Return the shares of prompts found in KV caches and loaded; empty where none was."""
    if not tokens.reused:
        return ""
    whole = tokens.prefills
    text = f"; {percent((tokens.cached or 0) / whole, 1)} of the prompts found in KV caches"
    if tokens.loaded is not None:
        text += f", {percent(tokens.loaded / whole, 1)} loaded from host memory"
    return text


def _latency(latencies: RequestLatencies) -> str:
    titled = (
        ("first token", latencies.ttft),
        ("per output token", latencies.tpot),
        ("whole request", latencies.e2e),
    )
    parts = [
        f"{title} {latency(marks.p50)} (p99 {latency(marks.p99)})"
        for title, marks in titled
        if marks is not None
    ]
    return "median " + ", ".join(parts) if parts else "no request completed"


def _slo(attainment: float, by_class: Mapping[str, float | None]) -> str:
    each = ", ".join(
        f"{name} {exact_percent(share)}" for name, share in by_class.items() if share is not None
    )
    return f"met by {exact_percent(attainment)} of requests ({each})"


def _gpus(gpu: GpuUse, batch: BatchSizes | None) -> str:
    text = (
        f"{gpu.count:,} x {gpu.power_mean_w:,.0f} W on average, busy {percent(gpu.busy_fraction)}, "
        f"MFU {percent(gpu.mfu_mean, 1)}"
    )
    if batch is not None:
        text += f"; batch {batch.mean:.1f} on average, {batch.max} at most"
    return text


def _power_cap(cap: PowerCapUse) -> str:
    clock, over = cap.clock_mean, cap.over_cap_fraction
    text = "power cap: " + ("no load" if clock is None else f"clock {percent(clock)} on average")
    if over > 0:
        text += (
            f"; not held for {percent(max(over, 0.0001), 2)} of the time: the clock was at its "
            "lowest, or the cap had just come down"
        )
    return text


def _battery(battery: BatteryUse, loss_kwh: float) -> str:
    return (
        f"state of charge {percent(battery.soc_mean)} on average "
        f"({percent(battery.soc_min)} to {percent(battery.soc_max)}), "
        f"{battery.cycles:,.2f} full cycles, {energy(loss_kwh)} lost"
    )


def _grid(grid: GridUse) -> str:
    text = (
        f"{grid.ci_mean_g_per_kwh:z.0f} g/kWh on average (10th to 90th percentile "
        f"{grid.ci_p10:z.0f} to {grid.ci_p90:z.0f}), at most {power(grid.peak_import_w)} drawn"
    )
    if grid.self_sufficiency > -0.005:
        text += f", {percent(grid.self_sufficiency)} self-sufficient"
    else:  # the battery took more from the grid than it gave back: not a share
        text += "; more imported than used, since the battery was charged from the grid"
    if grid.marginal_ci_mean_g_per_kwh is not None:
        text += f"; marginal {grid.marginal_ci_mean_g_per_kwh:z.0f} g/kWh on average"
    return text


def energy_balance(used: Energy) -> str:
    """Return where the energy came from."""
    unit = unit_for("kWh", max(abs(used.facility), 1e-3))
    scale = 1 / unit.size
    terms = f"{used.import_ * scale:z,.2f} from the grid"
    if used.solar:
        terms += f" + {used.solar_used * scale:z,.2f} of solar"
    stored = used.battery_charge - used.battery_discharge
    if abs(stored) > 1e-9:
        kept = "- {:,.2f} into the battery" if stored > 0 else "+ {:,.2f} from the battery"
        terms += " " + kept.format(abs(stored) * scale)
    exported = f"; {used.export * scale:z,.2f} of solar exported" if used.export else ""
    return f"{used.facility * scale:z,.2f} {unit.name} used = {terms}{exported}"


def _per_work(used: EnergyPerWork) -> str:
    """Return the facility's energy per unit of work."""
    text = f"{number(used.wh_per_request or 0.0)} Wh per request"
    if used.j_per_output_token is not None:
        text += f", {number(used.j_per_output_token)} J per output token"
    return text


def carbon_rows(totals: RunTotals) -> Iterator[tuple[str, str]]:
    """Yield the emissions, by one intensity or by two."""
    used = totals.energy_kwh
    has_supply = bool(used.solar or used.battery_charge or used.battery_discharge)
    yield "Carbon", _carbon(totals.carbon_g, has_supply=has_supply)
    if totals.marginal_carbon_g is not None:
        yield "", _carbon(totals.marginal_carbon_g, has_supply=has_supply)
    if isinstance(totals, ServingTotals) and totals.coverage is not None:
        yield "Band", _coverage(totals.coverage, totals.deployment)


def _carbon(carbon: Carbon, *, has_supply: bool) -> str:
    """Return emissions in words; `has_supply`: whether there is solar or a battery."""
    text = f"{mass(carbon.import_)} from grid imports ({carbon.kind} intensity)"
    if has_supply:
        text += f"; would be {mass(carbon.gross)} with no solar or battery"
    if carbon.embodied:
        text += f"; {mass(carbon.embodied)} embodied; total {mass(carbon.total)}"
    if isinstance(carbon, ServingCarbon) and carbon.per_request is not None:
        text += f" = {mass(carbon.per_request)} per request"
        if carbon.per_1k_output_tokens is not None:
            text += f", {mass(carbon.per_1k_output_tokens)} per 1,000 output tokens"
    return text


def _coverage(coverage: Coverage, described: Deployment | None) -> str:
    """Return the band, or why there is none, and the calibrated share of the energy.

    Parts that are uncalibrated stand with the deployment already.
    """
    share = f"{percent(coverage.calibrated)} of GPU and host energy calibrated"
    if coverage.energy_kwh is None or coverage.carbon_g is None:
        told = described is None or described.uncalibrated or described.power_uncalibrated
        reason = "" if told else f": {coverage.not_calibrated}"
        hosts = ", that of the hosts" if described is not None and coverage.calibrated else ""
        return f"none, because not calibrated{reason}; {share}{hosts}"
    energy_band = span("kWh", coverage.energy_kwh.low, coverage.energy_kwh.high)
    carbon_band = span("g", coverage.carbon_g.low, coverage.carbon_g.high)
    return f"{energy_band} and {carbon_band}, by the errors of 9 in 10 measured runs; {share}"


def _paper(paper: PaperTable2) -> str:
    text = (
        f"by the paper's definitions: demand {paper.demand_kwh:,.2f} kWh, solar "
        f"{paper.solar_kwh:,.2f} kWh, grid {paper.grid_kwh:,.2f} kWh, renewable share "
        f"{percent(paper.renewable_share, 1)}, emissions {paper.total_emissions_kg:,.2f} kg, "
        f"offset {paper.offset_kg:,.2f} kg, net {paper.net_g:z,.1f} g"
    )
    shares = {
        "SoC": paper.soc_mean,
        "charging": paper.charging,
        "discharging": paper.discharging,
        "idle": paper.idle,
    }
    if paper.cycles is not None:
        known = ((name, share) for name, share in shares.items() if share is not None)
        text += "; " + ", ".join(f"{name} {percent(share, 1)}" for name, share in known)
        text += f", {paper.cycles:.2f} cycles"
    return text
