"""The rate of a trace drawn in the terminal, and as a picture."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cosim.accounting.words import duration, duration_unit
from cosim.data_sets.traces.rate import Rate
from cosim.data_sets.traces.summary import TraceSummary
from cosim.errors import CosimError, ScenarioError, install_hint
from inference_sim.arrays import FloatArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BLOCKS = " ▁▂▃▄▅▆▇█"
_WHOLE = " #"
_HEIGHT = 8
_PICTURE_INTERVALS = 400
_CURVE = np.concatenate([np.linspace(0, 0.99, 199), np.linspace(0.99, 1, 41)[1:]])


def chart_lines(rate: Rate, *, blocks: bool) -> Iterator[str]:
    """Yield the lines of a bar chart of rates, a column an interval.

    Args:
        rate: The rate.
        blocks: Whether eighths of a character can be shown; whole ones if not.
    """
    return bar_lines(rate.per_s, "0", duration(rate.span_s), blocks=blocks)


def bar_lines(values: FloatArray, first: str, last: str, *, blocks: bool) -> Iterator[str]:
    """Yield the lines of a bar chart, a column a value, from 0 or below the negative values.

    Args:
        values: Values of the bars, shape (n,).
        first, last: Labels under the two ends.
        blocks: Whether eighths of a character can be shown; whole ones if not.
    """
    levels = _BLOCKS if blocks else _WHOLE
    steps = len(levels) - 1
    least, most = float(values.min()), float(values.max())
    foot = -_rounded_up(-least) if least < 0 else 0.0
    top = _rounded_up(most) if most > 0 or least >= 0 else 0.0
    heights = np.ceil((values - foot) / (top - foot) * _HEIGHT * steps).astype(int)
    labels = {
        _HEIGHT - 1: f"{top:.3g}",
        _HEIGHT // 2 - 1: f"{(top + foot) / 2:.3g}",
        -1: f"{foot:.3g}",
    }
    margin = max(map(len, labels.values()))
    for row in range(_HEIGHT - 1, -1, -1):
        bar = "".join(levels[min(max(height - row * steps, 0), steps)] for height in heights)
        yield f"{labels.get(row, ''):>{margin}} |{bar}".rstrip()
    yield f"{labels[-1]:>{margin}} +{'-' * len(heights)}"
    width = max(len(heights) - len(last), len(first) + 1)
    yield f"{'':>{margin}}  {first:<{width}}{last}"


def check_picture(path: Path) -> None:
    """Refuse a picture that cannot be drawn, before its trace is read.

    Raises:
        CosimError: If it is of another kind than ``.svg`` or ``.png``, or Matplotlib is missing.
    """
    if path.suffix.lower() not in (".svg", ".png"):
        raise ScenarioError(f"a picture ends in .svg or .png (got '{path}')")
    if find_spec("matplotlib") is None:
        raise CosimError(
            f"pictures need Matplotlib, which is not installed: {install_hint('plots')}"
        )


def draw(summary: TraceSummary, path: Path) -> None:
    """Draw the rate over time and the distributions of the lengths.

    Args:
        summary: The trace.
        path: The picture, ``.svg`` or ``.png``; replaced if it exists.

    Raises:
        CosimError: As :func:`check_picture`, or if it cannot be written.
    """
    check_picture(path)
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # The same bytes each time: no date, no random identifiers.
    with mpl.rc_context({"svg.hashsalt": "cosim", "font.size": 9}):
        figure = Figure(figsize=(8, 5), layout="constrained")
        above, below = figure.subplots(2)
        rate = summary.rate(_PICTURE_INTERVALS)
        unit, size = duration_unit(rate.span_s)
        edges = np.append(np.arange(len(rate.per_s)) * rate.width_s, max(rate.span_s, 1e-3)) / size
        above.stairs(rate.per_s, edges, fill=True, color="#4878a8")
        above.set(xlim=(0, edges[-1]), xlabel=f"time [{unit}]", ylabel="requests/s")
        above.set_ylim(bottom=0)
        above.set_title(f"{summary.path.name}: {summary.totals.requests:,} requests", loc="left")
        for (name, lengths), style in zip(summary.lengths.items(), ("-", "--"), strict=True):
            below.plot(lengths.quantiles(_CURVE.tolist()), _CURVE, style, label=name)
        below.set_xscale("log")
        below.set(xlabel="tokens", ylabel="share of requests up to it", ylim=(0, 1))
        below.grid(alpha=0.3)
        below.legend()
        save_picture(figure, path)


def save_picture(figure: Figure, path: Path) -> None:
    """Write a picture beside its place and rename it.

    Raises:
        CosimError: If it cannot be written.
    """
    kind = path.suffix.lower().removeprefix(".")
    about = {"Date": None} if kind == "svg" else {"Software": None}
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        figure.savefig(partial, format=kind, dpi=150, metadata=about)
        partial.replace(path)
    except OSError as error:
        raise CosimError(f"'{path}' cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _rounded_up(value: float) -> float:
    """Return the next value of one digit, or 1.2 or 1.5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(
        step * power for step in (1, 1.2, 1.5, 2, 3, 4, 5, 6, 8, 10) if value <= step * power
    )
