"""From a scenario's workload to the stream of requests that comes to a site's cluster."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cosim.scenario import lengths as length_keys
from cosim.scenario import sessions as session_keys
from cosim.scenario import workload as keys
from cosim.scenario.scenario import Scenario
from cosim.scenario.workload import Workload
from cosim.world.traces import replay_of, sharing_of, tells_text, with_recorded_shares
from inference_sim.clients import Clients, Patience
from inference_sim.cluster import Cluster
from inference_sim.deployment import ClusterConfig
from inference_sim.workload import (
    Arrival,
    BurstArrivals,
    DailyArrivals,
    DayToDayArrivals,
    ExponentialDuration,
    FixedDuration,
    FixedLengths,
    GammaArrivals,
    HourlyArrivals,
    LognormalDuration,
    LognormalLengths,
    PoissonArrivals,
    Replay,
    Sessions,
    SpreadLengths,
    StaticArrivals,
    Turns,
    UniformLengths,
    ZipfLengths,
    client_starts,
    coming,
    find_lengths,
    first,
    generated_stream,
    session_starts,
    thinned,
    trace_stream,
)
from inference_sim.workload.arrivals import Arrivals
from inference_sim.workload.lengths import Lengths
from inference_sim.workload.sessions import Durations

_OWN_WORKLOAD = 0x73697465
"""Keeps the draws of sites with workloads of their own apart from those of the shared one."""

_DAYS = 5
"""Keeps the draws of days apart from those of the stream."""


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """Clients in a closed loop, in the mean.

    Attributes:
        clients: Number of clients.
        pause_s: Mean time from an answer to the client's next request [s].
        rate_per_s: Mean rate of their requests [requests/s]; NaN until the cluster is known.
    """

    clients: int
    pause_s: float
    rate_per_s: float = math.nan


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
        shares_text: Whether prompts of its trace share text that engines of the site find again.
        sessions: Its sessions, where requests come in such or from clients in a closed loop.
        clients: Returns fresh clients of a run; None where all requests come with the stream, and
            wait.
    """

    config: Workload
    peak_rate_per_s: float
    stream: Callable[[], Iterator[Arrival]]
    source: Arrivals | Replay | ClosedLoop
    lengths: tuple[tuple[float, Lengths], ...] = ()
    share: float = 1.0
    trace_failures: int = 0
    trace_skipped: int = 0
    shares_text: bool = False
    sessions: Sessions | None = None
    clients: Callable[[], Clients] | None = None

    @property
    def closed(self) -> bool:
        """Whether its requests come from clients in a closed loop."""
        return self.config.clients is not None

    def cluster(self, config: ClusterConfig) -> Cluster:
        """Return a cluster that serves it, before the run."""
        return Cluster(config, self.stream(), clients=self.clients() if self.clients else None)


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
    caches = site.cluster is not None and site.cluster.caches_prefixes
    whole = _whole_source(config, seed, scenario.time.start, caches=caches)
    until_s = class_ends_s(config)
    if config.reacts:
        patience, sessions = _patience(config), whole.sessions
        whole = replace(
            whole,
            clients=lambda: Clients(
                sessions,
                patience,
                requests=None if sessions is None else config.requests,
                class_until_s=until_s,
            ),
        )
    if site.workload is not None or site.share is None:
        return replace(whole, stream=lambda: coming(whole.stream(), until_s))
    if whole.sessions is not None and config.requests is not None:
        raise ValueError("`requests` cannot be split between sites that share sessions or clients")
    sharing = [site.share or 0.0 for site in scenario.sites[:site_index] if site.workload is None]
    low, share = sum(sharing), site.share
    if whole.sessions is not None and whole.closed:
        clients = _clients_of(config, whole.sessions, low, low + share)
        count = sum(1 for _ in clients())
        if not count:
            raise ValueError(
                f"`share` {share:g} of {whole.sessions.clients:,} clients leaves site "
                f"'{site.name}' without one"
            )
        loop = ClosedLoop(count, _mean_pause_s(whole.sessions))
        return replace(whole, stream=lambda: coming(clients(), until_s), source=loop)
    return replace(
        whole,
        peak_rate_per_s=whole.peak_rate_per_s * share,
        stream=lambda: coming(
            thinned(whole.stream(), seed, low, low + share, by_session=config.trace is not None),
            until_s,
        ),
        share=share,
    )


def class_ends_s(config: Workload) -> tuple[float, ...]:
    """Return the time since the start of the run at which each class ends [s]; may be infinite."""
    return tuple(
        math.inf if request_class.until is None else request_class.until
        for request_class in config.classes
    )


def _whole_source(
    config: Workload, seed: Sequence[int], start: datetime, *, caches: bool
) -> WorkloadSource:
    """Return the workload of all sites; its stream still has requests after their class's end.

    Args:
        config: Keys of the workload.
        seed: Numbers that make the seed.
        start: Start of the run.
        caches: Whether texts that a trace's prompts share are needed.
    """
    until_s = class_ends_s(config)
    if config.trace is not None:
        sharing = sharing_of(config.trace) if caches else "none"
        replay = replay_of(config.trace, config, seed)
        config = with_recorded_shares(config, replay.trace.class_counts)
        shares = [request_class.share for request_class in config.classes]
        return WorkloadSource(
            config,
            replay.peak_rate_per_s,
            lambda: first(
                trace_stream(replay, seed, class_shares=shares, sharing=sharing),
                config.requests,
                until_s,
            ),
            replay,
            trace_failures=replay.trace.failures,
            trace_skipped=replay.trace.skipped,
            shares_text=sharing != "none" and tells_text(config.trace, replay),
        )
    shares = [request_class.share for request_class in config.classes]
    spread = 0.0 if config.clients is None else config.clients.spread
    own = {
        index: _lengths(request_class.lengths, spread)
        for index, request_class in enumerate(config.classes)
        if request_class.lengths is not None
    }
    lengths = own[0] if config.lengths is None else _lengths(config.lengths, spread)
    by_share = tuple((share, own.get(index, lengths)) for index, share in enumerate(shares))
    if config.clients is not None or config.sessions is not None:
        return _of_sessions(config, _sessions(config, lengths, own, seed), by_share, start, seed)
    if config.arrivals is None:
        raise ValueError("the workload has no arrivals")
    arrivals = _arrivals(config.arrivals, start, seed)
    return WorkloadSource(
        config,
        arrivals.peak_rate_per_s,
        lambda: first(
            generated_stream(arrivals, lengths, seed, class_shares=shares, class_lengths=own),
            config.requests,
            until_s,
        ),
        arrivals,
        by_share,
    )


def _of_sessions(
    config: Workload,
    sessions: Sessions,
    lengths: tuple[tuple[float, Lengths], ...],
    start: datetime,
    seed: Sequence[int],
) -> WorkloadSource:
    """Return a workload whose stream has the first requests of sessions."""
    if config.arrivals is None:
        # The rate depends on the cluster: see `cosim.world.closed_loop`.
        loop = ClosedLoop(sessions.clients, _mean_pause_s(sessions))
        clients = _clients_of(config, sessions, 0.0, 1.0)
        return WorkloadSource(config, math.inf, clients, loop, lengths, sessions=sessions)
    arrivals = _arrivals(config.arrivals, start, seed)
    return WorkloadSource(
        config,
        arrivals.peak_rate_per_s * sessions.turns.mean,
        lambda: session_starts(sessions, arrivals),
        arrivals,
        lengths,
        sessions=sessions,
    )


def _clients_of(
    config: Workload, sessions: Sessions, low: float, high: float
) -> Callable[[], Iterator[Arrival]]:
    """Return what makes the stream of the first requests of clients."""
    ramp_up_s = 0.0 if config.clients is None else config.clients.ramp_up
    return lambda: client_starts(sessions, ramp_up_s, low, high)


def _sessions(
    config: Workload, lengths: Lengths, own: Mapping[int, Lengths], seed: Sequence[int]
) -> Sessions:
    """Return the sessions of a workload; of requests on their own each has one turn."""
    keys, loop = config.sessions, config.clients
    system = None if keys is None else keys.system_prompt
    return Sessions(
        lengths,
        seed,
        turns=Turns() if keys is None else _turns(keys),
        think=FixedDuration() if keys is None else _duration(keys.think),
        pause=FixedDuration() if loop is None else _duration(loop.think),
        system_tokens=0 if system is None else system.tokens,
        groups=1 if system is None else system.groups,
        accumulates=keys is not None and keys.context == "accumulate",
        shares_text=keys is not None or config.retry is not None,
        class_shares=tuple(request_class.share for request_class in config.classes),
        class_lengths=own,
        clients=0 if loop is None else loop.concurrency,
    )


def _mean_pause_s(sessions: Sessions) -> float:
    """Return the mean time that a client thinks after an answer [s]."""
    within, turns = sessions.think.mean_s, sessions.turns.mean
    return (within * (turns - 1) + sessions.pause.mean_s) / turns


def _turns(config: session_keys.SessionKeys) -> Turns:
    match config.turns:
        case session_keys.FixedTurns(turns=turns):
            return Turns(turns)
        case session_keys.GeometricTurns(mean=mean):
            return Turns(mean, geometric=True)


def _duration(config: session_keys.Think) -> Durations:
    match config:
        case session_keys.FixedThink():
            return FixedDuration(config.time)
        case session_keys.ExponentialThink():
            return ExponentialDuration(config.mean)
        case session_keys.LognormalThink():
            return LognormalDuration(config.median, config.sigma)


def _patience(config: Workload) -> Patience:
    timeout_s = math.inf if config.timeout is None else config.timeout
    if config.retry is None:
        return Patience(timeout_s)
    return Patience(timeout_s, config.retry.most, config.retry.backoff)


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


def _lengths(config: length_keys.Lengths, spread: float) -> Lengths:
    match config:
        case length_keys.Fixed() if spread:
            return SpreadLengths(config.prompt_tokens, config.output_tokens, spread)
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
