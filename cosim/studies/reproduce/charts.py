"""The charts of the experiments' page: the paper's Figs 1 to 5, with published values beside.

Everywhere circles are published, a blue line is paper mode, one of vermilion corrected; where there
are many models or lengths, each has a colour, and a panel each mode.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from cosim.report.charts import BarChart, Bars, Chart
from cosim.report.lines import Axis, ChartLine, LineChart, Panel
from cosim.report.palette import series_color, series_dash
from cosim.studies.reproduce.rows import Row

MODES = {"paper_mode": "paper mode", "corrected": "corrected"}
COLORS = {"published": "ink", "paper_mode": "blue", "corrected": "vermilion"}
_DASHES = {"paper_mode": "", "corrected": "6 3"}
_QUANTITIES = {
    "mfu_percent": ("MFU", "%"),
    "power_w": ("power of a GPU", "W"),
    "energy_kwh": ("energy", "kWh"),
    "batch_mean": ("batch", "sequences"),
}
_SATURATION_PERCENT = 45.0  # of Eq. 1
_RATE = "nominal rate, requests/s"


def experiment_charts(rows: Sequence[Row]) -> list[Chart]:
    """Return the charts of one experiment; none where the paper has no figure."""
    make = _MAKERS.get(rows[0].exp)
    return make(rows) if make is not None else []


def _rate(rows: Sequence[Row]) -> list[Chart]:
    x = _places(rows, "qps")
    line = np.full(len(x), _SATURATION_PERCENT)
    saturation = ChartLine("saturation of Eq. 1", "grey", line, dash="2 2", shape="guide")
    mfu = _beside(rows, "qps", "mfu_percent", [saturation])
    power, energy = (_beside(rows, "qps", name) for name in ("power_w", "energy_kwh"))
    energy = Panel(energy.label, energy.unit, energy.series, height=energy.height, log=True)
    return [
        _chart("fig1", "Fig. 1: MFU saturates with the request rate", _RATE, x, [mfu]),
        _chart("fig5", "Fig. 5: power and energy over the request rate", _RATE, x, [power, energy]),
    ]


def _batch_cap(rows: Sequence[Row]) -> list[Chart]:
    x = np.array(_places(rows, "batch_cap"))
    mean, std = (_values(rows, "batch_cap", "paper_mode", name) for name in _BATCH)
    ours = ChartLine("ours, ± standard deviation", "blue", mean, low=mean - std, high=mean + std)
    series = [ours, *_published(rows, "batch_cap", "batch_mean")]
    series.append(ChartLine("cap", "grey", x, dash="2 2", shape="guide"))
    panels = [
        Panel("sequences of an iteration", "", series, height=180),
        *(_beside(rows, "batch_cap", name) for name in ("power_w", "energy_kwh")),
    ]
    title = "Fig. 4: batch, power and energy over the batch cap"
    return [_chart("fig4", title, "batch cap, sequences", x.tolist(), panels)]


def _models(rows: Sequence[Row]) -> list[Chart]:
    first = rows[0].exp == "exp1"
    return _by_group(
        rows,
        "fig2" if first else rows[0].exp,
        ("Fig. 2: " if first else "") + "%s over the number of requests",
        "requests",
        "requests",
        "model",
        spread=True,
    )


def _lengths(rows: Sequence[Row]) -> list[Chart]:
    ratio = "prompt to output ratio P:D"
    return [
        *_by_group(
            rows,
            "fig3-length",
            "Fig. 3: %s over the length of a request",
            "total_tokens",
            "tokens of a request",
            "prefill_decode_ratio",
            "P:D {}",
        ),
        *_by_group(
            rows,
            "fig3-ratio",
            f"Fig. 3: %s over the {ratio}",
            "prefill_decode_ratio",
            ratio,
            "total_tokens",
            "{} tokens",
        ),
    ]


def _parallel(rows: Sequence[Row]) -> list[Chart]:
    names = [f"TP{row.case['tensor_parallel']} PP{row.case['pipeline_parallel']}" for row in rows]
    charts: list[Chart] = []
    for quantity in ("power_w", "energy_kwh"):
        label, unit = _QUANTITIES[quantity]
        groups = []
        for source, color in COLORS.items():
            values = np.array([_known(getattr(row, source)[quantity]) for row in rows])
            if not np.isnan(values).all():
                groups.append(Bars(source.replace("_", " "), color, values))
        title = f"{label[0].upper()}{label[1:]} by tensor (TP) and pipeline parallelism (PP)"
        charts.append(
            BarChart(f"exp5-{quantity.partition('_')[0]}", title, label, unit, names, groups)
        )
    return charts


_BATCH = ("batch_mean", "batch_std")
_MAKERS: Mapping[str, Callable[[Sequence[Row]], list[Chart]]] = {
    "exp1": _models,
    "exp1b": _models,
    "exp2": _lengths,
    "exp3": _batch_cap,
    "exp4": _rate,
    "exp5": _parallel,
}


def _beside(rows: Sequence[Row], key: str, quantity: str, more: Sequence[ChartLine] = ()) -> Panel:
    """Return a quantity over a key of the sweep: published, paper mode, corrected."""
    series = [
        ChartLine(name, COLORS[mode], _values(rows, key, mode, quantity), dash=_DASHES[mode])
        for mode, name in MODES.items()
    ]
    label, unit = _QUANTITIES[quantity]
    return Panel(label, unit, [*series, *_published(rows, key, quantity), *more], height=180)


def _by_group(
    rows: Sequence[Row],
    key: str,
    title: str,
    over: str,
    label: str,
    group: str,
    named: str = "{}",
    *,
    spread: bool = False,
) -> list[Chart]:
    """Return power and energy over a key of the sweep: a panel each mode, a line each group.

    Args:
        rows: The rows.
        key: Of the charts, before the name of the quantity.
        title: Of the charts, with ``%s`` for the quantity.
        over, label: Key of the sweep on the axis, and its label.
        group, named: Key of the sweep by which lines differ, and their names.
        spread: Whether powers lie close together and energies far apart.
    """
    groups = list(dict.fromkeys(row.case[group] for row in rows))
    x = _places(rows, over)
    charts: list[Chart] = []
    for quantity in ("power_w", "energy_kwh"):
        name_of, unit = _QUANTITIES[quantity]
        zero = not (spread and quantity == "power_w")
        log = spread and quantity == "energy_kwh"
        panels = []
        for mode, mode_name in MODES.items():
            series: list[ChartLine] = []
            for k, value in enumerate(groups):
                own = [row for row in rows if row.case[group] == value]
                name = named.format(str(value).rpartition("/")[2])
                y = _values(own, over, mode, quantity, x)
                series.append(ChartLine(name, series_color(k), y, dash=series_dash(k)))
                series += _published(own, over, quantity, x, f", {name}", series_color(k))
            label_of = f"{name_of}, {mode_name}"
            panels.append(Panel(label_of, unit, series, height=200, zero=zero, log=log))
        stem = f"{key}-{quantity.partition('_')[0]}"
        charts.append(_chart(stem, title % (name_of[0].upper() + name_of[1:]), label, x, panels))
    return charts


def _published(
    rows: Sequence[Row],
    key: str,
    quantity: str,
    x: Sequence[float] | None = None,
    suffix: str = "",
    color: str = COLORS["published"],
) -> list[ChartLine]:
    values = _values(rows, key, "published", quantity, x)
    if np.isnan(values).all():
        return []
    return [ChartLine(f"published{suffix}", color, values, shape="points")]


def _places(rows: Sequence[Row], key: str) -> list[float]:
    return sorted({float(row.case[key]) for row in rows})


def _values(
    rows: Sequence[Row],
    key: str,
    source: str,
    quantity: str,
    x: Sequence[float] | None = None,
) -> np.ndarray:
    """Return a quantity by place on the axis, shape (places,); NaN if there is none."""
    by_place = {float(row.case[key]): _known(getattr(row, source)[quantity]) for row in rows}
    places = _places(rows, key) if x is None else x
    return np.array([by_place.get(place, math.nan) for place in places])


def _known(value: float | None) -> float:
    return math.nan if value is None else value


def _chart(
    key: str, title: str, label: str, x: Sequence[float], panels: Sequence[Panel]
) -> LineChart:
    low, high = x[0], x[-1]
    margin = (high / low) ** 0.02 if high > low else 1.5
    axis = Axis("log", label, low / margin, high * margin)
    return LineChart(key, title, axis, np.array(x), panels, dots=True)
