"""Forecasts of signals, and the models that make them.

A forecast is issued at the start of a step, and its first value is that of this step, which is
known. Only `Perfect` and `Noisy` look at the future; the others see the past and the present, as a
real forecaster would. A controller gets perfect forecasts only where the scenario calls it
clairvoyant.

As a yardstick, CAISO's published forecasts of the carbon intensity err by 26 g/kWh (mean absolute
error) five minutes ahead and by 47 g/kWh an hour ahead.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass

import numpy as np

from controllers.arrays import FloatArray

SIGNALS: Mapping[str, str] = {
    "carbon_intensity": "g/kWh",
    "solar": "W",
    "arrivals": "requests/s",
    "deferrable_arrivals": "requests/s",
}
"""Signals of a site of which there are forecasts, with their units."""

DAY_S = 86400.0
_RAISE = "the controller's `forecast_horizon_h` says how far it looks"


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """Means over the coming steps.

    Example::

        forecast = observation.forecasts["carbon_intensity"]
        in_an_hour = forecast.at(3600)  # [g/kWh]
        hourly = forecast.by_period(3600)

    Attributes:
        issued_s: Time of issue since the start of the run [s].
        step_s: Length of a step [s].
        mean: Expected values, shape (n,), the step that begins first; read-only.
        spread: Standard deviations, shape (n,); zero where the model claims to be sure.
    """

    issued_s: float
    step_s: float
    mean: FloatArray
    spread: FloatArray

    def __len__(self) -> int:
        return len(self.mean)

    def at(self, ahead_s: float) -> float:
        """Return the mean of the step that is so far ahead [s].

        Raises:
            ValueError: If it has passed, or lies beyond the end of the forecast.
        """
        index = math.floor(ahead_s / self.step_s + 1e-9)
        if index < 0:
            raise ValueError(f"a forecast starts at the present step (got {ahead_s:g} s)")
        if index >= len(self.mean):
            raise ValueError(f"{self._end()} (got {ahead_s:g} s); {_RAISE}")
        return float(self.mean[index])

    def _end(self) -> str:
        return f"the forecast ends {len(self.mean) * self.step_s:g} s ahead"

    def by_period(self, period_s: float) -> FloatArray:
        """Return the means over periods of several steps, shape (periods,).

        Raises:
            ValueError: If a period is not a whole number of steps, or longer than the forecast.
        """
        size = round(period_s / self.step_s)
        if size < 1 or not math.isclose(size * self.step_s, period_s):
            raise ValueError(
                f"a period must be a whole number of steps of {self.step_s:g} s (got {period_s:g})"
            )
        periods = len(self.mean) // size
        if not periods:
            raise ValueError(f"{self._end()}, before a period of {period_s:g} s does; {_RAISE}")
        means: FloatArray = self.mean[: periods * size].reshape(periods, size).mean(axis=1)
        return means

    def quantile(self, q: float) -> FloatArray:
        """Return a quantile of each value, as of a normal distribution, shape (n,).

        Raises:
            ValueError: If `q` is not between 0 and 1.
        """
        from statistics import NormalDist

        return self.mean + NormalDist().inv_cdf(q) * self.spread


class Forecaster(ABC):
    """Forecast model of one signal of one site.

    Args:
        past: Values of the steps before the run, oldest first; may be empty.
        values: Values of all steps of the run, shape (steps,).
        step_s: Length of a step [s].
    """

    clairvoyant = False
    """Whether its forecasts are the true values."""

    def __init__(self, past: FloatArray, values: FloatArray, step_s: float) -> None:
        self._past = np.asarray(past, dtype=np.float64)
        self._values = np.asarray(values, dtype=np.float64)
        self._step_s = step_s

    def of_other(self, past: FloatArray, values: FloatArray) -> Forecaster:
        """Return the same model of another signal, of the same steps."""
        other = copy(self)
        other._past = np.asarray(past, dtype=np.float64)
        other._values = np.asarray(values, dtype=np.float64)
        return other

    def issue(self, step: int, steps_ahead: int) -> Forecast:
        """Return the forecast issued as `step` begins, `steps_ahead` values long.

        Beyond the end of the run it repeats the last value.
        """
        mean, spread = self._look(step, steps_ahead)
        for array in (mean, spread):
            array.setflags(write=False)
        return Forecast(step * self._step_s, self._step_s, mean, spread)

    @abstractmethod
    def _look(self, step: int, steps_ahead: int) -> tuple[FloatArray, FloatArray]:
        """Return means and spreads, both of shape (steps_ahead,), fresh arrays."""

    def _truth(self, step: int, steps_ahead: int) -> FloatArray:
        values = self._values[step : step + steps_ahead]
        missing = steps_ahead - len(values)
        return np.concatenate([values, np.full(missing, self._values[-1])]) if missing else +values


class Perfect(Forecaster):
    """Perfect forecast: the true values."""

    clairvoyant = True

    def _look(self, step: int, steps_ahead: int) -> tuple[FloatArray, FloatArray]:
        return self._truth(step, steps_ahead), np.zeros(steps_ahead)


class Persistence(Forecaster):
    """Forecast that repeats the current value."""

    def _look(self, step: int, steps_ahead: int) -> tuple[FloatArray, FloatArray]:
        return np.full(steps_ahead, self._values[step]), np.zeros(steps_ahead)


class SameHourYesterday(Forecaster):
    """Forecast of each step with the value 24 h earlier.

    Without history that far back it is the current value; the current step is exact.
    """

    def _look(self, step: int, steps_ahead: int) -> tuple[FloatArray, FloatArray]:
        day = max(1, round(DAY_S / self._step_s))
        history = np.concatenate([self._past, self._values[: step + 1]])
        present = len(history) - 1
        ahead = np.arange(steps_ahead)
        index = present + ahead - day * np.maximum(1, np.ceil(ahead / day)).astype(int)
        mean = np.where(index >= 0, history[np.maximum(index, 0)], history[present])
        mean[0] = history[present]
        return mean, np.zeros(steps_ahead)


class Noisy(Forecaster):
    """Forecast of the true values plus an error that grows with the time ahead.

    The error is a first-order autoregression along the time ahead, zero for the step of the issue:
    ``e_i = rho e_(i-1) + sqrt(1 - rho^2) error * m * normal``, with ``rho = exp(-step /
    correlation)`` and m the mean of the signal's size, so that far ahead it has a standard
    deviation of ``error`` times that. A forecast is issued every ``issue_every_s`` and stands until
    the next one. Values do not fall below zero.

    Args:
        past, values, step_s: As for every forecaster.
        error: Standard deviation far ahead, over the mean of the signal's size.
        correlation_s: Time over which errors are correlated [s]; 0 for errors that are not.
        issue_every_s: Time between two issues [s].
        seed: Seed of the errors.
    """

    def __init__(
        self,
        past: FloatArray,
        values: FloatArray,
        step_s: float,
        *,
        error: float,
        correlation_s: float = 4 * 3600.0,
        issue_every_s: float = 3600.0,
        seed: tuple[int, ...] = (0,),
    ) -> None:
        super().__init__(past, values, step_s)
        self._scale = error * float(np.abs(self._values).mean())
        self._rho = math.exp(-step_s / correlation_s) if correlation_s else 0.0
        self._every = max(1, round(issue_every_s / step_s))
        self._seed = seed

    def _look(self, step: int, steps_ahead: int) -> tuple[FloatArray, FloatArray]:
        issue = step // self._every
        lead = step - issue * self._every
        errors, spread = self._errors(issue, lead + steps_ahead)
        mean = np.maximum(0.0, self._truth(step, steps_ahead) + errors[lead:])
        mean[0], spread[lead] = self._values[step], 0.0
        return mean, spread[lead:]

    def _errors(self, issue: int, count: int) -> tuple[FloatArray, FloatArray]:
        from scipy.signal import lfilter

        rho = self._rho
        draws = np.random.default_rng((*self._seed, issue)).standard_normal(count)
        draws[0] = 0.0
        errors = lfilter([math.sqrt(1 - rho * rho)], [1.0, -rho], draws)
        spread = np.sqrt(1 - rho ** (2.0 * np.arange(count)))
        return self._scale * errors, self._scale * spread


class Recorded(Forecaster):
    """Recorded forecast, such as one that a grid operator published.

    Args:
        past, values, step_s: As for every forecaster.
        issued_s: Times of issue since the start of the run, ascending [s]; the first not above 0.
        forecasts: For each issue, means over the steps from the one in which it was issued.
    """

    def __init__(
        self,
        past: FloatArray,
        values: FloatArray,
        step_s: float,
        *,
        issued_s: FloatArray,
        forecasts: list[FloatArray],
    ) -> None:
        super().__init__(past, values, step_s)
        if len(issued_s) != len(forecasts) or not len(issued_s):
            raise ValueError("expected a forecast for each time of issue, and at least one")
        self._issued_s, self._forecasts = np.asarray(issued_s), forecasts

    def of_other(self, past: FloatArray, values: FloatArray) -> Forecaster:
        """Return yesterday's values of the other signal, of which nothing was recorded."""
        return SameHourYesterday(past, values, self._step_s)

    def _look(self, step: int, steps_ahead: int) -> tuple[FloatArray, FloatArray]:
        now_s = step * self._step_s
        latest = int(np.searchsorted(self._issued_s, now_s, side="right")) - 1
        if latest < 0:
            mean = np.full(steps_ahead, self._values[step])
        else:
            from_step = step - math.floor(self._issued_s[latest] / self._step_s)
            means = self._forecasts[latest][from_step : from_step + steps_ahead]
            last = self._forecasts[latest][-1]
            mean = np.concatenate([means, np.full(steps_ahead - len(means), last)])
        mean[0] = self._values[step]
        return mean, np.zeros(steps_ahead)


def interactive_mean(forecasts: Mapping[str, Forecast]) -> FloatArray:
    """Return the rate of the requests that may not be deferred, as it is forecast [requests/s].

    Args:
        forecasts: Those of arrivals and deferrable arrivals among them.

    Returns:
        A value for each step ahead, the present one first, shape (steps,).
    """
    arrivals, deferrable = forecasts["arrivals"].mean, forecasts["deferrable_arrivals"].mean
    others: FloatArray = np.maximum(arrivals - deferrable, 0.0)
    return others


class Forecasts(Mapping[str, Forecast]):
    """Forecasts that a controller declared, made when they are first read.

    Args:
        issue: Makes the forecast of a signal.
        declared: Signals that the controller declared.
    """

    __slots__ = ("_declared", "_issue", "_made")

    def __init__(self, issue: Callable[[str], Forecast], declared: frozenset[str]) -> None:
        self._issue, self._declared = issue, declared
        self._made: dict[str, Forecast] = {}

    def __getitem__(self, signal: str) -> Forecast:
        if signal not in self._declared:
            names = ", ".join(sorted(self._declared)) or "none"
            raise KeyError(
                f"forecast of '{signal}': the controller declares forecasts of {names} "
                "(set its attribute `forecasts`)"
            )
        if signal not in self._made:
            self._made[signal] = self._issue(signal)
        return self._made[signal]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._declared))

    def __len__(self) -> int:
        return len(self._declared)


NO_FORECASTS = Forecasts(lambda signal: _none(signal), frozenset())
"""Forecasts of a controller that declares none."""


def _none(signal: str) -> Forecast:
    raise KeyError(signal)
