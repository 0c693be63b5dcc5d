"""The breakdown of energy and carbon, as bars: of one run, or of several beside each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cosim.report.charts import BarChart, bar_chart
from cosim.results.totals import RunTotals, ServingTotals


def energy_uses(site: RunTotals) -> dict[str, float]:
    """Return the energy of a site by use [kWh]; the parts add up to its consumption.

    A plain load has no parts.
    """
    energy = site.energy_kwh
    if not isinstance(site, ServingTotals):
        return {"load": energy.facility}
    uses = {
        f"GPUs, requests of class {name}": part.energy_kwh
        for name, part in site.attribution.by_class.items()
    }
    uses["GPUs, idle"] = site.attribution.idle.energy_kwh
    gpu, host = energy.gpu or 0.0, energy.host or 0.0
    uses["hosts"] = host
    uses["cooling and other overhead"] = energy.facility - gpu - host
    return uses


def energy_sources(site: RunTotals) -> dict[str, float]:
    """Return the energy of a site by source [kWh]."""
    energy = site.energy_kwh
    sources = {"grid": energy.import_, "solar, used": energy.solar_used}
    if energy.battery_charge or energy.battery_discharge:
        sources["out of the battery"] = energy.battery_discharge
        sources["into the battery"] = 0.0 - energy.battery_charge  # no zero below zero
    if energy.export:
        sources["exported"] = energy.export
    return sources


def carbon_sources(site: RunTotals) -> dict[str, float]:
    """Return the emissions of a site by source [g]; the parts add up to the total."""
    carbon = site.carbon_g
    if isinstance(site, ServingTotals):
        carbon_g = {
            f"requests of class {name}": part.carbon_g
            for name, part in site.attribution.by_class.items()
        }
        carbon_g["idle"] = site.attribution.idle.carbon_g
    else:
        carbon_g = {"load": carbon.import_}
    if carbon.embodied:
        carbon_g["hardware (embodied)"] = carbon.embodied
    return carbon_g


def breakdown_charts(runs: Mapping[str, Sequence[RunTotals]], suffix: str = "") -> list[BarChart]:
    """Return the bars of a site, or of all sites together.

    Args:
        runs: The totals of sites by name of the run.
        suffix: Suffix of the keys of the charts.
    """
    kinds = {site.carbon_g.kind for sites in runs.values() for site in sites}
    kind = kinds.pop() if len(kinds) == 1 else "mixed"
    drawn = [
        ("energy-use", "Energy by use", energy_uses, "energy", "kWh", ""),
        (
            "energy-source",
            "Energy by source",
            energy_sources,
            "energy",
            "kWh",
            "Energy into the battery is negative; exported energy is not part of the use.",
        ),
        (
            "carbon",
            "Carbon by source",
            carbon_sources,
            "emissions",
            "g CO2e",
            f"Of the electricity drawn from the grid, by {kind} intensity, and of the hardware; "
            "hosts and overhead are shared out with the GPUs' energy.",
        ),
    ]
    charts = []
    for key, title, parts, label, unit, note in drawn:
        groups = {name: _summed(parts, sites) for name, sites in runs.items()}
        named = dict.fromkeys(name for group in groups.values() for name in group)
        categories = [name for name in named if any(group.get(name) for group in groups.values())]
        if not categories:
            continue
        values = {
            name: [group.get(category, float("nan")) for category in categories]
            for name, group in groups.items()
        }
        if key == "energy-source" and "into the battery" not in categories:
            note = "" if "exported" not in categories else "Exported energy is not part of the use."
        charts.append(
            bar_chart(key + suffix, title, categories, values, label=label, unit=unit, note=note)
        )
    return charts


def _summed(
    parts: Callable[[RunTotals], dict[str, float]], sites: Sequence[RunTotals]
) -> dict[str, float]:
    total: dict[str, float] = {}
    for site in sites:
        for name, value in parts(site).items():
            total[name] = total.get(name, 0.0) + value
    return total
