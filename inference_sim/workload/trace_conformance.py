"""Checks of a trace format that a package offers, against a file in that format.

In a test of your own::

    from inference_sim.workload.trace_conformance import check_format

    def test_conforms():
        assert check_format(GATEWAY_LOG, Path("sample.csv")) == []
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from inference_sim.errors import TraceError
from inference_sim.workload.trace_arrow import parsed_at_once
from inference_sim.workload.trace_formats import FORMATS, TIME_UNITS, TraceFormat
from inference_sim.workload.trace_lines import LineParser
from inference_sim.workload.trace_opening import open_among
from inference_sim.workload.trace_rows import read_rows


def check_format(trace_format: TraceFormat, sample: Path) -> list[str]:
    """Return the problems of a format; empty if it conforms.

    Args:
        trace_format: The format.
        sample: A file in this format, with two requests or more that do not arrive at once.
    """
    problems = list(_of_description(trace_format))
    return problems or list(_of_sample(trace_format, sample))


def _of_description(trace_format: TraceFormat) -> Iterator[str]:
    names = (*trace_format.columns, *trace_format.telling)
    if len(trace_format.columns) != 3 or len(set(names)) < len(names) or not all(names):
        yield f"expected names of time, prompt and output tokens, all different (got {names})"
    if trace_format.name in FORMATS:
        yield f"a format '{trace_format.name}' comes with the simulator"
    ticks = trace_format.ticks_per_s
    if trace_format.stamps and ticks != 1e9:
        yield f"stamps are read as nanoseconds: expected ticks_per_s=1e9 (got {ticks:g})"
    if ticks not in TIME_UNITS.values():
        yield f"expected 1, 1e3, 1e6 or 1e9 ticks_per_s (got {ticks:g})"
    for other in FORMATS.values():
        alike = other.json_lines == trace_format.json_lines and not other.telling
        if alike and set(other.columns) == set(trace_format.columns) and not trace_format.telling:
            yield f"has the columns of format '{other.name}': expected `telling` columns beside"


def _of_sample(trace_format: TraceFormat, sample: Path) -> Iterator[str]:
    formats = {**FORMATS, trace_format.name: trace_format}
    try:
        with closing(open_among(sample, formats)) as trace:
            if trace.format.name != trace_format.name:
                yield f"the sample is recognised as format '{trace.format.name}'"
                return
            ticks = np.concatenate([rows.ticks for rows in read_rows(sample, trace)])
        if len(ticks) < 2 or not ticks[-1] > ticks[0]:
            yield "expected a sample of two requests or more that do not arrive at once"
        with closing(open_among(sample, formats)) as trace:
            for block in trace.rows():
                fast, slow = LineParser(sample, trace), LineParser(sample, trace)
                by_line, at_once = slow.parsed(block), parsed_at_once(trace, block, fast)
                if at_once is not None and not np.array_equal(by_line.ticks, at_once.ticks):
                    yield f"times from line {block.first_line} on are read in two ways"
    except TraceError as error:
        yield str(error)
