"""Scenarios with a coefficient of the power model at one of its ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from cosim.scenario.loading import Document, validate_document
from cosim.scenario.pool import PoolKeys
from cosim.scenario.scenario import Scenario
from cosim.studies.evaluate.variants import CoefficientEnd
from inference_sim.power.ends import ENDS, find_ends


def ends_of(scenario: Scenario) -> Iterator[CoefficientEnd]:
    """Yield the ends of all coefficients that the power model of some pool has."""
    clusters = [site.cluster for site in scenario.sites if site.cluster is not None]
    pools = [pool for cluster in clusters for pool in cluster.by_pool.values()]
    for coefficient in ENDS.names:
        if any(_own(pool, coefficient) is not None for pool in pools):
            yield from (CoefficientEnd(coefficient, high) for high in (False, True))


def at_end(document: Document, end: CoefficientEnd) -> Document:
    """Return a scenario with a coefficient at an end, at all of its sites."""
    sites: list[dict[str, Any]] = []
    scenario = validate_document(document, Scenario)
    for site, keys in zip(document.data["sites"], scenario.sites, strict=True):
        if keys.cluster is None:
            sites.append(site)
            continue
        cluster, pools = site["cluster"], list(keys.cluster.by_pool.values())
        if "pools" in cluster:
            changed = [_moved(*pair, end) for pair in zip(cluster["pools"], pools, strict=True)]
            sites.append({**site, "cluster": {**cluster, "pools": changed}})
        else:
            sites.append({**site, "cluster": _moved(cluster, pools[0], end)})
    return replace(document, data={**document.data, "sites": sites})


def _moved(data: dict[str, Any], keys: PoolKeys, end: CoefficientEnd) -> dict[str, Any]:
    """Return the keys of a pool with the coefficient at the end, if its power model has it."""
    own = _own(keys, end.coefficient)
    if own is None:
        return data
    power = {"type": "two_resource", **data.get("power", {})}
    power[end.coefficient] = find_ends(end.coefficient).value(own, high=end.high)
    return {**data, "power": power}


def _own(keys: PoolKeys, coefficient: str) -> float | None:
    """Return the value of a coefficient in a pool; None where its power model has none."""
    value: float | None = getattr(keys.pool().power, coefficient, None)
    return value
