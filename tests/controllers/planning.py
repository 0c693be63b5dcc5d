"""A small deployment to plan with, observations with forecasts, and a line of held-back requests.

Every figure is chosen to be worked with in the head: a replica serves 2 requests/s at its largest
batch, 1 request/s at the objective of 0.05 s per token, and draws 100 W idle to 300 W full.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from controllers import (
    ActuatorLimits,
    ClassInfo,
    Controller,
    Forecasts,
    ServiceModel,
    SiteAction,
    SiteContext,
    SiteObservation,
)
from controllers.forecast import Forecast
from tests.controllers.builders import INF, context, observation

CHAT = ClassInfo(name="chat", share=0.25, ttft_slo_s=1.0, tpot_slo_s=0.05)
BATCH = ClassInfo(name="batch", share=0.75, deferrable=True, deadline_s=7200, latest_start_s=7000)

SHORT = replace(CHAT, weight=0.4)
LONG = replace(BATCH, weight=1.2)
"""The same classes where a request that may wait takes three times the service of another."""


def service(replicas: int = 4) -> ServiceModel:
    return ServiceModel(
        replicas=replicas,
        clocks=np.array([1.0]),
        batches=np.array([1.0, 10.0, 40.0]),
        rate_per_s=np.array([[0.2, 1.0, 2.0]]),
        power_w=np.array([[120.0, 200.0, 300.0]]),
        tpot_s=np.array([[0.04, 0.05, 0.1]]),
        load_per_s=np.array([0.0, 2.0]),
        load_w=np.array([100.0, 300.0]),
        idle_w=100.0,
        sleep_w=20.0,
        output_tokens=100.0,
    )


def site(replicas: int = 4, **changes: Any) -> SiteContext:
    values: dict[str, Any] = {
        "limits": {
            "active_replicas": ActuatorLimits(1, replicas),
            "deferrable_rate": ActuatorLimits(0, 8, initial=INF),
        },
        "classes": (CHAT, BATCH),
        "service": service(replicas),
    }
    return context(**values | changes)


def seen(step: int, **changes: Any) -> SiteObservation:
    """An observation with forecasts, given by signal; the intensity is the forecast's first.

    Of the requests that come, `BATCH` has its share.
    """
    told: dict[str, Sequence[float]] = dict(changes.pop("forecasts", {}))
    if "carbon_intensity" in told:
        told.setdefault("solar", [0.0] * len(told["carbon_intensity"]))
    if "arrivals" in told:
        told.setdefault("deferrable_arrivals", [BATCH.share * rate for rate in told["arrivals"]])
    if "arrived" in changes:
        changes.setdefault("deferrable_arrived", round(BATCH.share * changes["arrived"]))
    made = {
        name: Forecast(step * 60.0, 60.0, np.array(values, float), np.zeros(len(values)))
        for name, values in told.items()
    }
    values = {"forecasts": Forecasts(made.__getitem__, frozenset(made))}
    if "carbon_intensity" in told:
        values["intensity"] = told["carbon_intensity"][0]
    return observation(step, **values | changes)


def play_bucket(
    policy: Controller,
    intensity: Sequence[float],
    waiting: Sequence[int],
    slack_s: float | None = None,
) -> list[float]:
    """The rates of release while the truth is forecast; the slack runs down, and is None for ever.

    Args:
        policy: The policy, reset.
        intensity: Carbon intensities, one a minute.
        waiting: Requests held back at the start of each minute.
        slack_s: Slack at the start [s].
    """
    rates = []
    for step, count in enumerate(waiting):
        left = None if slack_s is None or not count else max(0.0, slack_s - 60 * step)
        action = policy.step(
            seen(
                step,
                forecasts={"carbon_intensity": intensity[step:]},
                deferrable_waiting=count,
                deferrable_slack_s=left,
            )
        )
        assert isinstance(action, SiteAction)
        assert action.deferrable_rate_per_s is not None
        assert math.isfinite(action.deferrable_rate_per_s)
        rates.append(action.deferrable_rate_per_s)
    return rates
