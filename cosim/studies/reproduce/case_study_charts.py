"""The charts of the case study on the experiments' page: the paper's Figs 6 and 7."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cosim.report.charts import BarChart, Bars, Chart
from cosim.report.lines import Axis, ChartLine, LineChart, Panel
from cosim.report.thin import Buckets
from cosim.studies.reproduce.charts import COLORS, MODES
from inference_sim.arrays import FloatArray

BATTERIES = {
    "paper_mode": "battery of 516.8 Wh, as in the paper's code",
    "corrected": "battery of 100 Wh, as in its text",
}
COLUMNS = (
    "time_s",
    "time",
    "facility_power_w",
    "solar_w",
    "battery_power_w",
    "import_w",
    "export_w",
    "battery_soc",
    "carbon_intensity_g_per_kwh",
)
"""Columns of the steps that the charts need."""

_J_PER_KWH = 3.6e6
_BUCKETS = 720
_THRESHOLDS_G_PER_KWH = (100.0, 200.0)
_BINS = np.linspace(0, 1, 11)


def case_study_charts(steps: Mapping[str, pd.DataFrame]) -> list[Chart]:
    """Return the charts of the case study.

    Args:
        steps: A row per step, with `COLUMNS`, by mode: ``paper_mode`` and ``corrected``.
    """
    times = steps["paper_mode"]
    midnight = times["time"].iloc[0].normalize()
    past_midnight_s = (times["time"].iloc[0] - midnight).total_seconds()
    buckets = Buckets.of_time(len(times), _BUCKETS, _step_s(times), past_midnight_s)
    return [_flow(steps, buckets), *_charge(steps, buckets), _emissions(steps, buckets)]


def _flow(steps: Mapping[str, pd.DataFrame], buckets: Buckets) -> LineChart:
    panels = []
    for mode, frame in steps.items():
        grid_w = _column(frame, "import_w") - _column(frame, "export_w")
        series = [
            buckets.series("load", "ink", _column(frame, "facility_power_w")),
            buckets.series("solar", "orange", _column(frame, "solar_w"), filled=True),
            buckets.series("grid, export negative", "blue", grid_w, "8 3 2 3"),
            buckets.series(
                "battery, charging positive", "green", _column(frame, "battery_power_w"), "6 3"
            ),
        ]
        panels.append(Panel(f"power, {BATTERIES[mode]}", "W", series, height=200))
    return _chart("fig6", "Fig. 6: power flow of the case study", steps, buckets, panels)


def _charge(steps: Mapping[str, pd.DataFrame], buckets: Buckets) -> list[Chart]:
    series, bars = [], []
    for mode, frame in steps.items():
        soc, step_s = _column(frame, "battery_soc"), _step_s(frame)
        series.append(buckets.series(BATTERIES[mode], COLORS[mode], soc, _DASHES[mode]))
        counts, _ = np.histogram(soc.round(9), _BINS.round(9))
        bars.append(Bars(BATTERIES[mode], COLORS[mode], counts * step_s / 3600))
    panel = Panel("state of charge", "fraction", series, height=160, percent=True)
    used = [k for k in range(len(_BINS) - 1) if any(group.values[k] for group in bars)]
    names = [f"{_BINS[k] * 100:.0f} to {_BINS[k + 1] * 100:.0f} %" for k in used]
    bars = [Bars(group.name, group.color, group.values[used]) for group in bars]
    return [
        _chart("fig7-charge", "Fig. 7: state of charge of the battery", steps, buckets, [panel]),
        BarChart("fig7-spread", "Fig. 7: time by state of charge", "time", "h", names, bars),
    ]


def _emissions(steps: Mapping[str, pd.DataFrame], buckets: Buckets) -> LineChart:
    paper, right = steps["paper_mode"], steps["corrected"]
    load_w, solar_w = _column(paper, "facility_power_w"), _column(paper, "solar_w")
    sums = [
        ("all of the load", "ink", "", paper, load_w),
        ("all of the solar ('offset')", "orange", "6 3", paper, solar_w),
        ("'net footprint' of the paper", "blue", "8 3 2 3", paper, load_w - solar_w),
        (f"corrected: import, {BATTERIES['corrected'].split(',')[0]}", "vermilion", "2 2", right,
         _column(right, "import_w")),
    ]  # fmt: skip
    lines = [
        buckets.series(name, color, _grams(frame, power_w), dash)
        for name, color, dash, frame, power_w in sums
    ]
    intensity = _column(paper, "carbon_intensity_g_per_kwh")
    limits = [
        ChartLine(f"threshold of the paper, {at:g} g/kWh", "grey", np.full(len(buckets.starts), at),
               dash=dash, shape="guide")
        for at, dash in zip(_THRESHOLDS_G_PER_KWH, ("2 2", "6 3"), strict=True)
    ]  # fmt: skip
    panels = [
        Panel("emissions so far", "g", lines, height=220),
        Panel(
            "carbon intensity",
            "g/kWh",
            [buckets.series("carbon intensity", "green", intensity), *limits],
            height=120,
        ),
    ]
    return _chart("fig7-emissions", "Fig. 7: emissions of the case study", steps, buckets, panels)


_DASHES = dict(zip(MODES, ("", "6 3"), strict=True))


def _chart(
    key: str,
    title: str,
    steps: Mapping[str, pd.DataFrame],
    buckets: Buckets,
    panels: list[Panel],
) -> LineChart:
    frame = steps["paper_mode"]
    step_s = _step_s(frame)
    note = ""
    if buckets.size > 1:
        minutes = buckets.size * step_s / 60
        note = f"Line: mean of each {minutes:g} min; band: its least and greatest value."
    start = frame["time"].iloc[0].to_pydatetime()
    axis = Axis("time", "time, UTC", 0.0, len(frame) * step_s, start)
    at = buckets.starts.astype(np.float64) * step_s
    return LineChart(key, title, axis, at, panels, note, held=True, width=buckets.size * step_s)


def _column(frame: pd.DataFrame, name: str) -> FloatArray:
    return frame[name].to_numpy(np.float64)


def _step_s(frame: pd.DataFrame) -> float:
    return float(frame["time_s"].iloc[1] - frame["time_s"].iloc[0])


def _grams(frame: pd.DataFrame, power_w: FloatArray) -> FloatArray:
    """Return the cumulative emissions of a power, shape (steps,) [g]."""
    intensity = _column(frame, "carbon_intensity_g_per_kwh")
    return np.cumsum(power_w * intensity) * _step_s(frame) / _J_PER_KWH
