"""Measured lengths: the quantiles of a trace, prompt and output drawn jointly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import pi, sin, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from inference_sim.arrays import FloatArray
from inference_sim.errors import UnknownName
from inference_sim.files.catalogue import read_data
from inference_sim.workload.lengths import Ints

PROBABILITIES = (
    *(percent / 100 for percent in range(100)),
    *(0.995, 0.998, 0.999, 0.9995, 1.0),
)
"""Probabilities of the quantiles that are kept: finer in the tail, which carries the mean."""

_GRID = np.linspace(-5.0, 5.0, 2001)  # standard normal; 0.6 in a million draws lie beyond


@dataclass(frozen=True)
class EmpiricalLengths:
    """Lengths with measured distributions, and the measured rank correlation between them.

    Each marginal is linear between its quantiles. The two are tied by a Gaussian copula (Nelsen, An
    Introduction to Copulas, 2006): two standard normal numbers with correlation ``2 sin(pi rho /
    6)`` have probabilities with the rank correlation rho (Pearson, 1907).

    Attributes:
        prompt_quantiles, output_quantiles: Quantiles at ``PROBABILITIES`` [tokens].
        rank_correlation: Spearman's rho of prompt and output tokens.
    """

    prompt_quantiles: tuple[float, ...]
    output_quantiles: tuple[float, ...]
    rank_correlation: float

    @classmethod
    def measured(cls, prompt_tokens: Ints, output_tokens: Ints) -> EmpiricalLengths:
        """Return the distribution of recorded lengths, of shape (n,) each."""

        def quantiles(tokens: Ints) -> tuple[float, ...]:
            return tuple(np.round(np.quantile(tokens, PROBABILITIES), 1).tolist())

        rho = np.corrcoef(_ranks(prompt_tokens), _ranks(output_tokens))[0, 1]
        return cls(quantiles(prompt_tokens), quantiles(output_tokens), round(float(rho), 4))

    @cached_property
    def _tables(self) -> tuple[FloatArray, FloatArray]:
        """Prompt and output tokens at the normal numbers of the grid."""
        probability = np.array([NormalDist().cdf(z) for z in _GRID.tolist()])
        return (
            np.interp(probability, PROBABILITIES, self.prompt_quantiles),
            np.interp(probability, PROBABILITIES, self.output_quantiles),
        )

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Ints, Ints]:
        """Return lengths of shape (count,) each."""
        correlation = 2 * sin(pi * self.rank_correlation / 6)
        first, second = rng.standard_normal((count, 2)).T
        second = correlation * first + sqrt(1 - correlation**2) * second
        prompt, output = self._tables
        return _tokens(np.interp(first, _GRID, prompt)), _tokens(np.interp(second, _GRID, output))


def find_lengths(name: str) -> EmpiricalLengths:
    """Return built-in measured lengths by name, such as ``azure_2023_conversation``.

    Raises:
        UnknownName: If the name is unknown.
    """
    data = read_data(__package__, "azure_lengths.yaml")
    if name not in data:
        raise UnknownName("measured lengths", name, data)
    entry = data[name]
    return EmpiricalLengths(
        tuple(entry["prompt_quantiles"]),
        tuple(entry["output_quantiles"]),
        entry["rank_correlation"],
    )


def _tokens(values: FloatArray) -> Ints:
    return np.maximum(np.rint(values), 1).astype(np.int64)


def _ranks(values: Ints) -> FloatArray:
    """Return ranks from 0; equal values share the mean of theirs."""
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    last: NDArray[np.int64] = np.cumsum(counts)
    mean: FloatArray = last - (counts + 1) / 2
    return mean[index]
