"""From a scenario's workload to the stream of requests that comes to a site's cluster."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cosim.scenario import lengths as length_keys
from cosim.scenario import trace as trace_keys
from cosim.scenario import workload as keys
from cosim.scenario.scenario import Scenario
from cosim.scenario.workload import Workload
from inference_sim.workload import (
    Arrival,
    BurstArrivals,
    DailyArrivals,
    DayToDayArrivals,
    FixedLengths,
    GammaArrivals,
    HourlyArrivals,
    LognormalLengths,
    PoissonArrivals,
    Replay,
    StaticArrivals,
    UniformLengths,
    ZipfLengths,
    coming,
    find_lengths,
    first,
    generated_stream,
    open_trace,
    thinned,
    trace_stream,
)
from inference_sim.workload.arrivals import Arrivals
from inference_sim.workload.lengths import Lengths
from inference_sim.workload.trace_classes import ClassNumbers
from inference_sim.workload.trace_servegen_files import read_servegen

_OWN_WORKLOAD = 0x73697465
"""Keeps the draws of sites with workloads of their own apart from those of the shared one."""

_DAYS = 5
"""Keeps the draws of days apart from those of the stream."""


@dataclass(frozen=True, slots=True)
class WorkloadSource:
    """A site's workload.

    Attributes:
        config: Keys of the scenario.
        peak_rate_per_s: Its highest mean rate [requests/s].
        stream: Returns a fresh stream of its requests.
        source: Where its requests come from.
        lengths: How long they are, with the share of the requests that are so; none for a trace.
        share: The share of the source's requests that comes to this site [0 to 1].
        trace_failures: Requests that its trace records as failed; they are skipped.
        trace_skipped: Rows of its trace that are wrong; they are left out.
    """

    config: Workload
    peak_rate_per_s: float
    stream: Callable[[], Iterator[Arrival]]
    source: Arrivals | Replay
    lengths: tuple[tuple[float, Lengths], ...] = ()
    share: float = 1.0
    trace_failures: int = 0
    trace_skipped: int = 0


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
        seed = [scenario.seed, _OWN_WORKLOAD + site_index]
    whole = _whole_source(config, seed, scenario.time.start)
    until_s = class_ends_s(config)
    if site.workload is not None or site.share is None:
        return replace(whole, stream=lambda: coming(whole.stream(), until_s))
    sharing = [site.share or 0.0 for site in scenario.sites[:site_index] if site.workload is None]
    low, share = sum(sharing), site.share
    return replace(
        whole,
        peak_rate_per_s=whole.peak_rate_per_s * share,
        stream=lambda: coming(thinned(whole.stream(), seed, low, low + share), until_s),
        share=share,
    )


def class_ends_s(config: Workload) -> tuple[float, ...]:
    """Return the time since the start of the run at which each class ends [s]; may be infinite."""
    return tuple(
        math.inf if request_class.until is None else request_class.until
        for request_class in config.classes
    )


def _whole_source(config: Workload, seed: Sequence[int], start: datetime) -> WorkloadSource:
    """Return the workload of all sites; its stream still has requests after their class's end."""
    until_s = class_ends_s(config)
    if config.trace is not None:
        replay = _replay(config.trace, config, seed)
        config = _with_recorded_shares(config, replay.trace.class_counts)
        shares = [request_class.share for request_class in config.classes]
        return WorkloadSource(
            config,
            replay.peak_rate_per_s,
            lambda: first(
                trace_stream(replay, seed, class_shares=shares), config.requests, until_s
            ),
            replay,
            trace_failures=replay.trace.failures,
            trace_skipped=replay.trace.skipped,
        )
    if config.arrivals is None:
        raise ValueError("the workload has no arrivals")
    shares = [request_class.share for request_class in config.classes]
    arrivals = _arrivals(config.arrivals, start, seed)
    own = {
        index: _lengths(request_class.lengths)
        for index, request_class in enumerate(config.classes)
        if request_class.lengths is not None
    }
    lengths = own[0] if config.lengths is None else _lengths(config.lengths)
    return WorkloadSource(
        config,
        arrivals.peak_rate_per_s,
        lambda: first(
            generated_stream(arrivals, lengths, seed, class_shares=shares, class_lengths=own),
            config.requests,
            until_s,
        ),
        arrivals,
        tuple((share, own.get(index, lengths)) for index, share in enumerate(shares)),
    )


def _replay(trace: trace_keys.TraceSource, config: Workload, seed: Sequence[int]) -> Replay:
    """Return the requests of a trace, on the clock of the run."""
    match trace:
        case trace_keys.ServeGen():
            clients = read_servegen(
                trace.path, rate_scale=trace.rate_scale, begin_s=trace.begin, seed=seed
            )
            return Replay(trace=clients, loop=trace.loop)
        case trace_keys.Trace():
            recording = open_trace(
                trace.path,
                trace.trace_format(),
                trace.time_unit,
                skip_invalid=trace.skip == "invalid",
                sort=trace.sort,
                classes=_class_numbers(trace, config) if trace.has_classes else None,
            )
            return Replay(
                trace=recording,
                rate_scale=trace.rate_scale,
                shift_s=trace.shift,
                loop=trace.loop,
            )


def _class_numbers(trace: trace_keys.Trace, config: Workload) -> ClassNumbers:
    """Return the numbers of the workload's classes, by the names that the trace has for them."""
    numbers = {request_class.name: number for number, request_class in enumerate(config.classes)}
    return ClassNumbers(numbers | {there: numbers[name] for there, name in trace.classes.items()})


def _with_recorded_shares(config: Workload, counts: Sequence[int]) -> Workload:
    """Return a workload with the shares that its trace has; the same one if that has no classes."""
    if not counts:
        return config
    shares = [*counts, *[0] * (len(config.classes) - len(counts))]
    classes = [
        request_class.model_copy(update={"share": count / sum(counts)})
        for request_class, count in zip(config.classes, shares, strict=True)
    ]
    return config.model_copy(update={"classes": classes})


def _arrivals(config: keys.Arrivals, start: datetime, seed: Sequence[int]) -> Arrivals:
    match config:
        case keys.Poisson():
            return PoissonArrivals(config.rate_per_s)
        case keys.Static():
            return StaticArrivals(config.rate_per_s)
        case keys.Gamma():
            return GammaArrivals(config.rate_per_s, config.cv)
        case keys.Bursts():
            return BurstArrivals(
                config.base_rate_per_s, config.burst_rate_per_s, config.mean_burst, config.mean_gap
            )
        case keys.Daily():
            profile, days = _profile(config, start), config.day_to_day
            if days is None:
                return profile
            return DayToDayArrivals(
                profile,
                days.std,
                days.correlation,
                days.weekend,
                start.weekday(),
                (*seed, _DAYS),
            )


def _profile(config: keys.Daily, start: datetime) -> DailyArrivals | HourlyArrivals:
    start_hour = start.hour + start.minute / 60 + start.second / 3600
    match config:
        case keys.Daily(hourly_weights=list(weights)):
            return HourlyArrivals(config.mean_rate_per_s, tuple(weights), start_hour)
        case keys.Daily(peak_to_mean=float(peak_to_mean), peak_hour_utc=float(peak_hour)):
            return DailyArrivals(config.mean_rate_per_s, peak_to_mean, peak_hour, start_hour)
    raise ValueError("the workload has no daily profile")


def _lengths(config: length_keys.Lengths) -> Lengths:
    match config:
        case length_keys.Fixed():
            return FixedLengths(config.prompt_tokens, config.output_tokens)
        case length_keys.Uniform():
            return UniformLengths(config.min_tokens, config.max_tokens, config.prefill_decode_ratio)
        case length_keys.Zipf():
            return ZipfLengths(
                config.theta, config.min_tokens, config.max_tokens, config.prefill_decode_ratio
            )
        case length_keys.LognormalPair():
            return LognormalLengths(config.prompt.distribution(), config.output.distribution())
        case length_keys.Empirical():
            return find_lengths(config.source)
