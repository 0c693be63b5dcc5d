"""The charts of a report as files: SVG by our own writer, PDF by Matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from cosim.errors import CosimError, install_hint
from cosim.report.charts import Chart
from cosim.report.draw_svg import to_svg

FOLDER = "figures"


def check_figures(kind: str) -> None:
    """Refuse figures that cannot be drawn, before anything is read.

    Raises:
        CosimError: If Matplotlib is wanted and missing.
    """
    if kind == "pdf" and find_spec("matplotlib") is None:
        raise CosimError(
            f"figures as PDF need Matplotlib, which is not installed: {install_hint('plots')}, "
            "or take --figures svg"
        )


def write_figures(folder: Path, kind: str, charts: Sequence[Chart]) -> list[Path]:
    """Write charts into ``figures/`` of a result folder.

    Args:
        folder: The result folder.
        kind: ``svg`` or ``pdf``.
        charts: The charts.

    Returns:
        The files, in the order of the charts.

    Raises:
        CosimError: As :func:`check_figures`.
    """
    check_figures(kind)
    target = folder / FOLDER
    target.mkdir(exist_ok=True)
    paths = []
    for chart in charts:
        path = target / f"{chart.key}.{kind}"
        if kind == "pdf":
            from cosim.report.draw_pdf import write_pdf

            write_pdf(chart, path)
        else:
            path.write_text(to_svg(chart, alone=True) + "\n", encoding="utf-8")
        paths.append(path)
    return paths
