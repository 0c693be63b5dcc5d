"""The carbon intensities of the last hours, and the band between two of their quantiles.

High and low intensities differ from grid to grid, so policies take them either from the user in
g/kWh, or from the quantiles of a window that ends with the present value.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from typing import NamedTuple

from controllers.base import SiteContext
from controllers.observation import SiteObservation


class IntensityWindow:
    """The intensities of the last `hours`, one per step, the present one included.

    It starts with the site's history before the run, as far as there is one. Steps at which the
    controller was not asked count with the value it saw last.

    Args:
        context: The site.
        hours: Length of the window [h].

    Raises:
        ValueError: If the window is shorter than a step.
    """

    def __init__(self, context: SiteContext, hours: float) -> None:
        size = round(hours * 3600 / context.step_s)
        if size < 1:
            raise ValueError(f"a window must span a step of {context.step_s:g} s (got {hours:g} h)")
        past = context.past_carbon_intensity_g_per_kwh.tolist()
        self._values: deque[float] = deque(past[-size:], maxlen=size)
        self._sorted = sorted(self._values)
        self._step = -1

    def __len__(self) -> int:
        return len(self._values)

    def see(self, observation: SiteObservation) -> None:
        """Add the intensity of the step that begins."""
        missed = observation.step - self._step - 1
        if self._values:
            for _ in range(missed):
                self._add(self._values[-1])
        self._add(observation.carbon_intensity_g_per_kwh)
        self._step = observation.step

    def quantile(self, q: float) -> float:
        """Return the `q`-quantile [g/kWh], 0 <= q <= 1, linear between the values around it.

        Equal to ``numpy.quantile``, and fast because the values are kept sorted.
        """
        position = q * (len(self._sorted) - 1)
        below = math.floor(position)
        low, high = self._sorted[below], self._sorted[math.ceil(position)]
        return low + (high - low) * (position - below)

    def mean(self) -> float:
        """Return the mean [g/kWh]; the mean of equal values is exactly that value."""
        if self._sorted[0] == self._sorted[-1]:
            return self._sorted[0]
        return math.fsum(self._values) / len(self._values)

    def _add(self, value: float) -> None:
        if len(self._values) == self._values.maxlen:
            del self._sorted[bisect_left(self._sorted, self._values[0])]
        self._values.append(value)
        insort(self._sorted, value)


class Band(NamedTuple):
    """A low and a high carbon intensity [g/kWh]."""

    low: float
    high: float

    def position(self, intensity: float) -> float:
        """Return where `intensity` lies in the band: 0 at or below low, 1 at or above high.

        0 throughout if the band has no width: a flat signal gives nothing to shift to.
        """
        if self.high <= self.low:
            return 0.0
        return min(1.0, max(0.0, (intensity - self.low) / (self.high - self.low)))


class IntensityBand:
    """Limits of low and high intensities: fixed in g/kWh, or quantiles of a window.

    Example::

        band = IntensityBand(default_quantiles=(0.3, 0.7), window_h=24)
        band.reset(context)  # in `reset` of the policy
        low, high = band.see(observation)  # in every `step`

    Args:
        low_g_per_kwh: Low intensity [g/kWh]; None for a quantile.
        high_g_per_kwh: High intensity [g/kWh]; None for a quantile.
        low_quantile: Quantile that counts as low [0 to 1]; None for the default.
        high_quantile: Quantile that counts as high [0 to 1]; None for the default.
        default_quantiles: Both quantiles, if nothing else is given.
        window_h: Length of the window [h].

    Raises:
        ValueError: If only one of two is given, if low exceeds high, if both intensities and
            quantiles are given, or if a quantile is not within 0 and 1.
    """

    def __init__(
        self,
        *,
        low_g_per_kwh: float | None = None,
        high_g_per_kwh: float | None = None,
        low_quantile: float | None = None,
        high_quantile: float | None = None,
        default_quantiles: tuple[float, float],
        window_h: float,
    ) -> None:
        self._fixed = _pair("g_per_kwh", low_g_per_kwh, high_g_per_kwh)
        quantiles = _pair("quantile", low_quantile, high_quantile)
        if self._fixed and quantiles:
            raise ValueError(
                "high and low must be given either as high_g_per_kwh and low_g_per_kwh, "
                "or as high_quantile and low_quantile (got both)"
            )
        self._quantiles = quantiles or Band(*default_quantiles)
        if self._quantiles.low < 0 or self._quantiles.high > 1:
            raise ValueError(
                "quantiles must be from 0 to 1 "
                f"(got {self._quantiles.low:g} and {self._quantiles.high:g})"
            )
        self._window_h = window_h
        self._window: IntensityWindow | None = None

    def reset(self, context: SiteContext) -> None:
        """Start anew at a site."""
        self._window = None if self._fixed else IntensityWindow(context, self._window_h)

    def see(self, observation: SiteObservation) -> Band:
        """Take in the present intensity, and return the band of this step."""
        if self._window is None:
            if self._fixed is None:
                raise RuntimeError("reset() the band before its first step")
            return self._fixed
        self._window.see(observation)
        return Band(
            self._window.quantile(self._quantiles.low), self._window.quantile(self._quantiles.high)
        )


def _pair(unit: str, low: float | None, high: float | None) -> Band | None:
    if low is None and high is None:
        return None
    if low is None or high is None:
        present, missing = ("high", "low") if low is None else ("low", "high")
        raise ValueError(f"{present}_{unit} needs {missing}_{unit} beside it")
    if not low <= high:
        raise ValueError(f"low_{unit} must not exceed high_{unit} (got {low:g} and {high:g})")
    return Band(low, high)
