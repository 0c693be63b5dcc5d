"""Content of a signal: span, step, quantiles, gaps, and the mean day."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from pydantic import ValidationError

from cosim.errors import FetchError, Problem, SignalError
from cosim.scenario.recorded import Kind, known_timezone
from cosim.scenario.signals import CsvFile
from cosim.signals.build import dialect_of
from cosim.signals.csv_file import read_csv
from cosim.signals.even import even, lengths_us_of
from cosim.signals.formats import ReadOptions, Source, read_signal, recognise
from cosim.signals.gaps import Fill
from cosim.signals.series import Series, utc_stamp
from cosim.world.plan import load_plan
from cosim.world.site_plan import SitePlan
from inference_sim.arrays import FloatArray

QUANTILES = {"min": 0.0, "p10": 0.1, "p50": 0.5, "p90": 0.9, "max": 1.0}
_HOUR_S, _DAY_S = 3600.0, 86400.0
_FILL = Fill("hold", 366 * _DAY_S)
_WIDTHS_S = (
    *(60.0 * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(_HOUR_S * hours for hours in (1, 2, 3, 6, 12)),
    *(_DAY_S * days for days in (1, 2, 5, 7, 10, 20, 50, 100, 200, 500, 1000)),
)


@dataclass(frozen=True, slots=True)
class SignalSummary:
    """Content of a signal.

    Attributes:
        title: File, or place in the scenario.
        how: Format and its description, or its origin.
        unit: Unit of the values; empty if unknown.
        series: The values.
    """

    title: str
    how: str
    unit: str
    series: Series

    @property
    def span_s(self) -> float:
        """Time that it covers [s]."""
        return self.series.end_s - float(self.series.starts_s[0])

    @property
    def step_s(self) -> float:
        """Length of an interval, in the mean where they differ [s]."""
        return self.span_s / len(self.series)

    @property
    def step_range_s(self) -> tuple[float, float]:
        """Lengths of the shortest and of the longest interval [s]."""
        lengths_us = lengths_us_of(self.series)
        return float(lengths_us.min()) / 1e6, float(lengths_us.max()) / 1e6

    @property
    def figures(self) -> dict[str, float]:
        """Mean and quantiles over time, by name."""
        values = even(self.series).values
        quantiles = np.quantile(values, [*QUANTILES.values()]).tolist()
        return {"mean": float(values.mean()), **dict(zip(QUANTILES, quantiles, strict=True))}

    def over_time(self, most: int) -> tuple[float, FloatArray]:
        """Return the means in at most `most` intervals of a readable width, and the width [s].

        The last one may be cut short.
        """
        width_s = next(
            (width for width in _WIDTHS_S if width >= self.step_s and self.span_s <= width * most),
            self.span_s / most,
        )
        start_s = float(self.series.starts_s[0])
        whole = math.floor(self.span_s / width_s + 1e-9)
        means = self.series.step_means(start_s, width_s, whole)
        rest_s = self.span_s - whole * width_s
        if rest_s > width_s / 4 or not whole:
            means = np.append(means, self.series.step_means(start_s + whole * width_s, rest_s, 1))
        return width_s, means

    def mean_day(self) -> dict[str, FloatArray] | None:
        """Return mean and 10th and 90th percentile by UTC hour of the day, each of shape (24,).

        None if not every hour of the day is covered.
        """
        first = math.ceil(float(self.series.starts_s[0]) / _HOUR_S)
        last = math.floor(self.series.end_s / _HOUR_S)
        if last - first < 24:
            return None
        means = self.series.step_means(first * _HOUR_S, _HOUR_S, last - first)
        of_day = (first + np.arange(last - first)) % 24
        hours = [means[of_day == hour] for hour in range(24)]
        return {
            "mean": np.array([values.mean() for values in hours]),
            "p10": np.array([np.quantile(values, 0.1) for values in hours]),
            "p90": np.array([np.quantile(values, 0.9) for values in hours]),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by name, as JSON has them."""
        width_s, means = self.over_time(100)
        day = self.mean_day()
        return {
            "signal": self.title,
            "from": self.how,
            "unit": self.unit,
            "kind": self.series.kind,
            "start": utc_stamp(float(self.series.starts_s[0])),
            "end": utc_stamp(self.series.end_s),
            "intervals": len(self.series),
            "step_s": self.step_s,
            "step_range_s": list(self.step_range_s),
            **self.figures,
            "notes": list(self.series.notes),
            "mean_day": None if day is None else {key: day[key].tolist() for key in day},
            "over_time": {"interval_s": width_s, "mean": means.tolist()},
        }


def of_file(
    path: Path,
    name: str | None = None,
    *,
    area: str | None = None,
    column: str | None = None,
    timezone: str | None = None,
    at_end: bool = False,
    csv_keys: Mapping[str, Any] = MappingProxyType({}),
) -> SignalSummary:
    """Read a signal file and return its summary; gaps are filled with the value before.

    Args:
        path: The file.
        name: Its format, or ``csv``; by default it is recognised by the content, and is plain CSV
            where that is of no known source.
        area, column, timezone: Further options.
        at_end: Whether the stamps of plain CSV are the ends of the intervals.
        csv_keys: Options of plain CSV, by their keys in a scenario.

    Raises:
        SignalError: If it cannot be read as a signal, or there is no such time zone.
    """
    if timezone is not None:
        try:
            known_timezone(timezone)
        except ValueError as error:
            raise SignalError(f"--timezone: {error}") from None
    if name is None:
        name = "csv" if csv_keys else _recognised(path, column)
    if name == "csv":
        config = _csv_config(path, csv_keys)
        series = read_csv(
            path,
            column=column,
            time_column=config.time_column,
            stamp="end" if at_end else "start",
            timezone=timezone,
            signed=True,
            fill=_FILL,
            dialect=dialect_of(config),
        )
        return SignalSummary(str(path), "csv: plain CSV", "", series)
    options = ReadOptions(area=area, column=column, timezone=timezone, fill=_FILL)
    file_format, series = read_signal(path, options, name)
    unit = file_format.unit if column != "air_temp" else "°C"
    return SignalSummary(str(path), f"{file_format.name}: {file_format.about}", unit, series)


def of_scenario(path: Path) -> list[SignalSummary]:
    """Return summaries of the signals of a scenario, over the time of its run.

    Raises:
        ScenarioError: With every problem that could be found.
    """
    plan = load_plan(path)
    time = plan.scenario.time
    return [
        SignalSummary(
            f"{site.name}: {name}",
            how,
            unit,
            Series(
                time.start.timestamp() + time.step * np.arange(float(time.steps)),
                time.start.timestamp() + time.steps * time.step,
                values,
                source=how,
                kind=_kind(site, name),
                notes=tuple(note for note in site.signal_notes if note.startswith(name)),
            ),
        )
        for site in plan.sites
        for name, how, unit, values in _signals(site)
    ]


def refuse_unless(signal_format: str | None, url: str) -> Callable[[Path], None]:
    """Return a check that a download looks like a signal of a format.

    Args:
        signal_format: The format; None for any.
        url: Where the download is from, for the error.
    """

    def accept(path: Path) -> None:
        try:
            recognised = recognise(Source(path))
        except SignalError as error:
            what = error.problems[0].message
            raise FetchError(f"what came from {url} is not a signal: {what}") from error
        if signal_format not in (None, recognised.name):
            raise FetchError(
                f"what came from {url} is a signal of format '{recognised.name}' "
                f"(expected '{signal_format}')"
            )

    return accept


def _csv_config(path: Path, keys: Mapping[str, Any]) -> CsvFile:
    """Return the scenario keys of a plain CSV file.

    Raises:
        SignalError: If it cannot say so.
    """
    try:
        return CsvFile.model_validate({"type": "csv", "path": path, **keys})
    except ValidationError as error:
        if not keys:  # then the file is missing, which reading it tells better
            return CsvFile.model_construct(type="csv", path=path)
        problems = [
            Problem(f"{'.'.join(map(str, problem['loc'])) or 'csv'}: {problem['msg']}")
            for problem in error.errors()
        ]
        raise SignalError(problems) from None


def _recognised(path: Path, column: str | None) -> str:
    """Return the name of the format; ``csv`` for a table that may be one."""
    source = Source(path)
    try:
        return recognise(source).name
    except SignalError:
        columns = len(source.header)
        if columns == 2 or (columns > 2 and column in source.header):
            return "csv"
        raise


def _signals(site: SitePlan) -> Iterator[tuple[str, str, str, FloatArray]]:
    """Yield name, origin, unit and values of the signals that a site has."""
    grid = site.config.microgrid
    carbon = site.carbon_intensity_g_per_kwh
    if grid.carbon_intensity.type != "live":  # not known before the run
        yield "carbon_intensity", grid.carbon_intensity.type, "g/kWh", carbon
    marginal = grid.marginal_carbon_intensity
    if marginal is not None and site.marginal_g_per_kwh is not None:
        yield "marginal_carbon_intensity", marginal.type, "g/kWh", site.marginal_g_per_kwh
    if grid.solar is not None:
        yield "solar", grid.solar.type, "W", site.solar_w
    if site.config.load is not None and site.load_w is not None:
        yield "load", site.config.load.type, "W", site.load_w
    if grid.price is not None and site.price_per_kwh is not None:
        yield "price", grid.price.type, f"{grid.price.currency}/kWh", site.price_per_kwh


def _kind(site: SitePlan, name: str) -> Kind | None:
    """Return the kind of a carbon intensity; None for other signals."""
    kinds: dict[str, Kind] = {
        "carbon_intensity": site.carbon_kind,
        "marginal_carbon_intensity": "marginal",
    }
    return kinds.get(name)
