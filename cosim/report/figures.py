"""The charts of a report as files: SVG by our own writer, PDF by Matplotlib."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from cosim.errors import CosimError
from cosim.report.draw_svg import to_svg
from cosim.report.run_data import RunData
from cosim.report.run_report import Baseline, run_charts

FOLDER = "figures"


def check_figures(kind: str) -> None:
    """Refuse figures that cannot be drawn, before anything is read.

    Raises:
        CosimError: If Matplotlib is wanted and missing.
    """
    if kind == "pdf" and find_spec("matplotlib") is None:
        raise CosimError(
            "figures as PDF need Matplotlib, which is not installed: pip install 'cosim[plots]', "
            "or take --figures svg"
        )


def write_figures(folder: Path, kind: str, baseline: Path | None = None) -> list[Path]:
    """Write each chart of a run's report into ``figures/`` of its folder.

    Args:
        folder: The result folder.
        kind: ``svg`` or ``pdf``.
        baseline: That of the run to compare with; None for none.

    Returns:
        The files, in the order of the report.

    Raises:
        CosimError: As :func:`check_figures`, or if the folder cannot be read.
    """
    check_figures(kind)
    against = Baseline.load(baseline) if baseline is not None else None
    charts = run_charts(RunData.load(folder), against)
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
