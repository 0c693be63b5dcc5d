"""The parts of a site as controllers see them, and the reports that they are made of.

A simulator fills in `SiteReport` and `MicrogridReport` for the step before; the `Viewer` makes an
observation of them and of the signals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class GridView:
    """The grid and the sun at a site.

    Attributes:
        carbon_intensity_g_per_kwh: Mean over the step that begins [g/kWh].
        price_per_kwh: Price of imported energy in it [1/kWh]; None without a price signal.
        solar_w: Solar power available in it [W].
        import_w: Power drawn from the grid in the step before [W].
        export_w: Power fed into the grid in the step before [W].
    """

    carbon_intensity_g_per_kwh: float
    price_per_kwh: float | None = None
    solar_w: float = 0.0
    import_w: float = 0.0
    export_w: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryView:
    """The battery of a site.

    Attributes:
        soc: State of charge at the start of the step [0 to 1]; None before it was reported.
        power_w: Its power in the step before [W], charging positive.
        capacity_wh: Its capacity [Wh].
        min_soc: State of charge it is never discharged below [0 to 1].
    """

    soc: float | None
    power_w: float = 0.0
    capacity_wh: float
    min_soc: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """Requests in front of the replicas of a site, in the step before and at its end.

    Attributes:
        arrived: Requests that arrived.
        deferrable_arrived: Of these, requests that may be deferred.
        admitted: Requests that passed the gateway.
        completed: Requests completed.
        gateway_waiting: Requests queued at the gateway.
        deferrable_waiting: Deferrable requests deferred in front of the gateway.
        deferrable_waiting_tokens: Prompt tokens of these.
        deferrable_slack_s: Least time until one of these must start [s]; None if none must.
    """

    arrived: int = 0
    deferrable_arrived: int = 0
    admitted: int = 0
    completed: int = 0
    gateway_waiting: int = 0
    deferrable_waiting: int = 0
    deferrable_waiting_tokens: int = 0
    deferrable_slack_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """A pool of replicas that are alike, or all pools of a site together, in the step before.

    Attributes:
        replica_waiting: Requests queued in the replicas at its end.
        running: Requests in a batch at its end.
        busy_fraction: Share of the replicas' time with an iteration under way [0 to 1].
        kv_utilisation: Share of the KV cache in use at its end [0 to 1].
        batch_mean: Mean batch size of a replica while it worked.
        awake_replicas: Replicas not asleep at its end: serving, draining or waking up.
        prefilled_tokens: Tokens of prompts that were computed [tokens].
        cached_tokens: Tokens of prompts that were found in KV caches of GPUs instead [tokens].
        loaded_tokens: Tokens of prompts that were loaded from host memory instead [tokens].
    """

    replica_waiting: int = 0
    running: int = 0
    busy_fraction: float = 0.0
    kv_utilisation: float = 0.0
    batch_mean: float = 0.0
    awake_replicas: int = 0
    prefilled_tokens: int = 0
    cached_tokens: int = 0
    loaded_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyView:
    """Recent latencies, of all requests or of a class; None where no request completed.

    Attributes:
        ttft_p99_s: 99th percentile of the time to first token [s].
        tpot_p99_s: 99th percentile of the time per output token [s].
    """

    ttft_p99_s: float | None = None
    tpot_p99_s: float | None = None


NO_LATENCY = LatencyView()
"""Before any request ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteReport:
    """Report on the load of a site in the step before; without arguments, before the first step.

    Attributes:
        facility_power_w: Mean power of the site's load [W].
        queue: Requests in front of the replicas.
        serving: All pools together.
        pools: Each pool, by name; empty without a cluster.
        latency: Latencies of all requests.
        classes: Latencies by class of requests.
    """

    facility_power_w: float = 0.0
    queue: QueueView = field(default_factory=QueueView)
    serving: PoolView = field(default_factory=PoolView)
    pools: Mapping[str, PoolView] = field(default_factory=dict)
    latency: LatencyView = NO_LATENCY
    classes: Mapping[str, LatencyView] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MicrogridReport:
    """Report on the microgrid of a site in the step before.

    Attributes:
        import_w: Power drawn from the grid [W].
        export_w: Power fed into the grid [W].
        battery_soc: State of charge of the battery at its end [0 to 1]; None without one.
        battery_power_w: Power of the battery [W], charging positive.
    """

    import_w: float = 0.0
    export_w: float = 0.0
    battery_soc: float | None = None
    battery_power_w: float = 0.0
