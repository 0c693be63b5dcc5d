"""The guard of the objectives: when it acts, for how long, and what it does to the actuators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers import (
    ActuatorLimits,
    ClassInfo,
    Controller,
    ControllerHost,
    GuardSettings,
    HostedController,
    SiteAction,
    SiteContext,
)
from controllers.actuators import SLOWING, THROTTLES
from controllers.example import example_context
from controllers.guard import RELEASED, SloGuard
from tests.controllers.builders import INF, Scripted, context, observation, report, signals

CHAT = ClassInfo(name="chat", share=0.5, ttft_slo_s=2.0, tpot_slo_s=0.1)
CODE = ClassInfo(name="code", share=0.2, ttft_slo_s=1.0)
BATCH = ClassInfo(name="batch", share=0.3, deferrable=True, ttft_slo_s=1.0, tpot_slo_s=0.1)
CLASSES = (CHAT, CODE, BATCH)
LIMITS = {
    "admission_rate": ActuatorLimits(0, 20, initial=INF),
    "batch_cap": ActuatorLimits(1, 128),
    "active_replicas": ActuatorLimits(1, 4),
    "deferrable_rate": ActuatorLimits(0, 8, initial=INF),
    "clock_fraction": ActuatorLimits(0.3, 1.0),
    "prefill_clock": ActuatorLimits(0.3, 1.0),
    "decode_clock": ActuatorLimits(0.3, 1.0),
    "power_cap": ActuatorLimits(100, 700, initial=INF),
    "battery_power": ActuatorLimits(-500, 500, initial=INF),
}
OPEN = {
    "admission_rate": INF,
    "batch_cap": 128,
    "active_replicas": 4,
    "deferrable_rate": INF,
    "clock_fraction": 1.0,
    "prefill_clock": 1.0,
    "decode_clock": 1.0,
    "power_cap": INF,
}
THROTTLED = {
    "admission_rate": 5.0,
    "batch_cap": 16,
    "active_replicas": 2,
    "deferrable_rate": 3.0,
    "clock_fraction": 0.5,
    "prefill_clock": 0.6,
    "decode_clock": 0.4,
    "power_cap": 300.0,
}
FINE = {"chat": (0.5, 0.05), "code": (0.5, 0.05), "batch": (0.1, 0.01)}
WAITING = {"chat": (1.9, 0.05)}
SLOW = {"chat": (0.5, 0.095)}
Latencies = dict[str, tuple[float | None, float | None]]


def saw(step: int, latencies: Any = FINE) -> Any:
    return observation(step, latency_p99_s_by_class=latencies)


def guard(*classes: ClassInfo, **settings: float) -> SloGuard:
    return SloGuard(GuardSettings(**settings), classes or CLASSES)


class TestWhen:
    @pytest.mark.parametrize(
        ("latencies", "acts", "reason"),
        [
            (FINE, False, ""),
            ({}, False, ""),
            ({"chat": (None, None)}, False, ""),
            ({"chat": (1.8, 0.09)}, False, ""),  # at the margin, not beyond it
            ({"chat": (1.801, None)}, True, "TTFT p99 of chat 1.8 s, SLO 2 s"),
            ({"chat": (None, 0.0901)}, True, "TPOT p99 of chat 0.0901 s, SLO 0.1 s"),
            ({"code": (0.95, 9.0)}, True, "TTFT p99 of code 0.95 s, SLO 1 s"),
            ({"code": (None, 9.0)}, False, ""),  # it has no objective for that
            ({"batch": (99.0, 99.0)}, False, ""),  # it may be deferred
            ({"other": (99.0, 99.0)}, False, ""),
        ],
    )
    def test_near_an_objective_of_a_class_that_cannot_wait(
        self, latencies: Latencies, acts: bool, reason: str
    ) -> None:
        one = guard()
        assert one.update(saw(3, latencies)) is acts
        assert one.reason == reason

    def test_the_margin(self) -> None:
        assert not guard(margin=0.0).update(saw(0, {"chat": (2.0, 0.1)}))
        assert guard(margin=0.0).update(saw(0, {"chat": (2.01, 0.1)}))
        assert guard(margin=0.5).update(saw(0, {"chat": (1.01, 0.01)}))

    def test_which_throttles_it_opens(self) -> None:
        """A narrower batch and fewer requests make tokens quicker: they stay for the TPOT."""
        waiting, slow = guard(), guard()
        waiting.update(saw(0, WAITING))
        slow.update(saw(0, SLOW))
        assert waiting.released == RELEASED == SLOWING | {"admission_rate", "batch_cap"}
        clocks = {"clock_fraction", "prefill_clock", "decode_clock"}
        assert slow.released == SLOWING == {"active_replicas", "power_cap"} | clocks

    def test_requests_that_wait_go_before_tokens_that_are_slow(self) -> None:
        """Of any class: whoever waits is not helped by the throttles that slow tokens leave."""
        one = guard()
        one.update(saw(0, {"chat": (0.5, 0.095), "code": (0.95, 0.05)}))
        assert one.released == RELEASED
        assert one.reason.startswith("TTFT p99 of code")

    def test_a_hold_for_slow_tokens_opens_the_rest_when_requests_wait(self) -> None:
        one = guard()
        one.update(saw(0, SLOW))
        assert one.update(saw(1, WAITING))
        assert one.released == RELEASED
        assert one.reason.startswith("TTFT")
        assert one.update(saw(2, SLOW))
        assert one.released == RELEASED  # until the hold is over

    def test_what_there_is_to_watch(self) -> None:
        assert guard().watches
        assert guard(CODE).watches
        assert not guard(BATCH).watches
        assert not guard(ClassInfo(name="free", share=1.0)).watches


class TestHowLong:
    def held(self, one: SloGuard, trouble: Sequence[int], until: int) -> list[int]:
        """The steps, of a minute, in which it holds when there is trouble in some."""
        return [k for k in range(until) if one.update(saw(k, WAITING if k in trouble else FINE))]

    def test_it_holds_however_soon_all_is_well(self) -> None:
        one = guard(hold_s=600)
        assert self.held(one, [3], 30) == list(range(3, 13))
        assert one.active_s == 600

    def test_trouble_within_a_hold_does_not_prolong_it(self) -> None:
        assert self.held(guard(hold_s=600), [3, 5, 12], 30) == list(range(3, 13))

    def test_it_doubles_within_a_day_up_to_the_most(self) -> None:
        one = guard(hold_s=600, max_hold_s=2000)
        holds = self.held(one, [0, 100, 300, 800], 1000)
        starts = {0: 10, 100: 20, 300: 34, 800: 34}  # 2000 s end within the 34th minute
        expected = [k for start, length in starts.items() for k in range(start, start + length)]
        assert holds == expected
        assert one.active_s == 60 * len(expected)

    def test_trouble_that_lasts_is_held_on_without_a_gap(self) -> None:
        assert self.held(guard(hold_s=600), list(range(200)), 200) == list(range(200))

    def test_after_a_day_it_begins_again(self) -> None:
        one = guard(hold_s=600)
        day = 1440
        second = 10 + day - 1  # a day after the end of the first hold, less a minute
        assert self.held(one, [0, second], second + 30)[10:] == list(range(second, second + 20))
        one.reset()
        assert self.held(one, [0, 10 + day], day + 60)[10:] == list(range(10 + day, 20 + day))

    @given(st.lists(st.booleans(), min_size=1, max_size=300), st.integers(1, 40), st.integers(0, 3))
    def test_holds_are_never_shorter_or_longer_than_asked_for(
        self, trouble: list[bool], minutes: int, doublings: int
    ) -> None:
        one = guard(hold_s=60 * minutes, max_hold_s=60 * minutes * 2**doublings)
        held = [one.update(saw(k, WAITING if bad else FINE)) for k, bad in enumerate(trouble)]
        assert one.active_s == 60 * sum(held)
        assert all(holds for holds, bad in zip(held, trouble, strict=True) if bad)
        lengths = [len(run) for run in "".join("x" if one else " " for one in held).split()]
        for length in lengths[: -1 if held[-1] else None]:
            assert length >= minutes

    def test_reset_forgets_everything(self) -> None:
        one = guard(hold_s=600)
        self.held(one, [0, 20], 25)
        one.reset()
        assert (one.active_s, one.reason, one.released) == (0.0, "", RELEASED)
        assert self.held(one, [2], 30) == list(range(2, 12))


class Throttling(Scripted):
    """Sets all throttles at once, and what it is told later."""

    actuators = frozenset(THROTTLED)


def hosted(
    *controllers: Controller, settings: GuardSettings | None = None, **changes: Any
) -> ControllerHost:
    """A host of controllers at one site with all actuators, reset."""
    site: SiteContext = context(limits=LIMITS, classes=CLASSES, steps=200, **changes)
    found = ControllerHost(
        [HostedController(f"c{n}", one, "dc", 60.0) for n, one in enumerate(controllers)],
        {"dc": site},
        {"dc": signals(200)},
        settings or GuardSettings(hold_s=300),
    )
    found.reset()
    return found


def play(host: ControllerHost, told: Sequence[Any]) -> list[dict[str, float]]:
    """What is in force in each step, told these latencies at its start."""
    return [
        host.step(step, {"dc": report(latency_p99_s_by_class=latencies)}, {})["dc"]
        for step, latencies in enumerate(told)
    ]


class TestAtWork:
    def test_requests_that_wait(self) -> None:
        """All throttles open, deferrable work is held; afterwards all is as it was set."""
        host = hosted(Throttling(THROTTLED, None, None, None, None, None, None, None, None))
        in_force = play(host, [FINE, WAITING, *[FINE] * 6])
        held = OPEN | {"deferrable_rate": 0.0}
        assert in_force == [THROTTLED, *[held] * 5, THROTTLED, THROTTLED]
        by_guard = [one for one in host.changes if one.controller == "slo_guard"]
        assert [(one.step, one.actuator) for one in by_guard] == [
            (step, name) for step in (1, 6) for name in OPEN
        ]
        assert {(one.old, one.new) for one in by_guard if one.step == 1} == {
            (THROTTLED[name], held[name]) for name in held
        }
        assert {one.reason for one in by_guard if one.step == 1} == {
            "TTFT p99 of chat 1.9 s, SLO 2 s"
        }
        assert {one.reason for one in by_guard if one.step == 6} == {"the hold is over"}
        assert host.guards["dc"].active_s == 300

    def test_slow_tokens(self) -> None:
        host = hosted(Throttling(THROTTLED, *[None] * 8))
        in_force = play(host, [FINE, SLOW, FINE])
        opened = {name: OPEN[name] for name in SLOWING}
        assert in_force[1] == in_force[2] == THROTTLED | opened | {"deferrable_rate": 0.0}

    def test_slow_tokens_right_after_requests_that_waited(self) -> None:
        """What the first hold opened and the second one does not is given back between them."""
        host = hosted(Throttling(THROTTLED, *[None] * 30))
        in_force = play(host, [FINE, WAITING, FINE, FINE, FINE, FINE, SLOW, FINE])
        assert in_force[5] == OPEN | {"deferrable_rate": 0.0}
        opened = {name: OPEN[name] for name in SLOWING}
        assert in_force[6] == in_force[7] == THROTTLED | opened | {"deferrable_rate": 0.0}

    def test_what_is_set_meanwhile_comes_into_force_afterwards(self) -> None:
        later = {"batch_cap": 32, "deferrable_rate": 1.0, "clock_fraction": 0.8}
        controller = Throttling(THROTTLED, None, None, later, *[None] * 6)
        host = hosted(controller)
        in_force = play(host, [FINE, WAITING, *[FINE] * 6])
        assert in_force[3] == in_force[5] == OPEN | {"deferrable_rate": 0.0}
        assert in_force[6] == THROTTLED | later
        assert [one.guarded for one in controller.seen] == [False] * 2 + [True] * 5 + [False]
        assert controller.seen[4].batch_cap == 128  # it sees what is in force
        assert not [one for one in host.changes if one.controller == "c0" and one.step]

    def test_in_a_hold_for_slow_tokens_the_other_throttles_obey(self) -> None:
        narrower = {"batch_cap": 4, "clock_fraction": 0.4}
        host = hosted(Throttling(THROTTLED, None, narrower, *[None] * 6))
        in_force = play(host, [FINE, SLOW, FINE])
        assert (in_force[2]["batch_cap"], in_force[2]["clock_fraction"]) == (4, 1.0)

    def test_it_leaves_alone_what_nobody_sets(self) -> None:
        host = hosted(Scripted(SiteAction(batch_cap=16), *[None] * 9, actuators={"batch_cap"}))
        in_force = play(host, [FINE, WAITING, FINE])
        assert in_force == [OPEN | {"batch_cap": 16}, OPEN, OPEN]

    def test_it_leaves_the_battery_alone(self) -> None:
        both = {"batch_cap", "battery_power"}
        first = SiteAction(batch_cap=16, battery_setpoint_w=-50.0)
        host = hosted(Scripted(first, *[None] * 9, actuators=both))
        play(host, [FINE, WAITING, FINE])
        assert host.battery_setpoint_w("dc") == -50.0

    def test_the_guard_acts_between_the_periods_of_a_slow_controller(self) -> None:
        entry = HostedController("slow", Throttling(THROTTLED, None), "dc", 600.0)
        host = ControllerHost(
            [entry],
            {"dc": context(limits=LIMITS, classes=CLASSES)},
            {"dc": signals()},
            GuardSettings(hold_s=180),
        )
        host.reset()
        in_force = play(host, [FINE, FINE, WAITING, FINE, FINE, FINE])
        caps = [values["batch_cap"] for values in in_force]
        assert caps == [16, 16, 128, 128, 128, 16]

    def test_a_reset_opens_everything(self) -> None:
        host = hosted(Throttling(THROTTLED, *[None] * 9))
        play(host, [FINE, WAITING])
        host.reset()
        assert not host.changes
        assert host.guards["dc"].active_s == 0
        assert play(host, [FINE]) == [THROTTLED]

    @given(
        st.lists(st.sampled_from([FINE, WAITING, SLOW]), min_size=1, max_size=60),
        st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "batch_cap": st.integers(1, 128),
                    "clock_fraction": st.sampled_from([0.4, 0.7, 1.0]),
                    "deferrable_rate": st.sampled_from([0.5, 2.0]),
                },
            ),
            min_size=60,
            max_size=60,
        ),
    )
    def test_whatever_happens(self, told: list[Latencies], moves: list[dict[str, float]]) -> None:
        """Without a hold what was set is in force; in one it is open, or held back."""
        names = {"batch_cap", "clock_fraction", "deferrable_rate"}
        host = hosted(Scripted(*moves, actuators=names))
        was_set = dict(OPEN)
        watch = host.guards["dc"]
        for step, latencies in enumerate(told):
            active_s = watch.active_s
            (in_force,) = host.step(
                step, {"dc": report(latency_p99_s_by_class=latencies)}, {}
            ).values()
            was_set |= moves[step]
            expected = dict(was_set)
            if watch.active_s > active_s:
                expected |= {name: OPEN[name] for name in watch.released & names}
                expected["deferrable_rate"] = 0.0
            assert in_force == expected


class TestWhere:
    def guards(
        self, declared: set[str], classes: Sequence[ClassInfo] = CLASSES, **settings: Any
    ) -> set[str]:
        host = ControllerHost(
            [HostedController("c", Scripted(None, actuators=declared), "dc", 60.0)],
            {
                site: context(site, limits=example_context().limits, classes=tuple(classes))
                for site in ("dc", "other")
            },
            {"dc": signals(), "other": signals()},
            settings.get("guard", GuardSettings()),
        )
        return set(host.guards)

    def test_one_where_a_controller_throttles_and_a_class_has_an_objective(self) -> None:
        for name in THROTTLES:
            assert self.guards({name}) == {"dc"}, name

    def test_none_elsewhere(self) -> None:
        assert self.guards({"battery_power"}) == set()
        assert self.guards(set()) == set()
        assert self.guards({"batch_cap"}, [BATCH]) == set()
        assert self.guards({"batch_cap"}, [ClassInfo(name="all", share=1.0)]) == set()
        assert self.guards({"batch_cap"}, guard=None) == set()
