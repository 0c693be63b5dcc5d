"""Signals as a picture: values over time, and the mean day."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cosim.data_sets.signals.summary import SignalSummary
from cosim.data_sets.traces.chart import check_picture, save_picture

_INTERVALS = 1000


def draw(summaries: Sequence[SignalSummary], path: Path) -> None:
    """Draw signals, a row each: over time, and by hour of the day with 10th to 90th percentile.

    Args:
        summaries: The signals.
        path: The picture, ``.svg`` or ``.png``; replaced if it exists.

    Raises:
        CosimError: If it cannot be drawn or written.
    """
    check_picture(path)
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # The same bytes each time: no date, no random identifiers.
    with mpl.rc_context({"svg.hashsalt": "cosim", "font.size": 9}):
        figure = Figure(figsize=(10, 3 * len(summaries)), layout="constrained")
        rows = figure.subplots(len(summaries), 2, squeeze=False, width_ratios=(3, 1))
        for summary, (left, right) in zip(summaries, rows, strict=True):
            start_s, end_s = float(summary.series.starts_s[0]), summary.series.end_s
            width_s, means = summary.over_time(_INTERVALS)
            edges_s = np.append(start_s + width_s * np.arange(len(means)), end_s)
            days = edges_s / 86400  # dates, to Matplotlib
            left.stairs(means, days, color="#4878a8", baseline=None)
            left.xaxis_date()
            left.set(ylabel=summary.unit or "value", xlim=(days[0], days[-1]))
            left.set_title(summary.title, loc="left")
            left.tick_params(axis="x", rotation=20)
            if (day := summary.mean_day()) is not None:
                hours = np.arange(24) + 0.5
                right.fill_between(hours, day["p10"], day["p90"], color="#4878a8", alpha=0.25)
                right.plot(hours, day["mean"], color="#4878a8")
            right.set(xlabel="hour of the day [UTC]", xlim=(0, 24), xticks=range(0, 25, 6))
            right.grid(alpha=0.3)
        save_picture(figure, path)
