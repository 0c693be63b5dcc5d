"""What a site's section of the summary says, in rows of a title and its text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cosim.commands.printing.quantities import (
    count_text,
    energy_text,
    latency_text,
    mass,
    plural,
    power_text,
)
from inference_sim.deployment import ClusterConfig

_MARGINAL = "marginal_ci_mean_g_per_kwh"


def site_rows(section: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the rows of a site: work, latency, energy, carbon, battery and grid."""
    if "requests" in section:
        yield "Work", work(section)
        yield "Latency", _latency(section["latency_s"])
        if section["slo"]["attainment"] is not None:
            yield "SLO", _slo(section["slo"])
        yield "GPUs", _gpus(section)
        if "power_cap" in section:
            yield "Cap", _power_cap(section["power_cap"])
    yield "Energy", energy_balance(section["energy_kwh"])
    yield from carbon_rows(section)
    if section["battery"] is not None:
        battery = section["battery"]
        yield (
            "Battery",
            f"state of charge {battery['soc_mean']:.0%} on average "
            f"({battery['soc_min']:.0%} to {battery['soc_max']:.0%}), "
            f"{battery['cycles']:.2f} full cycles, "
            f"{energy_text(section['energy_kwh']['battery_loss'])} lost",
        )
    grid = section["grid"]
    yield (
        "Grid",
        f"{grid['ci_mean_g_per_kwh']:.0f} g/kWh on average (10th to 90th percentile "
        f"{grid['ci_p10']:.0f} to {grid['ci_p90']:.0f}), at most "
        f"{power_text(grid['peak_import_w'])} drawn, "
        f"{grid['self_sufficiency']:.0%} self-sufficient"
        + (f"; marginal {grid[_MARGINAL]:.0f} g/kWh on average" if _MARGINAL in grid else ""),
    )
    if "cost" in section:
        yield "Cost", f"{section['cost']['import']:,.2f} {section['cost']['currency']}"
    if "paper" in section:
        yield "Paper", _paper(section["paper"])


def deployment(cluster: ClusterConfig, described: dict[str, str]) -> str:
    """Return what serves, and what of it is uncalibrated."""
    pool = cluster.pool
    host = f"{pool.host_power_w:g} W per GPU" if pool.host_power_w else "left out"
    reasons = [
        f"; {what} uncalibrated: {described[key]}"
        for what, key in (("timing", "uncalibrated"), ("power", "power_uncalibrated"))
        if described[key]
    ]
    return (
        f"{pool.model.name} on {pool.gpus} x {pool.gpu.name}, {pool.scheduler} "
        f"scheduler, PUE {cluster.pue}, host power {host}" + "".join(reasons)
    )


def work(section: dict[str, Any]) -> str:
    """Return what was asked for and what was done."""
    requests, tokens = section["requests"], section["tokens"]
    parts = [f"{requests['arrived']:,} requests arrived", f"{requests['completed']:,} completed"]
    if reasons := ", ".join(reason.replace("_", " ") for reason in section["rejections"]):
        parts.append(f"{requests['rejected']:,} rejected ({reasons})")
    parts += [f"{requests[name]:,} {name}" for name in ("waiting", "running") if requests[name]]
    if requests["preemptions"]:
        parts.append(plural(requests["preemptions"], "preemption"))
    return (
        ", ".join(parts)
        + f"; {count_text(tokens['prompt'])} prompt and "
        + (f"{count_text(tokens['output'])} output tokens")
    )


def _latency(latency: dict[str, Any]) -> str:
    names = {"ttft": "first token", "tpot": "per output token", "e2e": "whole request"}
    parts = [
        f"{title} {latency_text(latency[name]['p50'])} (p99 {latency_text(latency[name]['p99'])})"
        for name, title in names.items()
        if latency[name]
    ]
    return "median " + ", ".join(parts) if parts else "no request completed"


def _slo(slo: dict[str, Any]) -> str:
    each = ", ".join(
        f"{name} {share:.1%}" for name, share in slo["by_class"].items() if share is not None
    )
    return f"met by {slo['attainment']:.1%} of requests ({each})"


def _gpus(section: dict[str, Any]) -> str:
    gpu, batch = section["gpu"], section["batch"]
    return (
        f"{gpu['count']} x {gpu['power_mean_w']:.0f} W on average, busy "
        f"{gpu['busy_fraction']:.0%}, MFU {gpu['mfu_mean']:.1%}; batch {batch['mean']:.1f} "
        f"on average, {batch['max']} at most"
    )


def _power_cap(cap: dict[str, float | None]) -> str:
    clock, over = cap["clock_mean"], cap["over_cap_fraction"] or 0.0
    text = "power cap: " + ("no load" if clock is None else f"clock {clock:.0%} on average")
    if over > 0:
        text += (
            f"; not held for {max(over, 0.0001):.2%} of the time: the clock was at its lowest, or "
            "the cap had just come down"
        )
    return text


def energy_balance(energy: dict[str, float]) -> str:
    """Return where the energy came from."""
    unit, scale = ("kWh", 1.0) if energy["facility"] >= 1 else ("Wh", 1000.0)
    terms = f"{energy['import'] * scale:.2f} from the grid"
    if energy["solar"]:
        terms += f" + {energy['solar_used'] * scale:.2f} of solar"
    stored = energy["battery_charge"] - energy["battery_discharge"]
    if abs(stored) > 1e-9:
        kept = "- {:.2f} into the battery" if stored > 0 else "+ {:.2f} from the battery"
        terms += " " + kept.format(abs(stored) * scale)
    exported = f"; {energy['export'] * scale:.2f} of solar exported" if energy["export"] else ""
    return f"{energy['facility'] * scale:.2f} {unit} used = {terms}{exported}"


def carbon_rows(section: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the emissions, by one intensity or by two."""
    for name, title in (("carbon_g", "Carbon"), ("marginal_carbon_g", "")):
        if name in section:
            yield title, _carbon(section[name])


def _carbon(carbon: dict[str, Any]) -> str:
    text = (
        f"{mass(carbon['import'])} for the grid's share ({carbon['kind']} intensity), "
        f"{mass(carbon['gross'])} had all come from the grid"
    )
    if carbon["embodied"]:
        text += f"; {mass(carbon['embodied'])} embodied; total {mass(carbon['total'])}"
    if carbon.get("per_request") is not None:
        text += (
            f" = {mass(carbon['per_request'])} per request, "
            f"{mass(carbon['per_1k_output_tokens'])} per 1,000 output tokens"
        )
    return text


def _paper(paper: dict[str, float | None]) -> str:
    text = (
        f"by the paper's definitions: demand {paper['demand_kwh']:.2f} kWh, solar "
        f"{paper['solar_kwh']:.2f} kWh, grid {paper['grid_kwh']:.2f} kWh, renewable share "
        f"{paper['renewable_share']:.1%}, emissions {paper['total_emissions_kg']:.2f} kg, offset "
        f"{paper['offset_kg']:.2f} kg, net {paper['net_g']:.1f} g"
    )
    if paper["cycles"] is not None:
        text += (
            f"; SoC {paper['soc_mean']:.1%}, charging {paper['charging']:.1%}, discharging "
            f"{paper['discharging']:.1%}, idle {paper['idle']:.1%}, {paper['cycles']:.2f} cycles"
        )
    return text
