"""Policy ``carbon_budget_pid``: throttle so that emissions keep to a budget.

Emissions are added up as they are observed, and held against a budget that is spent evenly::

    emitted(t) = sum of import * CI over the steps so far                         [g]
    e(t)       = (B * t - emitted(t)) / (B * period)            [periods of the budget]
    fraction   = clip(1 + kp * e + ki * integral of e + kd * de/dt, minimum, 1)

with the budget B [g/h], time in hours, and ``period`` a day by default. On or under its budget the
site is open; over it, it is throttled, all the more the longer and the faster it runs away. A
budget that was saved in a clean hour can be spent in a dirty one, so the policy bounds the total
and leaves the timing to the day: unlike the other policies it answers how much service a given
amount of carbon buys.

The integral stands still while the fraction is at a bound that it would push further against
(anti-windup), and the derivative passes a filter of the first order of ``filter_h``; both as in
[1]_. Carbon Containers [2]_ also hold an application to a carbon rate by throttling it. The budget
counts only energy drawn from the grid: solar energy is free, and so is battery energy, except for
the grid energy that charged it.

References:
    .. [1] K. J. Åström, T. Hägglund, "PID Controllers: Theory, Design, and Tuning", 2nd edition,
       ISA, 1995, chapter 3.
    .. [2] J. Thiede, N. Bashir, D. Irwin, P. Shenoy, "Carbon Containers: A System-level Facility
       for Managing Application-level Carbon Emissions", SoCC 2023.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from controllers.base import Controller, SiteAction, SiteContext
from controllers.observation import SiteObservation
from controllers.throttle import Throttle, ThrottledActuator

_J_PER_KWH = 3.6e6


class CarbonBudgetPid(Controller):
    """Throttle of an actuator that keeps the emissions of the site to a budget.

    Args:
        budget_g_per_h: Emissions allowed, on average over the run [g/h].
        actuator: Actuator to throttle.
        kp: Gain of the error, per period of the budget.
        ki: Gain of its integral [1/h].
        kd: Gain of its derivative [h].
        filter_h: Time constant of the derivative's filter [h].
        period_h: Time whose budget is the unit of the error [h].
        minimum: Least fraction of the actuator's maximum [0 to 1].
    """

    def __init__(
        self,
        *,
        budget_g_per_h: Annotated[
            float, Field(gt=0, description="emissions allowed, on average over the run [g/h]")
        ],
        actuator: Annotated[
            ThrottledActuator, Field(description="actuator to throttle")
        ] = "admission_rate",
        kp: Annotated[float, Field(ge=0, description="gain of the error, per period")] = 8,
        ki: Annotated[float, Field(ge=0, description="gain of its integral [1/h]")] = 0.5,
        kd: Annotated[float, Field(ge=0, description="gain of its derivative [h]")] = 4,
        filter_h: Annotated[
            float, Field(ge=0, description="time constant of the derivative's filter [h]")
        ] = 0.5,
        period_h: Annotated[
            float, Field(gt=0, description="time whose budget is the unit of the error [h]")
        ] = 24,
        minimum: Annotated[
            float, Field(ge=0, le=1, description="least fraction of the maximum")
        ] = 0.25,
    ) -> None:
        self.actuators = frozenset({actuator})
        self._actuator = actuator
        self._budget_g_per_h = budget_g_per_h
        self._kp, self._ki, self._kd = kp, ki, kd
        self._filter_h = filter_h
        self._period_h = period_h
        self._minimum = minimum

    def reset(self, context: SiteContext) -> None:
        """Begin open, with no emissions."""
        self._throttle = Throttle(self._actuator, context)
        self._emitted_g = self._integral = self._slope = self._error = 0.0
        self._before: SiteObservation | None = None

    def step(self, observation: SiteObservation) -> SiteAction:
        """Add up the emissions, and follow the budget."""
        fraction = 1.0
        if self._before is not None:
            fraction = self._follow(observation, self._before)
        self._before = observation
        allowed_g = self._budget_g_per_h * observation.time_s / 3600
        return self._throttle.action(
            fraction, f"{self._emitted_g:.0f} g emitted of {allowed_g:.0f} g allowed so far"
        )

    def _follow(self, observation: SiteObservation, before: SiteObservation) -> float:
        """Return the fraction of the maximum."""
        passed_s = observation.time_s - before.time_s
        # the import is reported after the step, the intensity as it begins
        power_g_per_s = observation.import_w * before.carbon_intensity_g_per_kwh / _J_PER_KWH
        self._emitted_g += power_g_per_s * passed_s
        passed_h, now_h = passed_s / 3600, observation.time_s / 3600
        budget_g = self._budget_g_per_h * self._period_h
        error = (self._budget_g_per_h * now_h - self._emitted_g) / budget_g
        slope = (error - self._error) / passed_h
        self._slope += (slope - self._slope) * passed_h / (self._filter_h + passed_h)
        self._error = error
        wanted = 1 + self._kp * error + self._ki * self._integral + self._kd * self._slope
        if not (wanted > 1 and error > 0) and not (wanted < self._minimum and error < 0):
            self._integral += error * passed_h
        return min(1.0, max(self._minimum, wanted))
