"""Length distributions of requests: prompt and output tokens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

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


def _split(total: Ints, prefill_decode_ratio: float) -> tuple[Ints, Ints]:
    """Split totals into prompt and output: output = total / (1 + ratio), both at least 1."""
    share = total / (1 + prefill_decode_ratio)
    output = np.maximum(share.astype(np.int64), 1)
    prompt = np.maximum((total - share).astype(np.int64), 1)
    return prompt, output
