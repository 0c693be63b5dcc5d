"""Sample days at a site, on which controllers are checked.

The reports of cluster and microgrid are drawn at random from a seed and do not answer to the
settings of a controller: enough to see how a controller behaves, not how well it does. Requests
come at 0.5 a second by night and at 4.5 by day: a policy that halves the highest rate that the
example admits has something to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from controllers.arrays import FloatArray
from controllers.base import ONE_POOL, SiteContext
from controllers.example import STEPS, duck_curve, example_context, hours
from controllers.service import LoadSplit
from controllers.site_views import (
    LatencyView,
    MicrogridReport,
    PoolView,
    QueueView,
    SiteReport,
)
from controllers.views import SiteSignals


@dataclass(frozen=True, slots=True, eq=False)
class ExampleDay:
    """Signals and reports of some sites over a run.

    Attributes:
        name: The kind of day.
        contexts: The sites.
        signals: Their signals.
        reports: Their clusters' reports of the step before, by step and site.
        microgrids: Their microgrids' reports of the step before, by step and site.
    """

    name: str
    contexts: Mapping[str, SiteContext]
    signals: Mapping[str, SiteSignals]
    reports: Sequence[Mapping[str, SiteReport]]
    microgrids: Sequence[Mapping[str, MicrogridReport]]

    @property
    def steps(self) -> int:
        """Number of its steps."""
        return len(self.reports)


def example_day(
    name: str = "an ordinary day",
    contexts: Mapping[str, SiteContext] | None = None,
    *,
    seed: int = 1,
    intensity: FloatArray | None = None,
) -> ExampleDay:
    """Return a day at some sites.

    Args:
        name: Its name.
        contexts: The sites; one example by default.
        seed: Seed of all that is random in it.
        intensity: Carbon intensity of each step, in place of one that falls while the sun shines
            [g/kWh].
    """
    contexts = contexts or {"example": example_context()}
    first = next(iter(contexts.values()))
    steps = min(first.steps, STEPS)
    sites = {site: replace(context, steps=steps) for site, context in contexts.items()}
    signals: dict[str, SiteSignals] = {}
    reports: list[dict[str, SiteReport]] = [{} for _ in range(steps)]
    microgrids: list[dict[str, MicrogridReport]] = [{} for _ in range(steps)]
    for number, (site, context) in enumerate(sites.items()):
        generator = np.random.default_rng((seed, number))
        signals[site] = _signals(context, steps, seed + number, intensity)
        arrived = generator.poisson(signals[site].values("arrivals") * context.step_s).tolist()
        for step in range(1, steps):
            reports[step][site] = _report(context, arrived[step - 1], generator)
            microgrids[step][site] = _microgrid(context, generator)
    return ExampleDay(name, sites, signals, reports, microgrids)


def _signals(
    context: SiteContext, steps: int, seed: int, intensity: FloatArray | None
) -> SiteSignals:
    hour = hours(steps, context.step_s)
    sun = 1500 * np.maximum(0.0, np.sin(np.pi * (hour - 6) / 12))
    if intensity is None:
        intensity = duck_curve(steps, context.step_s, seed)
    arrivals_per_s = 2.5 + 2.0 * np.sin(np.pi * (hour - 9) / 12)
    return SiteSignals(
        carbon_intensity_g_per_kwh=intensity,
        solar_w=sun,
        price_per_kwh=0.1 + intensity / 5000,
        arrivals_per_s=arrivals_per_s,
        deferrable_arrivals_per_s=LoadSplit.of(context.classes).deferrable_share * arrivals_per_s,
        past={"carbon_intensity": context.past_carbon_intensity_g_per_kwh},
    )


def _report(context: SiteContext, arrived: int, generator: np.random.Generator) -> SiteReport:
    """Return a cluster's report; at some steps no request ended, and there are no latencies."""
    if not context.limits:
        return SiteReport()
    deferred = int(generator.integers(0, 4000)) if generator.random() < 0.7 else 0
    ended = generator.random() < 0.9
    facility_power_w = generator.uniform(context.idle_power_w, context.peak_power_w)
    queue = QueueView(
        arrived=arrived,
        deferrable_arrived=round(LoadSplit.of(context.classes).deferrable_share * arrived),
        admitted=arrived,
        completed=int(generator.integers(0, arrived + 1)),
        gateway_waiting=int(generator.integers(0, 50)),
        deferrable_waiting=deferred,
        deferrable_waiting_tokens=deferred * 1000,
        deferrable_slack_s=generator.uniform(0, 43200) if deferred else None,
    )
    pool = PoolView(
        replica_waiting=int(generator.integers(0, 50)),
        running=int(generator.integers(0, 200)),
        busy_fraction=generator.random(),
        kv_utilisation=generator.random(),
        batch_mean=generator.uniform(1, 64),
        awake_replicas=int(generator.integers(1, 5)),
    )
    return SiteReport(
        facility_power_w=facility_power_w,
        queue=queue,
        serving=pool,
        pools={ONE_POOL: pool},
        latency=_latency(generator, ended),
        classes={info.name: _latency(generator, ended) for info in context.classes},
    )


def _latency(generator: np.random.Generator, ended: bool) -> LatencyView:
    if not ended:
        return LatencyView()
    return LatencyView(
        ttft_p99_s=generator.uniform(0.1, 3), tpot_p99_s=generator.uniform(0.02, 0.1)
    )


def _microgrid(context: SiteContext, generator: np.random.Generator) -> MicrogridReport:
    drawn_w = generator.uniform(-1000, 3000)
    battery = context.battery_capacity_wh is not None
    return MicrogridReport(
        import_w=max(0.0, drawn_w),
        export_w=max(0.0, -drawn_w),
        battery_soc=generator.uniform(context.battery_min_soc or 0.0, 1) if battery else None,
        battery_power_w=generator.uniform(-1000, 1000) if battery else 0.0,
    )
