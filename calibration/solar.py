"""A comparison of the built-in clear sky with pvlib, and with real days.

Two tables of docs/solar.md. `pvlib`: power every 5 minutes of a day, at five places in four
seasons, and at random places; the RMSE is relative to the day's peak. `days`: a file of Solcast's
with the power of an array in San Francisco, which may not be shipped.

Usage: ``python -m calibration.solar [FILE] [--write]`` (needs pvlib)
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from calibration.page import table, write_section
from cosim.scenario.solar import ClearSkySolar, PvlibSolar
from cosim.signals.csv_file import read_csv
from cosim.signals.place import Place
from cosim.signals.series import Series
from cosim.signals.solar import computed_solar
from inference_sim.arrays import FloatArray

PAGE = Path(__file__).resolve().parents[1] / "docs" / "solar.md"
DAY_S, STEP_S = 86400.0, 300.0
SEASONS = ("2023-03-20", "2023-06-21", "2023-09-22", "2023-12-21")
RANDOM_PLACES = 100
ENERGY_TARGET, RMSE_TARGET = 3.0, 5.0  # %
SAN_FRANCISCO = Place(37.78, -122.42)
CLEAR_DAYS = 5


@dataclass(frozen=True, slots=True)
class Site:
    """A place, and the orientation of an array there."""

    name: str
    place: Place
    tilt_deg: float
    azimuth_deg: float


FIVE = (
    Site("Berkeley", Place(37.87, -122.27, 50), 30, 180),
    Site("Stockholm", Place(59.33, 18.07, 30), 40, 180),
    Site("Quito", Place(-0.18, -78.47, 2850), 10, 0),
    Site("Sydney", Place(-33.87, 151.21, 40), 30, 0),
    Site("Ashburn", Place(39.04, -77.49, 90), 20, 90),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """Difference between the built-in clear sky and pvlib's on one day.

    Attributes:
        energy_kwh: Energy by pvlib, per kW of array.
        energy_percent: Excess energy of the built-in one.
        rmse_percent: Root mean square of the difference in power, relative to pvlib's peak.
    """

    energy_kwh: float
    energy_percent: float
    rmse_percent: float


def difference(site: Site, day: str) -> Difference:
    """Compare one day, from local solar midnight to the hour.

    Raises:
        SignalError: If pvlib is not installed.
    """
    midnight_s = datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
    start_s = midnight_s - 3600 * round(site.place.longitude / 15)
    keys = {"peak_power_w": 1000, "tilt_deg": site.tilt_deg, "azimuth_deg": site.azimuth_deg}
    built_in, by_pvlib = (
        computed_solar(config, start_s, start_s + DAY_S, site.place, 0).values
        for config in (
            ClearSkySolar(type="clear_sky", **keys),
            PvlibSolar(type="pvlib", **keys),
        )
    )
    rmse = float(np.sqrt(np.mean((built_in - by_pvlib) ** 2)))
    return Difference(
        energy_kwh=float(by_pvlib.sum()) * STEP_S / 3.6e6,
        energy_percent=100 * (float(built_in.sum() / by_pvlib.sum()) - 1),
        rmse_percent=100 * rmse / float(by_pvlib.max()),
    )


def random_sites(count: int = RANDOM_PLACES) -> list[Site]:
    """Return places drawn evenly over the Earth between 55 S and 65 N, facing the equator."""
    random = np.random.default_rng(6)
    heights = random.uniform(np.sin(np.radians(-55)), np.sin(np.radians(65)), count)
    latitudes, longitudes = np.degrees(np.arcsin(heights)), random.uniform(-180, 180, count)
    return [
        Site("", Place(float(lat), float(lon)), min(abs(float(lat)), 60), 180 if lat > 0 else 0)
        for lat, lon in zip(latitudes, longitudes, strict=True)
    ]


def pvlib_report() -> str:
    """Return the tables of the comparison with pvlib."""
    rows: list[list[object]] = []
    for site in FIVE:
        for day in SEASONS:
            compared = difference(site, day)
            cells = (
                f"{compared.energy_kwh:.2f}",
                f"{compared.energy_percent:+.1f}",
                compared.rmse_percent,
            )
            rows.append([site.name, day, *cells])
    five = table(["place", "day", "kWh per kW", "energy [%]", "RMSE [% of peak]"], rows)
    header = ["day", "energy, mean [%]", "90th percentile", "largest", "largest RMSE [%]"]
    head = (
        f"At {RANDOM_PLACES} random places between 55 S and 65 N, sea included, without the sign:"
    )
    spread = table([*header, "within 3 and 5 %"], [spread_row(day) for day in SEASONS])
    return "\n\n".join([five, head, spread])


def spread_row(day: str) -> list[object]:
    """Return the differences over random places on one day, as a row of the table."""
    differences = [difference(site, day) for site in random_sites()]
    energy = np.abs([compared.energy_percent for compared in differences])
    rmse = np.array([compared.rmse_percent for compared in differences])
    within = (energy < ENERGY_TARGET) & (rmse < RMSE_TARGET)
    marks = (np.mean(energy), np.quantile(energy, 0.9), energy.max(), rmse.max())
    return [day, *map(float, marks), f"{within.mean():.0%}"]


def clear_sky(series: Series, tilt_deg: float) -> FloatArray:
    """Return a clear sky's share of the peak in each interval of a file, without losses."""
    config = ClearSkySolar(type="clear_sky", peak_power_w=1, tilt_deg=tilt_deg, losses_fraction=0)
    sky = computed_solar(config, float(series.starts_s[0]), series.end_s, SAN_FRANCISCO, 0)
    return sky.values


def days_report(path: Path) -> str:
    """Return the tables of the comparison with real days.

    Raises:
        SignalError: If the file cannot be read.
    """
    series = read_csv(path, stamp="end")
    noon_s = 12 * 3600 - SAN_FRANCISCO.longitude / 15 * 3600
    day_of = np.floor((series.starts_s - noon_s + DAY_S / 2) / DAY_S).astype(int)
    counts = np.bincount(day_of - day_of[0])
    days = np.flatnonzero(counts == DAY_S / STEP_S) + day_of[0]
    measured = np.array([series.values[day_of == day] for day in days])
    rows: list[list[object]] = []
    best = (np.inf, measured)
    for tilt_deg in (0, 10, 20, 30, 40):
        sky = clear_sky(series, tilt_deg)
        clear = np.array([sky[day_of == day] for day in days])
        # The clearest days are those whose power jumps least, whatever the array.
        rough = np.abs(np.diff(measured, axis=1)).sum(axis=1) / measured.max(axis=1)
        calm = np.argsort(rough)[:CLEAR_DAYS]
        ratio = measured[calm].sum() / clear[calm].sum()
        rmse = float(np.sqrt(np.mean((measured[calm] - clear[calm]) ** 2)) / measured[calm].max())
        ratio_all = measured.sum() / clear.sum()
        rows.append([tilt_deg, f"{ratio:.3f}", 100 * rmse, f"{ratio_all:.3f}"])
        if rmse < best[0]:
            best = (rmse, clear)
    tilts = table(
        ["tilt [deg]", f"{CLEAR_DAYS} clearest days", "their RMSE [% of peak]", "all days"], rows
    )
    return "\n\n".join([tilts, _clearness_table(measured, best[1])])


def _clearness_table(measured: FloatArray, clear: FloatArray) -> str:
    """Return the statistics of the clearness, as `clouds` takes them."""
    high = clear > 0.3 * clear.max()
    share = np.where(high, np.clip(measured / np.where(high, clear, 1), 0, 1), np.nan)
    mean, std = float(np.nanmean(share)), float(np.nanstd(share))
    lag = int(3600 / STEP_S)
    away = (share[:, lag:] - mean) * (share[:, :-lag] - mean)
    hours = -1 / np.log(float(np.nanmean(away)) / std**2)
    cells = [len(measured), f"{mean:.2f}", f"{std:.2f}", f"{hours:.1f}"]
    return table(["days", "mean clearness", "standard deviation", "correlation time [h]"], [cells])


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables; with ``--write``, put them on the page."""
    parser = argparse.ArgumentParser(prog="python -m calibration.solar")
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--write", action="store_true", help="put the tables on the page")
    options = parser.parse_args(arguments)
    reports = {"pvlib": pvlib_report()}
    if options.data is not None:
        reports["days"] = days_report(options.data)
    for name, text in reports.items():
        print(text)
        if options.write:
            write_section(name, text, PAGE)


if __name__ == "__main__":
    main()
