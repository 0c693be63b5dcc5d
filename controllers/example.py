"""A fictional site, used to check controllers and to try them out.

It has every actuator, a class that may not wait and one that may, a battery and solar power.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from controllers.actuators import ACTUATORS, SITE, ActuatorLimits
from controllers.arrays import FloatArray
from controllers.base import ONE_POOL, SiteContext
from controllers.forecast import Forecast, Forecasts
from controllers.observation import SiteObservation
from controllers.service import ClassInfo, ServiceModel
from controllers.site_views import BatteryView, GridView, LatencyView, PoolView, QueueView

STEP_S = 900.0
STEPS = 96
_PAST_STEPS = 192
_START = datetime(2024, 6, 8, tzinfo=UTC)


def example_context(site: str = "example", **changes: Any) -> SiteContext:
    """Return the controller context of the site; `changes` replace fields of it."""
    service = _service()
    context = SiteContext(
        site=site,
        start=_START,
        step_s=STEP_S,
        steps=STEPS,
        limits=example_limits(),
        past_carbon_intensity_g_per_kwh=duck_curve(_PAST_STEPS, STEP_S, 0),
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


def example_limits() -> dict[str, ActuatorLimits]:
    """Return the ranges of all actuators at the example site."""
    return {name: actuator.example for name, actuator in ACTUATORS.items()}


def example_observation(
    step: int = 0, forecasts: Mapping[str, Sequence[float]] | None = None, **changes: Any
) -> SiteObservation:
    """Return the observation of a step.

    Args:
        step: The step.
        forecasts: Means of the steps ahead, the one that begins first, by signal.
        changes: Replace fields of it, or of its views, or values in force; under the names of
            the properties of `SiteObservation`.
    """
    time_s = step * STEP_S
    by_signal = {
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
        "latency_p99_s_by_class": {"chat": (None, None), "batch": (None, None)},
        "forecasts": Forecasts(by_signal.__getitem__, frozenset(by_signal)),
    }
    return flat_observation(**values | changes)


_VIEWS: Mapping[str, type[GridView | QueueView | PoolView | LatencyView]] = {
    "grid": GridView,
    "queue": QueueView,
    "serving": PoolView,
    "latency": LatencyView,
}


def flat_observation(**values: Any) -> SiteObservation:
    """Return an observation from values under the names of its properties.

    Args:
        values: Values by field or property of `SiteObservation`. There is a battery if any of its
            values is given and not None.

    Raises:
        TypeError: If there is no such property.
    """
    parts: dict[str, Any] = {name: view(**_taken(view, values)) for name, view in _VIEWS.items()}
    battery = _taken(BatteryView, values, prefix="battery_")
    if any(value is not None for value in battery.values()):
        nothing = {"soc": None, "capacity_wh": 0.0, "min_soc": 0.0}
        parts["battery"] = BatteryView(**nothing | battery)
    parts["in_force"] = {
        (name, SITE if actuator.scope == "site" else ONE_POOL): values.pop(actuator.field)
        for name, actuator in ACTUATORS.items()
        if actuator.field in values
    }
    parts["classes"] = {
        name: LatencyView(ttft_p99_s=ttft_s, tpot_p99_s=tpot_s)
        for name, (ttft_s, tpot_s) in values.pop("latency_p99_s_by_class", {}).items()
    }
    if "pools" not in values:
        parts["pools"] = {ONE_POOL: parts["serving"]}
    return SiteObservation(**parts, **values)


def _taken(view: type[Any], values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Take the values of a view out of `values`."""
    names = [part.name for part in fields(view)]
    return {name: values.pop(prefix + name) for name in names if prefix + name in values}


def hours(steps: int, step_s: float) -> FloatArray:
    """Return the start of each step [h], shape (steps,)."""
    return np.arange(steps) * step_s / 3600


def duck_curve(steps: int, step_s: float, seed: int) -> FloatArray:
    """Return carbon intensities that fall while the sun shines [g/kWh], shape (steps,)."""
    noise = np.random.default_rng(seed).normal(0, 10, steps)
    return np.maximum(0.0, 250 - 120 * np.sin(np.pi * (hours(steps, step_s) - 6) / 12) + noise)


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
