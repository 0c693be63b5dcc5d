"""The built-in hours of 2022 and typical days, made from EIA-930's generation by fuel.

For each balancing area there is a file ``eia930_2022_AREA.csv`` with the hourly net generation by
fuel of form EIA-930 [1]: a column per code of a fuel [MW], stamped with the end of the hour.

The average intensity is that of the mix, with the factors of ``emission_factors.yaml``. The
marginal intensity is estimated as in [2]: the slope of a regression of the hourly changes of
fossil emissions on the hourly changes of fossil generation, in ten bins of equal size by the level
of fossil generation, in each of three seasons. Only gas, coal and oil count. Hydro follows the
demand too, but water that runs now is missing later, when a fossil plant runs in its place. [3]
takes all plants together; wind and sun, which follow the weather, would disturb the slopes.

References:
    [1] US Energy Information Administration, form EIA-930, 2022; public domain.
    [2] K. Siler-Evans, I. L. Azevedo, M. G. Morgan, "Marginal emissions factors for the U.S.
        electricity system", Environmental Science & Technology 46, 2012.
    [3] A. D. Hawkes, "Estimating marginal CO2 emissions rates for national electricity systems",
        Energy Policy 38, 2010.

Usage: ``python -m calibration.hourly_2022 DIR`` (with the files of EIA-930)
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from calibration.page import table, write_section
from cosim.signals.faults import BoolArray, IntArray
from cosim.signals.hourly_2022 import HOURS, TABLE
from cosim.signals.mix import emission_factors, mix_intensity
from inference_sim.arrays import FloatArray

PAGE = Path(__file__).resolve().parents[1] / "docs" / "signals.md"
AREAS = ("CISO", "ERCO", "PJM", "NYIS", "BPAT")
FUELS = {
    "WND": "wind",
    "SUN": "solar",
    "WAT": "hydro",
    "OIL": "oil",
    "NG": "gas",
    "COL": "coal",
    "NUC": "nuclear",
    "OTH": "other",
}
FOSSIL = ("gas", "coal", "oil")
SEASONS = ((11, 12, 1, 2, 3), (5, 6, 7, 8, 9), (4, 10))
"""Months of winter, of summer and of the time between."""
BINS = 10
_BACK_AFTER_H, _TRIP = 6, 0.6
_TYPICAL_DAYS = TABLE.with_name("typical_days_2022.csv")

HEADER = """\
# US balancing areas in 2022: a row per hour from 2022-01-01T00:00Z on, a column per area.
# Made by `python -m calibration.hourly_2022` from hourly net generation by fuel, EIA Form 930
# (US Energy Information Administration, public domain). Imports are not counted. Hours without
# data, or with data that cannot be, are filled with a line: {filled}.
# average_AREA: intensity of the mix [0.1 g/kWh], with the factors of emission_factors.yaml.
# marginal_AREA: intensity of the plants that follow the demand [0.1 g/kWh], a regression after
# Siler-Evans et al. (Environmental Science & Technology 46, 2012), described in that module.
"""


@dataclass(frozen=True, slots=True)
class Generation:
    """Hourly generation of an area, 2022-01-01T00:00Z first; NaN where data are missing.

    Attributes:
        reported: Generation by fuel as EIA has it [MW], shape (8760,) each.
        checked: The same without hours that cannot be. The last hour of 2022, which is in the files
            of the next year, is that of 2021 here, as with `repeat_year`.
    """

    reported: dict[str, FloatArray]
    checked: dict[str, FloatArray]

    @property
    def missing(self) -> int:
        """Hours without data, or with data that cannot be."""
        return int(np.isnan(self.checked["gas"]).sum())


def read_generation(path: Path) -> Generation:
    """Read the file of an area."""
    table = pd.read_csv(path)
    starts = pd.to_datetime(table["timestamp"]) - pd.Timedelta(hours=1)
    hours = (starts - pd.Timestamp("2022-01-01", tz="UTC")) // pd.Timedelta(hours=1)
    wrapped = {fuel: np.full(HOURS, np.nan) for fuel in FUELS.values()}
    for code, fuel in FUELS.items():
        wrapped[fuel][hours.to_numpy() % HOURS] = table[code].to_numpy(dtype=np.float64)
    of_year = np.arange(HOURS) <= hours.max()
    wrong = nuclear_trips(wrapped["nuclear"])
    return Generation(
        {fuel: np.where(of_year, values, np.nan) for fuel, values in wrapped.items()},
        {fuel: np.where(wrong, np.nan, values) for fuel, values in wrapped.items()},
    )


def nuclear_trips(nuclear_mw: FloatArray) -> BoolArray:
    """Return the hours in which nuclear generation falls by 40 % and is back within six hours.

    No plant does that: a reactor that trips stays off for a day. In these hours other fuels are
    wrong too, in PJM all of them.
    """
    known = pd.Series(nuclear_mw).ffill().bfill()
    wrong = np.zeros(len(known), dtype=bool)
    for length in range(1, _BACK_AFTER_H + 1):
        low = known < _TRIP * np.minimum(known.shift(1), known.shift(-length))
        for hour in np.flatnonzero(low):
            gap = slice(hour, hour + length)
            if known[gap].max() < _TRIP * min(known[hour - 1], known[hour + length]):
                wrong[gap] = True
    return wrong


def filled(values: FloatArray) -> FloatArray:
    """Return values with a line across each gap."""
    known = np.flatnonzero(~np.isnan(values))
    return np.interp(np.arange(len(values)), known, values[known])


def marginal_intensity(generation: Generation, fuels: Sequence[str] = FOSSIL) -> FloatArray:
    """Return the estimate of the marginal intensity [g/kWh]; NaN where data are missing.

    Args:
        generation: Generation of the area.
        fuels: Fuels that follow the demand.
    """
    factors = emission_factors()
    mw = np.sum([generation.checked[fuel] for fuel in fuels], axis=0)
    grams = np.sum([generation.checked[fuel] * factors[fuel].g_per_kwh for fuel in fuels], axis=0)
    changes_mw, changes_g = np.diff(mw, prepend=np.nan), np.diff(grams, prepend=np.nan)
    between_mw = mw - changes_mw / 2
    intensity = np.full(HOURS, np.nan)
    for season in SEASONS:
        of_season = np.isin(_months(), season)
        edges_mw = np.quantile(mw[of_season & ~np.isnan(mw)], np.arange(BINS + 1) / BINS)
        edges_mw[[0, -1]] = -np.inf, np.inf
        for low_mw, high_mw in pairwise(edges_mw):
            changes = of_season & (between_mw >= low_mw) & (between_mw < high_mw)
            hours = of_season & (mw >= low_mw) & (mw < high_mw)
            if hours.any():
                intensity[hours] = _slope(changes_mw[changes], changes_g[changes])
    return intensity


def _slope(x: FloatArray, y: FloatArray) -> float:
    x = x - x.mean()
    return float((x * (y - y.mean())).sum() / (x * x).sum())


def _months() -> IntArray:
    hours = np.datetime64("2022-01-01T00", "h") + np.arange(HOURS)
    months: IntArray = hours.astype("datetime64[M]").astype(np.int64) % 12 + 1
    return months


def average_intensity(generation: Generation) -> FloatArray:
    """Return the average intensity of the mix [g/kWh]; NaN where data are missing."""
    return mix_intensity(generation.checked, {})


def typical_rows(area: str, generation: Generation) -> list[str]:
    """Return the rows of an area's typical days, from its hours as they are reported."""
    average = mix_intensity(generation.reported, {})
    months, of_day = _months(), np.arange(HOURS) % 24
    rows = []
    for month in range(1, 13):
        for hour in range(24):
            values = average[(months == month) & (of_day == hour)]
            values = values[~np.isnan(values)]
            rows.append(f"{area},{month},{hour},{values.mean():.1f},{values.std(ddof=0):.1f}")
    return rows


def summary(generation: Mapping[str, Generation]) -> str:
    """Return the table of the page: what each area's series are."""
    rows = []
    for area, hours in generation.items():
        average = filled(average_intensity(hours))
        marginal = filled(marginal_intensity(hours))
        with_hydro = filled(marginal_intensity(hours, (*FOSSIL, "hydro")))
        rows.append(
            (
                area,
                *_range(average),
                *_range(marginal),
                f"{with_hydro.mean():.0f}",
                hours.missing,
            )
        )
    return table(
        (
            "area",
            "average: mean",
            "least to most",
            "marginal: mean",
            "least to most",
            "with hydro: mean",
            "hours filled",
        ),
        rows,
    )


def _range(values: FloatArray) -> tuple[str, str]:
    return f"{values.mean():.0f}", f"{values.min():.0f} to {values.max():.0f}"


def main() -> None:
    """Write both tables to their places; with ``--write`` put the summary on the page."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path, help="folder with eia930_2022_AREA.csv")
    parser.add_argument("--write", action="store_true", help="put the table on docs/signals.md")
    options = parser.parse_args()
    generation = {
        area: read_generation(options.folder / f"eia930_2022_{area}.csv") for area in AREAS
    }
    write_hours(generation)
    write_typical_days(generation)
    text = summary(generation)
    print(text)
    if options.write:
        write_section("hourly_2022", text, PAGE)


def write_hours(generation: Mapping[str, Generation]) -> None:
    """Write the hours of 2022."""
    columns = {
        f"{kind}_{area}": np.rint(10 * filled(values)).astype(int)
        for kind, of in (("average", average_intensity), ("marginal", marginal_intensity))
        for area, hours in generation.items()
        for values in [of(hours)]
    }
    gaps = ", ".join(f"{hours.missing} in {area}" for area, hours in generation.items())
    text = HEADER.format(filled=gaps) + pd.DataFrame(columns).to_csv(index=False)
    TABLE.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{TABLE}: {TABLE.stat().st_size:,} bytes")


def write_typical_days(generation: Mapping[str, Generation]) -> None:
    """Write the typical days below the head that the file has."""
    lines = _TYPICAL_DAYS.read_text(encoding="utf-8").splitlines()
    head = [line for line in lines if line.startswith(("#", "balancing_area"))]
    rows = [row for area, hours in generation.items() for row in typical_rows(area, hours)]
    _TYPICAL_DAYS.write_text("\n".join([*head, *rows]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
