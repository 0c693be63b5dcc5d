"""The contract between a controller and the loop: its observations and its actions.

Before each step the loop shows a controller an observation, and the controller answers with an
action. Both are plain frozen records with the units in their names. An action names only the values
that it sets; everything else stays as it was. A controller sets nothing itself: the loop checks the
action and applies it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

import numpy as np

from controllers.actuators import ACTUATORS, SITE, ActuatorLimits, Setting
from controllers.arrays import FloatArray
from controllers.observation import Observation, SiteObservation
from controllers.service import ClassInfo, ServiceModel

ONE_POOL = "main"
"""Name of the pool of a cluster that has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteAction:
    """Settings of one site that a controller returns; None leaves an actuator as it is.

    Where a cluster has several pools, an actuator of a pool takes a number for every pool, or
    numbers by pool; pools that are not named stay as they are.

    Example::

        SiteAction(batch_cap=64, clock_fraction={"large": 0.7}, reason="dirty grid")

    Attributes:
        admission_rate_per_s: Admission rate of the gateway [requests/s]; infinite for no limit.
        batch_cap: Largest batch [sequences per replica].
        deferrable_rate_per_s: Release rate of deferrable requests [requests/s]; infinite for none.
        active_replicas: Replicas that are to serve, at least 1.
        clock_fraction: Clock of the GPUs over their highest one, in every iteration.
        prefill_clock: The same in iterations that compute prompts, decodes beside them included.
        decode_clock: The same in iterations that only decode. The lower of `clock_fraction` and
            either holds.
        power_cap_w: Power cap of each GPU [W]; infinite for none. It only lowers the clock.
        cache_host_gib: Host memory behind the KV cache of each replica [GiB].
        tier_share: Share of the requests by pool [0 to 1]; the default pool gets the rest.
        battery_setpoint_w: Power of the battery [W], charging positive; clipped to its limits, and
            to the site's deficit when it discharges. Infinite to let it take surplus and cover
            deficits.
        reason: Reason in a few words, for the record of actions.
    """

    admission_rate_per_s: float | None = None
    batch_cap: int | Mapping[str, int] | None = None
    deferrable_rate_per_s: float | None = None
    active_replicas: int | Mapping[str, int] | None = None
    clock_fraction: float | Mapping[str, float] | None = None
    prefill_clock: float | Mapping[str, float] | None = None
    decode_clock: float | Mapping[str, float] | None = None
    power_cap_w: float | Mapping[str, float] | None = None
    cache_host_gib: float | Mapping[str, float] | None = None
    tier_share: Mapping[str, float] | None = None
    battery_setpoint_w: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Settings that a fleet controller returns; sites that it does not name stay as they are.

    Example::

        Action(sites={"north": SiteAction(batch_cap=32), "south": SiteAction(batch_cap=128)})

    Attributes:
        sites: Actions by site.
    """

    sites: Mapping[str, SiteAction]


def _empty() -> FloatArray:
    return np.empty(0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PoolContext:
    """Controller context of one pool, given before a run.

    Attributes:
        limits: Ranges of the actuators that the pool has, by actuator name; read-only.
        service: Rates, powers and latencies of the pool; None where they are not known.
        quality: Scores of its model by benchmark, as the scenario gives them; read-only.
    """

    limits: Mapping[str, ActuatorLimits]
    service: ServiceModel | None = None
    quality: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "limits", MappingProxyType(dict(self.limits)))
        object.__setattr__(self, "quality", MappingProxyType(dict(self.quality)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SiteContext:
    """Controller context: a site as its controller knows it before a run.

    Attributes:
        site: Name of the site.
        start: Start of the run, UTC.
        step_s: Length of a step [s].
        steps: Number of steps of the whole run.
        limits: Ranges of the actuators that the site has, by actuator name; those of a pool's
            actuator hold for a number that is set for every pool. Empty without a cluster.
        pools: The pools of the cluster, by name; empty means one, with these limits.
        past_carbon_intensity_g_per_kwh: Intensities [g/kWh] of the steps before the start, oldest
            first, up to 7 days; read-only, may be empty.
        peak_power_w: Greatest power that the site's load can draw [W], PUE included.
        idle_power_w: Power that it draws without work [W], PUE included.
        battery_capacity_wh: Capacity of the battery [Wh]; None without one.
        battery_min_soc: State of charge it is never discharged below [0 to 1]; None without one.
        battery_efficiency: Energy stored over energy charged, and energy drawn from it over energy
            stored [0 to 1].
        classes: The classes of requests.
        service: Rates, powers and latencies of the deployment; None without a cluster.
    """

    site: str
    start: datetime
    step_s: float
    steps: int
    limits: Mapping[str, ActuatorLimits] = field(default_factory=dict)
    pools: Mapping[str, PoolContext] = field(default_factory=dict)
    past_carbon_intensity_g_per_kwh: FloatArray = field(default_factory=_empty)
    peak_power_w: float = 0.0
    idle_power_w: float = 0.0
    battery_capacity_wh: float | None = None
    battery_min_soc: float | None = None
    battery_efficiency: tuple[float, float] = (1.0, 1.0)
    classes: tuple[ClassInfo, ...] = ()
    service: ServiceModel | None = None

    def __post_init__(self) -> None:
        past = np.array(self.past_carbon_intensity_g_per_kwh, dtype=np.float64)
        past.setflags(write=False)
        object.__setattr__(self, "past_carbon_intensity_g_per_kwh", past)
        object.__setattr__(self, "limits", MappingProxyType(dict(self.limits)))
        object.__setattr__(self, "pools", MappingProxyType(dict(self.pools)))

    def settings(self) -> dict[Setting, ActuatorLimits]:
        """Return the range of everything that can be set, by actuator and pool."""
        ranges: dict[Setting, ActuatorLimits] = {}
        of_pools = [name for pool in self.pools.values() for name in pool.limits]
        for name in dict.fromkeys([*self.limits, *of_pools]):
            if ACTUATORS[name].scope == "site":
                ranges[name, SITE] = self.limits[name]
                continue
            if not self.pools:
                ranges[name, ONE_POOL] = self.limits[name]
            for pool, context in self.pools.items():
                if name in context.limits:
                    ranges[name, pool] = context.limits[name]
        return ranges


class Declares:
    """Declarations of a controller: the actuators that it sets and the forecasts that it needs."""

    actuators: frozenset[str] = frozenset()
    """Names of the actuators that it may set; two controllers of a site must not share one."""
    forecasts: frozenset[str] = frozenset()
    """Signals of which it needs forecasts: carbon_intensity, solar, arrivals,
    deferrable_arrivals."""
    forecast_horizon_h: float = 24.0
    """Length of these forecasts [h]."""
    sees_carbon: bool = True
    """Whether it looks at the carbon intensity; one that does not is shown the mean alone."""
    needs_clairvoyance: bool = False
    """Whether it works with perfect forecasts only; a scenario must then call it clairvoyant."""


class Controller(Declares, ABC):
    """A policy for one site.

    Parameters are keyword-only arguments of ``__init__``, annotated with their types and bounds:
    a scenario is checked against that signature. State lives in attributes that `reset` sets.
    """

    @abstractmethod
    def reset(self, context: SiteContext) -> None:
        """Forget all state, and prepare for a run at the site that `context` describes."""

    @abstractmethod
    def step(self, observation: SiteObservation) -> SiteAction | None:
        """Return the settings for the step that begins; None to leave all as it is."""


class FleetController(Declares, ABC):
    """A policy that sees all sites at once, and may set any of them.

    It differs from `Controller` in that the actuators that it declares are those of every site.

    Example::

        class Cleanest(FleetController):
            actuators = frozenset({"batch_cap"})

            def reset(self, contexts):
                pass

            def step(self, observation):
                by_intensity = {
                    name: site.grid.carbon_intensity_g_per_kwh
                    for name, site in observation.sites.items()
                }
                cleanest = min(by_intensity, key=by_intensity.get)
                return Action(
                    sites={
                        name: SiteAction(batch_cap=256 if name == cleanest else 32)
                        for name in by_intensity
                    }
                )
    """

    @abstractmethod
    def reset(self, contexts: Mapping[str, SiteContext]) -> None:
        """Forget all state, and prepare for a run over the sites that `contexts` describes."""

    @abstractmethod
    def step(self, observation: Observation) -> Action | None:
        """Return the settings for the step that begins; None to leave all as it is."""
