"""Scenario keys of the workload: arrivals and lengths, or a recorded trace; classes and SLOs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cosim.scenario.fields import Fraction, InputFile, Positive, StrictModel

Tokens = Annotated[int, Field(ge=1, le=10_000_000)]
HourOfDay = Annotated[float, Field(ge=0, lt=24)]


class Poisson(StrictModel):
    """Arrivals at random, at a constant mean rate."""

    type: Literal["poisson"]
    """A Poisson process."""
    rate_per_s: Positive
    """Mean rate [requests/s]."""


class Static(StrictModel):
    """Arrivals at equal intervals."""

    type: Literal["static"]
    """One request every 1/rate seconds."""
    rate_per_s: Positive
    """Rate [requests/s]."""


class Daily(StrictModel):
    """Arrivals at random, at a rate that follows the day as a cosine."""

    type: Literal["daily"]
    """A Poisson process with a daily profile."""
    mean_rate_per_s: Positive
    """Mean rate over a day [requests/s]."""
    peak_to_mean: Annotated[float, Field(ge=1, le=2)] = 1.6
    """Rate at the peak hour over the mean rate."""
    peak_hour_utc: HourOfDay = 21.0
    """Hour of the peak, UTC [h]."""


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


class Trace(StrictModel):
    """A recorded trace of requests."""

    format: Literal["azure", "vidur"]
    """azure: TIMESTAMP,ContextTokens,GeneratedTokens. vidur: arrived_at (s),num_prefill_tokens,
    num_decode_tokens."""
    path: InputFile
    """The CSV file; its first request arrives at the start of the run."""


class Slo(StrictModel):
    """Service level objectives of a class; a request meets them if all that are given hold."""

    ttft_s: Positive | None = None
    """Most time to the first token [s]."""
    tpot_s: Positive | None = None
    """Most time per output token after the first, as the request's mean [s]."""
    e2e_s: Positive | None = None
    """Most time from arrival to the last token [s]."""


class RequestClass(StrictModel):
    """A class of requests."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    """Name of the class."""
    share: Fraction
    """Share of the requests; the shares of all classes add up to 1."""
    slo: Slo = Slo()
    """What the class is promised."""


class Workload(StrictModel):
    """What requests arrive: generated from ``arrivals`` and ``lengths``, or from a ``trace``."""

    requests: Annotated[int, Field(ge=1)] | None = None
    """Stop after so many requests; the run's end is the only bound by default."""
    arrivals: Annotated[Poisson | Static | Daily, Field(discriminator="type")] | None = None
    """When requests arrive."""
    lengths: Annotated[Fixed | Uniform | Zipf, Field(discriminator="type")] | None = None
    """How long they are."""
    trace: Trace | None = None
    """A recorded workload, in place of arrivals and lengths."""
    classes: Annotated[list[RequestClass], Field(min_length=1)] = [
        RequestClass(name="default", share=1.0)
    ]
    """Classes of requests, drawn at random by their shares."""

    @model_validator(mode="after")
    def _one_source(self) -> Workload:
        generated = self.arrivals is not None and self.lengths is not None
        partly = self.arrivals is not None or self.lengths is not None
        if (self.trace is not None) == partly or (partly and not generated):
            raise ValueError("expected either `arrivals` and `lengths`, or `trace`")
        return self

    @model_validator(mode="after")
    def _whole_shares(self) -> Workload:
        total = sum(request_class.share for request_class in self.classes)
        if abs(total - 1) > 1e-9:
            raise ValueError(f"the shares of the classes must add up to 1 (got {total:g})")
        names = [request_class.name for request_class in self.classes]
        if len(set(names)) < len(names):
            raise ValueError(f"the classes must have different names (got {', '.join(names)})")
        return self
