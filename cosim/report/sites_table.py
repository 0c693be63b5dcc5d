"""The sites of a run side by side: which one uses and emits how much."""

from __future__ import annotations

from collections.abc import Callable

from cosim.accounting.words import aligned, exact_percent, unit_for
from cosim.report.page import table
from cosim.results.summary import Summary
from cosim.results.totals import RunTotals, ServingTotals


def sites_table(summary: Summary) -> str:
    """Return the table of the sites of a run, a row for each."""
    sites = list(summary.sites.values())
    columns: list[tuple[str, list[str]]] = [("site", list(summary.sites))]
    for label, unit, figure in _FIGURES:
        values = [figure(site) for site in sites]
        shown = unit_for(unit, max(map(abs, values)))
        columns.append((f"{label} [{shown.name}]", aligned(value / shown.size for value in values)))
    columns.append(("self-sufficient", [_self_sufficiency(site) for site in sites]))
    serving = [site for site in sites if isinstance(site, ServingTotals)]
    if any(site.slo.attainment is not None for site in serving):
        columns.append(("SLO attainment", [_attainment(site) for site in sites]))
    if serving:
        columns.append(("requests completed", [_completed(site) for site in sites]))
    head = [label for label, _ in columns]
    rows = list(zip(*(cells for _, cells in columns), strict=True))
    return table(head, rows, numbers=list(range(1, len(head))), named=True, whole=True)


def _intensity(site: RunTotals) -> float:
    return site.grid.ci_mean_g_per_kwh if site.grid is not None else float("nan")


_FIGURES: tuple[tuple[str, str, Callable[[RunTotals], float]], ...] = (
    ("emissions", "g", lambda site: site.carbon_g.total),
    ("carbon intensity", "g/kWh", _intensity),
    ("energy used", "kWh", lambda site: site.energy_kwh.facility),
    ("from the grid", "kWh", lambda site: site.energy_kwh.import_),
)
"""Columns of numbers: label, unit, and the figure of a site."""


def _self_sufficiency(site: RunTotals) -> str:
    return "–" if site.grid is None else exact_percent(site.grid.self_sufficiency)


def _attainment(site: RunTotals) -> str:
    met = site.slo.attainment if isinstance(site, ServingTotals) else None
    return "–" if met is None else exact_percent(met)


def _completed(site: RunTotals) -> str:
    if not isinstance(site, ServingTotals):
        return "–"
    return f"{site.requests.completed:,}"
