"""Random clouds: the share of the clear sky's power that is left, step by step.

A stationary process with a beta distribution, which has the mean and the standard deviation asked
for, and an autocorrelation of exactly exp(-t / correlation time): the first-order autoregressive
beta process of McKenzie [1]. That clearness is beta-distributed and its memory exponential are the
usual assumptions of synthetic irradiance [2]. Night goes on like day; brightening at the edges of
clouds, over 1, is left out.

References:
    [1] E. McKenzie, "An autoregressive process for beta random variables", Management Science
        31(8), 1985: the process PBAR.
    [2] V. Graham, K. Hollands, "A method to generate synthetic hourly solar radiation globally",
        Solar Energy 44(6), 1990.
"""

from __future__ import annotations

import math

import numpy as np

from inference_sim.arrays import FloatArray

_STREAM = 0x636C6F75  # apart from all else that is drawn from the same seed


def clearness(
    steps: int,
    step_s: float,
    *,
    mean: float,
    std: float,
    correlation_time_s: float,
    seed: int | tuple[int, ...],
) -> FloatArray:
    """Return the share of the clear sky's power that is left in each step, shape ``(steps,)``.

    A longer series begins with the same values.

    Args:
        steps: Number of steps.
        step_s: Length of a step [s].
        mean: Mean of the share, between 0 and 1.
        std: Its standard deviation, less than ``sqrt(mean * (1 - mean))``.
        correlation_time_s: Time in which its autocorrelation falls to 1/e [s].
        seed: Equal seeds give equal series.

    Raises:
        ValueError: If no share from 0 to 1 has such a mean and standard deviation.
    """
    if not 0 < std**2 < mean * (1 - mean):
        raise ValueError(f"no share from 0 to 1 has mean {mean:g} and standard deviation {std:g}")
    both = mean * (1 - mean) / std**2 - 1
    alpha, beta = mean * both, (1 - mean) * both
    kept = math.exp(-step_s / correlation_time_s)
    p = kept * alpha * (alpha + beta) / (beta + kept * alpha)  # [1]: kept = p b / (a (a + b - p))
    parts = (seed,) if isinstance(seed, int) else seed
    random = np.random.default_rng([_STREAM, *parts])
    share = random.beta(alpha, beta)
    # A pair per step, so that the draws of a step do not depend on how many follow.
    u, w = random.beta([beta, p], [alpha - p, alpha - p], size=(max(steps, 0), 2)).T
    shares = np.empty(steps)
    for step in range(steps):
        shares[step] = share = 1 - u[step] * (1 - w[step] * share)
    return shares
