"""Totals over a run: the figures of a site, or of all sites together.

Fields have the names of the keys of ``summary.json``, and stand in the order in which they are
written. A site that serves requests has other totals than one with a plain load.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Discriminator, Tag

from cosim.accounting.energy import BatteryUse, Carbon, Energy, GridUse
from cosim.accounting.keys import IfPresent, Import
from cosim.accounting.paper import PaperTable2
from cosim.results.coverage import Coverage
from cosim.results.kv_cache import KvCache

LoadState = Literal["stable", "backlogged", "overloaded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A model on GPUs.

    Attributes:
        model, gpu: Their names.
        uncalibrated, power_uncalibrated: Why its timing, and its power, are not backed by
            measurements; empty if they are.
        kv_cache: Of a replica; None in a summary that was written before it had one.
    """

    model: str
    gpu: str
    uncalibrated: str
    power_uncalibrated: str
    kv_cache: IfPresent[KvCache] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCounts:
    """Numbers of requests.

    Attributes:
        arrived, admitted, completed: That arrived, passed the gateway, got their last token.
        rejected: Shed by the gateway, or too long for the engine.
        waiting, running: In line, or in a batch, when the run ended.
        preemptions: Evictions from a batch for want of KV blocks.
        timed_out, retried: Given up by their clients, and sent again; None where clients all wait.
        given_up: Failed for good, after all tries; None where clients all wait.
        cut_sessions: Sessions that ended because the next prompt would have been longer than the
            engine takes; None without sessions.
    """

    arrived: int
    admitted: int
    completed: int
    rejected: int
    waiting: int
    running: int
    preemptions: int
    timed_out: IfPresent[int] = None
    retried: IfPresent[int] = None
    given_up: IfPresent[int] = None
    cut_sessions: IfPresent[int] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceLeftOut:
    """Rows of a recorded trace that did not become requests.

    Attributes:
        failed: Requests that had failed when they were recorded.
        invalid: Rows that `skip` leaves out.
    """

    failed: int
    invalid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCounts:
    """Tokens.

    Attributes:
        prompt, output: Of the completed requests.
        prefilled, cached: Of prefills in the run, repeated ones included: that were computed, and
            that were found in KV caches; None where no prefixes are cached.
        loaded: Of these, those that were loaded from host memory; None without any.
    """

    prompt: int
    output: int
    prefilled: int | None = None
    cached: int | None = None
    loaded: IfPresent[int] = None

    @property
    def reused(self) -> int:
        """Tokens of prefills that were found or loaded, and not computed."""
        return (self.cached or 0) + (self.loaded or 0)

    @property
    def prefills(self) -> int:
        """Tokens of prefills in all: computed, found and loaded; 0 where no prefixes are cached."""
        return (self.prefilled or 0) + self.reused


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """Mean and percentiles of a latency [s]."""

    mean: float
    p50: float
    p90: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLatencies:
    """Latencies of the completed requests; None of those that no request has.

    Attributes:
        ttft: From arrival to the first token.
        tpot: Per output token after the first, as each request's mean.
        e2e: From arrival to the last token.
        queue: From arrival to the start of the first prefill.
        quantiles: How the percentiles are found: exact, or a sketch with its relative error.
    """

    ttft: Percentiles | None
    tpot: Percentiles | None
    e2e: Percentiles | None
    queue: Percentiles | None
    quantiles: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SloAttainment:
    """Share of the requests that met their SLOs.

    Attributes:
        attainment: Over all classes with an SLO; None if there is none.
        by_class: By class with an SLO; None of those that no request was judged in.
    """

    attainment: float | None
    by_class: Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSizes:
    """Sizes of the batch over all iterations [sequences]."""

    mean: float
    std: float
    max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuUse:
    """Use of the GPUs.

    Attributes:
        count: Number of GPUs.
        mfu_mean: Achieved FLOPs over peak, idle time included.
        busy_fraction: Share of the time with an iteration under way.
        power_mean_w: Mean power of one GPU [W].
    """

    count: int
    mfu_mean: float
    busy_fraction: float
    power_mean_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerCapUse:
    """Effect of a power cap.

    Attributes:
        clock_mean: Mean clock over the busy time, as a fraction of the highest; None if idle.
        over_cap_fraction: Share of the time in which the GPUs drew more than their cap.
    """

    clock_mean: float | None
    over_cap_fraction: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyPerWork:
    """Energy of the facility, hosts, PUE and idling included, over the work done.

    Attributes:
        wh_per_request: Over the completed requests [Wh]; None if there are none.
        j_per_output_token: Over their output tokens [J]; None if there are none.
    """

    wh_per_request: float | None
    j_per_output_token: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingCarbon(Carbon):
    """Emissions of a site that serves [g].

    Attributes:
        per_request: Total over the completed requests; None if there are none.
        per_1k_output_tokens: Total over their output tokens, times 1,000; None if there are none.
    """

    per_request: float | None
    per_1k_output_tokens: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyShare:
    """Part of the GPUs' energy, and the import's emissions of it.

    Attributes:
        energy_kwh: GPU energy.
        carbon_g: Emissions of that energy, hosts and facility included.
    """

    energy_kwh: float
    carbon_g: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassTotals:
    """Totals of a class of requests.

    Attributes:
        requests, completed, late: That arrived, completed, completed past their deadline.
        output_tokens: Of the completed ones.
        energy_kwh: GPU energy that they bear.
        carbon_g: Emissions of that energy, hosts and facility included.
    """

    requests: int
    completed: int
    late: int
    output_tokens: int
    energy_kwh: float
    carbon_g: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyAttribution:
    """Energy and carbon by class and idle time; their sum is the metered total.

    Attributes:
        requests: Of requests, those in flight included.
        idle: Of idling and sleeping GPUs.
        by_class: Of the requests of each class.
    """

    requests: EnergyShare
    idle: EnergyShare
    by_class: Mapping[str, ClassTotals]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Price of the import, in its currency."""

    import_: Import
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolTotals:
    """Totals of one of several pools.

    Attributes:
        deployment: Model and GPUs.
        replicas, gpus: Their numbers.
        completed: Requests that it completed, by class.
        share: Its share of all completed requests [0 to 1]; None without any.
        prompt_tokens, output_tokens: Tokens of these.
        gpu_kwh, host_kwh: Energy of its GPUs and of their hosts [kWh].
        gpu_j_per_output_token: GPU energy, idling included, per token [J]; None without any.
        embodied_g: Embodied carbon over the run [g].
        quality: Scores of its model, by benchmark, as the scenario gives them.
    """

    deployment: Deployment
    replicas: int
    gpus: int
    completed: Mapping[str, int]
    share: float | None
    prompt_tokens: int
    output_tokens: int
    gpu_kwh: float
    host_kwh: float
    gpu_j_per_output_token: float | None
    embodied_g: float
    quality: IfPresent[Mapping[str, float]] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferTotals:
    """Transfers of KV from prefill pools to decode pools.

    Attributes:
        count: Transfers that ended.
        mean_s: Mean time from when blocks were reserved to the end, without the part of a transfer
            that ran beside the prefill [s]; None without any.
    """

    count: int
    mean_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingTotals:
    """Totals of a site that serves requests, or of several sites of which one does.

    Totals of several sites have only the figures that can be added or pooled.

    Attributes:
        deployment: Model and GPUs; None for several pools or sites.
        pools: By pool; None for one pool, and for several sites.
        quality: Mean score over the completed requests, by class and benchmark, of benchmarks for
            which all pools that served have one; None without any.
        transfers: Of KV; None without pools of role prefill and decode, and of several sites.
        trace_left_out: None unless rows of the trace were left out, and of several sites.
        rejections: Rejected requests by reason.
        batch: None of several sites.
        power_cap: None if no power cap was in force, and of several sites.
        marginal_carbon_g: By marginal intensity; None unless all sites have one.
        battery, grid: None of several sites; the first also without a battery.
        cost: None without a price, and of several sites.
        energy_per_work: Facility energy per unit of work, of the sites that serve.
        coverage: How far measurements back energy and carbon; None where times come from profiles,
            and in a summary that was written before it had one.
        paper: None unless the paper's accounting was asked for, and of several sites.
    """

    deployment: IfPresent[Deployment] = None
    pools: IfPresent[Mapping[str, PoolTotals]] = None
    quality: IfPresent[Mapping[str, Mapping[str, float]]] = None
    transfers: IfPresent[TransferTotals] = None
    requests: RequestCounts
    trace_left_out: IfPresent[TraceLeftOut] = None
    rejections: Mapping[str, int]
    tokens: TokenCounts
    latency_s: RequestLatencies
    slo: SloAttainment
    load_state: LoadState
    batch: BatchSizes | None
    gpu: GpuUse
    power_cap: IfPresent[PowerCapUse] = None
    energy_kwh: Energy
    energy_per_work: EnergyPerWork
    carbon_g: ServingCarbon
    marginal_carbon_g: IfPresent[ServingCarbon] = None
    coverage: IfPresent[Coverage] = None
    attribution: EnergyAttribution
    battery: BatteryUse | None
    grid: GridUse | None
    cost: IfPresent[Cost] = None
    paper: IfPresent[PaperTable2] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTotals:
    """Totals of a site with a plain load, or of several such sites; see `ServingTotals`."""

    energy_kwh: Energy
    carbon_g: Carbon
    marginal_carbon_g: IfPresent[Carbon] = None
    battery: BatteryUse | None
    grid: GridUse | None
    cost: IfPresent[Cost] = None
    paper: IfPresent[PaperTable2] = None


def _tag(totals: object) -> str:
    if isinstance(totals, Mapping):
        return "serving" if "requests" in totals else "load"
    return "serving" if isinstance(totals, ServingTotals) else "load"


RunTotals = Annotated[
    Annotated[ServingTotals, Tag("serving")] | Annotated[LoadTotals, Tag("load")],
    Discriminator(_tag),
]
"""Totals of any site, or of all sites together."""
