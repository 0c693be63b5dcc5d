"""From a scenario's workload to the stream of requests that comes to a site's cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cosim.scenario.scenario import Scenario
from cosim.scenario.workload import Daily, Fixed, Poisson, Static, Uniform, Workload, Zipf
from inference_sim.workload import (
    Arrival,
    DailyArrivals,
    FixedLengths,
    PoissonArrivals,
    StaticArrivals,
    UniformLengths,
    ZipfLengths,
    generated_stream,
    read_trace,
    thinned,
    trace_stream,
)
from inference_sim.workload.arrivals import Arrivals
from inference_sim.workload.lengths import Lengths


@dataclass(frozen=True, slots=True)
class WorkloadSource:
    """A site's workload.

    Attributes:
        config: What the scenario says.
        peak_rate_per_s: Its highest mean rate [requests/s].
        stream: Returns a fresh stream of its requests.
    """

    config: Workload
    peak_rate_per_s: float
    stream: Callable[[], Iterator[Arrival]]


def workload_source(scenario: Scenario, site_index: int) -> WorkloadSource:
    """Return the workload of a site that has a cluster.

    Raises:
        TraceError: If a trace file cannot be read.
    """
    site = scenario.sites[site_index]
    config = site.workload or scenario.workload
    if config is None:
        raise ValueError(f"site '{site.name}' has no workload")
    # Sites with workloads of their own draw independently; those that share one draw the same.
    seed: Sequence[int] = [scenario.seed]
    if site.workload is not None:
        seed = [scenario.seed, site_index + 1]
    peak_rate_per_s, stream = _whole_stream(config, seed, scenario.time.start)
    if site.workload is not None or site.share is None:
        return WorkloadSource(config, peak_rate_per_s, stream)
    sharing = [one.share or 0.0 for one in scenario.sites[:site_index] if one.workload is None]
    first, share = sum(sharing), site.share
    return WorkloadSource(
        config,
        peak_rate_per_s * share,
        lambda: thinned(stream(), seed, first, first + share),
    )


def _whole_stream(
    config: Workload, seed: Sequence[int], start: datetime
) -> tuple[float, Callable[[], Iterator[Arrival]]]:
    shares = [request_class.share for request_class in config.classes]
    if config.trace is not None:
        trace = read_trace(config.trace.path, config.trace.format)
        return trace.peak_rate_per_s, lambda: trace_stream(
            trace, seed, requests=config.requests, class_shares=shares
        )
    arrivals, lengths = _arrivals(config, start), _lengths(config)
    return arrivals.peak_rate_per_s, lambda: generated_stream(
        arrivals, lengths, seed, requests=config.requests, class_shares=shares
    )


def _arrivals(config: Workload, start: datetime) -> Arrivals:
    match config.arrivals:
        case Poisson(rate_per_s=rate):
            return PoissonArrivals(rate)
        case Static(rate_per_s=rate):
            return StaticArrivals(rate)
        case Daily() as daily:
            return DailyArrivals(
                mean_rate_per_s=daily.mean_rate_per_s,
                peak_to_mean=daily.peak_to_mean,
                peak_hour=daily.peak_hour_utc,
                start_hour=start.hour + start.minute / 60 + start.second / 3600,
            )
    raise ValueError("the workload has no arrivals")


def _lengths(config: Workload) -> Lengths:
    match config.lengths:
        case Fixed() as fixed:
            return FixedLengths(fixed.prompt_tokens, fixed.output_tokens)
        case Zipf() as zipf:
            return ZipfLengths(
                zipf.theta, zipf.min_tokens, zipf.max_tokens, zipf.prefill_decode_ratio
            )
        case Uniform() as uniform:
            return UniformLengths(
                uniform.min_tokens, uniform.max_tokens, uniform.prefill_decode_ratio
            )
    raise ValueError("the workload has no lengths")
