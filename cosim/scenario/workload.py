"""Scenario keys of the workload: arrivals and lengths, or a recorded trace; classes and SLOs."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from cosim.scenario.fields import (
    DurationS,
    Fraction,
    NonNegative,
    PlainName,
    Positive,
    StrictModel,
)
from cosim.scenario.lengths import Lengths
from cosim.scenario.sessions import ClientKeys
from cosim.scenario.trace import Trace, TraceSource
from inference_sim.deferral import ServiceClass

_SHORTEST_STATE_S = 0.001
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


class Gamma(StrictModel):
    """Arrivals whose gaps vary more, or less, than those of a Poisson process."""

    type: Literal["gamma"]
    """Gamma-distributed gaps."""
    rate_per_s: Positive
    """Mean rate [requests/s]."""
    cv: Annotated[float, Field(ge=0.01, le=100)]
    """Coefficient of variation of the gaps: 1 is a Poisson process, above 1 comes in clumps."""


class Bursts(StrictModel):
    """Arrivals at random, at a rate that jumps up for a while now and then."""

    type: Literal["bursts"]
    """A Poisson process that a two-state Markov chain modulates."""
    base_rate_per_s: NonNegative
    """Mean rate between bursts [requests/s]."""
    burst_rate_per_s: Positive
    """Mean rate in a burst [requests/s]."""
    mean_burst: DurationS
    """Mean duration of a burst; each is drawn from an exponential distribution."""
    mean_gap: DurationS
    """Mean time from the end of a burst to the next one; exponential too."""

    @model_validator(mode="after")
    def _bursts(self) -> Bursts:
        if self.burst_rate_per_s <= self.base_rate_per_s:
            raise ValueError(
                "burst_rate_per_s must be above base_rate_per_s "
                f"(got {self.burst_rate_per_s:g} and {self.base_rate_per_s:g})"
            )
        if min(self.mean_burst, self.mean_gap) < _SHORTEST_STATE_S:
            raise ValueError(
                f"mean_burst and mean_gap must be at least {_SHORTEST_STATE_S:g} s "
                f"(got {self.mean_burst:g} s and {self.mean_gap:g} s)"
            )
        return self


class DayToDay(StrictModel):
    """Days that differ: the rate of each is multiplied by a random factor, and by the weekend's."""

    std: Annotated[float, Field(ge=0, le=2)]
    """Standard deviation of a day's factor, which is lognormal with mean 1."""
    correlation: DurationS = 0.0
    """Time in which the autocorrelation of its logarithm falls to 1/e; 0 for independent days."""
    weekend: Annotated[float, Field(ge=0, le=10)] = 1.0
    """Rate on Saturdays and Sundays over that of other days; the mean of a week stays."""


class Daily(StrictModel):
    """Arrivals at random, at a rate that follows the day: as a cosine, or by 24 weights."""

    type: Literal["daily"]
    """A Poisson process with a daily profile."""
    mean_rate_per_s: Positive
    """Mean rate over a day [requests/s]."""
    peak_to_mean: Annotated[float, Field(ge=1, le=2)] | None = 1.6
    """Rate at the peak hour over the mean rate, of a cosine."""
    peak_hour_utc: HourOfDay | None = 21.0
    """Hour of the peak of the cosine, UTC [h]."""
    hourly_weights: Annotated[list[NonNegative], Field(min_length=24, max_length=24)] | None = None
    """Relative rates at 0:00, 1:00, ... 23:00 UTC, in place of the cosine; linear in between."""
    day_to_day: DayToDay | None = None
    """Days that differ; every day is alike by default."""

    @model_validator(mode="before")
    @classmethod
    def _no_cosine_beside_weights(cls, values: Any) -> Any:
        """Drop the defaults of the cosine where weights are given, here and when written out."""
        if isinstance(values, dict) and values.get("hourly_weights") is not None:
            return {"peak_to_mean": None, "peak_hour_utc": None} | values
        return values

    @model_validator(mode="after")
    def _one_profile(self) -> Daily:
        cosine = (self.peak_to_mean, self.peak_hour_utc)
        given = sum(value is not None for value in cosine)
        if given != (2 if self.hourly_weights is None else 0):
            raise ValueError(
                "expected either `hourly_weights`, or `peak_to_mean` and `peak_hour_utc`"
            )
        if self.hourly_weights is not None and not sum(self.hourly_weights) > 0:
            raise ValueError("one of the hourly_weights must be greater than 0")
        return self


class Slo(StrictModel):
    """Service level objectives of a class; a request meets them if all that are given hold."""

    ttft_s: Positive | None = None
    """Most time to the first token [s]."""
    tpot_s: Positive | None = None
    """Most time per output token after the first, as the request's mean [s]."""
    e2e_s: Positive | None = None
    """Most time from arrival to the last token [s]."""


Arrivals = Annotated[Poisson | Static | Gamma | Bursts | Daily, Field(discriminator="type")]


class RequestClass(StrictModel):
    """A class of requests."""

    name: PlainName
    """Name of the class."""
    share: Fraction = 0.0
    """Share of the requests; the shares of all classes add up to 1. They are left out with a trace
    that tells the class of each request."""
    slo: Slo = Slo()
    """SLOs of the class."""
    lengths: Lengths | None = None
    """Lengths of its requests; the workload's by default."""
    deferrable: bool = False
    """Whether its requests may be deferred, by a controller that sets `deferrable_rate`."""
    deadline: DurationS | None = None
    """Time from arrival to the latest completion. A deferrable request is released in time for it
    whatever the controllers set."""
    deadline_reserve: DurationS | None = None
    """Time before the deadline that is kept for serving it; a tenth of the deadline by default."""
    until: Annotated[DurationS, Field(gt=0)] | None = None
    """Time from the start of the run after which no more of its requests arrive; others arrive as
    they would without it. To the end by default."""

    @model_validator(mode="after")
    def _time_to_wait(self) -> RequestClass:
        if self.deadline is None and self.deadline_reserve is not None:
            raise ValueError("`deadline_reserve` goes with a `deadline`")
        if self.deadline is not None and not 0 <= self.reserve_s <= self.deadline:
            raise ValueError(
                f"`deadline_reserve` must be at most the deadline (got {self.reserve_s:g} s of "
                f"{self.deadline:g} s)"
            )
        return self

    @property
    def reserve_s(self) -> float:
        """Time before the deadline that is kept for serving [s]."""
        if self.deadline_reserve is not None:
            return self.deadline_reserve
        return 0.1 * (self.deadline or 0.0)

    def service_class(self) -> ServiceClass:
        """Return the class as the simulator takes it."""
        return ServiceClass(
            name=self.name,
            deferrable=self.deferrable,
            deadline_s=math.inf if self.deadline is None else self.deadline,
            reserve_s=self.reserve_s,
        )


class Workload(ClientKeys):
    """Requests that arrive: generated from ``arrivals`` or ``clients`` and ``lengths``, or from a
    ``trace``."""

    requests: Annotated[int, Field(ge=1)] | None = None
    """Stop after so many requests have come; the run's end is the only bound by default."""
    arrivals: Arrivals | None = None
    """Arrivals of the requests."""
    lengths: Lengths | None = None
    """Their lengths; may be left out where each class has lengths of its own."""
    trace: TraceSource | None = None
    """A recorded workload, in place of arrivals and lengths."""
    classes: Annotated[list[RequestClass], Field(min_length=1)] = [
        RequestClass(name="default", share=1.0)
    ]
    """Classes of requests, drawn at random by their shares."""

    @model_validator(mode="after")
    def _one_source(self) -> Workload:
        if self.clients is not None and (self.arrivals is not None or self.trace is not None):
            other = "arrivals" if self.arrivals is not None else "trace"
            raise ValueError(f"expected either `clients` or `{other}`: clients send by themselves")
        if self.sessions is not None and self.trace is not None:
            raise ValueError("expected either `sessions` or `trace`: a trace has its own requests")
        own = [
            request_class.name
            for request_class in self.classes
            if request_class.lengths is not None
        ]
        lengths = self.lengths is not None or len(own) == len(self.classes)
        sent = self.arrivals is not None or self.clients is not None
        generated = sent and lengths
        partly = sent or self.lengths is not None
        if (self.trace is not None) == partly or (partly and not generated):
            raise ValueError("expected either `arrivals` and `lengths`, or `trace`")
        if self.trace is not None and own:
            raise ValueError(f"class '{own[0]}' has `lengths`, but those of a trace are recorded")
        return self

    @model_validator(mode="after")
    def _whole_shares(self) -> Workload:
        names = [request_class.name for request_class in self.classes]
        if len(set(names)) < len(names):
            raise ValueError(f"the classes must have different names (got {', '.join(names)})")
        total = sum(request_class.share for request_class in self.classes)
        if isinstance(self.trace, Trace) and self.trace.has_classes:
            if "classes" in self.model_fields_set and total:
                raise ValueError("the classes have no `share`: the trace tells the class of each")
            if unknown := [name for name in self.trace.classes.values() if name not in names]:
                raise ValueError(
                    f"`trace.classes` names a class that there is not (got {unknown[0]}; the "
                    f"workload has {', '.join(names)})"
                )
        elif abs(total - 1) > 1e-9:
            raise ValueError(f"the shares of the classes must add up to 1 (got {total:g})")
        return self

    @property
    def endless(self) -> bool:
        """Whether requests arrive as long as the run lasts."""
        looped = self.trace is not None and self.trace.loop
        ends = self.requests is not None or all(
            request_class.until is not None for request_class in self.classes
        )
        sent = self.arrivals is not None or self.clients is not None
        return not ends and (sent or looped)
