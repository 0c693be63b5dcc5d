"""The capacity of a deployment: the highest arrival rate at which it meets its SLOs.

The scenario's requests come to the cluster alone (no microgrid, no controllers) at one rate after
another: doubled or halved until one rate holds and one does not, then bisected. All probes take the
same requests, only closer together or further apart, so that they differ in nothing but the rate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from cosim.accounting.quantiles import Quantiles
from cosim.accounting.words import number, percent
from cosim.errors import ScenarioError, did_you_mean
from cosim.results.requests import RequestLog
from cosim.scenario.loading import DataPath, problem_at
from cosim.scenario.workload import Poisson
from cosim.world.plan import Plan
from cosim.world.site_plan import SitePlan
from cosim.world.workload import workload_source
from inference_sim.cluster import Cluster
from inference_sim.workload import Arrival

ATTAINMENT = 0.99
"""Least share of the requests of each class with SLOs that must meet them."""
DELAY_P99_S = 5.0
"""Without SLOs on waiting: most time from arrival to scheduling, as a 99th percentile [s]."""
REQUESTS = 4000
"""Fewest requests of a probe; fewer do not determine a 99th percentile."""
ARRIVALS_PER_BOUND = 60
"""Requests of a probe come for so many times the longest wait allowed; a queue needs time to show:
at 2 % above the capacity it then outgrows the bound."""
PRECISION = 0.01
"""The bracket is this narrow at the end, as a share of the rate."""

_HALVINGS = 12
_STEP_S = 600.0
_STATIONARY, _DAILY = ("poisson", "gamma", "static"), ("daily",)


@dataclass(frozen=True, slots=True)
class Probe:
    """A run at one rate.

    Attributes:
        rate_per_s: Arrival rate [requests/s].
        requests: Number of requests, all of which ended.
        rejected: How many of them were rejected.
        delay_p99_s: Time from arrival to scheduling, 99th percentile [s]; infinite if more than
            1 % were rejected.
        attainment: Share of the requests that met the SLOs, by class with SLOs.
        by_delay: Whether the delay counts: no SLO bounds the time to the first token, or to
            the last.
    """

    rate_per_s: float
    requests: int
    rejected: int
    delay_p99_s: float
    attainment: dict[str, float]
    by_delay: bool

    @property
    def holds(self) -> bool:
        """Whether the criterion is met."""
        if self.by_delay and self.delay_p99_s > DELAY_P99_S:
            return False
        return all(share >= ATTAINMENT for share in self.attainment.values())


@dataclass(frozen=True, slots=True)
class Capacity:
    """Result of the search.

    Attributes:
        site: The site.
        scenario_rate_per_s: The scenario's own rate; the one of its peak, if it has a daily
            profile [requests/s].
        held: The probe of the highest rate that held.
        broke: The probe of the lowest rate that did not.
        probes: All probes, in the order in which they were made.
    """

    site: str
    scenario_rate_per_s: float
    held: Probe
    broke: Probe
    probes: tuple[Probe, ...]


def find_capacity(
    plan: Plan,
    site_name: str | None = None,
    *,
    requests: int = REQUESTS,
    on_probe: Callable[[Probe], None] = lambda probe: None,
) -> Capacity:
    """Find the highest arrival rate of a site at which the criterion holds.

    Args:
        plan: The scenario; its own number of requests, and the ends of classes, are ignored.
        site_name: The site; may be left out where only one has a cluster.
        requests: Fewest requests of a probe.
        on_probe: Called with each probe.

    Raises:
        ScenarioError: If there is no such cluster, if the rate of its workload cannot be varied,
            or if the criterion is not met at any rate.
    """
    index = _site_index(plan, site_name)
    site, base_per_s, stream = _workload(plan, index)
    assert site.workload is not None  # noqa: S101 - a site with a cluster has one
    own_per_s = site.workload.peak_rate_per_s
    bounds = [
        b
        for request_class in site.workload.config.classes
        for b in (request_class.slo.ttft_s, request_class.slo.e2e_s)
    ]
    longest_s = max((bound for bound in bounds if bound is not None), default=None)
    arrivals_s = ARRIVALS_PER_BOUND * (longest_s or DELAY_P99_S)
    probes: list[Probe] = []

    def probe(rate_per_s: float) -> Probe:
        count = max(requests, math.ceil(rate_per_s * arrivals_s))
        gap = base_per_s / rate_per_s
        arrivals = (
            request._replace(time_s=request.time_s * gap) for request in islice(stream(), count)
        )
        probes.append(_run(plan, site, arrivals, rate_per_s, by_delay=longest_s is None))
        on_probe(probes[-1])
        return probes[-1]

    held = broke = probe(own_per_s)
    while broke.holds:
        held, broke = broke, probe(2 * broke.rate_per_s)
    while not held.holds:
        if held.rate_per_s < own_per_s / 2**_HALVINGS:
            raise _never(held)
        held, broke = probe(held.rate_per_s / 2), held
    while broke.rate_per_s - held.rate_per_s > PRECISION * held.rate_per_s:
        middle = probe((held.rate_per_s + broke.rate_per_s) / 2)
        held, broke = (middle, broke) if middle.holds else (held, middle)
    return Capacity(site.name, own_per_s, held, broke, tuple(probes))


def criterion(probe: Probe) -> str:
    """Return the criterion of a probe, in words."""
    parts = []
    if probe.attainment:
        parts.append(f"at least {percent(ATTAINMENT)} of each class meet their SLOs")
    if probe.by_delay:
        parts.append(f"99 % are scheduled within {DELAY_P99_S:g} s of their arrival")
    return " and ".join(parts)


def describe(probe: Probe) -> str:
    """Return a line on a probe."""
    verdict = "holds" if probe.holds else "fails"
    return f"{number(probe.rate_per_s):>10} requests/s  {verdict}  {_outcome(probe)}"


def _outcome(probe: Probe) -> str:
    parts = [f"{name} {percent(share, 2)} within SLO" for name, share in probe.attainment.items()]
    if probe.by_delay:
        parts.append(f"scheduling delay p99 {probe.delay_p99_s:.3g} s")
    if probe.rejected:
        parts.append(f"{probe.rejected:,} rejected")
    return f"{', '.join(parts)} ({probe.requests:,} requests)"


def to_dict(plan: Plan, capacity: Capacity) -> dict[str, Any]:
    """Return the result as plain values; the same for the same scenario and seed."""
    return {
        "scenario": {"name": plan.scenario.name, "seed": plan.scenario.seed},
        "site": capacity.site,
        "criterion": {
            "slo_attainment": ATTAINMENT if capacity.held.attainment else None,
            "scheduling_delay_p99_s": DELAY_P99_S if capacity.held.by_delay else None,
        },
        "capacity_per_s": capacity.held.rate_per_s,
        "fails_at_per_s": capacity.broke.rate_per_s,
        "scenario_rate_per_s": capacity.scenario_rate_per_s,
        "probes": [
            {
                "rate_per_s": probe.rate_per_s,
                "holds": probe.holds,
                "requests": probe.requests,
                "rejected": probe.rejected,
                "scheduling_delay_p99_s": probe.delay_p99_s
                if math.isfinite(probe.delay_p99_s)
                else None,
                "slo_attainment": probe.attainment or None,
            }
            for probe in capacity.probes
        ],
    }


def _site_index(plan: Plan, name: str | None) -> int:
    serving = {site.name: index for index, site in enumerate(plan.sites) if site.cluster}
    known = [site.name for site in plan.sites]
    if name is not None and name not in known:
        hint = did_you_mean(name, known)
        raise ScenarioError(f"--site: no site '{name}'; there are {', '.join(known)}{hint}")
    if name is not None and name not in serving:
        place: DataPath = ("sites", known.index(name))
        raise ScenarioError(
            problem_at(plan.document, place, "has no cluster to find a capacity of")
        )
    if not serving:
        raise ScenarioError(
            problem_at(plan.document, ("sites",), "no site has a cluster to find a capacity of")
        )
    if name is None and len(serving) > 1:
        raise ScenarioError(f"several sites have a cluster; choose one: --site {'|'.join(serving)}")
    return serving[name or next(iter(serving))]


def _workload(plan: Plan, index: int) -> tuple[SitePlan, float, Callable[[], Iterator[Arrival]]]:
    """Return the site, and an endless stream of its requests with its rate [requests/s].

    A daily profile is taken at its peak: there it must hold, and a probe is shorter than a day.
    """
    site, scenario = plan.sites[index], plan.scenario
    own = scenario.sites[index].workload
    config = own or scenario.workload
    place: DataPath = ("sites", index, "workload") if own else ("workload",)
    assert config is not None  # noqa: S101 - the scenario is valid
    for key in ("clients", "sessions"):
        if getattr(config, key) is not None:
            raise ScenarioError(
                problem_at(
                    plan.document,
                    (*place, key),
                    "a capacity is a rate of requests that do not depend on how they are served; "
                    f"with `{key}` they do (expected `arrivals` and `lengths` alone)",
                )
            )
    if config.arrivals is None:
        raise ScenarioError(
            problem_at(
                plan.document,
                (*place, "trace"),
                "a capacity is found with generated arrivals, not with a recorded trace "
                "(expected `arrivals` and `lengths`)",
            )
        )
    kind = config.arrivals.type
    changes: dict[str, Any] = {
        "requests": None,
        "classes": [
            request_class.model_copy(update={"until": None}) for request_class in config.classes
        ],
    }
    if kind in _DAILY:
        changes["arrivals"] = Poisson(type="poisson", rate_per_s=1.0)
    elif kind not in _STATIONARY:
        raise ScenarioError(
            problem_at(
                plan.document,
                (*place, "arrivals", "type"),
                f"a capacity cannot be found with '{kind}' arrivals "
                f"(expected one of {', '.join(_STATIONARY + _DAILY)})",
            )
        )
    changed = config.model_copy(update=changes)
    if own:
        sites = list(scenario.sites)
        sites[index] = sites[index].model_copy(update={"workload": changed})
        scenario = scenario.model_copy(update={"sites": sites})
    else:
        scenario = scenario.model_copy(update={"workload": changed})
    source = workload_source(scenario, index)
    return site, source.peak_rate_per_s, source.stream


def _run(
    plan: Plan, site: SitePlan, arrivals: Iterator[Arrival], rate_per_s: float, *, by_delay: bool
) -> Probe:
    assert site.cluster is not None  # noqa: S101 - what _site_index has checked
    cluster = Cluster(site.cluster, arrivals)
    with RequestLog(plan, None) as log:
        while not cluster.drained:
            cluster.step(cluster.env.now + _STEP_S)
            log.add(site.name, cluster.take_ended())
    latencies = log.sites[site.name]
    return Probe(
        rate_per_s=rate_per_s,
        requests=cluster.arrived,
        rejected=cluster.rejected,
        delay_p99_s=_delay_p99_s(latencies.queue, cluster.rejected),
        attainment={name: met / of for name, (met, of) in latencies.by_class.items() if of},
        by_delay=by_delay,
    )


def _delay_p99_s(delays_s: Quantiles, rejected: int) -> float:
    """Return the 99th percentile of the waiting time [s]; rejected requests wait forever."""
    rank = max(math.ceil(0.99 * (delays_s.count + rejected) - 1), 0)
    return float(delays_s.ordered(np.array([rank]))[0]) if rank < delays_s.count else math.inf


def _never(probe: Probe) -> ScenarioError:
    return ScenarioError(
        f"no capacity: it fails even at {probe.rate_per_s:.3g} requests/s "
        f"({_outcome(probe)}; expected: {criterion(probe)})"
    )
