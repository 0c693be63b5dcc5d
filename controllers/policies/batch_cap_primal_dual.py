"""Policy ``batch_cap_primal_dual``: the batch cap at a balance of carbon, latency and throughput.

A step down the gradient of a Lagrangian in x = log2(cap), with a price mu on the time per output
token (TPOT)::

    x  = x - eta * (CI / CI_mean * dP/dx + mu * dT/dx - nu * dR/dx)
    mu = max(0, mu + eta_mu * (r - 1))

P, T and R are the power, TPOT and rate of a replica by batch, from the service model of the
deployment at the clock in force: P over its maximum, T over its SLO, and R by its logarithm, so
that all terms are numbers per doubling of the cap. CI_mean is the mean of the last days, and r the
observed 99th percentile of TPOT over its SLO, of the class nearest to its own. Without an SLO, or
if no request ended, mu stays as it is. x moves by at most ``max_change`` in a control step.

The cap falls when the grid is dirty and when the price of latency is high, and rises when the grid
is clean. Without the logarithm R would be convex in x at small batches and the cap would run away
to 1; the logarithm, as in proportional fairness, is concave, and the balance is stable. A cap does
nothing while fewer requests run than it allows, and further requests wait.

OpenG2G does the same for the voltage of a feeder in place of the carbon intensity [1]_ [2]_
(equations 7 and 18 of [1]_), with logistic fits in place of the service model's curves.

References:
    .. [1] "GPU-to-Grid: Voltage Regulation via GPU Utilization Control", 2026, arXiv:2602.05116.
    .. [2] J.-W. Chung, Z. Liang, Y. Mao, J. Chen, M. Chowdhury, V. Dvorkin, "OpenG2G: A Simulation
       Platform for AI Datacenter-Grid Runtime Coordination", 2026, arXiv:2605.05519.
"""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from pydantic import Field

from controllers.arrays import FloatArray
from controllers.base import Controller, SiteAction, SiteContext
from controllers.objective import TpotObjective, required_limits, required_service
from controllers.observation import SiteObservation
from controllers.window import IntensityWindow


class BatchCapPrimalDual(Controller):
    """Batch cap that balances carbon, time per token and throughput by gradient steps.

    Args:
        tpot_slo_s: SLO for the time per output token [s]; the tightest of the classes' by default.
        eta: Step size of log2 of the cap.
        eta_mu: Step size of the price of latency.
        nu: Weight of the throughput against power at the mean intensity.
        max_change: Greatest change of log2 of the cap per control step.
        window_h: Length of the window of the mean intensity [h]; history before the start counts,
            and so does the present value.
    """

    actuators = frozenset({"batch_cap"})

    def __init__(
        self,
        *,
        tpot_slo_s: Annotated[
            float | None,
            Field(gt=0, description="SLO for the time per token [s]; default: the classes'"),
        ] = None,
        eta: Annotated[float, Field(gt=0, description="step size of log2 of the cap")] = 4,
        eta_mu: Annotated[
            float, Field(ge=0, description="step size of the price of latency")
        ] = 0.5,
        nu: Annotated[
            float, Field(ge=0, description="weight of throughput against power at the mean CI")
        ] = 0.3,
        max_change: Annotated[
            float, Field(gt=0, description="greatest change of log2 of the cap per control step")
        ] = 0.5,
        window_h: Annotated[
            float, Field(gt=0, description="length of the window of the mean intensity [h]")
        ] = 168,
    ) -> None:
        self._tpot_slo_s = tpot_slo_s
        self._eta = eta
        self._eta_mu = eta_mu
        self._nu = nu
        self._max_change = max_change
        self._window_h = window_h

    def reset(self, context: SiteContext) -> None:
        """Start where the deployment is expected to be at its SLO, with no price."""
        self._objective = TpotObjective(context, self._tpot_slo_s)
        self._limits = required_limits(context, "batch_cap")
        self._service = required_service(context)
        self._window = IntensityWindow(context, self._window_h)
        self._least = math.log2(self._limits.minimum)
        # More than the largest batch of the model never runs.
        largest = min(self._limits.maximum, float(self._service.batches[-1]))
        self._most = max(self._least, math.log2(largest))
        expected = self._service.largest_batch(self._objective.bound_s)
        self._x = max(self._least, min(self._most, math.log2(expected)))
        self._mu = 0.0
        self._clock = math.nan

    def step(self, observation: SiteObservation) -> SiteAction:
        """Take a step down the gradient."""
        self._window.see(observation)
        mean = self._window.mean()
        dirtiness = observation.carbon_intensity_g_per_kwh / mean if mean > 0 else 1.0
        ratio = None if observation.guarded else self._objective.ratio(observation)
        if ratio is not None:
            self._mu = max(0.0, self._mu + self._eta_mu * (ratio - 1))
        clock = min(observation.clock_fraction, observation.decode_clock)
        if clock != self._clock:
            self._clock = clock
            self._slopes = self._slopes_at(self._clock)
        log_batches = np.log2(self._service.batches)
        power, tpot, rate = (float(np.interp(self._x, log_batches, s)) for s in self._slopes)
        gradient = dirtiness * power + self._mu * tpot - self._nu * rate
        change = max(-self._max_change, min(self._max_change, self._eta * gradient))
        self._x = max(self._least, min(self._most, self._x - change))
        cap = self._limits.maximum if self._x == self._most else round(2**self._x)
        return SiteAction(
            batch_cap=int(min(self._limits.maximum, max(self._limits.minimum, cap))),
            reason=f"carbon {dirtiness * power:+.3f}, latency {self._mu * tpot:+.3f}, "
            f"throughput {-self._nu * rate:+.3f} per doubling",
        )

    def _slopes_at(self, clock: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return dP/dx, dT/dx and dR/dx at a clock, each of shape (b,)."""
        service = self._service
        bound_s = self._objective.bound_s
        power_w = service.at_clock(service.power_w, clock)
        tpot_s = service.at_clock(service.tpot_s, clock)
        rate_per_s = service.at_clock(service.rate_per_s, clock)
        if len(service.batches) == 1:
            return (np.zeros(1),) * 3
        x = np.log2(service.batches)
        return (
            np.gradient(power_w / power_w.max(), x),
            np.gradient(tpot_s / bound_s, x) if bound_s is not None else np.zeros_like(x),
            np.gradient(np.log(rate_per_s), x),
        )
