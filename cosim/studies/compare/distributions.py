"""The distributions of the latencies of runs, laid over each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from cosim.accounting.quantiles import Quantiles
from cosim.report.lines import Axis, ChartLine, LineChart, Panel
from cosim.report.palette import series_color
from cosim.report.run_charts import SHARES, pooled
from cosim.report.run_data import LATENCIES
from cosim.studies.compare.compared_run import ComparedRun
from cosim.studies.compare.measures import request_classes
from cosim.studies.compare.overlay import DASHES

_KINDS = ("ttft", "tpot", "e2e")
_MOST_CLASSES = 4
_LEAST_S = 1e-3


def latency_charts(runs: Sequence[ComparedRun]) -> Iterator[tuple[str, list[LineChart]]]:
    """Yield the charts of all requests, then those of each class, with a heading.

    The heading is empty if all requests are of the same class; of many classes the first are shown.
    """
    of_all = [pooled(run.latencies) if run.latencies else {} for run in runs]
    classes = request_classes(runs)
    yield ("all classes" if classes else ""), list(_charts(runs, of_all, "all"))
    for number, name in enumerate(classes[:_MOST_CLASSES]):
        of_class = [run.latencies.get(name, {}) for run in runs]
        yield f"class {name}", list(_charts(runs, of_class, f"class-{number}"))


def _charts(
    runs: Sequence[ComparedRun], latencies: Sequence[Mapping[str, Quantiles]], suffix: str
) -> Iterator[LineChart]:
    for key in _KINDS:
        lines = [
            ChartLine(
                run.name,
                series_color(index),
                SHARES,
                x=np.array(of_run[key].quantiles(SHARES.tolist())),
                dash=DASHES[index % len(DASHES)],
            )
            for index, (run, of_run) in enumerate(zip(runs, latencies, strict=True))
            if key in of_run and of_run[key].count
        ]
        if lines:
            name = LATENCIES[key][0]
            yield _chart(f"latency-{key}-{suffix}", f"{name[0].upper()}{name[1:]}", lines)


def _chart(key: str, title: str, lines: Sequence[ChartLine]) -> LineChart:
    places = [line.x for line in lines if line.x is not None]
    least = min(float(x[1]) for x in places)
    low = max(_LEAST_S, least * 0.9)
    high = max(*(float(x[-1]) for x in places), low * 2) * 1.05
    note = ""
    if least < _LEAST_S:
        note = f"Times below {_LEAST_S * 1000:g} ms stand at the left edge."
    panel = Panel("requests within", "s", lines, height=170, percent=True)
    axis = Axis("log", "seconds", low, high)
    return LineChart(key, title, axis, SHARES, [panel], note, along="y")
