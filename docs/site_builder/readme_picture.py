"""The picture of the first page: two days of the quickstart, for light and for dark ground.

It is drawn from a result folder, by the writer of the reports' charts:

    cosim run scenarios/quickstart.yaml
    python -m docs.site_builder.readme_picture results/quickstart
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from cosim.errors import CosimError
from cosim.report.draw_svg import to_svg
from cosim.report.lines import Axis, ChartLine, LineChart, Panel
from cosim.report.run_data import RunData
from cosim.report.thin import Buckets

IMAGES = Path(__file__).parents[1] / "images"
_LINES = 240  # values of a line: 15 minutes each, so that the file stays small


def picture(run: RunData) -> LineChart:
    """Return the chart: power over intensity, admission rate, and requests queued.

    Args:
        run: A run with one site that has solar panels, a battery and an admission rate.
    """
    (columns,) = run.steps.values()
    buckets = Buckets.of_time(len(columns["time_s"]), _LINES, run.step_s, 0.0)

    def line(
        name: str, column: str, color: str, dash: str = "", *, filled: bool = False
    ) -> ChartLine:
        made = buckets.series(name, color, columns[column], dash, column=column, filled=filled)
        return replace(made, low=None, high=None)

    power = [
        line("load", "facility_power_w", "ink"),
        line("solar", "solar_w", "orange", filled=True),
        line("grid import", "import_w", "blue", "8 3 2 3"),
        line("battery, charging positive", "battery_power_w", "green", "6 3"),
    ]
    intensity = line("intensity", "carbon_intensity_g_per_kwh", "vermilion", filled=True)
    admitted = line("admission rate", "admission_rate_per_s", "ink")
    waiting = line("queued", "gateway_waiting", "purple", filled=True)
    panels = [
        Panel("power", "W", power, height=190),
        Panel("carbon intensity of the grid", "g/kWh", [intensity], height=80),
        Panel("highest admission rate", "1/s", [admitted], height=60),
        Panel("requests queued", "requests", [waiting], height=80),
    ]
    return LineChart(
        "quickstart",
        "Two days of one GPU: requests are queued while the grid is dirty",
        Axis("time", "time, UTC", 0.0, run.duration_s, run.start),
        buckets.starts.astype(np.float64) * run.step_s,
        panels,
        held=True,
        width=buckets.size * run.step_s,
    )


def write_pictures(run: RunData, folder: Path) -> list[Path]:
    """Write the picture for light and for dark ground into a folder, and return the files."""
    chart = picture(run)
    paths = []
    for name, dark in (("quickstart.svg", False), ("quickstart-dark.svg", True)):
        path = folder / name
        path.write_text(to_svg(chart, alone=True, dark=dark) + "\n", encoding="utf-8")
        paths.append(path)
    return paths


def main() -> None:
    """Write the picture of the result folder that is named on the command line."""
    if len(sys.argv) != 2:
        usage = "python -m docs.site_builder.readme_picture DIR"
        sys.exit(f"usage: {usage} (got {len(sys.argv) - 1} arguments)")
    try:
        run = RunData.load(Path(sys.argv[1]))
    except CosimError as error:
        sys.exit(f"error: {error}")
    for path in write_pictures(run, IMAGES):
        print(path)


if __name__ == "__main__":
    main()
