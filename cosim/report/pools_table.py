"""The pools of a site side by side: who served how much, at what energy and quality."""

from __future__ import annotations

import math
from collections.abc import Iterable

from cosim.accounting.words import aligned, exact_percent, number, unit_for
from cosim.report.page import paragraph, table
from cosim.results.totals import PoolTotals, RunTotals, ServingTotals

_NONE = "–"


def pools_blocks(totals: RunTotals) -> list[str]:
    """Return the tables of the pools of a site, and of the quality by class; none for one pool."""
    if not isinstance(totals, ServingTotals) or not totals.pools:
        return []
    pools = list(totals.pools.values())
    columns: list[tuple[str, list[str]]] = [
        ("pool", list(totals.pools)),
        ("model", [pool.deployment.model for pool in pools]),
        ("GPUs", [f"{pool.gpus:,} x {pool.deployment.gpu}" for pool in pools]),
        ("requests", [_share(pool) for pool in pools]),
        _figures("energy of GPUs", "kWh", [pool.gpu_kwh for pool in pools]),
        ("J per output token", _numbers(pool.gpu_j_per_output_token for pool in pools)),
        _figures("embodied", "g", [pool.embodied_g for pool in pools]),
    ]
    for benchmark in dict.fromkeys(name for pool in pools for name in pool.quality or {}):
        scores = [(pool.quality or {}).get(benchmark) for pool in pools]
        columns.append((benchmark, _numbers(scores)))
    head = [label for label, _ in columns]
    rows = list(zip(*(cells for _, cells in columns), strict=True))
    blocks = [table(head, rows, numbers=list(range(3, len(head))), named=True, whole=True)]
    if totals.quality:
        blocks += [
            paragraph("Quality by class: mean score over the completed requests.", kind="note"),
            _quality(totals),
        ]
    return blocks


def _quality(totals: ServingTotals) -> str:
    by_class = totals.quality or {}
    benchmarks = list(dict.fromkeys(name for scores in by_class.values() for name in scores))
    rows = [
        [name, *_numbers(scores.get(benchmark) for benchmark in benchmarks)]
        for name, scores in by_class.items()
    ]
    numbers = list(range(1, len(benchmarks) + 1))
    return table(["class", *benchmarks], rows, numbers=numbers, named=True, whole=True)


def _figures(label: str, unit: str, values: list[float]) -> tuple[str, list[str]]:
    shown = unit_for(unit, max(values))
    return f"{label} [{shown.name}]", list(aligned(value / shown.size for value in values))


def _share(pool: PoolTotals) -> str:
    served = f"{math.fsum(pool.completed.values()):,.0f}"
    return served if pool.share is None else f"{served} ({exact_percent(pool.share)})"


def _numbers(values: Iterable[float | None]) -> list[str]:
    return [_NONE if value is None else number(value) for value in values]
