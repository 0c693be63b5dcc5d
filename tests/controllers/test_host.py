from __future__ import annotations

import dataclasses
import pickle
import re
from datetime import timedelta

import numpy as np
import pytest

from controllers import (
    ACTUATORS,
    Action,
    ActuatorLimits,
    Controller,
    ControllerError,
    ControllerHost,
    FleetController,
    HostedController,
    MicrogridReport,
    PoolContext,
    SiteAction,
    SiteSignals,
    check_conflicts,
)
from controllers.example import flat_observation
from tests.controllers.builders import (
    INF,
    LIMITS,
    NAN,
    START,
    Scripted,
    context,
    host,
    report,
    signals,
)


class ScriptedFleet(FleetController):
    actuators = frozenset({"admission_rate", "batch_cap"})

    def __init__(self, returned=None):
        self.returned = returned
        self.seen = []

    def reset(self, contexts):
        self.contexts = contexts

    def step(self, observation):
        self.seen.append(observation)
        return self.returned


def test_every_actuator_has_a_field_in_actions():
    for actuator in ACTUATORS.values():
        assert actuator.field in {field.name for field in dataclasses.fields(SiteAction)}


class TestStep:
    def test_what_a_controller_sees_at_first(self):
        controller = Scripted(None)
        past = {"battery_capacity_wh": 100.0, "battery_min_soc": 0.2}
        running = ControllerHost(
            [HostedController("c", controller, "dc", 60)],
            {"dc": context(**past)},
            {"dc": SiteSignals(np.arange(24.0), np.full(24, 7.0), np.full(24, 0.3))},
        )
        running.reset()
        assert running.step(0, {}, {}) == {"dc": {"admission_rate": 20, "batch_cap": 128}}
        assert controller.seen == [
            flat_observation(
                site="dc",
                step=0,
                time_s=0,
                time=START,
                step_s=60,
                carbon_intensity_g_per_kwh=0,
                price_per_kwh=0.3,
                solar_w=7,
                battery_capacity_wh=100,
                battery_min_soc=0.2,
                admission_rate_per_s=20,
                batch_cap=128,
            )
        ]

    def test_telemetry_is_shown_as_reported(self):
        controller = Scripted(None)
        running = host(controller)
        running.reset()
        running.step(
            5,
            {"dc": report(running=3, ttft_p99_s=None, tpot_p99_s=0.05)},
            {"dc": MicrogridReport(import_w=4.0)},
        )
        seen = controller.seen[0]
        assert seen.running == 3
        assert (seen.ttft_p99_s, seen.tpot_p99_s) == (None, 0.05)
        assert (seen.import_w, seen.battery_soc) == (4.0, None)
        assert seen.time == START + timedelta(minutes=5)

    def test_actions_stay_in_force_and_changes_are_recorded(self):
        running = host(
            Scripted(
                SiteAction(batch_cap=64, reason="dirty"),
                None,
                SiteAction(batch_cap=64, admission_rate_per_s=5.0),
                {"admission_rate": 7.5, "batch_cap": np.int64(32), "reason": "a mapping"},
            )
        )
        running.reset()
        telemetry = {"dc": report(facility_power_w=300.0, gateway_waiting=2)}
        in_force = [running.step(step, telemetry, {}) for step in range(4)]
        assert [values["dc"] for values in in_force] == [
            {"admission_rate": 20, "batch_cap": 64},
            {"admission_rate": 20, "batch_cap": 64},
            {"admission_rate": 5, "batch_cap": 64},
            {"admission_rate": 7.5, "batch_cap": 32},
        ]
        assert [
            (change.step, change.actuator, change.old, change.new, change.reason)
            for change in running.changes
        ] == [
            (0, "batch_cap", 128, 64, "dirty"),
            (2, "admission_rate", 20, 5, ""),
            (3, "admission_rate", 5, 7.5, "a mapping"),
            (3, "batch_cap", 64, 32, "a mapping"),
        ]
        first = running.changes[0]
        assert (first.site, first.controller, first.time_s) == ("dc", "mine.py:Scripted", 0)
        assert (first.facility_power_w, first.gateway_waiting, first.running) == (300, 2, 0)
        assert first.carbon_intensity_g_per_kwh == 100

    def test_controllers_see_what_is_in_force_before_any_of_them_acts(self):
        first = Scripted(SiteAction(batch_cap=8), actuators=["batch_cap"])
        second = Scripted(None, actuators=[])
        running = host(first, second)
        running.reset()
        running.step(0, {}, {})
        running.step(1, {}, {})
        assert [seen.batch_cap for seen in second.seen] == [128, 8]

    def test_control_period(self):
        controller = Scripted(None)
        running = host(controller, every_s=300)
        running.reset()
        for step in range(11):
            running.step(step, {}, {})
        assert [seen.step for seen in controller.seen] == [0, 5, 10]

    def test_an_integral_float_becomes_an_int(self):
        running = host(Scripted(SiteAction(batch_cap=3.0)))  # type: ignore[arg-type]
        running.reset()
        value = running.step(0, {}, {})["dc"]["batch_cap"]
        assert (value, type(value)) == (3, int)

    def test_initial_value_and_sites_without_a_cluster(self):
        contexts = {
            "dc": context(limits={"admission_rate": ActuatorLimits(0, 20, initial=INF)}),
            "load": context("load", limits={}),
        }
        running = host(contexts=contexts)
        running.reset()
        assert running.step(0, {}, {}) == {"dc": {"admission_rate": INF}, "load": {}}

    def test_reset_forgets(self):
        controller = Scripted(SiteAction(batch_cap=2))
        running = host(controller)
        running.reset()
        running.step(0, {}, {})
        running.reset()
        assert running.changes == []
        running.step(0, {}, {})
        assert controller.seen[0].batch_cap == 128

    def test_returned_values_are_a_copy(self):
        running = host()
        running.reset()
        running.step(0, {}, {})["dc"]["batch_cap"] = 1
        assert running.step(1, {}, {})["dc"]["batch_cap"] == 128

    def test_needs_reset(self):
        with pytest.raises(RuntimeError, match="reset"):
            host().step(0, {}, {})


class TestFleet:
    def run(self, returned):
        controller = ScriptedFleet(returned)
        contexts = {"a": context("a"), "b": context("b"), "load": context("load", limits={})}
        running = host(controller, contexts=contexts)
        running.reset()
        return controller, running.step(0, {}, {}), running

    def test_sees_and_sets_all_sites(self):
        action = Action(sites={"b": SiteAction(batch_cap=2, reason="why")})
        controller, in_force, running = self.run(action)
        assert set(controller.contexts) == {"a", "b", "load"}
        assert set(controller.seen[0].sites) == {"a", "b", "load"}
        with pytest.raises(TypeError):
            controller.seen[0].sites["a"] = None
        assert in_force["a"]["batch_cap"] == 128
        assert in_force["b"]["batch_cap"] == 2
        assert [change.site for change in running.changes] == ["b"]

    def test_none_and_mappings(self):
        assert self.run(None)[1]["a"]["batch_cap"] == 128
        assert self.run({"a": {"batch_cap": 3}})[1]["a"]["batch_cap"] == 3

    @pytest.mark.parametrize(
        ("returned", "message"),
        [
            (
                SiteAction(batch_cap=2),
                r"controller 'mine.py:ScriptedFleet' returned SiteAction\(.*\.\.\. "
                r"\(a SiteAction\) at step 0 \(2023-06-08T00:00:00Z\): "
                "expected an Action or None",
            ),
            (
                Action(sites={"bb": SiteAction()}),
                r"returned an action for site 'bb' at .*: no such site, "
                r"expected a or b or load; did you mean 'b'\?",
            ),
            (
                Action(sites={"b": SiteAction(batch_cap=0)}),
                "controller 'mine.py:ScriptedFleet' on site 'b' returned batch_cap=0 at",
            ),
            (
                Action(sites={"load": SiteAction(batch_cap=1)}),
                "on site 'load' returned batch_cap=1 at .*: the site has no batch_cap",
            ),
        ],
    )
    def test_errors(self, returned, message):
        with pytest.raises(ControllerError, match=message):
            self.run(returned)


class TestControllerErrors:
    @pytest.mark.parametrize(
        ("returned", "did", "why"),
        [
            (SiteAction(batch_cap=NAN), "batch_cap=nan", "a whole number from 1 to 128"),
            (SiteAction(batch_cap=INF), "batch_cap=inf", "a whole number from 1 to 128"),
            (SiteAction(batch_cap=-1), "batch_cap=-1", "a whole number from 1 to 128"),
            (SiteAction(batch_cap=129), "batch_cap=129", "a whole number from 1 to 128"),
            (SiteAction(batch_cap=1.5), "batch_cap=1.5", "a whole number from 1 to 128"),
            (SiteAction(batch_cap=True), "batch_cap=True", "a whole number from 1 to 128"),
            (
                SiteAction(batch_cap="8"),
                "batch_cap='8' (a str)",
                "a whole number from 1 to 128",
            ),
            (
                SiteAction(admission_rate_per_s=np.float64(NAN)),
                "admission_rate_per_s=nan",
                "a number from 0 to 20",
            ),
            (
                SiteAction(admission_rate_per_s=-INF),
                "admission_rate_per_s=-inf",
                "a number from 0 to 20",
            ),
            (
                {"admission_rate": -0.1},
                "admission_rate=-0.1",
                "a number from 0 to 20",
            ),
            ("open", "'open' (a str)", "a SiteAction or None"),
            (12, "12 (a int)", "a SiteAction or None"),
        ],
    )
    def test_wrong_values(self, returned, did, why):
        running = host(Scripted(None, returned))
        running.reset()
        running.step(11, {}, {})
        with pytest.raises(ControllerError) as caught:
            running.step(12, {}, {})
        error = caught.value
        assert str(error) == (
            f"controller 'mine.py:Scripted' on site 'dc' returned {did} "
            f"at step 12 (2023-06-08T00:12:00Z): expected {why}"
        )
        assert (error.controller, error.site) == ("mine.py:Scripted", "dc")
        assert (error.step, error.time_s) == (12, 720)
        assert running.failure is error
        assert running.changes == []

    def test_unknown_actuator(self):
        running = host(Scripted({"batchcap": 3}))
        running.reset()
        with pytest.raises(ControllerError) as caught:
            running.step(0, {}, {})
        assert str(caught.value).endswith(
            "returned 'batchcap' at step 0 (2023-06-08T00:00:00Z): no such actuator, "
            "expected " + " or ".join(ACTUATORS) + "; did you mean 'batch_cap'?"
        )

    def test_undeclared_actuator(self):
        running = host(Scripted(SiteAction(batch_cap=3), actuators=["admission_rate"]))
        running.reset()
        with pytest.raises(
            ControllerError,
            match=r"batch_cap=3 .*: expected only the actuators that it declares "
            r"\(admission_rate\)",
        ):
            running.step(0, {}, {})

    def test_exception_in_step(self):
        class Broken(Scripted):
            def step(self, observation):
                return np.quantile([1.0], 70)

        running = host(Broken())
        running.reset()
        with pytest.raises(ControllerError) as caught:
            running.step(1, {}, {})
        assert isinstance(caught.value.__cause__, ValueError)
        line = Broken.step.__code__.co_firstlineno + 1
        text = str(caught.value)
        assert text.startswith(
            "controller 'mine.py:Broken' on site 'dc' raised ValueError "
            "at step 1 (2023-06-08T00:01:00Z): Quantiles must be in the range"
        )
        assert text.endswith(f"({__file__}:{line})")

    def test_exception_in_reset(self):
        class Broken(Scripted):
            def reset(self, context):
                raise KeyError

        running = host(Broken())
        with pytest.raises(ControllerError, match="raised KeyError in reset: no message") as caught:
            running.reset()
        assert running.failure is caught.value
        assert (caught.value.step, caught.value.time_s) == (None, None)

    def test_wrong_signature(self):
        class Broken(Scripted):
            def step(self):  # type: ignore[override]
                return None

        running = host(Broken())
        running.reset()
        with pytest.raises(ControllerError, match=r"raised TypeError .* 2 were given$"):
            running.step(0, {}, {})

    def test_survives_pickling(self):
        error = ControllerError("text", controller="c", site="dc", step=3, time_s=180.0)
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301
        assert str(copy) == "text"
        assert vars(copy) == vars(error)


class TestPlacement:
    @staticmethod
    def entry(name, site, *actuators):
        controller: Controller | FleetController = Scripted(None, actuators=actuators)
        if site is None:
            controller = ScriptedFleet()
            controller.actuators = frozenset(actuators)
        return HostedController(name, controller, site, 60)

    @pytest.mark.parametrize(
        ("sites", "where"),
        [
            (("dc", "dc"), "site 'dc'"),
            ((None, "dc"), "site 'dc'"),
            (("dc", None), "site 'dc'"),
            ((None, None), "every site"),
        ],
    )
    def test_two_controllers_of_one_actuator(self, sites, where):
        entries = [
            self.entry("first", sites[0], "batch_cap"),
            self.entry("second", sites[1], "batch_cap", "admission_rate"),
        ]
        with pytest.raises(ValueError, match=f"'first' and 'second' both set batch_cap on {where}"):
            check_conflicts(entries)
        with pytest.raises(ValueError, match="both set"):
            ControllerHost(entries, {"dc": context()}, {"dc": signals()})

    def test_no_conflict(self):
        check_conflicts(
            [
                self.entry("a", "dc", "batch_cap"),
                self.entry("b", "dc", "admission_rate"),
                self.entry("c", "dc"),
                self.entry("d", "other", "batch_cap"),
            ]
        )

    @pytest.mark.parametrize(
        ("entry", "message"),
        [
            (
                HostedController("c", Scripted(actuators=["batch_kap"]), "dc", 60),
                r"actuators of controller 'c' .* \(got 'batch_kap'\); did you mean 'batch_cap'",
            ),
            (
                HostedController("c", Scripted(), None, 60),
                r"must stand at one of the sites dc, load \(got None\)",
            ),
            (HostedController("c", Scripted(), "cd", 60), r"\(got 'cd'\)"),
            (
                HostedController("c", Scripted(), "load", 60),
                "sets admission_rate and batch_cap, which site 'load' does not have",
            ),
            (HostedController("c", ScriptedFleet(), "dc", 60), "controls the fleet, not one site"),
            (
                HostedController("c", Scripted(), "dc", 90),
                r"must be a multiple of the step, 60 s \(got 90 s\)",
            ),
            (HostedController("c", Scripted(), "dc", 0), r"\(got 0 s\)"),
        ],
    )
    def test_wrong_place(self, entry, message):
        contexts = {"dc": context(), "load": context("load", limits={})}
        with pytest.raises(ValueError, match=message):
            ControllerHost([entry], contexts, dict.fromkeys(contexts, signals()))

    def test_actuators_as_a_string(self):
        controller = Scripted(None)
        controller.actuators = "batch_cap"  # type: ignore[assignment]
        with pytest.raises(ValueError, match="must be a frozenset of names"):
            host(controller)

    def test_signals_must_cover_the_run(self):
        with pytest.raises(ValueError, match="site 'dc' has no signals"):
            ControllerHost([], {"dc": context()}, {})
        with pytest.raises(ValueError, match=r"each of 24 steps \(got 23\)"):
            ControllerHost([], {"dc": context()}, {"dc": signals(23)})

    def test_sites_share_their_clock(self):
        contexts = {"a": context("a"), "b": context("b", step_s=30.0)}
        with pytest.raises(ValueError, match="share their start and step"):
            ControllerHost([], contexts, dict.fromkeys(contexts, signals()))
        with pytest.raises(ValueError, match="there must be a site"):
            ControllerHost([], {}, {})


def test_limits_in_the_wrong_order():
    with pytest.raises(ValueError, match="minimum must not exceed maximum"):
        ActuatorLimits(2, 1)
    assert LIMITS["batch_cap"].unthrottled == 128


class TestPools:
    """A cluster with two pools: a number is for both, a mapping for those that it names."""

    def setup_method(self):
        caps = {
            "large": PoolContext(limits={"batch_cap": ActuatorLimits(1, 64)}),
            "small": PoolContext(limits={"batch_cap": ActuatorLimits(1, 128)}),
        }
        self.site = context(
            limits={
                "admission_rate": ActuatorLimits(0, 20),
                "batch_cap": ActuatorLimits(1, 64),
            },
            pools=caps,
        )

    def host(self, *returns):
        self.controller = Scripted(*returns)
        running = host(self.controller, contexts={"dc": self.site})
        running.reset()
        return running

    def test_each_begins_at_its_own_limit(self):
        running = self.host(None)
        in_force = running.step(0, {}, {})["dc"]
        assert in_force == {"admission_rate": 20, "batch_cap": {"large": 64, "small": 128}}
        seen = self.controller.seen[0]
        assert (seen.value("batch_cap", "large"), seen.value("batch_cap", "small")) == (64, 128)
        assert seen.batch_cap == 128  # the greatest

    def test_a_number_is_for_every_pool(self):
        running = self.host(SiteAction(batch_cap=8))
        assert running.step(0, {}, {})["dc"]["batch_cap"] == 8
        assert [(one.target, one.label, one.old, one.new) for one in running.changes] == [
            ("large", "batch_cap of large", 64, 8),
            ("small", "batch_cap of small", 128, 8),
        ]

    def test_a_mapping_is_for_the_pools_that_it_names(self):
        running = self.host(SiteAction(batch_cap={"small": 16}), {"batch_cap": {"large": 4}})
        first = running.step(0, {}, {})["dc"]["batch_cap"]
        assert first == {"large": 64, "small": 16}
        assert running.step(1, {}, {})["dc"]["batch_cap"] == {"large": 4, "small": 16}
        assert self.controller.seen[1].in_force == {
            ("admission_rate", ""): 20,
            ("batch_cap", "large"): 64,
            ("batch_cap", "small"): 16,
        }

    @pytest.mark.parametrize(
        ("action", "text"),
        [
            ({"batch_cap": {"tiny": 1}}, "no such pool, expected large or small"),
            (
                {"batch_cap": {"large": 65}},
                "expected a whole number from 1 to 64 for pool 'large'",
            ),
            ({"batch_cap": 100}, "expected a whole number from 1 to 64"),
            ({"admission_rate": {"large": 1.0}}, "expected a number: a site has one"),
        ],
    )
    def test_what_cannot_be_applied(self, action, text):
        running = self.host(action)
        with pytest.raises(ControllerError, match=re.escape(text)):
            running.step(0, {}, {})

    def test_replicas_of_the_pools_add_up(self):
        replicas = {
            name: PoolContext(limits={"active_replicas": ActuatorLimits(1, number)})
            for name, number in (("large", 2), ("small", 5))
        }
        self.site = context(limits={"active_replicas": ActuatorLimits(1, 2)}, pools=replicas)
        controller = Scripted(None, actuators={"active_replicas"})
        running = host(controller, contexts={"dc": self.site})
        running.reset()
        running.step(0, {}, {})
        assert controller.seen[0].active_replicas == 7
