"""Notes on the files of recorded traces: rows that are skipped, and what prompts share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from cosim.accounting.words import plural
from cosim.scenario.trace import Trace
from cosim.world.plan import Plan
from cosim.world.site_plan import SitePlan
from cosim.world.traces import longer_requests
from inference_sim.pool_config import PoolConfig
from inference_sim.workload import Replay, RequestTrace, TraceFile
from inference_sim.workload.trace_requests import Totals


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


def text_notes(plan: Plan, *, cached_only: bool = False) -> Iterator[str]:
    """Yield notes on the texts that the prompts of traces share, and on too long ones.

    Each is yielded once, with names of sites only if it does not hold for all that have the trace.

    Args:
        plan: The plan.
        cached_only: Whether texts are left out where engines do not cache prefixes.
    """
    sites_of: Counter[Path] = Counter()
    names_of: dict[tuple[Path, str], list[str]] = {}
    for site in plan.sites:
        traced = _file_and_totals(site)
        if traced is None or site.cluster is None:
            continue
        path, pools = traced[0].path, site.cluster.pools
        caches = any(pool.prefix_caching for pool in pools)
        sites_of[path] += 1
        of_texts = () if cached_only and not caches else _of_texts(*traced, caches=caches)
        for note in (*of_texts, *_of_lengths(pools, *traced)):
            names_of.setdefault((path, note), []).append(site.name)
    for (path, note), names in names_of.items():
        yield note if len(names) == sites_of[path] else f"{', '.join(names)}: {note}"


def _file_and_totals(site: SitePlan) -> tuple[Trace, Totals] | None:
    source = site.workload
    if source is None or not isinstance(source.source, Replay):
        return None
    keys, trace = source.config.trace, source.source.trace
    if not isinstance(keys, Trace) or not isinstance(trace, RequestTrace | TraceFile):
        return None
    return keys, trace.totals


def _of_texts(keys: Trace, totals: Totals, *, caches: bool) -> Iterator[str]:
    name, hashed = keys.path.name, totals.with_prefixes
    if keys.prefixes == "turns":
        told = f"each turn of {name} begins with prompt and answer of the turn before"
    elif hashed is not None:
        told = f"prompts share text by the hash ids of {name}"
    elif totals.has_sessions:
        yield f"{name} tells sessions, for routers, but not which text prompts share"
        return
    else:
        return
    yield told + ("" if caches else ", but prefix_caching is off: none is found again")
    if hashed is not None and keys.prefixes != "turns" and hashed < totals.requests:
        without = plural(totals.requests - hashed, "request")
        yield f"{without} of {name} without hash ids: nothing of their prompts is shared"
    if totals.orphans:
        yield (
            f"the parents of {plural(totals.orphans, 'request')} are not in {name}, or were not "
            "served: their answers are not shared"
        )


def _of_lengths(pools: Sequence[PoolConfig], keys: Trace, totals: Totals) -> Iterator[str]:
    most = max(pool.max_context_tokens for pool in pools)
    if totals.longest_tokens > most:
        count, line = longer_requests(keys, most)
        yield (
            f"{plural(count, 'request')} of {keys.path.name} longer than the {most:,} tokens that "
            f"the engine takes: rejected (the first in line {line})"
        )
