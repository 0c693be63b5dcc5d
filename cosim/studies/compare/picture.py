"""The picture of a run without controllers and one with them: power, intensity, emissions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from cosim.accounting.words import percent
from cosim.report.clock import site_clocks
from cosim.report.draw_svg import to_svg
from cosim.report.lines import Axis, ChartLine, LineChart, Panel
from cosim.report.palette import series_color
from cosim.report.run_data import RunData
from cosim.report.thin import Buckets
from cosim.results.files import put_text
from cosim.studies.compare.overlay import DASHES
from inference_sim.arrays import FloatArray

_LINES = 240  # values of a line, so that the file stays small


def picture(without: RunData, with_control: RunData) -> LineChart:
    """Return the chart of two runs of one site with solar panels, in the same time and steps.

    Args:
        without: The run without controllers.
        with_control: The run with them.
    """
    steps = without.summary.time.steps
    buckets = Buckets.of_time(steps, _LINES, without.step_s, 0.0)
    ends = np.minimum(buckets.starts + buckets.size, steps) - 1

    def mean(name: str, color: str, values: FloatArray, dash: str = "") -> ChartLine:
        made = buckets.series(name, color, values, dash)
        return replace(made, low=None, high=None)

    def of_both(values: Callable[[RunData], FloatArray], what: str = "") -> list[ChartLine]:
        return [
            mean(f"{what}without control", series_color(0), values(without), DASHES[0]),
            mean(f"{what}with control", series_color(1), values(with_control), DASHES[1]),
        ]

    solar = replace(mean("solar", "orange", _column(without, "solar_w") / 1000), filled=True)
    intensity = mean("intensity", "grey", _column(without, "carbon_intensity_g_per_kwh"))
    load = of_both(lambda run: _column(run, "facility_power_w") / 1000, "load ")
    emitted = [
        replace(line, y=_emitted_kg(run)[ends])
        for line, run in zip(of_both(_emitted_kg), (without, with_control), strict=True)
    ]
    panels = [
        Panel("power", "kW", [solar, *load], height=170),
        Panel(
            "carbon intensity of the grid", "g/kWh", [replace(intensity, filled=True)], height=80
        ),
        Panel("carbon from the grid so far", "kg", emitted, height=110),
    ]
    clock, *_ = site_clocks(without.scenario["sites"]).values()
    before, after = (float(_emitted_kg(run)[-1]) for run in (without, with_control))
    return LineChart(
        "demo",
        f"The same requests served with {percent(1 - after / before)} less carbon from the grid",
        Axis("time", clock.axis_label, 0.0, without.duration_s, without.start, clock),
        buckets.starts.astype(np.float64) * without.step_s,
        panels,
        held=True,
        width=buckets.size * without.step_s,
    )


def write_pictures(chart: LineChart, folder: Path, stem: str) -> list[Path]:
    """Write a picture for light and for dark ground into a folder, and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, dark in ((f"{stem}.svg", False), (f"{stem}-dark.svg", True)):
        put_text(folder / name, to_svg(chart, alone=True, dark=dark) + "\n")
        paths.append(folder / name)
    return paths


def _column(run: RunData, name: str) -> FloatArray:
    (columns,) = run.steps.values()
    return columns[name]


def _emitted_kg(run: RunData) -> FloatArray:
    """Return the emissions of the import until the end of each step [kg]."""
    grams = _column(run, "import_w") * _column(run, "carbon_intensity_g_per_kwh")
    return np.cumsum(grams) / 1000 * run.step_s / 3.6e6
