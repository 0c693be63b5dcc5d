"""Policy ``slo_clock``: the lowest clock whose projected time per token holds its SLO.

For each clock c, from the lowest up, the batch b that is to come is projected from the requests at
hand and from the rate lambda at which they come, both per replica,

    b(c) = max((running + waiting) / replicas, least b with rate(c, b) >= lambda / (1 - headroom))

and the first clock is taken at which there is such a batch, under the batch cap in force, and

    k * tpot(c, b(c)) <= (1 - headroom) * SLO

where rate and tpot are those of the service model by clock and batch. The factor k >= 1 is learned:
it follows the observed 99th percentile of the time per output token (TPOT), over the value of the
model at the clock and batch meanwhile. lambda is an exponential mean over ``smoothing_s``. If no
clock holds the SLO, and before there is telemetry, the clock is the highest.

With ``actuator: decode_clock`` prompts keep the highest clock, and only the iterations that decode
alone are slowed. The service model counts the prompts as slowed, too: the clock errs upward.

It does not look at the carbon intensity: it saves energy at any hour, where power falls faster with
the clock than the time per token grows. Where decoding waits for memory, that is at most clocks.

It follows throttLL'eM [1]_, which projects batch and KV use request by request, from predicted
lengths, and learns its time per token from measurements. A policy here sees no lengths, so the
batch is projected from the rate.

References:
    .. [1] A. K. Kakolyris, D. Masouros, P. Vavaroutsos, S. Xydis, D. Soudris, "throttLL'eM:
       Predictive GPU Throttling for Energy Efficient LLM Inference Serving", HPCA 2025,
       arXiv:2408.05235.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from controllers.base import Controller, SiteAction, SiteContext
from controllers.objective import TpotObjective, required_limits, required_service
from controllers.observation import SiteObservation

_LEARNING = 0.2  # weight of a new observation in the factor k, per control step


class SloClock(Controller):
    """Lowest clock of the GPUs that is projected to hold the time per token.

    Args:
        actuator: The clock that is set: ``clock_fraction`` or ``decode_clock``.
        tpot_slo_s: SLO for the time per output token [s]; the tightest of the classes' by default.
        headroom: Share of the SLO, and of the rate, that is kept free [0 to 1].
        minimum: Least clock, over the highest.
        clock_step: Distance between two clocks, over the highest.
        smoothing_s: Time over which the rate of requests is averaged [s].
    """

    sees_carbon = False

    def __init__(
        self,
        *,
        actuator: Annotated[
            Literal["clock_fraction", "decode_clock"],
            Field(description="clock of all iterations, or of those that only decode"),
        ] = "clock_fraction",
        tpot_slo_s: Annotated[
            float | None,
            Field(gt=0, description="SLO for the time per token [s]; default: the classes'"),
        ] = None,
        headroom: Annotated[
            float, Field(ge=0, lt=1, description="share of SLO and rate that is kept free")
        ] = 0.2,
        minimum: Annotated[
            float, Field(gt=0, le=1, description="least clock, over the highest")
        ] = 0.4,
        clock_step: Annotated[
            float, Field(gt=0, le=1, description="distance between two clocks, over the highest")
        ] = 0.05,
        smoothing_s: Annotated[
            float, Field(gt=0, description="time over which the rate is averaged [s]")
        ] = 600,
    ) -> None:
        self.actuators = frozenset({actuator})
        self._actuator = actuator
        self._tpot_slo_s = tpot_slo_s
        self._headroom = headroom
        self._minimum = minimum
        self._clock_step = clock_step
        self._smoothing_s = smoothing_s

    def reset(self, context: SiteContext) -> None:
        """Start at the highest clock."""
        self._objective = TpotObjective(context, self._tpot_slo_s).required(context)
        limits = required_limits(context, self._actuator)
        service = required_service(context)
        self._replicas = service.replicas
        lowest = min(limits.maximum, max(limits.minimum, self._minimum))
        count = math.ceil((limits.maximum - lowest) / self._clock_step - 1e-9)
        falling = limits.maximum - self._clock_step * np.arange(count)
        self._clocks = np.append(np.round(falling, 6), lowest)[::-1]
        self._batches = service.batches
        self._tpot_s = [service.at_clock(service.tpot_s, clock) for clock in self._clocks]
        self._rate_per_s = [
            np.maximum.accumulate(service.at_clock(service.rate_per_s, clock))
            for clock in self._clocks
        ]
        self._service = service
        self._lambda: float | None = None
        self._factor = 1.0

    def step(self, observation: SiteObservation) -> SiteAction:
        """Take the lowest clock that holds the SLO."""
        highest = float(self._clocks[-1])
        if not observation.step:
            return self._set(highest, "no observations yet")
        self._learn(observation)
        for number, clock in enumerate(self._clocks):
            projected = self._project(number, observation)
            if projected is not None:
                batch, tpot_s = projected
                reason = f"TPOT of {tpot_s * 1000:.1f} ms with a batch of {batch:.1f}"
                return self._set(float(clock), reason)
        return self._set(highest, "no lower clock holds the SLO")

    def _set(self, clock: float, reason: str) -> SiteAction:
        if self._actuator == "decode_clock":
            return SiteAction(decode_clock=clock, reason=reason)
        return SiteAction(clock_fraction=clock, reason=reason)

    def _learn(self, observation: SiteObservation) -> None:
        """Take in the rate of requests, and how long tokens took against the table."""
        rate_per_s = observation.admitted / observation.step_s / self._serving(observation)
        if self._lambda is None:
            self._lambda = rate_per_s
        else:
            weight = 1 - math.exp(-observation.step_s / self._smoothing_s)
            self._lambda += weight * (rate_per_s - self._lambda)
        ratio, bound_s = self._objective.ratio(observation), self._objective.bound_s
        if ratio is not None and bound_s is not None:
            clock = min(observation.clock_fraction, observation.decode_clock)
            row = self._service.at_clock(self._service.tpot_s, clock)
            expected_s = float(np.interp(observation.batch_mean, self._batches, row))
            observed = max(1.0, ratio * bound_s / expected_s)
            self._factor += _LEARNING * (observed - self._factor)

    def _project(self, number: int, observation: SiteObservation) -> tuple[float, float] | None:
        """Return batch and time per token [s] at a clock, or None if it does not hold the SLO."""
        rates, bound_s = self._rate_per_s[number], self._objective.bound_s
        cap = observation.batch_cap or self._batches[-1]
        needed = (self._lambda or 0.0) / (1 - self._headroom)
        if bound_s is None or needed > np.interp(cap, self._batches, rates):
            return None
        waiting = observation.replica_waiting + observation.gateway_waiting
        at_hand = (observation.running + waiting) / self._serving(observation)
        batch = min(float(cap), max(at_hand, float(np.interp(needed, rates, self._batches))))
        tpot_s = self._factor * float(np.interp(batch, self._batches, self._tpot_s[number]))
        return (batch, tpot_s) if tpot_s <= (1 - self._headroom) * bound_s else None

    def _serving(self, observation: SiteObservation) -> int:
        return observation.active_replicas or self._replicas
