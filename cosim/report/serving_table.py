"""The KV cache, the prompts found in it, and the requests that did not go smoothly, as a table."""

from __future__ import annotations

from collections.abc import Iterator

from cosim.accounting.words import exact_percent, number
from cosim.report.page import table
from cosim.results.kv_cache import KvCache
from cosim.results.totals import RequestCounts, RunTotals, ServingTotals, TokenCounts


def serving_table(totals: RunTotals) -> str:
    """Return the table of a site; empty where there is nothing to say."""
    rows = list(_rows(totals)) if isinstance(totals, ServingTotals) else []
    return table((), rows) if rows else ""


def _rows(totals: ServingTotals) -> Iterator[tuple[str, str]]:
    if totals.deployment is not None and totals.deployment.kv_cache is not None:
        yield from _memory(totals.deployment.kv_cache)
    yield from _prompts(totals.tokens)
    yield from _troubles(totals.requests)


def _memory(cache: KvCache) -> Iterator[tuple[str, str]]:
    yield (
        "KV cache of a replica",
        f"{cache.tokens:,} tokens, {number(cache.sequences)} requests of "
        f"{cache.sequence_tokens:,}; {cache.gib_per_gpu:,.2f} GiB on each GPU",
    )
    if cache.host_gib is not None:
        yield "host memory behind it", f"{cache.host_tokens:,} tokens; {cache.host_gib:g} GiB"


def _prompts(tokens: TokenCounts) -> Iterator[tuple[str, str]]:
    """Yield the prompt tokens by where they came from; none where none was found or loaded."""
    if not tokens.reused:
        return
    for name, amount in (
        ("prompt tokens computed", tokens.prefilled),
        ("prompt tokens found in KV caches", tokens.cached),
        ("prompt tokens loaded from host memory", tokens.loaded),
    ):
        if amount is not None:
            yield name, f"{amount:,} ({exact_percent(amount / tokens.prefills)})"


def _troubles(requests: RequestCounts) -> Iterator[tuple[str, str]]:
    for name, amount in (
        ("preemptions", requests.preemptions),
        ("requests timed out", requests.timed_out),
        ("requests sent again", requests.retried),
        ("requests failed for good", requests.given_up),
        ("sessions cut at max_model_len", requests.cut_sessions),
    ):
        if amount:
            yield name, f"{amount:,}"
