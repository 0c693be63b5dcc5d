"""The totals of a site, in rows of a title and its text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cosim.accounting.energy import BatteryUse, Carbon, Energy, GridUse
from cosim.accounting.paper import PaperTable2
from cosim.commands.printing.quantities import (
    count_text,
    energy_text,
    latency_text,
    mass,
    plural,
    power_text,
)
from cosim.results.totals import (
    BatchSizes,
    Deployment,
    GpuUse,
    PowerCapUse,
    RequestLatencies,
    RunTotals,
    ServingCarbon,
    ServingTotals,
)
from inference_sim.deployment import ClusterConfig


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
    yield from carbon_rows(totals)
    if totals.battery is not None:
        yield "Battery", _battery(totals.battery, totals.energy_kwh.battery_loss)
    if totals.grid is not None:
        yield "Grid", _grid(totals.grid)
    if totals.cost is not None:
        yield "Cost", f"{totals.cost.import_:,.2f} {totals.cost.currency}"
    if totals.paper is not None:
        yield "Paper", _paper(totals.paper)


def deployment(cluster: ClusterConfig, described: Deployment) -> str:
    """Return what serves, and what of it is uncalibrated."""
    pool = cluster.pool
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
        f"{pool.model.name} on {pool.gpus} x {pool.gpu.name}, {pool.scheduler} "
        f"scheduler, PUE {cluster.pue}, host power {host}" + "".join(reasons)
    )


def work(totals: ServingTotals) -> str:
    """Return what was asked for and what was done."""
    requests, tokens = totals.requests, totals.tokens
    parts = [f"{requests.arrived:,} requests arrived", f"{requests.completed:,} completed"]
    if reasons := ", ".join(reason.replace("_", " ") for reason in totals.rejections):
        parts.append(f"{requests.rejected:,} rejected ({reasons})")
    left = (("waiting", requests.waiting), ("running", requests.running))
    parts += [f"{count:,} {name}" for name, count in left if count]
    if requests.preemptions:
        parts.append(plural(requests.preemptions, "preemption"))
    return (
        ", ".join(parts)
        + f"; {count_text(tokens.prompt)} prompt and "
        + (f"{count_text(tokens.output)} output tokens")
    )


def _latency(latency: RequestLatencies) -> str:
    titled = (
        ("first token", latency.ttft),
        ("per output token", latency.tpot),
        ("whole request", latency.e2e),
    )
    parts = [
        f"{title} {latency_text(marks.p50)} (p99 {latency_text(marks.p99)})"
        for title, marks in titled
        if marks is not None
    ]
    return "median " + ", ".join(parts) if parts else "no request completed"


def _slo(attainment: float, by_class: Mapping[str, float | None]) -> str:
    each = ", ".join(f"{name} {share:.1%}" for name, share in by_class.items() if share is not None)
    return f"met by {attainment:.1%} of requests ({each})"


def _gpus(gpu: GpuUse, batch: BatchSizes | None) -> str:
    text = (
        f"{gpu.count} x {gpu.power_mean_w:.0f} W on average, busy {gpu.busy_fraction:.0%}, "
        f"MFU {gpu.mfu_mean:.1%}"
    )
    if batch is not None:
        text += f"; batch {batch.mean:.1f} on average, {batch.max} at most"
    return text


def _power_cap(cap: PowerCapUse) -> str:
    clock, over = cap.clock_mean, cap.over_cap_fraction
    text = "power cap: " + ("no load" if clock is None else f"clock {clock:.0%} on average")
    if over > 0:
        text += (
            f"; not held for {max(over, 0.0001):.2%} of the time: the clock was at its lowest, or "
            "the cap had just come down"
        )
    return text


def _battery(battery: BatteryUse, loss_kwh: float) -> str:
    return (
        f"state of charge {battery.soc_mean:.0%} on average "
        f"({battery.soc_min:.0%} to {battery.soc_max:.0%}), "
        f"{battery.cycles:.2f} full cycles, {energy_text(loss_kwh)} lost"
    )


def _grid(grid: GridUse) -> str:
    text = (
        f"{grid.ci_mean_g_per_kwh:.0f} g/kWh on average (10th to 90th percentile "
        f"{grid.ci_p10:.0f} to {grid.ci_p90:.0f}), at most {power_text(grid.peak_import_w)} drawn, "
        f"{grid.self_sufficiency:.0%} self-sufficient"
    )
    if grid.marginal_ci_mean_g_per_kwh is not None:
        text += f"; marginal {grid.marginal_ci_mean_g_per_kwh:.0f} g/kWh on average"
    return text


def energy_balance(energy: Energy) -> str:
    """Return where the energy came from."""
    unit, scale = ("kWh", 1.0) if energy.facility >= 1 else ("Wh", 1000.0)
    terms = f"{energy.import_ * scale:.2f} from the grid"
    if energy.solar:
        terms += f" + {energy.solar_used * scale:.2f} of solar"
    stored = energy.battery_charge - energy.battery_discharge
    if abs(stored) > 1e-9:
        kept = "- {:.2f} into the battery" if stored > 0 else "+ {:.2f} from the battery"
        terms += " " + kept.format(abs(stored) * scale)
    exported = f"; {energy.export * scale:.2f} of solar exported" if energy.export else ""
    return f"{energy.facility * scale:.2f} {unit} used = {terms}{exported}"


def carbon_rows(totals: RunTotals) -> Iterator[tuple[str, str]]:
    """Yield the emissions, by one intensity or by two."""
    yield "Carbon", _carbon(totals.carbon_g)
    if totals.marginal_carbon_g is not None:
        yield "", _carbon(totals.marginal_carbon_g)


def _carbon(carbon: Carbon) -> str:
    text = (
        f"{mass(carbon.import_)} for the grid's share ({carbon.kind} intensity), "
        f"{mass(carbon.gross)} had all come from the grid"
    )
    if carbon.embodied:
        text += f"; {mass(carbon.embodied)} embodied; total {mass(carbon.total)}"
    if isinstance(carbon, ServingCarbon) and carbon.per_request is not None:
        text += f" = {mass(carbon.per_request)} per request"
        if carbon.per_1k_output_tokens is not None:
            text += f", {mass(carbon.per_1k_output_tokens)} per 1,000 output tokens"
    return text


def _paper(paper: PaperTable2) -> str:
    text = (
        f"by the paper's definitions: demand {paper.demand_kwh:.2f} kWh, solar "
        f"{paper.solar_kwh:.2f} kWh, grid {paper.grid_kwh:.2f} kWh, renewable share "
        f"{paper.renewable_share:.1%}, emissions {paper.total_emissions_kg:.2f} kg, offset "
        f"{paper.offset_kg:.2f} kg, net {paper.net_g:.1f} g"
    )
    if paper.cycles is not None:
        text += (
            f"; SoC {paper.soc_mean:.1%}, charging {paper.charging:.1%}, discharging "
            f"{paper.discharging:.1%}, idle {paper.idle:.1%}, {paper.cycles:.2f} cycles"
        )
    return text
