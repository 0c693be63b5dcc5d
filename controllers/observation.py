"""Observations: a site at the start of a step, as one view per part of it.

Shorter names are properties of it, which count all pools together: ``observation.running`` is
``observation.serving.running``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from controllers.actuators import SITE, Settings, of_site
from controllers.forecast import NO_FORECASTS, Forecasts
from controllers.site_views import (
    NO_LATENCY,
    BatteryView,
    GridView,
    LatencyView,
    PoolView,
    QueueView,
)


@dataclass(frozen=True, kw_only=True)  # with slots, setting a property would be a TypeError
class SiteObservation:
    """One site as a controller sees it at the start of a step.

    The signals are those of the step that begins; the telemetry is of the step before. At the first
    step there is none: values are zero, or None where zero would be a measurement. A site without a
    cluster has a facility power and no other cluster telemetry.

    Example::

        if observation.grid.carbon_intensity_g_per_kwh > 300 and observation.queue.gateway_waiting:
            ...

    Attributes:
        site: Name of the site.
        step: Index of the step that begins, from 0.
        time_s: Time since the start of the run [s].
        time: The same as a UTC time.
        step_s: Length of a step [s].
        facility_power_w: Mean power of the site's load [W].
        grid: The grid and the sun.
        battery: The battery; None without one.
        queue: Requests in front of the replicas.
        serving: All pools together.
        pools: Each pool of the cluster, by name; read-only.
        latency: Latencies of all requests.
        classes: Latencies by class of requests; read-only.
        in_force: Values of the actuators in force, by actuator and pool; read-only.
        guarded: Whether the SLO guard held in the step before: settings of throttles were not in
            force.
        forecasts: Forecasts that the controller declared, by signal; see `controllers.forecast`.
    """

    site: str
    step: int
    time_s: float
    time: datetime
    step_s: float
    facility_power_w: float = 0.0
    grid: GridView
    battery: BatteryView | None = None
    queue: QueueView = field(default_factory=QueueView)
    serving: PoolView = field(default_factory=PoolView)
    pools: Mapping[str, PoolView] = field(default_factory=dict)
    latency: LatencyView = NO_LATENCY
    classes: Mapping[str, LatencyView] = field(default_factory=dict)
    in_force: Settings = field(default_factory=dict)
    guarded: bool = False
    forecasts: Forecasts = field(default_factory=lambda: NO_FORECASTS)

    def __post_init__(self) -> None:
        for name in ("pools", "classes", "in_force"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def value(self, actuator: str, pool: str = SITE) -> float | None:
        """Return the value of an actuator in force; None if the site does not have it.

        Args:
            actuator: Name of the actuator.
            pool: Name of the pool; by default the site as a whole.
        """
        if pool == SITE:
            return of_site(actuator, self.in_force)
        return self.in_force.get((actuator, pool))

    def _number(self, actuator: str, default: float) -> float:
        value = self.value(actuator)
        return default if value is None else value

    @property
    def carbon_intensity_g_per_kwh(self) -> float:
        """Mean carbon intensity over the step that begins [g/kWh]."""
        return self.grid.carbon_intensity_g_per_kwh

    @property
    def price_per_kwh(self) -> float | None:
        """Price of imported energy [1/kWh]; None without a price signal."""
        return self.grid.price_per_kwh

    @property
    def solar_w(self) -> float:
        """Solar power available in the step that begins [W]."""
        return self.grid.solar_w

    @property
    def import_w(self) -> float:
        """Power drawn from the grid [W]."""
        return self.grid.import_w

    @property
    def export_w(self) -> float:
        """Power fed into the grid [W]."""
        return self.grid.export_w

    @property
    def battery_soc(self) -> float | None:
        """State of charge of the battery [0 to 1]; None without one."""
        return None if self.battery is None else self.battery.soc

    @property
    def battery_power_w(self) -> float:
        """Power of the battery [W], charging positive; 0 without one."""
        return 0.0 if self.battery is None else self.battery.power_w

    @property
    def battery_capacity_wh(self) -> float | None:
        """Capacity of the battery [Wh]; None without one."""
        return None if self.battery is None else self.battery.capacity_wh

    @property
    def battery_min_soc(self) -> float | None:
        """State of charge it is never discharged below [0 to 1]; None without one."""
        return None if self.battery is None else self.battery.min_soc

    @property
    def arrived(self) -> int:
        """Requests that arrived in the step before."""
        return self.queue.arrived

    @property
    def deferrable_arrived(self) -> int:
        """Deferrable requests that arrived in the step before."""
        return self.queue.deferrable_arrived

    @property
    def admitted(self) -> int:
        """Requests that passed the gateway in the step before."""
        return self.queue.admitted

    @property
    def completed(self) -> int:
        """Requests completed in the step before."""
        return self.queue.completed

    @property
    def gateway_waiting(self) -> int:
        """Requests queued at the gateway."""
        return self.queue.gateway_waiting

    @property
    def deferrable_waiting(self) -> int:
        """Deferrable requests deferred in front of the gateway."""
        return self.queue.deferrable_waiting

    @property
    def deferrable_waiting_tokens(self) -> int:
        """Prompt tokens of the deferred requests."""
        return self.queue.deferrable_waiting_tokens

    @property
    def deferrable_slack_s(self) -> float | None:
        """Least time until a deferred request must start [s]; None if none must."""
        return self.queue.deferrable_slack_s

    @property
    def replica_waiting(self) -> int:
        """Requests queued in the replicas."""
        return self.serving.replica_waiting

    @property
    def running(self) -> int:
        """Requests in a batch."""
        return self.serving.running

    @property
    def busy_fraction(self) -> float:
        """Share of the replicas' time with an iteration under way [0 to 1]."""
        return self.serving.busy_fraction

    @property
    def kv_utilisation(self) -> float:
        """Share of the KV cache in use [0 to 1]."""
        return self.serving.kv_utilisation

    @property
    def batch_mean(self) -> float:
        """Mean batch size of a replica while it worked."""
        return self.serving.batch_mean

    @property
    def awake_replicas(self) -> int:
        """Replicas not asleep: serving, draining or waking up."""
        return self.serving.awake_replicas

    @property
    def ttft_p99_s(self) -> float | None:
        """99th percentile of the time to first token [s]; None if there was none."""
        return self.latency.ttft_p99_s

    @property
    def tpot_p99_s(self) -> float | None:
        """99th percentile of the time per output token [s]; None if there was none."""
        return self.latency.tpot_p99_s

    @property
    def latency_p99_s_by_class(self) -> Mapping[str, tuple[float | None, float | None]]:
        """The same two of each class of requests, by its name."""
        return MappingProxyType(
            {name: (view.ttft_p99_s, view.tpot_p99_s) for name, view in self.classes.items()}
        )

    @property
    def admission_rate_per_s(self) -> float:
        """Admission rate in force [requests/s]; infinite when unlimited."""
        return self._number("admission_rate", math.inf)

    @property
    def batch_cap(self) -> int:
        """Batch cap in force [sequences per replica]; 0 at a site without a cluster."""
        return int(self._number("batch_cap", 0))

    @property
    def deferrable_rate_per_s(self) -> float:
        """Release rate of deferrable requests in force [requests/s]."""
        return self._number("deferrable_rate", math.inf)

    @property
    def active_replicas(self) -> int:
        """Replicas that are to serve; 0 at a site without a cluster."""
        return int(self._number("active_replicas", 0))

    @property
    def clock_fraction(self) -> float:
        """Clock of the GPUs in force, over their highest one; with a power cap, an upper bound."""
        return self._number("clock_fraction", 1.0)

    @property
    def prefill_clock(self) -> float:
        """Bound of the clock in force where prompts are computed; `clock_fraction` holds, too."""
        return self._number("prefill_clock", 1.0)

    @property
    def decode_clock(self) -> float:
        """Bound of the clock in force where nothing but decodes is; `clock_fraction` holds, too."""
        return self._number("decode_clock", 1.0)

    @property
    def power_cap_w(self) -> float:
        """Power cap of each GPU in force [W]; infinite for none."""
        return self._number("power_cap", math.inf)

    @property
    def cache_host_gib(self) -> float:
        """Host memory behind the KV cache in force [GiB per replica]; 0 without any."""
        return self._number("cache_host_gib", 0.0)

    @property
    def battery_setpoint_w(self) -> float:
        """Setpoint of the battery in force [W]; infinite while it takes surplus by itself."""
        return self._number("battery_power", math.inf)


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
