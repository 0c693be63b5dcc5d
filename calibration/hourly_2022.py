"""The built-in hours of 2022 and typical days, made from EIA-930's generation by fuel [1].

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
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from calibration.eia930 import Generation, months_of_year, read_generation
from calibration.fleet_2022 import SOLAR_AREAS, solar_share, solar_summary
from calibration.page import table, write_section
from cosim.signals.hourly_2022 import HOURS, TABLE
from cosim.signals.mix import emission_factors, mix_intensity
from inference_sim.arrays import FloatArray

DOCS = Path(__file__).resolve().parents[1] / "docs"
AREAS = ("CISO", "ERCO", "PJM", "NYIS", "BPAT")
FOSSIL = ("gas", "coal", "oil")
SEASONS = ((11, 12, 1, 2, 3), (5, 6, 7, 8, 9), (4, 10))
"""Months of winter, of summer and of the time between."""
BINS = 10
_TYPICAL_DAYS = TABLE.with_name("typical_days_2022.csv")

HEADER = """\
# US balancing areas in 2022: a row per hour from 2022-01-01T00:00Z on, a column per area.
# Made by `python -m calibration.hourly_2022` from hourly net generation by fuel, EIA Form 930
# (US Energy Information Administration, public domain). Imports are not counted. Hours without
# data, or with data that cannot be, are filled with a line: {filled}.
# average_AREA: intensity of the mix [0.1 g/kWh], with the factors of emission_factors.yaml.
# marginal_AREA: intensity of the plants that follow the demand [0.1 g/kWh], a regression after
# Siler-Evans et al. (Environmental Science & Technology 46, 2012), described in that module.
# solar_AREA: power of the area's solar plants [0.1 % of that in their best hour].
"""


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
        of_season = np.isin(months_of_year(), season)
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


def average_intensity(generation: Generation) -> FloatArray:
    """Return the average intensity of the mix [g/kWh]; NaN where data are missing."""
    return mix_intensity(generation.checked, {})


def typical_rows(area: str, generation: Generation) -> list[str]:
    """Return the rows of an area's typical days, from its hours as they are reported."""
    average = mix_intensity(generation.reported, {})
    months, of_day = months_of_year(), np.arange(HOURS) % 24
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
    """Write both tables to their places; with ``--write`` put the summaries on the pages."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path, help="folder with eia930_2022_AREA.csv")
    parser.add_argument("--write", action="store_true", help="put the tables on the pages")
    options = parser.parse_args()
    generation = {
        area: read_generation(options.folder / f"eia930_2022_{area}.csv") for area in AREAS
    }
    write_hours(generation)
    write_typical_days(generation)
    for name, page, text in (
        ("hourly_2022", "signals.md", summary(generation)),
        ("fleet_2022", "solar.md", solar_summary(generation)),
    ):
        print(text)
        if options.write:
            write_section(name, text, DOCS / page)


def write_hours(generation: Mapping[str, Generation]) -> None:
    """Write the hours of 2022."""
    columns = {
        f"{name}_{area}": np.rint(scale * filled(make(generation[area]))).astype(int)
        for name, scale, make, of_areas in (
            ("average", 10, average_intensity, AREAS),
            ("marginal", 10, marginal_intensity, AREAS),
            ("solar", 1000, solar_share, SOLAR_AREAS),
        )
        for area in of_areas
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
