"""Facility power over IT power as lines from below, for a programme that is linear.

A PUE that is constant, or linear, or follows the temperature of a step, is one line. One that
depends on the load makes a curve of several pieces, bent up or down: of it the lower convex hull
is taken, lowered by the most that it lies above the curve.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from inference_sim.arrays import FloatArray
from inference_sim.power.pue import LoadPue, Pue

_POINTS = 64


@dataclass(frozen=True, slots=True, eq=False)
class FacilityLine:
    """A line below the facility's power.

    Attributes:
        fixed_w: Its value without IT power [W].
        slope: What a watt of IT power adds in each step, shape (steps,).
    """

    fixed_w: float
    slope: FloatArray


def facility_lines(
    pue: Pue,
    outside_c: Callable[[float], float] | None,
    steps: int,
    step_s: float,
    least_w: float,
    most_w: float,
) -> tuple[FacilityLine, ...]:
    """Return lines below the facility's power in every step.

    Args:
        pue: The PUE.
        outside_c: Temperature outside by time [s], where the PUE needs it [°C].
        steps: Steps of the run.
        step_s: Length of a step [s].
        least_w, most_w: The least and the most IT power [W].
    """
    if not isinstance(pue, LoadPue):
        middle = [None if outside_c is None else outside_c(step * step_s) for step in range(steps)]
        at_0 = pue.facility_w(0.0, middle[0])
        slope = np.array([pue.facility_w(most_w, each) - at_0 for each in middle]) / most_w
        return (FacilityLine(at_0, slope),)
    corners = [load * pue.full_w for load in pue.loads]
    inside = [power for power in corners if least_w < power < most_w]
    powers = np.unique([*np.linspace(least_w, most_w, _POINTS), *inside])
    between = np.unique(np.linspace(powers[:-1], powers[1:], 9).ravel())
    hull = _lower_hull([(float(power), pue.facility_w(float(power))) for power in powers])
    loads, values = np.array(hull).T
    over = np.interp(between, loads, values) - np.array([pue.facility_w(x) for x in between])
    lowered = max(0.0, float(over.max()))
    slopes = np.diff(values) / np.diff(loads)
    return tuple(
        FacilityLine(value - slope * load - lowered, np.full(steps, slope))
        for load, value, slope in zip(loads, values, slopes, strict=False)
    )


def _lower_hull(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    hull: list[tuple[float, float]] = []
    for x, y in points:
        while len(hull) > 1 and _turns_down(hull[-2], hull[-1], (x, y)):
            hull.pop()
        hull.append((x, y))
    return hull


def _turns_down(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    return (b[0] - a[0]) * (c[1] - a[1]) <= (b[1] - a[1]) * (c[0] - a[0])
