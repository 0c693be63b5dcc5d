"""Mean demand of a workload: the rate of its requests, and their lengths."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from cosim.world.workload import WorkloadSource, class_ends_s
from inference_sim.arrays import FloatArray
from inference_sim.workload import (
    BurstArrivals,
    DailyArrivals,
    DayToDayArrivals,
    HourlyArrivals,
    Replay,
)

_SAMPLE = 4096
_BIN_S = 3600.0


@dataclass(frozen=True, slots=True)
class Demand:
    """The mean demand of a site.

    Attributes:
        rate_per_s: Mean rate over each step [requests/s], shape (steps,).
        prompt_tokens, output_tokens: Mean lengths of a request [tokens].
        output_cv2: Squared coefficient of variation of the output lengths.
    """

    rate_per_s: FloatArray
    prompt_tokens: float
    output_tokens: float
    output_cv2: float


def expected_demand(source: WorkloadSource, step_s: float, steps: int) -> Demand:
    """Return the mean demand of a workload over a run.

    The rate is that of the process, not of one draw of it; but days that differ have their own
    rates, as they come, and a trace its own, hour by hour. Forecasters show controllers only those
    that have been, unless they are clairvoyant. From the end of a class on its share is missing,
    while the mean lengths stay those of all classes.
    Once as many requests as the scenario has would have come, none do.

    Args:
        source: The workload of a site.
        step_s: Length of a step [s].
        steps: Steps of the run.
    """
    rate = _rate_per_s(source, step_s, steps) * source.share
    rate = rate * _share_that_comes(source, step_s, steps)
    if source.config.requests is not None:
        most = source.config.requests * source.share
        came = np.cumsum(rate) * step_s
        left = np.clip(most - np.append(0.0, came[:-1]), 0.0, None)
        rate = np.minimum(rate, left / step_s)
    prompt, output = _lengths(source)
    mean = float(output.mean())
    return Demand(rate, float(prompt.mean()), mean, float(output.var()) / mean**2)


def _share_that_comes(source: WorkloadSource, step_s: float, steps: int) -> FloatArray:
    """Return the share of the process in each step that is of classes before their end."""
    until_s = class_ends_s(source.config)
    if all(map(math.isinf, until_s)):
        return np.ones(steps)  # without the rounding of a sum of shares
    shares = np.array([request_class.share for request_class in source.config.classes])
    before_end = np.array(until_s)[:, None] / step_s - np.arange(steps)
    share: FloatArray = shares @ np.clip(before_end, 0.0, 1.0)
    return share


def _rate_per_s(source: WorkloadSource, step_s: float, steps: int) -> FloatArray:
    middles_s: FloatArray = (np.arange(steps, dtype=np.float64) + 0.5) * step_s
    match source.source:
        case DailyArrivals() | HourlyArrivals() | DayToDayArrivals() as daily:
            return daily.rate_per_s(middles_s)
        case BurstArrivals() as bursts:
            return np.full(steps, bursts.mean_rate_per_s)
        case Replay() as replay:
            return _recorded_rate_per_s(replay, middles_s, steps * step_s)
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
        lengths.draw(rng, max(1, round(share * _SAMPLE)))
        for share, lengths in source.lengths
        if share > 0
    ]
    prompts, outputs = zip(*drawn, strict=True)
    return (
        np.fromiter(itertools.chain.from_iterable(prompts), dtype=np.float64),
        np.fromiter(itertools.chain.from_iterable(outputs), dtype=np.float64),
    )
