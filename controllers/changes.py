"""The record of actions: every change of an actuator, and the observation that led to it."""

from __future__ import annotations

from dataclasses import dataclass

from controllers.actuators import SITE, Setting
from controllers.base import ONE_POOL
from controllers.observation import SiteObservation


@dataclass(frozen=True, slots=True, kw_only=True)
class ActuatorChange:
    """A change of an actuator, with the observation that led to it.

    Attributes:
        step: Index of the step for which it holds first, from 0.
        time_s: Start of that step since the start of the run [s].
        site: The site.
        controller: Name of the controller that made it.
        actuator: Name of the actuator.
        target: Name of the pool that it was set for; empty for an actuator of the site.
        old: Value until then.
        new: Value from then on.
        reason: The controller's own words.
        carbon_intensity_g_per_kwh: As observed, like all that follow; see `SiteObservation`.
        solar_w: Solar power available [W].
        battery_soc: State of charge [0 to 1], None without a battery.
        facility_power_w: Power of the load in the step before [W].
        gateway_waiting: Requests waiting at the gateway.
        replica_waiting: Requests waiting in the replicas' queues.
        running: Requests in a batch.
    """

    step: int
    time_s: float
    site: str
    controller: str
    actuator: str
    target: str
    old: float
    new: float
    reason: str
    carbon_intensity_g_per_kwh: float
    solar_w: float
    battery_soc: float | None
    facility_power_w: float
    gateway_waiting: int
    replica_waiting: int
    running: int

    @property
    def label(self) -> str:
        """The actuator in words, with the pool where there are several."""
        if self.target in (SITE, ONE_POOL):
            return self.actuator
        return f"{self.actuator} of {self.target}"

    @classmethod
    def of(
        cls,
        observation: SiteObservation,
        controller: str,
        setting: Setting,
        old: float,
        new: float,
        reason: str,
    ) -> ActuatorChange:
        """Return the change that a controller made when it saw `observation`."""
        return cls(
            step=observation.step,
            time_s=observation.time_s,
            site=observation.site,
            controller=controller,
            actuator=setting[0],
            target=setting[1],
            old=old,
            new=new,
            reason=reason,
            carbon_intensity_g_per_kwh=observation.carbon_intensity_g_per_kwh,
            solar_w=observation.solar_w,
            battery_soc=observation.battery_soc,
            facility_power_w=observation.facility_power_w,
            gateway_waiting=observation.gateway_waiting,
            replica_waiting=observation.replica_waiting,
            running=observation.running,
        )
