"""Charts over time that lay runs over each other: one for each quantity, a line for each run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cosim.accounting.words import duration
from cosim.report.clock import UTC_CLOCK, Clock, site_clocks
from cosim.report.lines import Axis, ChartLine, LineChart, Panel
from cosim.report.palette import series_color
from cosim.report.thin import Buckets
from cosim.studies.compare.compared_run import ComparedRun
from inference_sim.arrays import FloatArray

DASHES = ("", "7 3", "2 2", "9 3 2 3", "14 4", "4 2", "9 3 2 3 2 3", "1 3")
"""Dashes of the runs, beside their colours."""

_HOUR_S, _DAY_S = 3600, 86400
_WIDTHS_S = (
    *(60 * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(_HOUR_S * hours for hours in (1, 2, 3, 4, 6, 8, 12)),
    *(_DAY_S * days for days in (1, 2, 7, 14, 28)),
)
_VALUES = 2960  # of a quantity, over all runs and sites: it bounds the size of the page
_FEWEST = 120  # of a line
_MOST = 720
_COARSER = 2.5  # than needed: the most that a bucket of a round length may be
_WIDE_RANGE = 100  # between least and greatest, above which an axis is logarithmic

Columns = Mapping[str, FloatArray]


@dataclass(frozen=True, slots=True)
class Quantity:
    """A quantity over time.

    Attributes:
        key, title: Of its chart.
        label, unit: Of its axis.
        values: Returns it from the columns of a site, shape (steps,); None where there is none.
        adds_up: Whether that of all sites is the sum of theirs; else it is only shown by site.
        percent: Whether it is a share.
        runs_up: Whether it is summed over the steps, so that a bucket shows its end.
        wide_range: Whether its axis may be logarithmic.
    """

    key: str
    title: str
    label: str
    unit: str
    values: Callable[[Columns, float], FloatArray | None]
    adds_up: bool = True
    percent: bool = False
    runs_up: bool = False
    wide_range: bool = False


def _column(name: str) -> Callable[[Columns, float], FloatArray | None]:
    return lambda columns, step_s: columns.get(name)


def _queued(columns: Columns, step_s: float) -> FloatArray | None:
    """Return the requests in line, wherever they wait."""
    if "running" not in columns:
        return None
    waiting = [columns[name] for name in ("gateway_waiting", "replica_waiting") if name in columns]
    deferred = columns.get("deferrable_waiting")
    queued: FloatArray = np.sum([*waiting, *([] if deferred is None else [deferred])], axis=0)
    return queued


def _emitted(columns: Columns, step_s: float) -> FloatArray:
    """Return the emissions of the import by step [g/h]."""
    return columns["import_w"] * columns["carbon_intensity_g_per_kwh"] / 1000


def _emitted_so_far(columns: Columns, step_s: float) -> FloatArray:
    """Return the emissions of the import until the end of each step [g]."""
    return np.cumsum(_emitted(columns, step_s)) * step_s / _HOUR_S


QUANTITIES = (
    Quantity(
        "intensity",
        "Carbon intensity of the grid",
        "carbon intensity",
        "g/kWh",
        _column("carbon_intensity_g_per_kwh"),
        adds_up=False,
    ),
    Quantity("import", "Power from the grid", "grid import", "W", _column("import_w")),
    Quantity("load", "Load", "load", "W", _column("facility_power_w")),
    Quantity(
        "soc",
        "State of charge of the battery",
        "state of charge",
        "fraction",
        _column("battery_soc"),
        adds_up=False,
        percent=True,
    ),
    Quantity("queue", "Requests in line, deferred ones included", "in line", "requests", _queued),
    Quantity(
        "ttft",
        "Time to first token, 99th percentile of the last five minutes",
        "TTFT p99",
        "s",
        _column("ttft_p99_s"),
        adds_up=False,
        wide_range=True,
    ),
    Quantity("rate", "Emissions per hour", "operational carbon", "g/h", _emitted),
    Quantity(
        "cumulative",
        "Emissions so far",
        "operational carbon",
        "g",
        _emitted_so_far,
        runs_up=True,
    ),
)


@dataclass(frozen=True, slots=True)
class TimeCharts:
    """The charts over time of several runs.

    Attributes:
        runs: The runs.
        width_s: Length of a bucket, the same for all [s].
    """

    runs: Sequence[ComparedRun]
    width_s: float

    @classmethod
    def of(cls, runs: Sequence[ComparedRun]) -> TimeCharts:
        """Return the charts, thinned so that their page stays small."""
        sites = len({site for run in runs for site in run.data.steps})
        most = max(
            _FEWEST, min(_MOST, _VALUES // len(runs) // (sites if sites == 1 else sites + 1))
        )
        steps_s = [run.data.step_s for run in runs]
        return cls(runs, bucket_width_s(steps_s, max(run.data.duration_s for run in runs), most))

    def charts(self, site: str | None, suffix: str) -> Iterator[LineChart]:
        """Yield the charts of a site, or of all sites together.

        Args:
            site: The site; None for all together.
            suffix: Suffix of the keys of the charts.
        """
        several = any(len(run.data.steps) > 1 for run in self.runs)
        for quantity in QUANTITIES:
            if site is None and several and not quantity.adds_up:
                continue
            lines = [
                ChartLine(
                    run.name, series_color(index), self._bucketed(run, values, quantity),
                    dash=DASHES[index % len(DASHES)],
                )
                for index, run in enumerate(self.runs)
                if (values := self._values(run, quantity, site)) is not None
            ]  # fmt: skip
            if any(np.isfinite(line.y).any() for line in lines):
                yield self._chart(quantity, lines, suffix, self._clock(site))

    def _clock(self, site: str | None) -> Clock:
        """Return the clock of a site, or of all if they have the same; else that of UTC."""
        clocks = {
            clock
            for run in self.runs
            for name, clock in site_clocks(run.data.scenario["sites"]).items()
            if site in (None, name)
        }
        return clocks.pop() if len(clocks) == 1 else UTC_CLOCK

    def _values(self, run: ComparedRun, quantity: Quantity, site: str | None) -> FloatArray | None:
        """Return a quantity of a run, shape (steps,)."""
        sites = run.data.steps
        if site is None:
            of_sites = [quantity.values(columns, run.data.step_s) for columns in sites.values()]
            known = [values for values in of_sites if values is not None]
            return np.sum(known, axis=0) if known else None
        return quantity.values(sites[site], run.data.step_s) if site in sites else None

    def _bucketed(self, run: ComparedRun, values: FloatArray, quantity: Quantity) -> FloatArray:
        """Return the values by bucket; NaN beyond the end of the run."""
        size = round(self.width_s / run.data.step_s)
        buckets = Buckets(len(values), size)
        if quantity.runs_up:
            ends = np.minimum(buckets.starts + size, len(values)) - 1
            shown = values[ends]
        else:
            shown = buckets.thin(values).mean
        padded = np.full(self._count, np.nan)
        padded[: len(shown)] = shown
        return _rounded(padded)

    @property
    def _duration_s(self) -> float:
        return max(run.data.duration_s for run in self.runs)

    @property
    def _count(self) -> int:
        return math.ceil(self._duration_s / self.width_s)

    def _chart(
        self, quantity: Quantity, lines: Sequence[ChartLine], suffix: str, clock: Clock
    ) -> LineChart:
        at_s = np.arange(self._count, dtype=np.float64) * self.width_s
        note = ""
        if self.width_s > min(run.data.step_s for run in self.runs):
            word = "end" if quantity.runs_up else "mean"
            note = f"Each value is the {word} of {duration(self.width_s)}."
        starts = {run.data.start for run in self.runs}
        axis = Axis("time", clock.axis_label, 0.0, self._duration_s, min(starts), clock)
        scale = 1.0
        if len(starts) > 1:
            scale = 1 / _HOUR_S
            axis = Axis("linear", "hours since the start", 0.0, self._duration_s * scale)
        panel = Panel(
            quantity.label,
            quantity.unit,
            lines,
            height=150,
            percent=quantity.percent,
            log=quantity.wide_range and _is_wide(lines),
        )
        return LineChart(
            quantity.key + suffix,
            quantity.title,
            axis,
            at_s * scale,
            [panel],
            note,
            held=True,
            width=self.width_s * scale,
        )


def bucket_width_s(steps_s: Sequence[float], duration_s: float, most: int) -> float:
    """Return the length of buckets that whole steps of all runs make up [s].

    Args:
        steps_s: Lengths of their steps [s].
        duration_s: Length of the longest run [s].
        most: Most buckets.
    """
    common = math.lcm(*(round(step_s) for step_s in steps_s))
    if duration_s <= most * common:
        return float(common)
    least_s = common * math.ceil(duration_s / most / common)
    round_s = [width_s for width_s in _WIDTHS_S if width_s % common == 0 and width_s >= least_s]
    return float(round_s[0] if round_s and round_s[0] <= _COARSER * least_s else least_s)


def _is_wide(lines: Sequence[ChartLine]) -> bool:
    values = np.concatenate([line.y for line in lines])
    positive = values[np.isfinite(values) & (values > 0)]
    return bool(len(positive) and positive.max() > _WIDE_RANGE * positive.min())


def _rounded(values: FloatArray) -> FloatArray:
    """Return values to seven significant digits, which keep the page small."""
    with np.errstate(divide="ignore", invalid="ignore"):
        digits = 6 - np.floor(np.log10(np.abs(values)))
    factor = 10.0 ** np.where(np.isfinite(digits), digits, 0)
    rounded: FloatArray = np.where(np.isfinite(values), np.round(values * factor) / factor, values)
    return rounded
