"""Length distributions of requests: prompt and output tokens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import log, sqrt
from statistics import NormalDist
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inference_sim.errors import InferenceSimError

Ints = NDArray[np.int64]


class Lengths(Protocol):
    """A distribution of (prompt, output) tokens."""

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Ints, Ints]:
        """Return prompt and output tokens, shape (count,) each, at least 1."""
        ...


@dataclass(frozen=True)
class FixedLengths:
    """The same lengths for every request [tokens]."""

    prompt_tokens: int
    output_tokens: int

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Ints, Ints]:
        """Return `count` equal lengths."""
        return np.full(count, self.prompt_tokens), np.full(count, self.output_tokens)


@dataclass(frozen=True)
class SpreadLengths:
    """Prompt and output lengths each uniform around a mean, independent of each other.

    Attributes:
        prompt_tokens, output_tokens: Means [tokens].
        spread: Half width over the mean [0 to 1].
    """

    prompt_tokens: int
    output_tokens: int
    spread: float

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Ints, Ints]:
        """Return lengths of shape (count,) each."""
        return self._around(rng, self.prompt_tokens, count), self._around(
            rng, self.output_tokens, count
        )

    def _around(self, rng: np.random.Generator, tokens: int, count: int) -> Ints:
        most = min(int(self.spread * tokens), tokens - 1)
        return rng.integers(tokens - most, tokens + most, count, endpoint=True)


@dataclass(frozen=True)
class UniformLengths:
    """Total length uniform in [min, max], split by the prefill-to-decode ratio [tokens]."""

    min_tokens: int
    max_tokens: int
    prefill_decode_ratio: float

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Ints, Ints]:
        """Return lengths of shape (count,) each."""
        total = rng.integers(self.min_tokens, self.max_tokens, count, endpoint=True)
        return _split(total, self.prefill_decode_ratio)


@dataclass(frozen=True)
class ZipfLengths:
    """Total length Zipf-distributed over [min, max], shortest most often, split by the ratio.

    The generator of YCSB (Gray et al., SIGMOD 1994) as Vidur uses it: with n values,
    zeta(m) = sum_{k<m} k^-theta and u uniform, ``min + int(n (eta u - eta + 1)^(1/(1-theta)))``.
    """

    theta: float
    min_tokens: int
    max_tokens: int
    prefill_decode_ratio: float

    @cached_property
    def _constants(self) -> tuple[int, float, float, float]:
        n = self.max_tokens - self.min_tokens + 1
        zeta_n = float(np.sum(np.arange(1.0, n) ** -self.theta))
        exponent = 1 / (1 - self.theta)
        eta = (1 - (2 / n) ** (1 - self.theta)) / (1 - 1 / (zeta_n + 1e-8)) if n > 2 else 1.0
        return n, zeta_n, exponent, eta

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Ints, Ints]:
        """Return lengths of shape (count,) each."""
        n, zeta_n, exponent, eta = self._constants
        u = rng.random(count)
        rank = (n * (eta * u - eta + 1) ** exponent).astype(np.int64)
        rank[u * zeta_n < 1 + 0.5**self.theta] = 1
        rank[u * zeta_n < 1] = 0
        return _split(self.min_tokens + np.minimum(rank, n - 1), self.prefill_decode_ratio)


@dataclass(frozen=True)
class LognormalTokens:
    """Lognormal token counts, rounded, and clipped to bounds.

    Example::

        LognormalTokens.from_mean_and_p99(mean_tokens=500, p99_tokens=3000, max_tokens=8192)

    Attributes:
        median_tokens: Median before clipping [tokens].
        sigma: Standard deviation of the logarithm.
        min_tokens, max_tokens: Bounds; shorter and longer samples are clipped to them [tokens].
    """

    median_tokens: float
    sigma: float
    min_tokens: int = 1
    max_tokens: int = 10_000_000

    @classmethod
    def from_mean_and_p99(
        cls,
        mean_tokens: float,
        p99_tokens: float,
        min_tokens: int = 1,
        max_tokens: int = 10_000_000,
    ) -> LognormalTokens:
        """Return the distribution with this mean and 99th percentile, before clipping.

        ``sigma^2 / 2 - z sigma + ln(p99 / mean) = 0`` with z the normal quantile of 0.99; of its
        two roots the smaller is taken, so that a longer tail means a larger sigma.

        Raises:
            InferenceSimError: If p99 is not above the mean, or more than exp(z^2 / 2) = 14.9 times
                as large.
        """
        z = NormalDist().inv_cdf(0.99)
        if not 1 < p99_tokens / mean_tokens <= np.exp(z**2 / 2):
            raise InferenceSimError(
                "of a lognormal distribution, the 99th percentile lies above the mean and is at "
                f"most 14.9 times as large (got {p99_tokens:g} and {mean_tokens:g})"
            )
        sigma = z - sqrt(z**2 - 2 * log(p99_tokens / mean_tokens))
        return cls(mean_tokens * float(np.exp(-(sigma**2) / 2)), sigma, min_tokens, max_tokens)

    def draw(self, rng: np.random.Generator, count: int) -> Ints:
        """Return token counts, shape (count,)."""
        tokens = np.rint(rng.lognormal(log(self.median_tokens), self.sigma, count))
        clipped: Ints = np.clip(tokens, self.min_tokens, self.max_tokens).astype(np.int64)
        return clipped


@dataclass(frozen=True)
class LognormalLengths:
    """Prompt and output lengths, each lognormal, independent of each other."""

    prompt: LognormalTokens
    output: LognormalTokens

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Ints, Ints]:
        """Return lengths of shape (count,) each."""
        return self.prompt.draw(rng, count), self.output.draw(rng, count)


def _split(total: Ints, prefill_decode_ratio: float) -> tuple[Ints, Ints]:
    """Split totals into prompt and output: output = total / (1 + ratio), both at least 1."""
    share = total / (1 + prefill_decode_ratio)
    output = np.maximum(share.astype(np.int64), 1)
    prompt = np.maximum((total - share).astype(np.int64), 1)
    return prompt, output
