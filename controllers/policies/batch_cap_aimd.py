"""Policy ``batch_cap_aimd``: the batch cap that the time per token allows, found by probing.

Additive increase, multiplicative decrease: with r the 99th percentile of the time per output token
(TPOT) over its SLO, of the class that is nearest to its own::

    cap = decrease * cap                if r > 1
    cap = min(cap + increase, ceiling)  if r < 0.9
    cap = min(cap, ceiling)             otherwise, and while no request ended

Observations are of the last minutes: after a decrease the cap stays for ``settle_s``, until its
effect shows, as TCP halves its window once per round trip. The cap starts where the deployment is
expected to be at its SLO.

The modes differ in the ceiling. It comes from the service model of the deployment, at the clock in
force, with the time per token of at most the SLO::

    latency  the most that the deployment allows
    energy   the batch with the least energy per token, power / (rate * output tokens)
    power    the largest batch with power <= P_1 + (P_max - P_1) * s

where P_1 and P_max are the power with one sequence and the most at any batch, and

    s = minimum + (1 - minimum) * (1 - n(CI))**alpha

with n(CI) 0 at the 10th percentile of the carbon intensity of the last days and 1 at the 90th (0
throughout on a flat signal). Without an SLO the cap of these two is the ceiling.

Only mode ``power`` looks at the carbon intensity. A cap does nothing while fewer requests run than
it allows, and further requests wait: it trades the time to first token for the time per token or
for power. While the SLO guard holds, the observations are not of this cap, and the cap stays.

AIMD is that of congestion control [1]_; Clipper [2]_ finds its batches that way, and [3]_ finds
those of an LLM from a bound on the time per token.

References:
    .. [1] D.-M. Chiu, R. Jain, "Analysis of the Increase and Decrease Algorithms for Congestion
       Avoidance in Computer Networks", Computer Networks and ISDN Systems 17(1), 1989.
    .. [2] D. Crankshaw et al., "Clipper: A Low-Latency Online Prediction Serving System", NSDI
       2017, section 4.3.
    .. [3] B. Pang, K. Li, F. Wang, "Optimizing LLM Inference Throughput via Memory-aware and
       SLA-constrained Dynamic Batching", 2025, arXiv:2503.05248.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from controllers.base import Controller, SiteAction, SiteContext
from controllers.objective import TpotObjective, required_limits, required_service
from controllers.observation import SiteObservation
from controllers.window import Band, IntensityBand

Mode = Literal["latency", "energy", "power"]
_CALM = 0.9  # the share of its SLO below which the time per token lets the cap grow


class BatchCapAimd(Controller):
    """Batch cap that holds the time per token, found by probing under a ceiling by energy or power.

    Args:
        mode: Quantity that sets the ceiling.
        tpot_slo_s: SLO for the time per output token [s]; those of the classes by default.
        increase: Growth of the cap in a control step [sequences per replica].
        decrease: Factor of the cap when an SLO is violated [0 to 1].
        settle_s: Time for the effect of a decrease to show [s].
        window_h: Length of the window of which the intensity's percentiles are taken [h], in mode
            power.
        alpha: Exponent of the curve of power, in mode power.
        minimum: Least share of the span of power between one sequence and the most [0 to 1],
            in mode power.
    """

    actuators = frozenset({"batch_cap"})

    def __init__(
        self,
        *,
        mode: Annotated[Mode, Field(description="quantity that sets the ceiling")] = "latency",
        tpot_slo_s: Annotated[
            float | None,
            Field(gt=0, description="SLO for the time per token [s]; default: the classes'"),
        ] = None,
        increase: Annotated[
            float, Field(gt=0, description="growth per control step [sequences per replica]")
        ] = 4,
        decrease: Annotated[
            float, Field(gt=0, lt=1, description="factor when an SLO is violated")
        ] = 0.7,
        settle_s: Annotated[
            float, Field(ge=0, description="time for the effect of a decrease to show [s]")
        ] = 300,
        window_h: Annotated[
            float, Field(gt=0, description="mode power: window of the percentiles [h]")
        ] = 168,
        alpha: Annotated[
            float, Field(gt=0, description="mode power: exponent of the curve of power")
        ] = 1,
        minimum: Annotated[
            float, Field(ge=0, le=1, description="mode power: least share of the span of power")
        ] = 0.3,
    ) -> None:
        self.sees_carbon = mode == "power"
        self._mode = mode
        self._tpot_slo_s = tpot_slo_s
        self._increase = increase
        self._decrease = decrease
        self._settle_s = settle_s
        self._band = IntensityBand(default_quantiles=(0.1, 0.9), window_h=window_h)
        self._alpha = alpha
        self._minimum = minimum

    def reset(self, context: SiteContext) -> None:
        """Start where the deployment is expected to be at its SLO."""
        self._objective = TpotObjective(context, self._tpot_slo_s)
        self._limits = required_limits(context, "batch_cap")
        if self._mode == "latency":
            self._objective.required(context)
        else:
            self._service = required_service(context)
        self._band.reset(context)
        self._cap = self._limits.maximum
        if context.service is not None:
            expected = context.service.largest_batch(self._objective.bound_s)
            if expected < context.service.batches[-1]:
                self._cap = expected
        self._settled_s = -math.inf

    def step(self, observation: SiteObservation) -> SiteAction:
        """Probe, under the ceiling."""
        band = self._band.see(observation)
        ceiling, why = self._ceiling(observation, band)
        ratio = None if observation.guarded else self._objective.ratio(observation)
        if ratio is None:
            reason = why
            if self._objective.bound_s is None:
                self._cap = ceiling
        elif observation.time_s < self._settled_s:
            reason = f"TPOT p99 at {ratio:.0%} of its SLO, the last decrease has yet to show"
        elif ratio > 1:
            self._cap *= self._decrease
            self._settled_s = observation.time_s + self._settle_s
            reason = f"TPOT p99 at {ratio:.0%} of its SLO"
        elif ratio < _CALM:
            self._cap += self._increase
            reason = f"TPOT p99 at {ratio:.0%} of its SLO, {why}"
        else:
            reason = f"TPOT p99 near its SLO, at {ratio:.0%}"
        self._cap = max(self._limits.minimum, min(self._cap, ceiling))
        return SiteAction(batch_cap=int(self._cap), reason=reason)

    def _ceiling(self, observation: SiteObservation, band: Band) -> tuple[float, str]:
        """Return the greatest cap that the mode allows [sequences per replica], and why."""
        maximum = self._limits.maximum
        if self._mode == "latency":
            return maximum, f"at most {maximum:g}"
        service = self._service
        clock = min(observation.clock_fraction, observation.decode_clock)
        tpot_s = self._objective.bound_s
        allowed = service.batches <= service.largest_batch(tpot_s, clock)
        power_w = service.at_clock(service.power_w, clock)
        if self._mode == "energy":
            token_j = power_w / (
                service.at_clock(service.rate_per_s, clock) * service.output_tokens
            )
            best = int(np.argmin(np.where(allowed, token_j, np.inf)))
            why = f"least energy per token at {service.batches[best]:g}: {token_j[best]:.3g} J"
        else:
            u = 1 - band.position(observation.carbon_intensity_g_per_kwh)
            share = self._minimum + (1 - self._minimum) * u**self._alpha
            allowed_w = power_w[0] + (power_w.max() - power_w[0]) * share
            fits = np.flatnonzero(allowed & (power_w <= allowed_w * (1 + 1e-12)))
            best = int(fits[-1]) if len(fits) else 0
            why = f"{power_w[best]:.0f} W a replica of {allowed_w:.0f} W at this intensity"
        if best == len(service.batches) - 1:  # the cap does not bind: more does not fit
            return maximum, why
        return min(maximum, float(service.batches[best])), why
