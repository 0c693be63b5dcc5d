"""A site that there is not, and days at it: what controllers are checked on, and tried out on.

The site has every actuator, a class that may not wait and one that may, a battery and solar power.
What its cluster and microgrid report is drawn at random from a seed and answers to nothing that a
controller sets: enough to see how a controller behaves, not how well it does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from controllers.actuators import ActuatorLimits
from controllers.arrays import FloatArray
from controllers.base import SiteContext, SiteObservation
from controllers.forecast import Forecast, Forecasts
from controllers.service import ClassInfo, ServiceModel
from controllers.views import SiteSignals

Report = Mapping[str, Mapping[str, Any]]
"""What a step reports, by site and field of `SiteObservation`."""

STEP_S = 900.0
STEPS = 96
_PAST_STEPS = 192
_START = datetime(2024, 6, 8, tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class ExampleDay:
    """What happens at some sites over a run.

    Attributes:
        name: What kind of day it is.
        contexts: The sites.
        signals: Their signals.
        telemetry: What their clusters report of the step before, by step.
        microgrid: What their microgrids report of the step before, by step.
    """

    name: str
    contexts: Mapping[str, SiteContext]
    signals: Mapping[str, SiteSignals]
    telemetry: Sequence[Report]
    microgrid: Sequence[Mapping[str, Mapping[str, float | None]]]

    @property
    def steps(self) -> int:
        """Number of its steps."""
        return len(self.telemetry)


def example_context(site: str = "example", **changes: Any) -> SiteContext:
    """Return what a controller is told of the site; `changes` replace fields of it."""
    service = _service()
    context = SiteContext(
        site=site,
        start=_START,
        step_s=STEP_S,
        steps=STEPS,
        limits={
            "admission_rate": ActuatorLimits(0.0, 6.0, initial=math.inf),
            "batch_cap": ActuatorLimits(1, 64),
            "deferrable_rate": ActuatorLimits(0.0, 8.0, initial=math.inf),
            "active_replicas": ActuatorLimits(1, service.replicas),
            "clock_fraction": ActuatorLimits(0.3, 1.0),
            "power_cap": ActuatorLimits(80.0, 700.0, initial=math.inf),
            "battery_power": ActuatorLimits(-1000.0, 1000.0, initial=math.inf),
        },
        past_carbon_intensity_g_per_kwh=_intensity(_PAST_STEPS, STEP_S, 0),
        peak_power_w=3000.0,
        idle_power_w=1000.0,
        battery_capacity_wh=2000.0,
        battery_min_soc=0.2,
        battery_efficiency=(0.97, 0.98),
        classes=(
            ClassInfo(name="chat", share=0.4, ttft_slo_s=2.0, tpot_slo_s=0.06),
            ClassInfo(
                name="batch",
                share=0.6,
                deferrable=True,
                deadline_s=43200.0,
                latest_start_s=42600.0,
            ),
        ),
        service=service,
    )
    return replace(context, **changes)


def example_observation(
    step: int = 0, forecasts: Mapping[str, Sequence[float]] | None = None, **changes: Any
) -> SiteObservation:
    """Return what a controller sees at a step.

    Args:
        step: The step.
        forecasts: Means of the steps ahead, the one that begins first, by signal.
        changes: Replace fields of it.
    """
    time_s = step * STEP_S
    made = {
        signal: Forecast(time_s, STEP_S, np.array(values, float), np.zeros(len(values)))
        for signal, values in (forecasts or {}).items()
    }
    values: dict[str, Any] = {
        "site": "example",
        "step": step,
        "time_s": time_s,
        "time": _START + timedelta(seconds=time_s),
        "step_s": STEP_S,
        "carbon_intensity_g_per_kwh": 200.0,
        "batch_cap": 64,
        "active_replicas": 4,
        "forecasts": Forecasts(made.__getitem__, frozenset(made)),
    }
    return SiteObservation(**values | changes)


def example_day(
    name: str = "an ordinary day",
    contexts: Mapping[str, SiteContext] | None = None,
    *,
    seed: int = 1,
    intensity: FloatArray | None = None,
) -> ExampleDay:
    """Return a day at some sites.

    Args:
        name: What to call it.
        contexts: The sites; one example by default.
        seed: Seed of all that is random in it.
        intensity: Carbon intensity of each step, in place of one that falls while the sun shines
            [g/kWh].
    """
    contexts = contexts or {"example": example_context()}
    first = next(iter(contexts.values()))
    steps = min(first.steps, STEPS)
    sites = {one: replace(context, steps=steps) for one, context in contexts.items()}
    signals: dict[str, SiteSignals] = {}
    reports: list[dict[str, dict[str, Any]]] = [{} for _ in range(steps)]
    grids: list[dict[str, dict[str, float | None]]] = [{} for _ in range(steps)]
    for number, (one, context) in enumerate(sites.items()):
        generator = np.random.default_rng((seed, number))
        signals[one] = _signals(context, steps, seed + number, intensity)
        for step in range(1, steps):
            reports[step][one] = _telemetry(context, generator)
            grids[step][one] = _microgrid(context, generator)
    return ExampleDay(name, sites, signals, reports, grids)


def _service() -> ServiceModel:
    """Return a replica that serves 2 requests/s at most, and 1.4 at 0.06 s per token."""
    batches = np.array([1.0, 4.0, 16.0, 64.0])
    clocks = np.array([0.3, 0.6, 1.0])
    tpot_s = np.array([0.02, 0.03, 0.055, 0.16]) / clocks[:, None] ** 0.5
    output_tokens = 200.0
    rates = batches / (output_tokens * tpot_s)
    watts = (300.0 + 400.0 * np.sqrt(batches / 64.0)) * (0.4 + 0.6 * clocks[:, None])
    return ServiceModel(
        replicas=4,
        clocks=clocks,
        batches=batches,
        rate_per_s=rates,
        power_w=watts,
        tpot_s=tpot_s,
        load_per_s=np.append(0.0, rates[-1]),
        load_w=np.append(250.0, watts[-1]),
        idle_w=250.0,
        sleep_w=60.0,
        output_tokens=output_tokens,
    )


def _hours(steps: int, step_s: float) -> FloatArray:
    return np.arange(steps) * step_s / 3600


def _intensity(steps: int, step_s: float, seed: int) -> FloatArray:
    noise = np.random.default_rng(seed).normal(0, 10, steps)
    return np.maximum(0.0, 250 - 120 * np.sin(np.pi * (_hours(steps, step_s) - 6) / 12) + noise)


def _signals(
    context: SiteContext, steps: int, seed: int, intensity: FloatArray | None
) -> SiteSignals:
    hours = _hours(steps, context.step_s)
    sun = 1500 * np.maximum(0.0, np.sin(np.pi * (hours - 6) / 12))
    if intensity is None:
        intensity = _intensity(steps, context.step_s, seed)
    return SiteSignals(
        carbon_intensity_g_per_kwh=intensity,
        solar_w=sun,
        price_per_kwh=0.1 + intensity / 5000,
        arrivals_per_s=1.5 + np.sin(np.pi * (hours - 9) / 12),
        past={"carbon_intensity": context.past_carbon_intensity_g_per_kwh},
    )


def _telemetry(context: SiteContext, generator: np.random.Generator) -> dict[str, Any]:
    """Return a cluster's report, with now and then nothing where nothing ended."""
    if not context.limits:
        return {}
    arrived = int(generator.poisson(1.5 * context.step_s))
    held = int(generator.integers(0, 4000)) if generator.random() < 0.7 else 0
    ended = generator.random() < 0.9
    return {
        "facility_power_w": generator.uniform(context.idle_power_w, context.peak_power_w),
        "arrived": arrived,
        "admitted": arrived,
        "completed": int(generator.integers(0, arrived + 1)),
        "gateway_waiting": int(generator.integers(0, 50)),
        "deferrable_waiting": held,
        "deferrable_waiting_tokens": held * 1000,
        "deferrable_slack_s": generator.uniform(0, 43200) if held else math.nan,
        "replica_waiting": int(generator.integers(0, 50)),
        "running": int(generator.integers(0, 200)),
        "busy_fraction": generator.random(),
        "kv_utilisation": generator.random(),
        "batch_mean": generator.uniform(1, 64),
        "awake_replicas": int(generator.integers(1, 5)),
        "ttft_p99_s": generator.uniform(0.1, 3) if ended else math.nan,
        "tpot_p99_s": generator.uniform(0.02, 0.1) if ended else math.nan,
        "latency_p99_s_by_class": {
            one.name: (generator.uniform(0.1, 3), generator.uniform(0.02, 0.1))
            if ended
            else (math.nan, math.nan)
            for one in context.classes
        },
    }


def _microgrid(context: SiteContext, generator: np.random.Generator) -> dict[str, float | None]:
    drawn_w = generator.uniform(-1000, 3000)
    battery = context.battery_capacity_wh is not None
    return {
        "import_w": max(0.0, drawn_w),
        "export_w": max(0.0, -drawn_w),
        "battery_soc": generator.uniform(context.battery_min_soc or 0.0, 1) if battery else None,
        "battery_power_w": generator.uniform(-1000, 1000) if battery else 0.0,
    }
