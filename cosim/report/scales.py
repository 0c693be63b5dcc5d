"""Scales that map values to pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cosim.report.lines import Axis, Kind, Panel
from cosim.report.ticks import (
    Tick,
    domain,
    duration_ticks,
    linear_ticks,
    log_ticks,
    time_ticks,
)
from inference_sim.arrays import FloatArray

_TICK_DISTANCE = 26  # of a vertical axis [px]


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis laid over pixels.

    Attributes:
        kind: How values are laid out.
        low, high: Values at its ends.
        ticks: Its ticks.
        start, end: Pixels of `low` and `high`.
        label: Its quantity, and the unit of the ticks in brackets if they do not have it.
    """

    kind: Kind
    low: float
    high: float
    ticks: Sequence[Tick]
    start: float = 0.0
    end: float = 1.0
    label: str = ""

    def to(self, start: float, end: float) -> Scale:
        """Return the same axis over other pixels."""
        return replace(self, start=start, end=end)

    def pixels(self, values: FloatArray) -> FloatArray:
        """Return the pixels of values, held within the axis; NaN stays."""
        held = np.clip(values, self.low, self.high)
        low, high = self.low, self.high
        if self.kind == "log":
            held, low, high = np.log(held), math.log(low), math.log(high)
        return self.start + (held - low) / (high - low or 1.0) * (self.end - self.start)

    def pixel(self, value: float) -> float:
        """Return the pixel of a value."""
        return float(self.pixels(np.array([value]))[0])


def x_scale(axis: Axis, most: int) -> Scale:
    """Return a horizontal axis with at most about `most` ticks."""
    shown, label = axis.shown, axis.label
    if axis.kind == "time" and axis.origin is not None:
        ticks = time_ticks(axis.clock.local(axis.origin), axis.high, most)
    elif (
        axis.kind == "log"
        and axis.unit == "s"
        and (round_ones := duration_ticks(axis.low, axis.high, most + 1))
    ):
        ticks, label = round_ones, axis.quantity
    else:
        if axis.kind == "log":
            ticks = log_ticks(axis.low, axis.high, most + 1, shown.size)
        else:
            whole = axis.whole and shown.size == 1
            ticks = linear_ticks(axis.low, axis.high, most, shown.size, whole=whole)
        label = f"{axis.quantity} [{shown.name}]" if shown.name else axis.label
    return Scale(axis.kind, axis.low, axis.high, ticks, label=label)


def panel_scale(panel: Panel) -> Scale:
    """Return the vertical axis of a panel; an infinite value gets a tick at its upper edge."""
    bounds: list[float] = []
    unlimited = False
    for line in panel.series:
        for values in (line.y, *((line.low, line.high) if panel.banded else ())):
            if values is not None and len(values):
                unlimited = unlimited or bool(np.isposinf(values).any())
                finite = values[np.isfinite(values)]
                if len(finite):
                    bounds += [float(finite.min()), float(finite.max())]
    most = max(4, panel.height // _TICK_DISTANCE)
    if panel.log:
        return _log_scale([bound for bound in bounds if bound > 0], most, panel.shown.size)
    if panel.percent and all(0 <= value <= 1 for value in bounds):
        low, high = 0.0, 1.0
    else:
        low, high = domain(bounds or [0.0, 1.0], zero=panel.zero)
    ticks = linear_ticks(low, high, most, panel.shown.size)
    if unlimited:
        edge = high + (high - low) * 0.3
        ticks = [*(tick for tick in ticks if tick.at <= high), Tick(edge, panel.infinite)]
        high = edge
    return Scale("linear", low, high, ticks)


def _log_scale(bounds: Sequence[float], most: int, size: float) -> Scale:
    """Return a logarithmic axis that holds positive values, with a little room at both ends."""
    low, high = (min(bounds) / 1.3, max(bounds) * 1.3) if bounds else (0.1, 10.0)
    return Scale("log", low, high, log_ticks(low, high, most, size))
