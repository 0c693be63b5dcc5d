"""Scenarios with a coefficient of the power model at one of its ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from cosim.scenario.cluster import ClusterKeys
from cosim.scenario.loading import Document, validate_document
from cosim.scenario.scenario import Scenario
from cosim.studies.evaluate.variants import CoefficientEnd
from inference_sim.power.ends import ENDS, find_ends


def ends_of(scenario: Scenario) -> Iterator[CoefficientEnd]:
    """Yield the ends of all coefficients that the power model of some site has."""
    clusters = [site.cluster for site in scenario.sites if site.cluster is not None]
    for coefficient in ENDS.names:
        if any(_own(cluster, coefficient) is not None for cluster in clusters):
            yield from (CoefficientEnd(coefficient, high) for high in (False, True))


def at_end(document: Document, end: CoefficientEnd) -> Document:
    """Return a scenario with a coefficient at an end, at all of its sites."""
    ends = find_ends(end.coefficient)
    sites: list[dict[str, Any]] = []
    scenario = validate_document(document, Scenario)
    for site, keys in zip(document.data["sites"], scenario.sites, strict=True):
        own = None if keys.cluster is None else _own(keys.cluster, end.coefficient)
        if own is not None:
            power = {"type": "two_resource", **site["cluster"].get("power", {})}
            power[end.coefficient] = ends.value(own, high=end.high)
            site = {**site, "cluster": {**site["cluster"], "power": power}}
        sites.append(site)
    return replace(document, data={**document.data, "sites": sites})


def _own(cluster: ClusterKeys, coefficient: str) -> float | None:
    """Return the value of a coefficient in a deployment; None where its power model has none."""
    value: float | None = getattr(cluster.config().pool.power, coefficient, None)
    return value
