"""A run by the hour of the day and by the month, as tables of the page and as CSV files.

Hours and months are those of the clock of each site.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cosim.accounting.energy import J_PER_KWH
from cosim.accounting.words import aligned, exact_percent, unit_for
from cosim.errors import CosimError
from cosim.report.clock import Clock, site_clocks
from cosim.report.local_hours import DAY_S, HOUR_S, HOURS, LocalHours
from cosim.report.page import table
from cosim.report.run_data import RunData
from cosim.report.slo_by_month import slo_by_month
from cosim.results.files import put_text
from cosim.results.totals import ServingTotals
from inference_sim.arrays import FloatArray

BY_HOUR, BY_MONTH = "by_hour.csv", "by_month.csv"
_MONTHS_FROM_S = 31 * DAY_S

_SHOWN = {
    "load_w": ("load", "W"),
    "import_w": ("grid import", "W"),
    "solar_w": ("solar", "W"),
    "facility_kwh": ("energy used", "kWh"),
    "import_kwh": ("grid import", "kWh"),
    "solar_kwh": ("solar", "kWh"),
    "carbon_intensity_g_per_kwh": ("carbon intensity", "g/kWh"),
    "import_carbon_g": ("emissions", "g"),
    "import_carbon_g_per_h": ("emissions", "g/h"),
    "completed_per_h": ("requests completed", "1/h"),
    "completed": ("requests completed", ""),
    "slo_attainment": ("SLO attainment", "%"),
}
"""Columns: their quantity and unit."""


@dataclass(frozen=True, slots=True, eq=False)
class SiteTables:
    """Tables of one site.

    Attributes:
        run: The run.
        site: The site.
        clock: Its clock.
    """

    run: RunData
    site: str
    clock: Clock

    @property
    def _columns(self) -> Mapping[str, FloatArray]:
        return self.run.steps[self.site]

    @property
    def has_hours(self) -> bool:
        """Whether the run is long enough, and its steps short enough, for hours of the day."""
        return self._length_s > DAY_S and self.run.step_s <= HOUR_S

    @property
    def has_months(self) -> bool:
        """Whether the run is long enough for months."""
        return self._length_s > _MONTHS_FROM_S

    @property
    def _length_s(self) -> float:
        return len(self._columns["time_s"]) * self.run.step_s

    def hours(self) -> LocalHours:
        """Return the hour and the day of each step."""
        count = len(self._columns["time_s"])
        return LocalHours.of(self.run.start, self.run.step_s, count, self.clock)

    def by_hour(self) -> pd.DataFrame:
        """Return a row for each hour of the day, of means over the days."""
        hours, columns = self.hours(), self._columns
        frame = pd.DataFrame({"hour": np.arange(HOURS)})
        frame["load_w"] = hours.by_hour(columns["facility_power_w"])
        frame["import_w"] = hours.by_hour(columns["import_w"])
        frame["solar_w"] = hours.by_hour(columns["solar_w"])
        intensity = columns["carbon_intensity_g_per_kwh"]
        frame["carbon_intensity_g_per_kwh"] = hours.by_hour(intensity)
        each_h = self.run.step_s / HOUR_S
        frame["import_carbon_g_per_h"] = hours.by_hour(self._emissions_g() / each_h)
        if "completed" in columns:
            frame["completed_per_h"] = hours.by_hour(columns["completed"] / each_h)
        return frame.dropna(subset="load_w")

    def by_month(self) -> pd.DataFrame:
        """Return a row for each month: sums, the mean intensity and the SLO attainment."""
        hours, columns = self.hours(), self._columns
        frame = pd.DataFrame({"month": [f"{month:%Y-%m}" for month in hours.months]})
        for name, column in (
            ("facility_kwh", "facility_power_w"),
            ("import_kwh", "import_w"),
            ("solar_kwh", "solar_w"),
        ):
            frame[name] = hours.sums_by_month(columns[column]) * self.run.step_s / J_PER_KWH
        intensity = columns["carbon_intensity_g_per_kwh"]
        frame["carbon_intensity_g_per_kwh"] = hours.by_month(intensity)
        frame["import_carbon_g"] = hours.sums_by_month(self._emissions_g())
        if "completed" in columns:
            frame["completed"] = hours.sums_by_month(columns["completed"]).astype(np.int64)
            attainment = slo_by_month(self.run, self.site, hours.month, len(frame))
            if attainment is not None:
                frame["slo_attainment"] = attainment
        return frame

    def in_all(self, months: pd.DataFrame) -> pd.DataFrame:
        """Return the row below the months: their sums, and the means of the run."""
        row = months.sum(numeric_only=True)
        totals = self.run.summary.sites[self.site]
        if totals.grid is not None:
            row["carbon_intensity_g_per_kwh"] = totals.grid.ci_mean_g_per_kwh
        if "slo_attainment" in months and isinstance(totals, ServingTotals):
            attainment = totals.slo.attainment
            row["slo_attainment"] = np.nan if attainment is None else attainment
        return row.to_frame().T.reindex(columns=months.columns)

    def _emissions_g(self) -> FloatArray:
        """Return the emissions of the import in each step [g]."""
        columns = self._columns
        energy_kwh = columns["import_w"] * self.run.step_s / J_PER_KWH
        return energy_kwh * columns["carbon_intensity_g_per_kwh"]


def site_tables(run: RunData) -> list[SiteTables]:
    """Return the tables of each site."""
    clocks = site_clocks(run.scenario["sites"])
    return [SiteTables(run, name, clocks[name]) for name in run.summary.sites]


def hours_table(tables: SiteTables) -> str:
    """Return the table of a site by hour of the day."""
    frame = tables.by_hour()
    return _table("hour", [f"{hour:02d}:00" for hour in frame["hour"]], frame)


def months_table(tables: SiteTables) -> str:
    """Return the table of a site by month."""
    frame = tables.by_month()
    names = [f"{pd.Timestamp(month):%b %Y}" for month in frame["month"]]
    return _table("month", [*names, "in all"], pd.concat([frame, tables.in_all(frame)]))


def _table(first: str, names: list[str], frame: pd.DataFrame) -> str:
    head, columns = [first], [names]
    for name in frame.columns[1:]:
        quantity, unit = _SHOWN[name]
        values = frame[name].to_numpy(np.float64)
        if name.startswith("solar") and not np.nan_to_num(values).any():
            continue
        if name == "slo_attainment":
            head.append(quantity)
            columns.append(["–" if np.isnan(value) else exact_percent(value) for value in values])
            continue
        shown = unit_for(unit, float(np.nan_to_num(np.abs(values)).max()))
        head.append(f"{quantity} [{shown.name}]" if shown.name else quantity)
        columns.append(aligned(values / shown.size, whole=name == "completed"))
    rows = list(zip(*columns, strict=True))
    return table(head, rows, numbers=list(range(1, len(head))), named=True, whole=True)


def write_tables(run: RunData, folder: Path) -> list[Path]:
    """Write the tables of all sites as CSV files into a result folder, and return the files.

    Raises:
        CosimError: If the run is too short to have any.
    """
    paths = []
    sites = site_tables(run)
    for name, frames in (
        (BY_HOUR, {site: site.by_hour() for site in sites if site.has_hours}),
        (BY_MONTH, {site: site.by_month() for site in sites if site.has_months}),
    ):
        for site, frame in frames.items():
            frame.insert(0, "site", site.site)
            frame.insert(1, "timezone", site.clock.name)
        if frames:
            text = pd.concat(frames.values()).to_csv(index=False, lineterminator="\n")
            put_text(folder / name, text)
            paths.append(folder / name)
    if not paths:
        raise CosimError(
            "this run has no tables by hour or month: it must be longer than a day, in steps of "
            "an hour at most"
        )
    return paths
