"""Notes on rows of files that a plan skips."""

from __future__ import annotations

from collections.abc import Iterator

from cosim.accounting.words import plural
from cosim.world.plan import Plan


def trace_notes(plan: Plan) -> Iterator[str]:
    """Yield notes on skipped rows of recorded traces; once for sites that share one."""
    traces = {
        source.config.trace.path: source
        for source in (site.workload for site in plan.sites)
        if source is not None and source.config.trace is not None
    }
    for path, source in traces.items():
        if source.trace_failures:
            yield (
                f"{plural(source.trace_failures, 'request')} of {path.name} left out, recorded as "
                "failed: without response tokens"
            )
        if source.trace_skipped:
            yield f"{plural(source.trace_skipped, 'row')} of {path.name} left out as invalid"
