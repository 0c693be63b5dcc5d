"""The output: a table per group, JSON, and the verdict of a smoke run."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Mapping, Sequence
from statistics import median

from benchmarks.cases import Case
from benchmarks.measure import Measurement
from benchmarks.work import ROOT
from inference_sim import is_compiled

Results = Mapping[Case, Measurement]
Rows = Sequence[tuple[str, ...]]
PAGE = ROOT / "docs" / "benchmarks.md"
_BEGIN, _END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
_TITLES = {
    "serving": "Serving",
    "engine": "Other models, lengths and schedulers",
    "requests": "Growth with requests",
    "replicas": "Growth with replicas",
    "loop": "The closed loop",
    "reports": "Reports",
    "start_up": "Start-up",
    "traces": "Reading traces",
}


def machine(results: Results) -> str:
    """Return the machine of the figures, in a line."""
    bare = median(measurement.bare_events_per_s for measurement in results.values())
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    build = "compiled" if is_compiled() else "plain Python"
    return (
        f"{platform.system()} {platform.machine()}, {cores} cores, "
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"inner loop {build}; bare SimPy: {bare / 1e6:.2f} million events/s"
    )


def tables(results: Results) -> str:
    """Return a Markdown table per group."""
    parts = []
    for group in dict.fromkeys(case.group for case in results):
        of_group = {
            case: measurement for case, measurement in results.items() if case.group == group
        }
        rows = _ROWS.get(group, _serving_rows)(of_group)
        parts.append(f"### {_TITLES[group]}\n\n{_aligned(rows)}")
    return "\n\n".join(parts)


def _serving_rows(results: Results) -> Rows:
    head = (
        "case",
        "what",
        "requests/s",
        "x real time",
        "requests per bare event",
        "bare events per simulated s",
        "peak memory MiB",
    )
    return [head] + [
        (
            case.title,
            case.about,
            f"{measurement.requests_per_s:,.0f}",
            f"{measurement.x_real_time:,.0f}",
            f"{measurement.per_bare_event:.4f}",
            f"{measurement.bare_events / measurement.simulated_s:,.0f}",
            f"{measurement.peak_memory_mib:.0f}",
        )
        for case, measurement in results.items()
    ]


def _seconds_rows(results: Results) -> Rows:
    return [("case", "what", "seconds", "bare events", "peak memory MiB")] + [
        (
            case.title,
            case.about,
            f"{measurement.seconds:.2f}",
            f"{measurement.bare_events:,.0f}",
            f"{measurement.peak_memory_mib:.0f}",
        )
        for case, measurement in results.items()
    ]


def _trace_rows(results: Results) -> Rows:
    return [("case", "what", "rows/s", "rows per bare event", "peak memory MiB")] + [
        (
            case.title,
            case.about,
            f"{measurement.requests_per_s:,.0f}",
            f"{measurement.per_bare_event:.3g}",
            f"{measurement.peak_memory_mib:.0f}",
        )
        for case, measurement in results.items()
    ]


_ROWS = {"reports": _seconds_rows, "start_up": _seconds_rows, "traces": _trace_rows}


def _aligned(rows: Rows) -> str:
    """Return a Markdown table; all columns but the first two are numbers."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if index < 2 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = [("-" * width if i < 2 else "-" * (width - 1) + ":") for i, width in enumerate(widths)]
    return "\n".join([line(rows[0]), line(rule), *map(line, rows[1:])])


def as_json(results: Results) -> dict[str, dict[str, float]]:
    """Return the figures of one group by the names of its cases, where they apply."""
    return {
        case.name: {
            name: value
            for name, value in {
                "requests_per_s": measurement.requests_per_s,
                "requests_per_bare_event": measurement.per_bare_event
                if measurement.requests
                else math.nan,
                "seconds": math.nan if measurement.requests else measurement.seconds,
                "bare_events": math.nan if measurement.requests else measurement.bare_events,
                "bare_events_per_s": measurement.bare_events_per_s,
            }.items()
            if not math.isnan(value)
        }
        for case, measurement in results.items()
    }


def too_slow(results: Results) -> list[str]:
    """Return a line for each case of a smoke run that stayed below its floor."""
    return [
        f"{case.title} is too slow: {run.per_bare_event:.3g} {unit} per bare event, at least "
        f"{case.floor:.3g} expected"
        for case, run in results.items()
        if run.per_bare_event < case.floor
        for unit in ("requests" if run.requests else "starts",)
    ]


def write_docs(results: Results) -> None:
    """Renew the text between the markers of the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, after = text[: text.index(_BEGIN) + len(_BEGIN)], text[text.index(_END) :]
    content = f"{machine(results)}\n\n{tables(results)}"
    PAGE.write_text(f"{before}\n\n{content}\n\n{after}", encoding="utf-8")
