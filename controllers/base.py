"""The contract between a controller and the loop: what it sees, and what it may set.

Before each step the loop shows a controller an observation, and the controller answers with an
action. Both are plain frozen records with the units in their names. An action names only what it
sets; everything else stays as it was. A controller sets nothing itself: the loop checks the action
and applies it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

import numpy as np

from controllers.actuators import ActuatorLimits
from controllers.arrays import FloatArray
from controllers.forecast import NO_FORECASTS, Forecasts
from controllers.service import ClassInfo, ServiceModel


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteObservation:
    """One site as a controller sees it at the start of a step.

    The signals are those of the step that begins; the telemetry is of the step before. At the
    first step there is none: it is zero, or None where zero would be a statement. A site without
    a cluster has a facility power and no other cluster telemetry.

    Attributes:
        site: Name of the site.
        step: Index of the step that begins, from 0.
        time_s: Time since the start of the run [s].
        time: The same as a UTC time.
        step_s: Length of a step [s].
        carbon_intensity_g_per_kwh: Mean over the step that begins [g/kWh].
        price_per_kwh: Price of imported energy [1/kWh]; None without a price signal.
        solar_w: Solar power available in the step that begins [W].
        facility_power_w: Mean power of the site's load [W].
        import_w: Power drawn from the grid [W].
        export_w: Power fed into the grid [W].
        battery_soc: State of charge of the battery [0 to 1]; None without one.
        battery_power_w: Power of the battery [W], charging positive.
        battery_capacity_wh: Capacity of the battery [Wh]; None without one.
        battery_min_soc: State of charge it is never discharged below [0 to 1]; None without one.
        arrived: Requests that arrived in the step.
        admitted: Requests that passed the gateway in the step.
        completed: Requests completed in the step.
        gateway_waiting: Requests that wait at the gateway at the end of the step.
        deferrable_waiting: Deferrable requests held back in front of the gateway at its end.
        deferrable_waiting_tokens: Prompt tokens of these.
        deferrable_slack_s: Least time until one of these must start [s]; None if none must.
        replica_waiting: Requests that wait in the replicas' queues at the end of the step.
        running: Requests in a batch at the end of the step.
        busy_fraction: Share of the replicas' time with an iteration under way [0 to 1].
        kv_utilisation: Share of the KV cache in use [0 to 1].
        batch_mean: Mean batch size of a replica while it worked.
        awake_replicas: Replicas not asleep at the end: serving, draining or waking up.
        ttft_p99_s: 99th percentile of the time to first token [s]; None if there was none.
        tpot_p99_s: 99th percentile of the time per output token [s]; None if there was none.
        latency_p99_s_by_class: The same two of each class of requests, by its name.
        guarded: Whether the guard of the objectives held in the step before: what throttles set
            was not in force.
        forecasts: Forecasts that the controller declared, by signal; see `controllers.forecast`.
        admission_rate_per_s: Admission rate in force [requests/s]; infinite when unlimited.
        batch_cap: Batch cap in force [sequences per replica]; 0 at a site without a cluster.
        deferrable_rate_per_s: Release rate of deferrable requests in force [requests/s].
        active_replicas: Replicas that are to serve; 0 at a site without a cluster.
        clock_fraction: Clock of the GPUs in force, over their highest one; the most with a cap.
        power_cap_w: Power cap of each GPU in force [W]; infinite for none.
        battery_setpoint_w: Setpoint of the battery in force [W]; infinite while it is left to take
            surplus and cover deficits.
    """

    site: str
    step: int
    time_s: float
    time: datetime
    step_s: float
    carbon_intensity_g_per_kwh: float
    price_per_kwh: float | None = None
    solar_w: float = 0.0

    facility_power_w: float = 0.0
    import_w: float = 0.0
    export_w: float = 0.0
    battery_soc: float | None = None
    battery_power_w: float = 0.0
    battery_capacity_wh: float | None = None
    battery_min_soc: float | None = None
    arrived: int = 0
    admitted: int = 0
    completed: int = 0
    gateway_waiting: int = 0
    deferrable_waiting: int = 0
    deferrable_waiting_tokens: int = 0
    deferrable_slack_s: float | None = None
    replica_waiting: int = 0
    running: int = 0
    busy_fraction: float = 0.0
    kv_utilisation: float = 0.0
    batch_mean: float = 0.0
    awake_replicas: int = 0
    ttft_p99_s: float | None = None
    tpot_p99_s: float | None = None
    latency_p99_s_by_class: Mapping[str, tuple[float | None, float | None]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    guarded: bool = False
    forecasts: Forecasts = field(default_factory=lambda: NO_FORECASTS)

    admission_rate_per_s: float = math.inf
    batch_cap: int = 0
    deferrable_rate_per_s: float = math.inf
    active_replicas: int = 0
    clock_fraction: float = 1.0
    power_cap_w: float = math.inf
    battery_setpoint_w: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteAction:
    """What a controller sets at one site; None leaves an actuator as it is.

    Attributes:
        admission_rate_per_s: Admission rate of the gateway [requests/s]; infinite for no limit.
        batch_cap: Largest batch [sequences per replica].
        deferrable_rate_per_s: Release rate of deferrable requests [requests/s]; infinite for none.
        active_replicas: Replicas that are to serve, at least 1.
        clock_fraction: Clock of the GPUs over their highest one.
        power_cap_w: Power cap of each GPU [W]; infinite for none. The lower clock wins.
        battery_setpoint_w: Power of the battery [W], charging positive; clipped to what it can do,
            and to the site's deficit when it discharges. Infinite to leave it to take surplus and
            cover deficits.
        reason: Why, in a few words, for the record of actions.
    """

    admission_rate_per_s: float | None = None
    batch_cap: int | None = None
    deferrable_rate_per_s: float | None = None
    active_replicas: int | None = None
    clock_fraction: float | None = None
    power_cap_w: float | None = None
    battery_setpoint_w: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """All sites as a fleet controller sees them at the start of a step.

    Attributes:
        step: Index of the step that begins, from 0.
        time_s: Time since the start of the run [s].
        time: The same as a UTC time.
        sites: Observations by site; read-only.
    """

    step: int
    time_s: float
    time: datetime
    sites: Mapping[str, SiteObservation]

    def __post_init__(self) -> None:
        object.__setattr__(self, "sites", MappingProxyType(dict(self.sites)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What a fleet controller sets; sites that it does not name stay as they are.

    Attributes:
        sites: Actions by site.
    """

    sites: Mapping[str, SiteAction]


def _empty() -> FloatArray:
    return np.empty(0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SiteContext:
    """What a controller is told about its site before a run.

    Attributes:
        site: Name of the site.
        start: Start of the run, UTC.
        step_s: Length of a step [s].
        steps: Number of steps of the whole run.
        limits: Ranges of the actuators that the site has, by actuator name; empty without a
            cluster.
        past_carbon_intensity_g_per_kwh: Intensities [g/kWh] of the steps before the start, oldest
            first, up to 7 days; read-only, may be empty.
        peak_power_w: Greatest power that the site's load can draw [W], PUE included.
        idle_power_w: Power that it draws without work [W], PUE included.
        battery_capacity_wh: Capacity of the battery [Wh]; None without one.
        battery_min_soc: State of charge it is never discharged below [0 to 1]; None without one.
        battery_efficiency: Energy stored over energy charged, and energy drawn from it over energy
            stored [0 to 1].
        classes: The classes of requests.
        service: What the deployment can do; None without a cluster.
    """

    site: str
    start: datetime
    step_s: float
    steps: int
    limits: Mapping[str, ActuatorLimits] = field(default_factory=dict)
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


class Controller(ABC):
    """A policy for one site.

    Parameters are keyword-only arguments of ``__init__``, annotated with their types and bounds:
    a scenario is checked against that signature. State lives in attributes that `reset` sets.
    """

    actuators: frozenset[str] = frozenset()
    """Names of the actuators that it may set; two controllers of a site must not share one."""
    forecasts: frozenset[str] = frozenset()
    """Signals of which it needs forecasts: carbon_intensity, solar, arrivals."""
    forecast_horizon_h: float = 24.0
    """How far ahead they look [h]."""
    needs_clairvoyance: bool = False
    """Whether it works with perfect forecasts only; a scenario must then call it clairvoyant."""

    @abstractmethod
    def reset(self, context: SiteContext) -> None:
        """Forget everything, and prepare for a run at the site that `context` describes."""

    @abstractmethod
    def step(self, observation: SiteObservation) -> SiteAction | None:
        """Return what to set for the step that begins; None to leave all as it is."""


class FleetController(ABC):
    """A policy that sees all sites at once, and may set any of them.

    As `Controller`, but for the whole fleet.
    """

    actuators: frozenset[str] = frozenset()
    """Names of the actuators that it may set, at every site."""
    forecasts: frozenset[str] = frozenset()
    """Signals of which it needs forecasts: carbon_intensity, solar, arrivals."""
    forecast_horizon_h: float = 24.0
    """How far ahead they look [h]."""
    needs_clairvoyance: bool = False
    """Whether it works with perfect forecasts only; a scenario must then call it clairvoyant."""

    @abstractmethod
    def reset(self, contexts: Mapping[str, SiteContext]) -> None:
        """Forget everything, and prepare for a run over the sites that `contexts` describes."""

    @abstractmethod
    def step(self, observation: Observation) -> Action | None:
        """Return what to set for the step that begins; None to leave all as it is."""
