"""The charts of a run: power, state of charge, serving, latency, energy and carbon by cause."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from controllers import ACTUATORS, ActuatorChange
from cosim.accounting.quantiles import Quantiles
from cosim.accounting.words import duration, infinite, setting
from cosim.report.clock import UTC_CLOCK, Clock
from cosim.report.lines import Axis, ChartLine, LineChart, Mark, Panel
from cosim.report.palette import series_color, series_dash
from cosim.report.run_data import LATENCIES, RunData
from cosim.report.thin import Buckets
from inference_sim.arrays import FloatArray

MOST_CHANGES = 500
"""Changes that are listed one by one, and that marks lead to."""

_BUCKETS = 720
_SITES_IN_FULL = 3
_DAY_S = 86400.0
_DAILY_FROM_S = 31 * _DAY_S
_MOST_BANDS = 2
_EACH = {"1 day": "day", "1 h": "hour", "1 min": "minute"}

SHARES = np.concatenate(
    [np.linspace(0, 0.95, 96), np.linspace(0.955, 0.99, 8), np.linspace(0.991, 1, 10)]
)
"""Shares of the requests at which distributions of latencies are drawn."""
_QUEUES = (
    ("deferred", "deferrable_waiting", "purple", "2 2"),
    ("queued at the gateway", "gateway_waiting", "vermilion", ""),
    ("queued in replicas", "replica_waiting", "orange", "6 3"),
    ("running", "running", "blue", "8 3 2 3"),
)
"""Lines of requests; those of a queue that is always empty would lie on the axis."""
_REUSED = (
    ("found in KV caches", "cached_tokens", "purple", ""),
    ("loaded from host memory", "loaded_tokens", "orange", "6 3"),
)
"""Lines of prompt tokens that are not computed."""
_LATENCY_COLORS = {"ttft": "blue", "tpot": "orange", "e2e": "green", "queue": "vermilion"}
_LATENCY_DASHES = {"ttft": "", "tpot": "6 3", "e2e": "8 3 2 3", "queue": "2 2"}
_LEAST_S = 1e-3


@dataclass(frozen=True, slots=True)
class SiteCharts:
    """Charts of the steps of one site.

    Attributes:
        run: The run.
        site: The site.
        suffix: Suffix of the keys of its charts, if there are several sites.
        clock: Its clock.
    """

    run: RunData
    site: str
    suffix: str
    clock: Clock = UTC_CLOCK

    @property
    def _columns(self) -> Mapping[str, FloatArray]:
        return self.run.steps[self.site]

    @property
    def _buckets(self) -> Buckets:
        sites = len(self.run.steps)
        most = _BUCKETS if sites <= _SITES_IN_FULL else max(120, _BUCKETS * _SITES_IN_FULL // sites)
        return Buckets.of_time(
            len(self._columns["time_s"]),
            most,
            self.run.step_s,
            self.clock.past_midnight_s(self.run.start),
            _DAY_S if self._is_long else 0.0,
        )

    @property
    def _is_long(self) -> bool:
        """Whether lines are means of days at least: heat maps show the hours."""
        return self.run.duration_s > _DAILY_FROM_S

    def power(self) -> LineChart:
        """Return the flows of power over the grid's intensity."""
        columns = self._columns
        imported = np.array_equal(columns["import_w"], columns["facility_power_w"])
        lines = [self._series("load", "facility_power_w", "ink")]
        if columns["solar_w"].any():
            lines.append(self._series("solar", "solar_w", "orange"))
        if "battery_soc" in columns:
            lines.append(
                self._series("battery, charging positive", "battery_power_w", "green", "6 3")
            )
        if not imported:
            lines.append(self._series("grid import", "import_w", "blue", "8 3 2 3"))
        if columns["export_w"].any():
            lines.append(self._series("grid export", "export_w", "purple", "2 2"))
        intensity = self._series(
            "carbon intensity", "carbon_intensity_g_per_kwh", "vermilion", filled=True
        )
        panels = [
            Panel(
                "power" if len(lines) > 1 else "load, all of it from the grid",
                "W",
                lines,
                height=220,
                banded=not (self._is_long and len(lines) > _MOST_BANDS),
            ),
            Panel("carbon intensity of the grid", "g/kWh", [intensity], height=100),
        ]
        if "price_per_kwh" in columns:
            unit = f"{self._currency()}/kWh"
            price = self._series("price", "price_per_kwh", "purple")
            panels.append(Panel("price of electricity", unit, [price], height=80))
        return self._chart("power", "Power flow over carbon intensity", panels)

    def charge(self) -> LineChart | None:
        """Return the state of charge; None without a battery."""
        if "battery_soc" not in self._columns:
            return None
        line = self._series("state of charge", "battery_soc", "green", filled=True)
        panel = Panel("state of charge", "fraction", [line], height=120, percent=True)
        return self._chart("soc", "State of charge of the battery", [panel])

    def by_pool(self) -> LineChart | None:
        """Return the power and the batch of each of several pools; None with one."""
        pools = self.run.pools[self.site]
        panels = [
            Panel(title, unit, lines, height=height)
            for title, unit, column, height in (
                ("power of the GPUs by pool", "W", "gpu_power_w", 150),
                ("mean batch", "sequences", "batch_mean", 110),
            )
            if (lines := list(self._pool_lines(pools, column)))
        ]
        return self._chart("pools", "Power and batch by pool", panels) if panels else None

    def _pool_lines(
        self, pools: Mapping[str, Mapping[str, FloatArray]], column: str
    ) -> Iterator[ChartLine]:
        for k, (name, columns) in enumerate(pools.items()):
            color, dash = series_color(k), series_dash(k)
            yield self._buckets.series(name, color, columns[column], dash, column=column)

    def serving(self) -> LineChart | None:
        """Return queue, batch, latency and actuators; None where nothing serves or is set."""
        panels = [*self._service(), *self._actuators()]
        if not panels:
            return None
        serves = "running" in self._columns
        notes = ["p99: 99th percentile over the last five minutes."] if serves else []
        if self.changes():
            notes.append(
                "A triangle is a change of an actuator; it links to its controller's observation."
            )
        title = "Queue, batch, latency and control" if serves else "Control"
        return self._chart("serving", title, panels, " ".join(notes))

    def _service(self) -> Iterator[Panel]:
        columns = self._columns
        if "running" not in columns:
            return
        queue = [
            self._series(name, column, color, dash)
            for name, column, color, dash in _QUEUES
            if column == "running" or columns[column].any()
        ]
        label = "requests" if len(queue) > 1 else "requests running, none queued"
        yield Panel(label, "requests", queue, height=150)
        batch = self._series("mean batch", "batch_mean", "blue")
        yield Panel("mean batch", "sequences", [batch], height=90)
        yield from self._found()
        for name, title in (("ttft_p99_s", "TTFT p99"), ("tpot_p99_s", "TPOT p99")):
            if name in columns:
                yield Panel(title, "s", [self._series(title, name, "green")], height=90)

    def _found(self) -> Iterator[Panel]:
        """Yield the share of prompts that was not computed, where there is any."""
        columns = self._columns
        reused = [
            (name, columns[column], color, dash)
            for name, column, color, dash in _REUSED
            if column in columns and columns[column].any()
        ]
        if not reused:
            return
        whole = sum((tokens for _, tokens, _, _ in reused), columns["prefilled_tokens"])
        lines = [
            self._buckets.series(
                name,
                color,
                np.divide(tokens, whole, out=np.full(len(whole), np.nan), where=whole > 0),
                dash,
            )
            for name, tokens, color, dash in reused
        ]
        label = "prompts not computed" if len(lines) > 1 else f"prompts {lines[0].name}"
        yield Panel(label, "fraction", lines, height=90, percent=True)

    def changes(self) -> list[tuple[int, ActuatorChange]]:
        """Return the changes of this site's actuators, each with its number in the run."""
        return [
            (k, change) for k, change in enumerate(self.run.actions) if change.site == self.site
        ]

    def _actuators(self) -> Iterator[Panel]:
        changes = self.changes()
        order = {name: number for number, name in enumerate(ACTUATORS)}
        actuators = {change.label: change.actuator for _, change in changes}
        for label in sorted(actuators, key=lambda label: order[actuators[label]]):
            actuator, kind = actuators[label], ACTUATORS[actuators[label]]
            mine = [(k, change) for k, change in changes if change.label == label]
            marks = [self._mark(k, change, kind.unit) for k, change in mine]
            title = label.replace("_", " ")
            if kind.field in self._columns and label == actuator:
                line = self._series(title, kind.field, "ink")
            else:
                line = self._buckets.series(
                    title, "ink", self._in_force([change for _, change in mine])
                )
            yield Panel(title, kind.unit, [line], marks, height=90, infinite=infinite(actuator))

    def _in_force(self, changes: Sequence[ActuatorChange]) -> FloatArray:
        """Return the value of an actuator in each step, from its changes."""
        values = np.full(len(self._columns["time_s"]), changes[0].old)
        for change in changes:
            values[change.step :] = change.new
        return values

    def _mark(self, index: int, change: ActuatorChange, unit: str) -> Mark:
        old, new = (setting(change.actuator, value) for value in (change.old, change.new))
        both = f"{old} {unit} to {new}" if math.isinf(change.new) else f"{old} to {new} {unit}"
        return Mark(
            at=change.time_s,
            y=change.new,
            text=f"{moment(self.run, change.time_s)}: {both}; {change.reason}",
            target=change_key(index) if index < MOST_CHANGES else "",
            up=change.new > change.old,
        )

    def _series(
        self, name: str, column: str, color: str, dash: str = "", *, filled: bool = False
    ) -> ChartLine:
        values = self._columns[column]
        return self._buckets.series(name, color, values, dash, column=column, filled=filled)

    def _chart(self, key: str, title: str, panels: list[Panel], note: str = "") -> LineChart:
        buckets, step_s = self._buckets, self.run.step_s
        if buckets.size > 1:
            length = _EACH.get(duration(buckets.size * step_s)) or duration(buckets.size * step_s)
            rest = "" if all(panel.banded for panel in panels) else " (of power under the pointer)"
            note = (
                f"Line: mean of each {length}; band: its least and greatest value{rest}. {note}"
            ).strip()
        first = self.clock.local(self.run.start)
        label = f"{self.clock.axis_label}, from {first.day} {first:%b %Y}"
        axis = Axis("time", label, 0.0, self.run.duration_s, self.run.start, self.clock)
        at = buckets.starts.astype(np.float64) * step_s
        width = buckets.size * step_s
        return LineChart(key + self.suffix, title, axis, at, panels, note, held=True, width=width)

    def _currency(self) -> str:
        cost = self.run.summary.sites[self.site].cost
        return cost.currency if cost is not None else ""


def latency_chart(
    key: str, title: str, latencies: Mapping[str, Quantiles], *, by_class: bool = False
) -> LineChart | None:
    """Return the distributions of latencies; None without any.

    Args:
        key: Identifier of the chart.
        title: Its title.
        latencies: By key of `LATENCIES`, or by class.
        by_class: Whether they are by class.
    """
    known = {name: times for name, times in latencies.items() if times.count}
    if not known:
        return None
    marks = {name: np.array(times.quantiles(SHARES.tolist())) for name, times in known.items()}
    if by_class:
        style = {name: (name, series_color(k), series_dash(k)) for k, name in enumerate(marks)}
    else:
        style = {
            name: (LATENCIES[name][0], _LATENCY_COLORS[name], _LATENCY_DASHES[name])
            for name in marks
        }
    series = [
        ChartLine(style[name][0], style[name][1], SHARES, x=values, dash=style[name][2])
        for name, values in marks.items()
    ]
    least = min(float(values[1]) for values in marks.values())
    low = max(_LEAST_S, least * 0.9)
    high = max(*(float(values[-1]) for values in marks.values()), low * 10) * 1.05
    axis = Axis("log", "latency [s]", low, high)
    panel = Panel("requests within", "s", series, height=230, percent=True)
    note = "Completed requests."
    if least < _LEAST_S:
        note += f" Times below {_LEAST_S * 1000:g} ms stand at the left edge."
    if how := next((times.how() for times in known.values() if not times.exact), ""):
        note += f" Quantiles: {how}."
    return LineChart(key, title, axis, SHARES, [panel], note, along="y")


def pooled(by_class: Mapping[str, Mapping[str, Quantiles]]) -> dict[str, Quantiles]:
    """Return the latencies of all classes together."""
    return {
        key: Quantiles.pooled([by_kind[key] for by_kind in by_class.values()]) for key in LATENCIES
    }


def change_key(index: int) -> str:
    """Return the identifier of the row of a change."""
    return f"change-{index}"


def moment(run: RunData, seconds: float) -> str:
    """Return a time since the start of a run as UTC."""
    then = run.start + timedelta(seconds=float(seconds))
    clock = f"{then:%H:%M:%S}" if then.second else f"{then:%H:%M}"
    return f"{then.day} {then:%b} {clock}"


def slugs(names: list[str]) -> dict[str, str]:
    """Return the suffix of the keys of each site's charts; empty for a single site."""
    if len(names) == 1:
        return {names[0]: ""}
    suffixes: dict[str, str] = {}
    for index, name in enumerate(names):
        slug = "_" + (re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "site")
        suffixes[name] = slug if slug not in suffixes.values() else f"{slug}-{index}"
    return suffixes
