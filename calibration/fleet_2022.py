"""The built-in sun of 2022: the power of all solar plants of a US balancing area.

It is a share of that in the best hour. Growth of the fleet is taken out: the day that is so many
days before the solstice has the same sun as the one so many after it, which has more plants.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from calibration.eia930 import Generation
from calibration.page import table
from cosim.signals.hourly_2022 import HOURS
from inference_sim.arrays import FloatArray

SOLAR_AREAS = ("CISO", "ERCO", "PJM")
"""Areas whose files have sun; New York's have none, and those of the Northwest 135 MW at most."""
_NIGHT = 0.005  # PJM's plants generate 9 MW at midnight
_NIGHT_HOUR_UTC = 8
_SOLSTICE, _WEEK = 171, 7  # days


def solar_share(generation: Generation) -> FloatArray:
    """Return the power of the fleet of solar plants over that in its best hour.

    The best hour is that of the second-best day: the best one may be an error, as in PJM. A missing
    hour gets the mean of the same hour of the days before and after.
    """
    growth = np.exp(fleet_growth(generation) * np.arange(HOURS) / HOURS)
    days = (generation.checked["solar"] / growth).reshape(-1, 24)
    around = np.nanmean([np.roll(days, 1, axis=0), np.roll(days, -1, axis=0)], axis=0)
    days = np.where(np.isnan(days), around, days)
    share = days.ravel() / np.sort(days.max(axis=1))[-2]
    return np.where(share < _NIGHT, 0.0, np.minimum(share, 1.0))


def fleet_growth(generation: Generation) -> float:
    """Return the growth of the fleet of solar plants in 2022 [natural logarithm per year].

    The slope, by least squares, of the logarithm of the best hour within a week of a day, over that
    within a week of the day with the same sun, against the time between the two days.
    """
    days = generation.checked["solar"].reshape(-1, 24)
    best_mw = [np.nanmax(days[max(0, day - _WEEK) : day + _WEEK + 1]) for day in range(len(days))]
    from_solstice = np.arange(_WEEK, _SOLSTICE)
    ratios = np.log([best_mw[_SOLSTICE + n] / best_mw[_SOLSTICE - n] for n in from_solstice])
    years = 2 * from_solstice / len(days)
    return float(ratios @ years / (years @ years))


def solar_summary(generation: Mapping[str, Generation]) -> str:
    """Return the table of the page: what each fleet's sun is."""
    rows = []
    for area in SOLAR_AREAS:
        share = solar_share(generation[area])
        days = np.roll(share, -_NIGHT_HOUR_UTC).reshape(-1, 24).sum(axis=1)
        changes = np.abs(np.diff(days)).mean() / days.mean()
        rows.append(
            (
                area,
                f"{100 * share.mean():.1f}",
                f"{days.mean():.1f}",
                f"{days.min():.1f} to {days.max():.1f}",
                f"{100 * changes:.0f}",
                f"{100 * np.expm1(fleet_growth(generation[area])):.0f}",
            )
        )
    return table(
        (
            "area",
            "mean [% of peak]",
            "kWh per kW a day",
            "least to most",
            "change to the next day [%]",
            "growth taken out [%]",
        ),
        rows,
    )
