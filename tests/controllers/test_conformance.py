"""The conformance suite: built-in controllers pass, and each kind of wrong one fails its check."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest

from controllers import (
    ACTUATORS,
    BUILTIN,
    Action,
    ActuatorLimits,
    Controller,
    FleetController,
    SiteAction,
)
from controllers.conformance import Finding, check_controller
from controllers.example import example_context, example_observation
from controllers.example_day import example_day
from tests.controllers.builders import context

APPLIED = "what it sets can be applied"
DECLARED = "it sets only the actuators that it declares"
RESET = "after a reset it does the same again"
AHEAD = "it does not look ahead"
MISSING = "it copes with what is missing"
ALONE = "it leaves what it sees alone"
ALL = [APPLIED, DECLARED, RESET, AHEAD, MISSING, ALONE]
MATTERS = "what it sets matters"


def failed(make: Any, **arguments: Any) -> dict[str, str]:
    findings = check_controller(make, **arguments)
    broken = {one.check: one.problem for one in findings if not one.passed}
    last = [] if broken or "contexts" in arguments else [MATTERS]
    assert [one.check for one in findings] == [*ALL, *last]
    return broken


def warned(make: Any) -> str:
    findings = check_controller(make)
    assert [one.check for one in findings if one.warning] in ([], [MATTERS])
    assert all(one.passed for one in findings)
    return findings[-1].warning


GIVEN = {
    "carbon_budget_pid": {"budget_g_per_h": 50.0},
    "fixed_mix": {"floor": 0.5},
    "mpc": {"horizon_h": 2},
    "quality_lp": {"floor": 0.5},
}
"""Parameters by policy: those without a default, and plans that are quick to solve."""


OF_POOLS = ("fixed_mix", "quality_lp")
"""Policies of sites with several pools; the example site has one, at which they do nothing."""


@pytest.mark.parametrize("name", [name for name in BUILTIN if name not in OF_POOLS])
def test_those_that_come_with_the_package_conform(name: str) -> None:
    assert warned(partial(BUILTIN[name], **GIVEN.get(name, {}))) == ""


@pytest.mark.parametrize("name", OF_POOLS)
def test_those_of_several_pools_conform(name: str) -> None:
    assert failed(partial(BUILTIN[name], **GIVEN[name])) == {}


@pytest.mark.nightly("the conformance of mpc with a horizon of a day; every day with 2 h")
def test_mpc_conforms_with_its_own_horizon() -> None:
    assert failed(BUILTIN["mpc"]) == {}


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("autoscale", {"deferrable": True}),
        ("clean_windows", {"share": 0.3, "replicas": False}),
        ("suspend_resume", {"switching_cost_g_per_kwh": 20, "rate_per_s": 3}),
        ("carbon_threshold", {"actuator": "clock_fraction", "min_dwell_s": 3600}),
        ("battery_aware", {"actuator": "active_replicas"}),
    ],
)
def test_they_conform_with_other_parameters(name: str, parameters: dict[str, Any]) -> None:
    assert failed(lambda: BUILTIN[name](**parameters)) == {}


class Steps(Controller):
    """Does what its subclass says; counts its steps."""

    actuators = frozenset({"batch_cap"})
    forecasts = frozenset({"carbon_intensity"})

    def reset(self, context: Any) -> None:
        self.context = context
        self.count = 0

    def step(self, observation: Any) -> Any:
        self.count += 1
        return self.act(observation)

    def act(self, observation: Any) -> Any:
        return None


def test_a_value_beyond_a_limit() -> None:
    class Wild(Steps):
        def act(self, observation: Any) -> Any:
            return SiteAction(batch_cap=8 if observation.carbon_intensity_g_per_kwh < 2000 else 0)

    found = failed(Wild)
    assert set(found) == {APPLIED}
    assert found[APPLIED].startswith("on a wild day, controller 'Wild' on site 'dc' returned batch")
    assert found[APPLIED].endswith("expected a whole number from 1 to 64")


def test_what_is_no_action() -> None:
    class Odd(Steps):
        def act(self, observation: Any) -> Any:
            return 7

    assert set(failed(Odd)) == set(ALL)


def test_an_actuator_that_is_not_declared() -> None:
    class Greedy(Steps):
        def act(self, observation: Any) -> Any:
            return SiteAction(clock_fraction=0.5) if self.count == 9 else None

    assert failed(Greedy) == {DECLARED: "it set clock_fraction at step 8, and declares batch_cap"}


def test_a_declaration_that_changes() -> None:
    class Fickle(Steps):
        def act(self, observation: Any) -> Any:
            self.actuators = frozenset({"batch_cap", "clock_fraction"})

    assert failed(Fickle) == {
        DECLARED: "it changed what it declares: expected `actuators` to stay batch_cap "
        "(got batch_cap, clock_fraction)"
    }


def test_state_that_a_reset_forgets_to_set() -> None:
    class Forgetful(Steps):
        seen = 0

        def act(self, observation: Any) -> Any:
            self.seen += 1
            return SiteAction(batch_cap=min(self.seen, 64))

    assert failed(Forgetful) == {
        RESET: "after a reset it does not do the same as before: at step 0 batch_cap=1, then "
        "batch_cap=64"
    }


def test_chance() -> None:
    class Random(Steps):
        def act(self, observation: Any) -> Any:
            return SiteAction(batch_cap=int(np.random.default_rng().integers(1, 64)))

    assert set(failed(Random)) == {RESET, AHEAD}


def test_state_that_instances_share() -> None:
    class Shared(Steps):
        made: list[int] = []

        def __init__(self) -> None:
            self.made.append(1)

        def act(self, observation: Any) -> Any:
            return SiteAction(batch_cap=min(len(self.made), 64))

    assert "a new one does not do the same as the first" in failed(Shared)[RESET]


def test_a_look_ahead() -> None:
    """It digs the signals of the run out of what makes its forecasts."""

    class Cheat(Steps):
        def act(self, observation: Any) -> Any:
            cells = observation.forecasts._issue.__closure__
            (viewer,) = [
                cell.cell_contents for cell in cells if hasattr(cell.cell_contents, "_signals")
            ]
            ahead = viewer._signals[observation.site].carbon_intensity_g_per_kwh
            coming = ahead[min(observation.step + 1, len(ahead) - 1)]
            dirty = coming > observation.carbon_intensity_g_per_kwh
            return SiteAction(batch_cap=64 if dirty else 8)

    found = failed(Cheat)
    assert set(found) == {AHEAD}
    assert found[AHEAD].startswith("what comes from step ")


def test_one_that_needs_clairvoyance_is_told_the_future() -> None:
    class Told(Steps):
        needs_clairvoyance = True

        def act(self, observation: Any) -> Any:
            ahead = observation.forecasts["carbon_intensity"]
            return SiteAction(batch_cap=64 if ahead.mean[1] < ahead.mean[0] else 8)

    findings = check_controller(Told)
    assert all(one.passed for one in findings)
    notes = {one.check: one.note for one in findings if one.note}
    assert notes == {AHEAD: "not checked, because it needs perfect forecasts"}


def test_what_may_be_missing() -> None:
    class Trusting(Steps):
        def act(self, observation: Any) -> Any:
            if observation.step:
                return SiteAction(batch_cap=64 if observation.battery_soc > 0.5 else 8)
            return None

    found = failed(Trusting)
    assert set(found) == {MISSING}
    assert "without telemetry or history, controller 'Trusting'" in found[MISSING]
    assert "raised TypeError at step 1" in found[MISSING]
    assert f"({__file__}:" in found[MISSING]


def test_steps_that_may_be_skipped() -> None:
    class Strict(Steps):
        def act(self, observation: Any) -> Any:
            assert observation.step == self.count - 1, "a step is missing"

    found = failed(Strict)
    assert set(found) == {MISSING}
    assert found[MISSING].startswith("asked every 4 steps, controller 'Strict'")


def test_a_change_of_what_it_sees() -> None:
    class Vandal(Steps):
        def act(self, observation: Any) -> Any:
            if self.count == 3:
                object.__setattr__(observation.grid, "solar_w", -1.0)

    assert failed(Vandal) == {ALONE: "it changed grid.solar_w of the observation at step 2"}

    class Forger(Steps):
        def act(self, observation: Any) -> Any:
            mean = observation.forecasts["carbon_intensity"].mean
            mean.setflags(write=True)
            mean[0] = 0

    assert failed(Forger) == {ALONE: "it changed forecasts of the observation at step 0"}

    class Editor(Steps):
        def act(self, observation: Any) -> Any:
            self.context.service.power_w.setflags(write=True)
            self.context.service.power_w[:] = 0

    assert failed(Editor) == {ALONE: "it changed service.power_w of the context"}


def test_a_plain_assignment_says_what_to_do() -> None:
    class Plain(Steps):
        def act(self, observation: Any) -> Any:
            observation.solar_w = 0.0

    assert "are read-only: return a new SiteAction" in failed(Plain)[ALONE]


def test_one_that_cannot_stand_there() -> None:
    class Typo(Steps):
        actuators = frozenset({"batch_kap"})

    assert "did you mean 'batch_cap'?" in failed(Typo)[APPLIED]
    found = failed(BUILTIN["lowest_window"], contexts={"dc": context()})
    assert found[APPLIED] == (
        "controller 'LowestWindow' sets deferrable_rate, which site 'dc' does not have"
    )


def test_one_that_cannot_be_made() -> None:
    def make() -> Any:
        raise RuntimeError("no such luck")

    assert failed(make) == dict.fromkeys(ALL, "raised RuntimeError: no such luck")


def test_sites_of_ones_own() -> None:
    """At each of them in turn; what is returned must fit there."""

    class Fixed(Steps):
        def act(self, observation: Any) -> Any:
            return SiteAction(batch_cap=32)

    sites = {
        "big": context("big"),
        "small": context("small", limits={"batch_cap": ActuatorLimits(1, 16)}),
    }
    assert failed(Fixed, contexts={"big": sites["big"]}) == {}
    assert "on site 'small' returned batch_cap=32" in failed(Fixed, contexts=sites)[APPLIED]


@pytest.mark.parametrize(
    ("action", "warning"),
    [
        (SiteAction(batch_cap=63), ""),
        (SiteAction(batch_cap=64), "batch_cap in force 0 steps, mattered in 0"),
        (SiteAction(admission_rate_per_s=4.4), ""),
        (SiteAction(admission_rate_per_s=4.6), "admission_rate in force 240 steps, mattered in 0"),
        (SiteAction(deferrable_rate_per_s=0.0), ""),
        (SiteAction(deferrable_rate_per_s=8.0), "deferrable_rate in force 240 steps, mattered in"),
        (SiteAction(power_cap_w=400.0), ""),
        (SiteAction(power_cap_w=700.0), "power_cap in force 240 steps, mattered in 0"),
        (SiteAction(clock_fraction=0.9), ""),
        (SiteAction(clock_fraction=1.0), "clock_fraction in force 0 steps, mattered in 0"),
        (SiteAction(active_replicas=3), ""),
        (SiteAction(battery_setpoint_w=0.0), ""),
    ],
)
def test_settings_that_never_matter(action: SiteAction, warning: str) -> None:
    """At the example batches reach 64 sequences, 4.5 requests/s come, and GPUs draw 700 W."""

    class Fixed(Steps):
        actuators = frozenset(
            name
            for name, actuator in ACTUATORS.items()
            if getattr(action, actuator.field) is not None
        )

        def act(self, observation: Any) -> Any:
            return action

    assert warned(Fixed).startswith(warning)
    assert bool(warned(Fixed)) == bool(warning)


def test_an_actuator_that_is_left_alone_is_not_warned_of() -> None:
    """Unless no other one is set either."""

    class Two(Steps):
        actuators = frozenset({"batch_cap", "clock_fraction"})

        def act(self, observation: Any) -> Any:
            return SiteAction(batch_cap=8)

    class Neither(Two):
        def act(self, observation: Any) -> Any:
            return None

    assert warned(Two) == ""
    assert warned(Neither) == (
        "batch_cap in force 0 steps, mattered in 0; clock_fraction in force 0 steps, mattered in 0"
    )


class Fleet(FleetController):
    actuators = frozenset({"batch_cap"})

    def reset(self, contexts: Any) -> None:
        self.sites = sorted(contexts)

    def step(self, observation: Any) -> Any:
        intensity = {
            name: one.carbon_intensity_g_per_kwh for name, one in observation.sites.items()
        }
        best = min(self.sites, key=lambda name: intensity[name])
        return Action(
            sites={name: SiteAction(batch_cap=64 if name == best else 8) for name in self.sites}
        )


def test_a_fleet() -> None:
    assert failed(Fleet) == {}

    class Wrong(Fleet):
        def step(self, observation: Any) -> Any:
            return Action(sites={"east": SiteAction(batch_cap=1)})

    assert "returned an action for site 'east'" in failed(Wrong)[APPLIED]

    class Vandal(Fleet):
        def step(self, observation: Any) -> Any:
            object.__setattr__(observation.sites["south"].serving, "running", -1)

    assert failed(Vandal) == {ALONE: "it changed serving.running of the observation at step 0"}


def test_findings_as_lines() -> None:
    assert str(Finding("it is blue")) == "ok    it is blue"
    assert str(Finding("it is blue", note="more or less")) == "ok    it is blue: more or less"
    assert str(Finding("it is blue", problem="it is red")) == "FAIL  it is blue: it is red"
    assert str(Finding("it is blue", warning="so is all")) == "warn  it is blue: so is all"


class TestExample:
    def test_days_differ_by_their_seed_alone(self) -> None:
        first, same, other = example_day(), example_day(), example_day(seed=2)
        assert repr(first.reports) == repr(same.reports) != repr(other.reports)
        one = first.signals["example"].carbon_intensity_g_per_kwh
        assert np.array_equal(one, same.signals["example"].carbon_intensity_g_per_kwh)
        assert not np.array_equal(one, other.signals["example"].carbon_intensity_g_per_kwh)

    def test_it_has_every_actuator(self) -> None:
        assert set(example_context().limits) == set(ACTUATORS)

    def test_its_first_step_has_no_telemetry(self) -> None:
        day = example_day()
        assert (day.reports[0], day.microgrids[0]) == ({}, {})
        assert day.reports[1]["example"].queue.arrived > 0

    def test_an_observation_with_forecasts(self) -> None:
        seen = example_observation(4, forecasts={"solar": [1.0, 2.0]}, solar_w=1.0)
        assert (seen.time_s, seen.solar_w, list(seen.forecasts)) == (3600.0, 1.0, ["solar"])
        assert seen.forecasts["solar"].at(900) == 2.0
        with pytest.raises(KeyError):
            seen.forecasts["arrivals"]

    def test_the_deployment_is_one_that_could_be(self) -> None:
        service = example_context().service
        assert service is not None
        assert (np.diff(service.rate_per_s, axis=1) > 0).all()
        assert (np.diff(service.power_w, axis=1) > 0).all()
        assert (np.diff(service.power_w, axis=0) > 0).all()
        assert service.capacity_per_s(0.06, replicas=1) == pytest.approx(16 / (200 * 0.055))
        assert math.isclose(float(service.draw_w(0.0)), 4 * 250.0)
