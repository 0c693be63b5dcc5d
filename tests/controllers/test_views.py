"""What a clairvoyant and an agnostic controller are shown: no more than they are called."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers import (
    ClassInfo,
    Controller,
    ControllerHost,
    FleetController,
    HostedController,
    LatencyView,
    PoolView,
    SiteContext,
    SiteObservation,
    SiteSignals,
)
from controllers.forecast import Persistence
from tests.controllers.builders import Scripted, context

STEPS = 48
CARBON = 300 + 100 * np.sin(np.arange(STEPS) / 5)
SOLAR = np.arange(STEPS) * 10.0
ARRIVALS = np.full(STEPS, 3.0)
PAST = np.arange(100.0, 124.0)
SIGNALS = ("carbon_intensity", "solar", "arrivals")
MEAN = CARBON.mean()


class Looking(Scripted):
    """Declares all forecasts, three hours ahead."""

    actuators = frozenset[str]()
    forecasts = frozenset(SIGNALS)
    forecast_horizon_h = 3.0


class LookingFleet(FleetController):
    forecasts = frozenset(SIGNALS)
    forecast_horizon_h = 3.0

    def reset(self, contexts: Any) -> None:
        self.context = contexts["dc"]
        self.seen: list[SiteObservation] = []

    def step(self, observation: Any) -> None:
        self.seen.append(observation.sites["dc"])


def site_signals(carbon: np.ndarray = CARBON, **changes: Any) -> SiteSignals:
    values: dict[str, Any] = {
        "carbon_intensity_g_per_kwh": carbon,
        "solar_w": SOLAR,
        "arrivals_per_s": ARRIVALS,
        "past": {"carbon_intensity": PAST},
    }
    return SiteSignals(**values | changes)


def shown(
    signals: SiteSignals, steps: int = 3, fleet: bool = False, **called: Any
) -> tuple[SiteContext, list[SiteObservation]]:
    """What a controller that is called so is told before the run, and shown in its first steps."""
    controller: Any = LookingFleet() if fleet else Looking(None)
    entry = HostedController("c", controller, None if fleet else "dc", 3600.0, **called)
    told = context(step_s=3600.0, steps=STEPS, past_carbon_intensity_g_per_kwh=PAST)
    host = ControllerHost([entry], {"dc": told}, {"dc": signals})
    host.reset()
    for step in range(steps):
        host.step(step, {}, {})
    return controller.context, controller.seen


def said(seen: SiteObservation) -> dict[str, list[float]]:
    return {name: seen.forecasts[name].mean.tolist() for name in SIGNALS}


def test_by_default_all_will_be_as_on_the_day_before() -> None:
    told, seen = shown(site_signals())
    assert told.past_carbon_intensity_g_per_kwh.tolist() == PAST.tolist()
    assert seen[2].carbon_intensity_g_per_kwh == CARBON[2]
    assert said(seen[2]) == {
        "carbon_intensity": [CARBON[2], PAST[3], PAST[4]],
        "solar": [20.0, 20.0, 20.0],  # nothing is known of the day before
        "arrivals": [3.0, 3.0, 3.0],
    }


def test_the_forecasters_of_the_scenario_are_asked() -> None:
    persistence = Persistence(np.empty(0), CARBON, 3600.0)
    _, seen = shown(site_signals(forecasters={"carbon_intensity": persistence}))
    assert said(seen[2])["carbon_intensity"] == [CARBON[2]] * 3


@pytest.mark.parametrize("fleet", [False, True])
def test_the_clairvoyant_is_told_the_truth(fleet: bool) -> None:
    persistence = Persistence(np.empty(0), CARBON, 3600.0)  # whatever the scenario's forecaster
    signals = site_signals(forecasters={"carbon_intensity": persistence})
    told, seen = shown(signals, clairvoyant=True, fleet=fleet)
    assert said(seen[2]) == {
        "carbon_intensity": CARBON[2:5].tolist(),
        "solar": SOLAR[2:5].tolist(),
        "arrivals": [3.0] * 3,
    }
    assert told.past_carbon_intensity_g_per_kwh.tolist() == PAST.tolist()


@pytest.mark.parametrize("fleet", [False, True])
@pytest.mark.parametrize("clairvoyant", [False, True])
def test_the_agnostic_sees_the_mean_of_the_intensity_everywhere(
    fleet: bool, clairvoyant: bool
) -> None:
    told, seen = shown(site_signals(), agnostic=True, clairvoyant=clairvoyant, fleet=fleet)
    assert told.past_carbon_intensity_g_per_kwh.tolist() == [MEAN] * len(PAST)
    for step, one in enumerate(seen):
        assert one.carbon_intensity_g_per_kwh == MEAN
        assert said(one)["carbon_intensity"] == [MEAN] * 3
        assert not one.forecasts["carbon_intensity"].spread.any()
        assert one.solar_w == SOLAR[step]  # the rest is as for everyone
    ahead = SOLAR[2:5].tolist() if clairvoyant else [20.0] * 3
    assert said(seen[2])["solar"] == ahead


@given(st.permutations(range(STEPS)))
def test_nothing_that_the_agnostic_sees_tells_when_power_is_clean(order: list[int]) -> None:
    """Any signal of the same mean looks the same."""
    views = [
        [
            (one.carbon_intensity_g_per_kwh, said(one), told.past_carbon_intensity_g_per_kwh.sum())
            for one in seen
        ]
        for told, seen in (
            shown(site_signals(np.arange(STEPS)[order] * 8.0), agnostic=True),
            shown(site_signals(np.arange(STEPS) * 8.0), agnostic=True),
        )
    ]
    assert views[0] == views[1]


def test_two_that_are_called_differently_see_different_things() -> None:
    controllers: dict[str, Controller] = {name: Looking(None) for name in ("plain", "sees", "twin")}
    entries = [
        HostedController(
            name, one, "dc", 3600.0, clairvoyant=name == "sees", agnostic=name == "twin"
        )
        for name, one in controllers.items()
    ]
    told = context(step_s=3600.0, steps=STEPS, past_carbon_intensity_g_per_kwh=PAST)
    host = ControllerHost(entries, {"dc": told}, {"dc": site_signals()})
    host.reset()
    host.step(0, {}, {})
    found = {
        name: said(one.seen[0])["carbon_intensity"][1]
        for name, one in controllers.items()
        if isinstance(one, Looking)
    }
    assert found == {"plain": PAST[1], "sees": CARBON[1], "twin": MEAN}


def test_a_horizon_shorter_than_a_step_is_of_one_value() -> None:
    class Short(Looking):
        forecast_horizon_h = 0.1

    one = Short(None)
    told = context(step_s=3600.0, steps=STEPS)
    host = ControllerHost(
        [HostedController("c", one, "dc", 3600.0)], {"dc": told}, {"dc": site_signals()}
    )
    host.reset()
    host.step(0, {}, {})
    assert said(one.seen[0])["solar"] == [0.0]


def test_pools_and_classes_are_there_before_anything_is_reported_of_them() -> None:
    classes = (ClassInfo(name="chat", share=1.0),)
    site = context(step_s=3600.0, steps=STEPS, classes=classes)
    controller = Looking(None)
    host = ControllerHost(
        [HostedController("c", controller, "dc", 3600.0)], {"dc": site}, {"dc": site_signals()}
    )
    host.reset()
    host.step(0, {}, {})
    seen = controller.seen[0]
    assert seen.pools == {"main": PoolView()}
    assert seen.classes == {"chat": LatencyView()}
