"""The paper's Figs 1 to 7: its published values, ours in its way, and corrected.

Everywhere a filled black circle is published, a blue line paper mode, an orange one corrected (the
colours of Okabe and Ito, which the colour-blind can tell apart). Needs matplotlib.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cosim.errors import CosimError, install_hint
from cosim.studies.reproduce.cases import paper
from cosim.studies.reproduce.rows import Row

if TYPE_CHECKING:
    import pandas as pd

    from cosim.studies.reproduce.table2 import CaseStudy

BLUE, ORANGE, GREEN, YELLOW, GREY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#777777"
_SERIES = ["#000000", "#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#888888"]
_SERIES += ["#7F5F00", "#5F3F7F"]
_MARKERS = "osD^v<>Pph"
_KWH = "energy [kWh]"
_W = "power of a GPU [W]"


def need_matplotlib() -> None:
    """Check that figures can be drawn.

    Raises:
        CosimError: If matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise CosimError(
            f"figures need matplotlib: {install_hint('plots')}, or add --no-figures"
        ) from error


def draw(folder: Path, rows: Sequence[Row], study: CaseStudy | None) -> None:
    """Draw the figures that there are rows for, each as SVG and PNG, into a folder."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {
        "svg.hashsalt": "cosim",  # the same rows give the same bytes
        "font.size": 9,
        "axes.grid": True,
        "grid.alpha": 0.3,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
    }
    of = {exp: [row for row in rows if row.exp == exp] for exp in paper()}
    drawings: list[tuple[str, bool, Callable[[], Figure]]] = [
        ("fig1", bool(of["exp4"]), lambda: _fig1(of["exp4"])),
        ("fig2", bool(of["exp1"]), lambda: _fig2(of["exp1"])),
        ("fig3", bool(of["exp2"]), lambda: _fig3(of["exp2"])),
        ("fig4", bool(of["exp3"]), lambda: _fig4(of["exp3"])),
        ("fig5", bool(of["exp4"]), lambda: _fig5(of["exp4"])),
    ]
    if study is not None:
        drawings += [
            ("fig6", True, lambda: _fig6(study)),
            ("fig7", True, lambda: _fig7(study)),
        ]
    with mpl.rc_context(style):
        for name, has_rows, make in drawings:
            if has_rows:
                figure = make()
                figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
                figure.savefig(folder / f"{name}.png", dpi=130, metadata={"Software": None})


def _panels(rows: int, columns: int, width: float, height: float, title: str) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(title, fontsize=10)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _beside(axes: Any, rows: Sequence[Row], key: str, quantity: str) -> None:
    """Draw a quantity over a key: published, paper mode, corrected."""
    x = [row.case[key] for row in rows]
    axes.plot(x, _of(rows, "paper_mode", quantity), "-s", color=BLUE, ms=4, label="paper mode")
    axes.plot(x, _of(rows, "corrected", quantity), "-^", color=ORANGE, ms=4, label="corrected")
    known = [(a, row.published[quantity]) for a, row in zip(x, rows, strict=True)]
    known = [(a, b) for a, b in known if b is not None]
    if known:
        label = "published"
        axes.plot(*zip(*known, strict=True), "o", color="black", mfc="none", ms=8, label=label)


def _of(rows: Sequence[Row], source: str, quantity: str) -> list[float]:
    return [getattr(row, source)[quantity] for row in rows]


def _log2(axes: Any, values: Sequence[float], name: str) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(values, [f"{value:g}" for value in values])
    axes.minorticks_off()
    axes.set_xlabel(name)


def _rates(axes: Any, rows: Sequence[Row]) -> None:
    axes.set_xscale("log")
    axes.set_xticks(
        [0.1, 0.27, 1, 3.2, 7.9, 20, 50], ["0.1", "0.27", "1", "3.2", "7.9", "20", "50"]
    )
    axes.minorticks_off()
    axes.set_xlabel("nominal rate [requests/s]")


def _fig1(rows: Sequence[Row]) -> Any:
    figure, panels = _panels(
        1, 1, 6, 3.8, "Fig. 1: MFU saturates with the request rate (Llama-3-8B)"
    )
    axes = panels[0][0]
    _beside(axes, rows, "qps", "mfu_percent")
    axes.axhline(45, color=GREY, ls="--", lw=1, label="saturation of Eq. 1")
    _rates(axes, rows)
    axes.set_ylabel("MFU [%]")
    axes.legend()
    return figure


def _fig2(rows: Sequence[Row]) -> Any:
    figure, panels = _panels(
        2,
        2,
        10,
        7.5,
        "Fig. 2: number of requests (solid: paper mode, dotted: corrected, o: published)",
    )
    large = paper()["exp1"]["parallel"]
    models = list(dict.fromkeys(str(row.case["model"]) for row in rows))
    for index, model in enumerate(models):
        own = [row for row in rows if row.case["model"] == model]
        line = panels[1 if model in large else 0]
        for axes, quantity in zip(line, ("power_w", "energy_kwh"), strict=True):
            color, marker = _SERIES[index], _MARKERS[index]
            x = [row.case["requests"] for row in own]
            name = model.rpartition("/")[2]
            style = {"color": color, "marker": marker, "ms": 3, "lw": 1}
            axes.plot(x, _of(own, "paper_mode", quantity), "-", label=name, **style)
            axes.plot(x, _of(own, "corrected", quantity), ":", **style)
            known = [row for row in own if row.published[quantity] is not None]
            axes.plot(
                [row.case["requests"] for row in known],
                _of(known, "published", quantity),
                "o", color=color, mfc="none", ms=9,
            )  # fmt: skip
    for line, group in zip(panels, ("up to 34B, one GPU", "70B and more, TP2 PP2"), strict=True):
        for axes, unit in zip(line, (_W, _KWH), strict=True):
            axes.set_title(group, fontsize=9)
            axes.set_xscale("log", base=2)
            axes.set_xlabel("requests")
            axes.set_ylabel(unit)
        if line[1].lines:
            line[1].legend(fontsize=7)  # where the curves leave room
    return figure


def _fig3(rows: Sequence[Row]) -> Any:
    figure, panels = _panels(
        2,
        2,
        11,
        8,
        "Fig. 3: prompt to output ratio and length (solid: paper mode, dotted: corrected)",
    )
    views = (
        ("prefill_decode_ratio", "total_tokens", "tokens of a request", "P:D"),
        ("total_tokens", "prefill_decode_ratio", "prompt to output ratio P:D", "tokens"),
    )
    for line, (group, over, name, prefix) in zip(panels, views, strict=True):
        for axes, quantity, unit in zip(line, ("power_w", "energy_kwh"), (_W, _KWH), strict=True):
            groups = list(dict.fromkeys(row.case[group] for row in rows))
            for index, value in enumerate(groups):
                own = [row for row in rows if row.case[group] == value]
                x = [row.case[over] for row in own]
                style = {"color": _SERIES[index], "marker": _MARKERS[index], "ms": 3, "lw": 1}
                label = f"{prefix} {value}"
                axes.plot(x, _of(own, "paper_mode", quantity), "-", label=label, **style)
                axes.plot(x, _of(own, "corrected", quantity), ":", **style)
            axes.set_xscale("log", base=2 if over == "total_tokens" else 10)
            axes.set_xlabel(name)
            axes.set_ylabel(unit)
        line[0].legend(fontsize=7, ncols=2)
    return figure


def _fig4(rows: Sequence[Row]) -> Any:
    figure, panels = _panels(1, 3, 12, 3.8, "Fig. 4: batch cap (Llama-3-8B)")
    names = (("batch_mean", "sequences of an iteration"), ("power_w", _W), ("energy_kwh", _KWH))
    caps = [float(row.case["batch_cap"]) for row in rows]
    for axes, (quantity, unit) in zip(panels[0], names, strict=True):
        if quantity == "batch_mean":
            mean = _of(rows, "paper_mode", quantity)
            std = _of(rows, "paper_mode", "batch_std")
            axes.errorbar(
                caps, mean, std, fmt="-s", color=BLUE, ms=4, capsize=3, label="ours, ± std"
            )
            axes.plot(caps, caps, "--", color=GREY, lw=1, label="cap")
            known = [row for row in rows if row.published[quantity] is not None]
            x = [row.case["batch_cap"] for row in known]
            values = _of(known, "published", quantity)
            axes.plot(x, values, "o", color="black", mfc="none", ms=8, label="published")
        else:
            _beside(axes, rows, "batch_cap", quantity)
        _log2(axes, caps, "batch cap [sequences]")
        axes.set_ylabel(unit)
        axes.set_ylim(bottom=0 if quantity != "power_w" else 100)
        axes.legend()
    return figure


def _fig5(rows: Sequence[Row]) -> Any:
    figure, panels = _panels(1, 2, 10, 3.8, "Fig. 5: request rate, 16,384 requests (Llama-3-8B)")
    for axes, quantity, unit in zip(panels[0], ("power_w", "energy_kwh"), (_W, _KWH), strict=True):
        _beside(axes, rows, "qps", quantity)
        _rates(axes, rows)
        axes.set_ylabel(unit)
        axes.legend()
    panels[0][1].set_yscale("log")
    return figure


def _hours(steps: pd.DataFrame) -> Any:
    return steps["time_s"] / 3600


def _fig6(study: CaseStudy) -> Any:
    figure, panels = _panels(2, 1, 9, 6.5, "Fig. 6: power flow of the case study")
    both = (
        (study.steps, "battery of 516.8 Wh, as in the paper's code"),
        (study.corrected_steps, "battery of 100 Wh, as in its text"),
    )
    for axes, (steps, title) in zip(panels[:, 0], both, strict=True):
        x = _hours(steps)
        axes.fill_between(x, steps["solar_w"], color=YELLOW, alpha=0.4, lw=0, label="solar")
        axes.plot(x, steps["facility_power_w"], color=ORANGE, label="load")
        grid = steps["import_w"] - steps["export_w"]
        axes.plot(x, grid, color=BLUE, lw=1, label="grid, export negative")
        axes.plot(
            x, steps["battery_power_w"], color=GREEN, lw=1, label="battery, charging positive"
        )
        axes.axhline(0, color=GREY, lw=0.8)
        axes.set_title(title, fontsize=9)
        axes.set_ylabel("power [W]")
        axes.set_xlabel("time from 00:00 UTC [h]")
    panels[0][0].legend(fontsize=7, ncols=2)
    return figure


def _fig7(study: CaseStudy) -> Any:
    figure, panels = _panels(2, 2, 11, 7, "Fig. 7: battery and emissions of the case study")
    ways = (
        (study.steps, BLUE, "516.8 Wh (paper's code)"),
        (study.corrected_steps, ORANGE, "100 Wh (its text)"),
    )
    charge, spread, sums, intensity = panels.flat
    for steps, color, name in ways:
        charge.plot(_hours(steps), 100 * steps["battery_soc"], color=color, label=name)
    spread.hist(
        [100 * steps["battery_soc"] for steps, _, _ in ways],
        bins=12, range=(20, 100), color=[color for _, color, _ in ways],
        weights=[[1 / 60] * len(steps) for steps, _, _ in ways],
        label=[name for _, _, name in ways],
    )  # fmt: skip
    steps = study.steps
    for column, color, name in (
        ("facility_power_w", "black", "all of the load"),
        ("solar_w", YELLOW, "all of the solar ('offset')"),
    ):
        sums.plot(_hours(steps), _grams(steps, steps[column]), color=color, label=name)
    net = steps["facility_power_w"] - steps["solar_w"]
    sums.plot(_hours(steps), _grams(steps, net), color=BLUE, label="'net footprint' of the paper")
    right = study.corrected_steps
    imported = _grams(right, right["import_w"])
    sums.plot(_hours(right), imported, color=ORANGE, label="corrected: import, 100 Wh battery")
    intensity.plot(_hours(steps), steps["carbon_intensity_g_per_kwh"], color=GREEN)
    for limit in (100, 200):
        intensity.axhline(limit, color=GREY, ls="--", lw=1)
    intensity.set_ylim(bottom=0)
    charge.set_ylabel("state of charge [%]")
    spread.set_xlabel("state of charge [%]")
    spread.set_ylabel("time [h]")
    sums.set_ylabel("cumulative emissions [g]")
    intensity.set_ylabel("carbon intensity [g/kWh]\n(dashed: the paper's thresholds)")
    for axes in (charge, sums, intensity):
        axes.set_xlabel("time from 00:00 UTC [h]")
    for axes in (charge, spread, sums):
        axes.legend(fontsize=7)
    return figure


def _grams(steps: pd.DataFrame, power_w: Any) -> Any:
    """Return the cumulative emissions of a power [g]; steps are minutes."""
    return (power_w * steps["carbon_intensity_g_per_kwh"]).cumsum() * 60 / 3.6e6
