"""Mean demand of a workload: the rate of its requests, and their lengths."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np

from cosim.world.closed_loop import session_sample
from cosim.world.shared_text import shared_tokens
from cosim.world.workload import ClosedLoop, WorkloadSource, class_ends_s
from inference_sim.arrays import FloatArray
from inference_sim.workload import (
    BurstArrivals,
    DailyArrivals,
    DayToDayArrivals,
    HourlyArrivals,
    Replay,
    Sessions,
)
from inference_sim.workload.lengths import Lengths

_SAMPLE = 4096
_BIN_S = 3600.0
_DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Demand:
    """The mean demand of a site, or of one class of its requests.

    Attributes:
        rate_per_s: Mean rate over each step [requests/s], shape (steps,).
        deferrable_per_s: Of that, the requests that may be deferred, shape (steps,); empty for a
            class.
        prompt_tokens, output_tokens: Mean lengths of a request [tokens].
        output_cv2: Squared coefficient of variation of the output lengths.
        cached_tokens: Mean part of a prompt that earlier requests of its session hold, or its
            system prompt; of a trace, the first requests of it [tokens]. A cache may find it.
        share: Share of the site's requests [0 to 1].
        by_class: Demand of each class; empty where the lengths of all are the same.
        past_rate_per_s, past_deferrable_per_s: Mean rates over each step of the day before the run
            [requests/s]; empty where they are not known, as with a trace.
    """

    rate_per_s: FloatArray
    prompt_tokens: float
    output_tokens: float
    output_cv2: float
    cached_tokens: float = 0.0
    share: float = 1.0
    by_class: tuple[Demand, ...] = ()
    deferrable_per_s: FloatArray = field(default_factory=lambda: np.empty(0))
    past_rate_per_s: FloatArray = field(default_factory=lambda: np.empty(0))
    past_deferrable_per_s: FloatArray = field(default_factory=lambda: np.empty(0))

    @property
    def context_tokens(self) -> float:
        """Mean context of a running request, which is met in proportion to its length [tokens]."""
        if self.by_class:
            tokens = sum(part.share * part.output_tokens for part in self.by_class)
            return (
                sum(part.share * part.output_tokens * part.context_tokens for part in self.by_class)
                / tokens
            )
        return self.prompt_tokens + self.output_tokens * (1 + self.output_cv2) / 2


def expected_demand(
    source: WorkloadSource, step_s: float, steps: int, longest_tokens: float = math.inf
) -> Demand:
    """Return the mean demand of a workload over a run.

    The rate is that of the process, not of one draw of it; but days that differ have their own
    rates, as they come, and a trace its own, hour by hour. Forecasters show controllers only those
    that have been, unless they are clairvoyant. From the end of a class on its share is missing.
    Once as many requests as the scenario has would have come, none do.

    Args:
        source: The workload of a site.
        step_s: Length of a step [s].
        steps: Steps of the run.
        longest_tokens: Longest request, before which sessions end [tokens].
    """
    turns = 1.0
    if source.sessions is not None and not source.closed:
        turns = session_sample(source.sessions, longest_tokens).turns
    rate = _rate_per_s(source, step_s, steps) * source.share * turns
    open_shares = _open_shares(source, step_s, steps)
    if open_shares is not None:
        rate = rate * open_shares.sum(axis=0)
    if source.config.requests is not None:
        most = source.config.requests * source.share
        came = np.cumsum(rate) * step_s
        left = np.clip(most - np.append(0.0, came[:-1]), 0.0, None)
        rate = np.minimum(rate, left / step_s)
    past = _past_rate_per_s(source, step_s) * source.share * turns
    return replace(
        _of_rate(source, rate, longest_tokens),
        deferrable_per_s=rate * _deferrable_share(source, open_shares),
        past_rate_per_s=past,
        past_deferrable_per_s=past * _deferrable_share(source, None),
    )


def _of_rate(source: WorkloadSource, rate: FloatArray, longest_tokens: float) -> Demand:
    """Return the demand of a workload whose requests come at a rate, shape (steps,).

    The lengths are those of all classes, whether they end or not.
    """
    if source.sessions is not None:
        return _of_sessions(source, source.sessions, rate, longest_tokens)
    if len({lengths for share, lengths in source.lengths if share > 0}) <= 1:
        found = shared_tokens(islice(source.stream(), _SAMPLE)) if source.shares_text else 0.0
        return replace(_with_lengths(rate, *_lengths(source)), cached_tokens=found)
    by_class = tuple(
        replace(
            _with_lengths(rate * share, *_drawn(np.random.default_rng(0), lengths, _SAMPLE)),
            share=share,
        )
        for share, lengths in source.lengths
    )
    return _mixed(rate, by_class)


def _of_sessions(
    source: WorkloadSource, sessions: Sessions, rate: FloatArray, longest_tokens: float
) -> Demand:
    """Return the demand of sessions whose requests come at a rate."""
    whole = session_sample(sessions, longest_tokens)
    demand = replace(
        _with_lengths(rate, whole.prompts, whole.outputs), cached_tokens=float(whole.cached.mean())
    )
    if len({lengths for share, lengths in source.lengths if share > 0}) <= 1:
        return demand
    by_class = []
    for class_id, (share, _) in enumerate(source.lengths):
        part = session_sample(sessions, longest_tokens, class_id)
        of_class = _with_lengths(rate * share, part.prompts, part.outputs)
        cached = float(part.cached.mean())
        by_class.append(replace(of_class, share=share, cached_tokens=cached))
    return replace(_mixed(rate, tuple(by_class)), cached_tokens=demand.cached_tokens)


def _with_lengths(rate_per_s: FloatArray, prompt: FloatArray, output: FloatArray) -> Demand:
    """Return the demand of requests of which a sample has these lengths."""
    mean = float(output.mean())
    return Demand(rate_per_s, float(prompt.mean()), mean, float(output.var()) / mean**2)


def _mixed(rate_per_s: FloatArray, by_class: tuple[Demand, ...]) -> Demand:
    """Return the demand of classes together."""
    shares = np.array([part.share for part in by_class])
    prompts = np.array([part.prompt_tokens for part in by_class])
    outputs = np.array([part.output_tokens for part in by_class])
    squares = outputs**2 * (1 + np.array([part.output_cv2 for part in by_class]))
    mean = float(shares @ outputs)
    return Demand(
        rate_per_s,
        float(shares @ prompts),
        mean,
        max(0.0, float(shares @ squares) / mean**2 - 1),
        by_class=by_class,
    )


def _open_shares(source: WorkloadSource, step_s: float, steps: int) -> FloatArray | None:
    """Return the share of each class of the process in each step, shape (classes, steps).

    None if no class ends; then the requests are all that the process sends.
    """
    until_s = class_ends_s(source.config)
    if all(map(math.isinf, until_s)):
        return None
    shares = np.array([[request_class.share] for request_class in source.config.classes])
    before_end = np.array(until_s)[:, None] / step_s - np.arange(steps)
    open_shares: FloatArray = shares * np.clip(before_end, 0.0, 1.0)
    return open_shares


def _deferrable_share(source: WorkloadSource, shares: FloatArray | None) -> FloatArray | float:
    """Return the deferrable share of the requests that come, by step where classes end."""
    classes = source.config.classes
    may_wait = np.array([request_class.deferrable for request_class in classes])
    if shares is None:
        return float(sum(entry.share for entry in classes if entry.deferrable))
    together = shares.sum(axis=0)
    deferrable: FloatArray = shares[may_wait].sum(axis=0)
    share: FloatArray = np.zeros_like(deferrable)
    np.divide(deferrable, together, out=share, where=together > 0)
    return share


def _past_rate_per_s(source: WorkloadSource, step_s: float) -> FloatArray:
    """Return the rates of a day of the same process before the run; none of a trace."""
    steps = round(_DAY_S / step_s)
    middles_s: FloatArray = (np.arange(-steps, 0, dtype=np.float64) + 0.5) * step_s
    match source.source:
        case DailyArrivals() | HourlyArrivals() as daily:
            return daily.rate_per_s(middles_s)
        case DayToDayArrivals() as days:  # of which no day before the run is drawn: the mean day
            return days.daily.rate_per_s(middles_s)
        case Replay():
            return np.empty(0)
    return _rate_per_s(source, step_s, steps)


def _rate_per_s(source: WorkloadSource, step_s: float, steps: int) -> FloatArray:
    middles_s: FloatArray = (np.arange(steps, dtype=np.float64) + 0.5) * step_s
    match source.source:
        case DailyArrivals() | HourlyArrivals() | DayToDayArrivals() as daily:
            return daily.rate_per_s(middles_s)
        case BurstArrivals() as bursts:
            return np.full(steps, bursts.mean_rate_per_s)
        case Replay() as replay:
            return _recorded_rate_per_s(replay, middles_s, steps * step_s)
        case ClosedLoop() as loop:
            return np.full(steps, loop.rate_per_s)
        case constant:
            return np.full(steps, constant.peak_rate_per_s)


def _recorded_rate_per_s(replay: Replay, times_s: FloatArray, horizon_s: float) -> FloatArray:
    """Return the rates of the hours, or of the last piece of one, in which `times_s` lie."""
    edges_s = np.append(np.arange(0.0, horizon_s, _BIN_S), horizon_s)
    counts = np.zeros(len(edges_s) - 1)
    for part in replay.parts():
        if not len(part.times_s) or part.times_s[0] >= horizon_s:
            break
        counts += np.histogram(part.times_s[part.times_s < horizon_s], edges_s)[0]
    rates: FloatArray = (counts / np.diff(edges_s))[(times_s // _BIN_S).astype(np.int64)]
    return rates


def _lengths(source: WorkloadSource) -> tuple[FloatArray, FloatArray]:
    """Return prompt and output lengths of a sample of the requests."""
    if isinstance(source.source, Replay):
        part = next(iter(source.source.parts()))
        return part.prompt_tokens.astype(np.float64), part.output_tokens.astype(np.float64)
    rng = np.random.default_rng(0)
    drawn = [
        _drawn(rng, lengths, max(1, round(share * _SAMPLE)))
        for share, lengths in source.lengths
        if share > 0
    ]
    prompts, outputs = zip(*drawn, strict=True)
    return np.concatenate(prompts), np.concatenate(outputs)


def _drawn(rng: np.random.Generator, lengths: Lengths, count: int) -> tuple[FloatArray, FloatArray]:
    """Return prompt and output lengths of `count` requests."""
    prompts, outputs = lengths.draw(rng, count)
    return prompts.astype(np.float64), outputs.astype(np.float64)
