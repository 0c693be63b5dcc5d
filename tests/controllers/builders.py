"""Short ways to make observations, contexts and hosts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from controllers import (
    ActuatorLimits,
    Controller,
    ControllerHost,
    FleetController,
    HostedController,
    ServiceModel,
    SiteAction,
    SiteContext,
    SiteObservation,
    SiteReport,
    SiteSignals,
)
from controllers.example import flat_observation

START = datetime(2023, 6, 8, tzinfo=UTC)
LIMITS = {"admission_rate": ActuatorLimits(0, 20), "batch_cap": ActuatorLimits(1, 128)}


def context(site: str = "dc", **changes: Any) -> SiteContext:
    values: dict[str, Any] = {
        "site": site,
        "start": START,
        "step_s": 60.0,
        "steps": 24,
        "limits": LIMITS,
        "peak_power_w": 500.0,
        "idle_power_w": 100.0,
    }
    return SiteContext(**values | changes)


def observation(step: int = 0, intensity: float = 100.0, **changes: Any) -> SiteObservation:
    values: dict[str, Any] = {
        "site": "dc",
        "step": step,
        "time_s": step * 60.0,
        "time": START + timedelta(minutes=step),
        "step_s": 60.0,
        "carbon_intensity_g_per_kwh": intensity,
    }
    return flat_observation(**values | changes)


def report(**values: Any) -> SiteReport:
    """What a site's cluster did in a step, under the names of an observation's properties."""
    seen = observation(**values)
    return SiteReport(
        facility_power_w=seen.facility_power_w,
        queue=seen.queue,
        serving=seen.serving,
        latency=seen.latency,
        classes=seen.classes,
    )


def play(
    controller: Controller, intensities: Iterable[float], field: str = "admission_rate_per_s"
) -> list[float]:
    """The values that a controller sets over a signal, after its reset."""
    actions = [controller.step(observation(step, ci)) for step, ci in enumerate(intensities)]
    return [getattr(action, field) for action in actions if action is not None]


def signals(steps: int = 24, intensity: float | Sequence[float] = 100.0) -> SiteSignals:
    return SiteSignals(np.broadcast_to(np.asarray(intensity, float), steps), np.zeros(steps))


def host(
    *controllers: Controller | FleetController,
    contexts: Mapping[str, SiteContext] | None = None,
    every_s: float = 60.0,
) -> ControllerHost:
    """A host of controllers, all at site dc; not reset."""
    contexts = contexts or {"dc": context()}
    entries = [
        HostedController(
            f"mine.py:{type(controller).__name__}",
            controller,
            None if isinstance(controller, FleetController) else "dc",
            every_s,
        )
        for controller in controllers
    ]
    return ControllerHost(entries, contexts, {site: signals() for site in contexts})


class Scripted(Controller):
    """Returns what it is told, whatever it is, and keeps what it saw."""

    actuators = frozenset({"admission_rate", "batch_cap"})

    def __init__(self, *returns: Any, actuators: Iterable[str] | None = None) -> None:
        self.returns = returns
        self.seen: list[SiteObservation] = []
        if actuators is not None:
            self.actuators = frozenset(actuators)

    def reset(self, context: SiteContext) -> None:
        self.context = context
        self.seen = []

    def step(self, observation: SiteObservation) -> SiteAction | None:
        self.seen.append(observation)
        answer: SiteAction | None = self.returns[(len(self.seen) - 1) % len(self.returns)]
        return answer


NAN = math.nan
INF = math.inf


def service(**changes: Any) -> ServiceModel:
    """A deployment whose numbers are easy to work with, at half and at the full clock.

    At the full clock a batch of 1, 2, 4, 8 takes 10, 12, 16, 24 ms a token and draws 200, 300, 400,
    500 W; at half the clock tokens take 1.5 times as long, at half the power. Outputs are of 10
    tokens.
    """
    batches = np.array([1.0, 2.0, 4.0, 8.0])
    tpot_s = np.array([0.010, 0.012, 0.016, 0.024])
    power_w = np.array([200.0, 300.0, 400.0, 500.0])
    clocks = np.array([0.5, 1.0])
    slower = np.array([[1.5], [1.0]])
    values: dict[str, Any] = {
        "replicas": 1,
        "clocks": clocks,
        "batches": batches,
        "rate_per_s": batches / (10 * tpot_s) / slower,
        "power_w": power_w * np.array([[0.5], [1.0]]),
        "tpot_s": tpot_s * slower,
        "load_per_s": np.array([0.0, 8 / 0.24]),
        "load_w": np.array([100.0, 500.0]),
        "idle_w": 100.0,
        "sleep_w": 20.0,
        "output_tokens": 10.0,
    }
    return ServiceModel(**values | changes)
