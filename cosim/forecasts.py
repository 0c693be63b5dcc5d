"""From what a scenario says of forecasts to those who make them."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from controllers.forecast import Forecaster, Noisy, Persistence, Recorded, SameHourYesterday
from cosim.errors import SignalError
from cosim.scenario.control import (
    ForecastModel,
    NoisyForecast,
    PersistenceForecast,
    RecordedForecast,
)

Array = NDArray[np.float64]
COLUMNS = ("issued", "time", "value")


def forecaster(
    config: ForecastModel,
    past: Array,
    values: Array,
    *,
    start: datetime,
    step_s: float,
    seed: tuple[int, ...],
) -> Forecaster:
    """Return who forecasts a signal.

    Args:
        config: What the scenario says.
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


def _recorded(path: Path, past: Array, values: Array, start: datetime, step_s: float) -> Recorded:
    """Read recorded forecasts; values between two times are interpolated, beyond them held."""
    table = _read(path)
    start_s = start.timestamp()
    issued: list[float] = []
    forecasts: list[Array] = []
    for _, group in table.groupby("issued", sort=True):
        since_s = float(group["issued"].iloc[0]) - start_s
        first = math.floor(since_s / step_s)
        ends_s = float(group["time"].max()) - start_s
        if ends_s <= 0 or first >= len(values):
            continue  # issued for other days
        last = max(first + 1, math.ceil(ends_s / step_s + 0.5))  # its middle is not before the end
        middles_s = start_s + (np.arange(first, last) + 0.5) * step_s
        issued.append(since_s)
        forecasts.append(np.interp(middles_s, group["time"], group["value"]))
    if not issued:
        raise SignalError(f"{path}: none of its forecasts is for the time of the run")
    return Recorded(past, values, step_s, issued_s=np.array(issued), forecasts=forecasts)


def _read(path: Path) -> pd.DataFrame:
    """Return issue times, times [s since 1970] and values, sorted."""
    try:
        table = pd.read_csv(
            path, dtype=str, skip_blank_lines=False, keep_default_na=False, na_values=[""]
        )
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise SignalError(f"{path}: cannot be read as CSV: {error}") from error
    if not isinstance(table.index, pd.RangeIndex):
        raise SignalError(f"{path}: its rows have more values than its first line has columns")
    table = table.dropna(how="all")  # the index still tells the lines
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise SignalError(
            f"{path}:1: expected the columns {', '.join(COLUMNS)} (got "
            f"{', '.join(map(str, table.columns))})"
        )
    found: dict[str, Array] = {}
    for name in ("issued", "time"):
        zoned = table[name].str.contains(r"(?:Z|[+-]\d\d:?\d\d)$", na=False)
        stamps = pd.to_datetime(table[name], format="ISO8601", utc=True, errors="coerce")
        _require(path, table, name, zoned & stamps.notna(), "a time in ISO 8601 with its zone")
        found[name] = stamps.astype("int64").to_numpy() / 10 ** _digits(stamps)
    numbers = pd.to_numeric(table["value"], errors="coerce")
    _require(path, table, "value", np.isfinite(numbers) & (numbers >= 0), "a number from 0")
    found["value"] = numbers.to_numpy(dtype=np.float64)
    return pd.DataFrame(found).sort_values(["issued", "time"], kind="stable")


def _digits(stamps: pd.Series) -> int:
    """Return the decimal digits of a second that a column of stamps counts in."""
    return {"s": 0, "ms": 3, "us": 6, "ns": 9}[stamps.dt.unit]


def _require(path: Path, table: pd.DataFrame, name: str, good: pd.Series, expected: str) -> None:
    bad = np.flatnonzero(~good.to_numpy())
    if len(bad):
        line, got = table.index[bad[0]] + 2, table[name].iloc[bad[0]]
        shown = repr(got) if isinstance(got, str) else "nothing"
        raise SignalError(f"{path}:{line}: {name} must be {expected} (got {shown})")
