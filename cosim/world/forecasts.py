"""Forecasters from the forecasts of a scenario."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path

import numpy as np

from controllers.forecast import Forecaster, Noisy, Persistence, Recorded, SameHourYesterday
from cosim.errors import SignalError
from cosim.scenario.control import (
    ForecastModel,
    NoisyForecast,
    PersistenceForecast,
    RecordedForecast,
)
from cosim.signals.formats import watttime
from cosim.signals.formats.forecasts import read_issues
from cosim.signals.formats.source import ReadOptions, Source
from inference_sim.arrays import FloatArray


def forecaster(
    config: ForecastModel,
    past: FloatArray,
    values: FloatArray,
    *,
    start: datetime,
    step_s: float,
    seed: tuple[int, ...],
) -> Forecaster:
    """Return who forecasts a signal.

    Args:
        config: Keys of the scenario.
        past: Values of the steps before the run, oldest first; may be empty.
        values: Values of all steps of the run, shape (steps,).
        start: Start of the run; with a time zone.
        step_s: Length of a step [s].
        seed: Seed of whatever is random.

    Raises:
        SignalError: If a file of recorded forecasts cannot be used.
    """
    match config:
        case PersistenceForecast():
            return Persistence(past, values, step_s)
        case NoisyForecast():
            return Noisy(
                past,
                values,
                step_s,
                error=config.error,
                correlation_s=config.correlation,
                issue_every_s=config.issue_every,
                seed=seed,
            )
        case RecordedForecast():
            return _recorded(config.path, past, values, start, step_s)
    return SameHourYesterday(past, values, step_s)


def _recorded(
    path: Path, past: FloatArray, values: FloatArray, start: datetime, step_s: float
) -> Recorded:
    """Read recorded forecasts; values between two times are interpolated, beyond them held."""
    source = Source(path)
    read = watttime.read_issues if watttime.has_forecasts(source) else read_issues
    issues = read(source, ReadOptions())
    start_us = start.timestamp() * 1e6
    issued: list[float] = []
    forecasts: list[FloatArray] = []
    for made_us in np.unique(issues.made_us):
        mine = np.flatnonzero(issues.made_us == made_us)
        mine = mine[np.argsort(issues.times_us[mine])]
        times_s = (issues.times_us[mine] - start_us) / 1e6
        since_s = float(made_us - start_us) / 1e6
        first = math.floor(since_s / step_s)
        if times_s[-1] <= 0 or first >= len(values):
            continue  # issued for other days
        # the middle of the last step is not before the end
        last = max(first + 1, math.ceil(times_s[-1] / step_s + 0.5))
        middles_s = (np.arange(first, last) + 0.5) * step_s
        issued.append(since_s)
        forecasts.append(np.interp(middles_s, times_s, issues.values[mine]))
    if not issued:
        raise SignalError(f"{path}: none of its forecasts is for the time of the run")
    return Recorded(past, values, step_s, issued_s=np.array(issued), forecasts=forecasts)
