"""Vidur's synthetic requests, draw for draw, so that its experiments can be repeated.

Lengths are Zipf by NumPy's legacy generator, arrivals Poisson by Python's own, each seeded alike
and neither touched by the other. Gaps are clipped at three times their mean, so the rate that
arrives is 5.2 % above the nominal one: the mean gap is ``(1 - e^-3) / qps``, 0.950 / qps.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import numpy as np

from inference_sim.errors import InferenceSimError
from inference_sim.workload.stream import Arrival

_LONGEST_GAP = 3.0  # in mean gaps


def vidur_stream(
    qps: float,
    requests: int,
    theta: float = 0.6,
    min_tokens: int = 1024,
    max_tokens: int = 4096,
    prefill_decode_ratio: float = 20.0,
    seed: int = 42,
) -> Iterator[Arrival]:
    """Yield the requests of Vidur's synthetic generator with Zipf lengths and Poisson arrivals.

    The defaults are Vidur's.

    Args:
        qps: Nominal rate [requests/s].
        requests: Number of requests.
        theta: Skew of the total lengths; not 1.
        min_tokens: Shortest total length [tokens].
        max_tokens: Longest total length [tokens].
        prefill_decode_ratio: Prompt over output tokens.
        seed: Seed of both generators.

    Raises:
        InferenceSimError: If theta is 1, or a request could lack a prompt or an output token.
    """
    shortest_output = min_tokens / (1 + prefill_decode_ratio)
    if theta == 1 or max_tokens < min_tokens + 2:
        raise InferenceSimError(
            "Vidur's Zipf lengths need theta other than 1 and max_tokens from min_tokens + 2 "
            f"(got theta {theta}, {min_tokens} to {max_tokens} tokens)"
        )
    if shortest_output < 1 or min_tokens - shortest_output < 1:
        raise InferenceSimError(
            f"min_tokens {min_tokens} with prefill_decode_ratio {prefill_decode_ratio} gives "
            "requests without a prompt or an output token"
        )
    return _stream(qps, requests, theta, min_tokens, max_tokens, prefill_decode_ratio, seed)


def _stream(
    qps: float,
    requests: int,
    theta: float,
    min_tokens: int,
    max_tokens: int,
    prefill_decode_ratio: float,
    seed: int,
) -> Iterator[Arrival]:
    totals = zipf_totals(theta, min_tokens, max_tokens, seed)
    for time_s, total, _ in zip(arrival_times_s(qps, seed), totals, range(requests), strict=False):
        output = total / (1 + prefill_decode_ratio)
        yield Arrival(time_s, int(total - output), int(output), 0)


def arrival_times_s(qps: float, seed: int = 42) -> Iterator[float]:
    """Yield Vidur's Poisson arrival times [s], without end, for a rate of `qps` [requests/s]."""
    rng = random.Random(seed)  # noqa: S311
    time_s = 0.0
    while True:
        time_s += min(-math.log(1.0 - rng.random()) / qps, _LONGEST_GAP / qps)
        yield time_s


def zipf_totals(theta: float, min_tokens: int, max_tokens: int, seed: int = 42) -> Iterator[int]:
    """Yield Vidur's Zipf-distributed total lengths [tokens], without end.

    The generator of YCSB (Gray et al., SIGMOD 1994), with sums that stop one short of the number
    of values, as in Vidur. Evaluated one by one: an array operation may round differently, and a
    length is truncated.
    """
    rng = np.random.RandomState(seed)
    values = max_tokens - min_tokens + 1
    zeta = float(np.sum(1 / np.power(np.arange(1, values), theta)))
    exponent = 1.0 / (1.0 - theta)
    eta = (1 - np.power(2.0 / values, 1 - theta)) / (1 - 1.0 / (zeta + 1e-8))
    while True:
        u = rng.random_sample()
        if u * zeta < 1.0:
            yield min_tokens
        elif u * zeta < 1.0 + np.power(0.5, theta):
            yield min_tokens + 1
        else:
            yield min_tokens + int(values * np.power(eta * u - eta + 1, exponent))
