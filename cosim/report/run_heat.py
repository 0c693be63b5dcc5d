"""The heat maps of a long run: intensity, load, import and more by hour and day."""

from __future__ import annotations

import numpy as np

from cosim.report.heat_map import HeatMap, varies
from cosim.report.local_hours import DAY_S
from cosim.report.run_tables import SiteTables

_FROM_S = 14 * DAY_S
_MAPS = (
    ("carbon_intensity_g_per_kwh", "Carbon intensity of the grid", "g/kWh", False),
    ("facility_power_w", "Load", "W", True),
    ("solar_w", "Solar power", "W", True),
    ("import_w", "Grid import", "W", True),
    ("deferrable_waiting", "Deferred requests", "requests", True),
)
"""Columns that have a heat map: title, unit, and whether colours begin at 0."""


def heat_maps(tables: SiteTables, suffix: str) -> list[HeatMap]:
    """Return the heat maps of a site, of all that varies; none for a run of two weeks or less.

    Args:
        tables: Tables of the site.
        suffix: Suffix of the keys of the charts.
    """
    columns = tables.run.steps[tables.site]
    if not tables.has_hours or len(columns["time_s"]) * tables.run.step_s <= _FROM_S:
        return []
    hours = tables.hours()
    maps = []
    for name, title, unit, zero in _MAPS:
        if name not in columns or not np.nan_to_num(columns[name]).any():
            continue
        cells = hours.cells(columns[name])
        if varies(cells):
            key = f"hours-{name.split('_')[0]}{suffix}"
            chart = HeatMap(
                key, title, title.lower(), unit, hours.first_day, cells, tables.clock, zero=zero
            )
            maps.append(chart)
    return maps
