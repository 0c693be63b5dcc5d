"""Scenario keys of the lengths of requests: prompt and output tokens."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cosim.scenario.fields import Positive, StrictModel
from inference_sim.workload import LognormalTokens

MAX_TOKENS = 10_000_000
Tokens = Annotated[int, Field(ge=1, le=MAX_TOKENS)]


class Fixed(StrictModel):
    """The same lengths for every request."""

    type: Literal["fixed"]
    """Every request alike."""
    prompt_tokens: Tokens
    """Prompt length [tokens]."""
    output_tokens: Tokens
    """Output length [tokens]."""


class _Split(StrictModel):
    min_tokens: Tokens
    """Shortest total length, prompt and output together [tokens]."""
    max_tokens: Tokens
    """Longest total length [tokens]."""
    prefill_decode_ratio: Positive
    """Prompt tokens per output token."""

    @model_validator(mode="after")
    def _ordered(self) -> _Split:
        if self.min_tokens > self.max_tokens:
            raise ValueError(
                f"min_tokens must not exceed max_tokens (got {self.min_tokens} and "
                f"{self.max_tokens})"
            )
        return self


class Uniform(_Split):
    """Total length uniform between two bounds, split by a ratio."""

    type: Literal["uniform"]
    """Uniform total length."""


class Zipf(_Split):
    """Total length Zipf-distributed between two bounds, split by a ratio."""

    type: Literal["zipf"]
    """Zipf-distributed total length; short ones are the most frequent."""
    theta: Annotated[float, Field(ge=0, le=3)]
    """Skew; 0 is uniform. It may not be 1."""

    @model_validator(mode="after")
    def _not_one(self) -> Zipf:
        if self.theta == 1:
            raise ValueError("theta must not be 1, where the generator is singular (try 0.999)")
        return self


class Lognormal(StrictModel):
    """Lognormal token counts: by median and sigma, or by mean and 99th percentile."""

    median_tokens: Positive | None = None
    """Median [tokens]."""
    sigma: Annotated[float, Field(ge=0, le=5)] | None = None
    """Standard deviation of the natural logarithm."""
    mean_tokens: Positive | None = None
    """Mean [tokens]."""
    p99_tokens: Positive | None = None
    """99th percentile, up to 14.9 times the mean [tokens]."""
    min_tokens: Tokens = 1
    """Lower bound; shorter samples are raised to it [tokens]."""
    max_tokens: Tokens = MAX_TOKENS
    """Upper bound; longer samples are clipped to it [tokens]."""

    @model_validator(mode="after")
    def _one_shape(self) -> Lognormal:
        by_median = [self.median_tokens is not None, self.sigma is not None]
        by_mean = [self.mean_tokens is not None, self.p99_tokens is not None]
        if [*by_median, *by_mean] not in ([True, True, False, False], [False, False, True, True]):
            raise ValueError(
                "expected either `median_tokens` and `sigma`, or `mean_tokens` and `p99_tokens`"
            )
        if self.min_tokens > self.max_tokens:
            raise ValueError(
                f"min_tokens must not exceed max_tokens (got {self.min_tokens} and "
                f"{self.max_tokens})"
            )
        self.distribution()
        return self

    def distribution(self) -> LognormalTokens:
        """Return the distribution as the simulator takes it."""
        bounds = (self.min_tokens, self.max_tokens)
        if self.mean_tokens is not None and self.p99_tokens is not None:
            return LognormalTokens.from_mean_and_p99(self.mean_tokens, self.p99_tokens, *bounds)
        return LognormalTokens(self.median_tokens or 1.0, self.sigma or 0.0, *bounds)


class LognormalPair(StrictModel):
    """Prompt and output lengths, each lognormal, independent of each other."""

    type: Literal["lognormal"]
    """Lognormal lengths."""
    prompt: Lognormal
    """Prompt length."""
    output: Lognormal
    """Output length."""


class Empirical(StrictModel):
    """Measured lengths, with prompt and output correlated as measured."""

    type: Literal["empirical"]
    """Measured lengths."""
    source: Literal["azure_2023_conversation", "azure_2023_code"]
    """Which trace: the Azure LLM inference traces of 2023 (Patel et al., ISCA 2024)."""


Lengths = Annotated[Fixed | Uniform | Zipf | LognormalPair | Empirical, Field(discriminator="type")]
