"""What must hold for every controller, as checks that can be run on anybody's.

A controller is played through days of `controllers.example_day`: it is shown what a run would
show it, and what it returns is looked at. In a test of your own::

    from controllers.conformance import check_controller

    def test_conforms():
        assert [str(one) for one in check_controller(Mine) if not one.passed] == []
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from controllers.base import (
    Action,
    Controller,
    FleetController,
    SiteAction,
    SiteContext,
)
from controllers.errors import Call, ControllerError, error_text
from controllers.example import STEPS, example_context
from controllers.example_day import ExampleDay, example_day
from controllers.forecast import Forecasts
from controllers.observation import Observation
from controllers.placement import Declaration
from controllers.rehearsal import Rehearsal
from controllers.site_views import MicrogridReport, SiteReport

Make = Callable[[], Controller | FleetController]
_SHORT = STEPS // 4  # where more of the same tells no more
_SPARSE = 4  # a controller may be asked at every fourth step only


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    Attributes:
        check: What must hold.
        problem: Why it does not; empty if it does.
        note: What else there is to say.
    """

    check: str
    problem: str = ""
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether it holds."""
        return not self.problem

    def __str__(self) -> str:
        more = self.problem or self.note
        return f"{'ok  ' if self.passed else 'FAIL'}  {self.check}" + (f": {more}" if more else "")


def check_controller(
    make: Make, contexts: Mapping[str, SiteContext] | None = None
) -> list[Finding]:
    """Return what each check found.

    Args:
        make: Makes the controller, with the parameters to check it with. It is called often: each
            of what it makes must be new.
        contexts: The sites to check it at, by name; by default one example that has every
            actuator, and two of them for a fleet. Runs are cut to 96 steps.
    """
    findings = []
    for check, text in _CHECKS:
        try:
            controller = make()
            fleet = isinstance(controller, FleetController)
            sites = contexts or {
                name: example_context(name) for name in (("north", "south") if fleet else ("dc",))
            }
            groups = [sites] if fleet else [{name: one} for name, one in sites.items()]
            notes = [check(make, group) for group in groups]
            findings.append(Finding(text, note=notes[0] or ""))
        except (_Problem, ControllerError, ValueError) as problem:
            findings.append(Finding(text, problem=str(problem)))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # the constructor may be anybody's, and call sys.exit
            problem_text = f"raised {type(error).__name__}: {error_text(error)}"
            findings.append(Finding(text, problem=problem_text))
    return findings


class _Problem(Exception):
    """What must hold does not."""


Sites = Mapping[str, SiteContext]


def _within_limits(make: Make, sites: Sites) -> str | None:
    """Play days of every kind: what cannot be applied raises."""
    generator = np.random.default_rng(0)
    kinds = {
        "an ordinary day": (None, STEPS),
        "a flat day": (np.full(STEPS, 200.0), _SHORT),
        "a day without emissions": (np.zeros(STEPS), _SHORT),
        "a wild day": (generator.choice([0.0, 50.0, 900.0, 5000.0], STEPS), STEPS),
    }
    for name, (intensity, until) in kinds.items():
        try:
            Rehearsal(make(), example_day(name, sites, intensity=intensity)).run(until=until)
        except ControllerError as error:
            raise _Problem(f"on {name}, {error}") from error
    return None


def _only_declared(make: Make, sites: Sites) -> str | None:
    controller = make()
    play = Rehearsal(controller, example_day(contexts=sites))
    for step, answer in enumerate(play.run()):
        for site, action in answer.items():
            call = Call(type(controller).__name__, site, step)
            was_set = {actuator for actuator, _ in play.values(site, action, call)}
            more = sorted(was_set - play.declared.actuators)
            if more:
                allowed = ", ".join(sorted(play.declared.actuators)) or "none"
                raise _Problem(f"it set {more[0]} at step {step}, and declares {allowed}")
    if changed := play.declared.changed_to(Declaration.of(controller)):
        raise _Problem(f"it changed what it declares: {changed}")
    return None


def _same_after_a_reset(make: Make, sites: Sites) -> str | None:
    controller, day = make(), example_day(contexts=sites)
    first = Rehearsal(controller, day).run()
    Rehearsal(controller, example_day("another day", sites, seed=2)).run(until=_SHORT)
    _same(
        first, Rehearsal(controller, day).run(), "after a reset it does not do the same as before"
    )
    _same(first, Rehearsal(make(), day).run(), "a new one does not do the same as the first")
    return None


def _no_look_ahead(make: Make, sites: Sites) -> str | None:
    if make().needs_clairvoyance:
        return "not checked, for it needs to be told the future"
    day, other = example_day(contexts=sites), example_day(contexts=sites, seed=2)
    for step in (1, day.steps // 3, 2 * day.steps // 3):
        # two futures: one far above the present, in which much happens, and one far below
        high, low = (
            Rehearsal(make(), _fork(day, other, step, factor)).run(until=step)
            for factor in (4.0, 0.1)
        )
        _same(high, low, f"what comes from step {step} on changes what it does")
    return None


def _copes_with_what_is_missing(make: Make, sites: Sites) -> str | None:
    bare = {
        name: replace(one, past_carbon_intensity_g_per_kwh=np.empty(0))
        for name, one in sites.items()
    }
    day = example_day("a day without telemetry", bare)
    no_reports: list[dict[str, SiteReport]] = [{} for _ in range(day.steps)]
    no_microgrids: list[dict[str, MicrogridReport]] = [{} for _ in range(day.steps)]
    days = {
        "without telemetry or history": (
            replace(day, reports=no_reports, microgrids=no_microgrids),
            1,
        ),
        "without telemetry of the microgrid": (replace(day, microgrids=no_microgrids), 1),
        f"asked every {_SPARSE} steps": (example_day(contexts=sites), _SPARSE),
    }
    for name, (one, every) in days.items():
        try:
            Rehearsal(make(), one).run(every=every)
        except ControllerError as error:
            raise _Problem(f"{name}, {error}") from error
    return None


def _leaves_alone(make: Make, sites: Sites) -> str | None:
    day = example_day(contexts=sites)
    told = {name: _snapshot(context) for name, context in day.contexts.items()}
    before: list[Any] = []

    def look(shown: object, call: Call) -> None:
        now = (
            {name: _snapshot(one) for name, one in shown.sites.items()}
            if isinstance(shown, Observation)
            else {"": _snapshot(shown)}
        )
        if not before:
            before.append(now)
            return
        then = before.pop()
        for name, values in now.items():
            if changed := _changed(then[name], values):
                raise _Problem(f"it changed {changed} of the observation at step {call.step}")

    Rehearsal(make(), day).run(look=look)
    for name, context in day.contexts.items():
        if changed := _changed(told[name], _snapshot(context)):
            raise _Problem(f"it changed {changed} of the context")
    return None


_CHECKS: tuple[tuple[Callable[[Make, Sites], str | None], str], ...] = (
    (_within_limits, "what it sets can be applied"),
    (_only_declared, "it sets only the actuators that it declares"),
    (_same_after_a_reset, "after a reset it does the same again"),
    (_no_look_ahead, "it does not look ahead"),
    (_copes_with_what_is_missing, "it copes with what is missing"),
    (_leaves_alone, "it leaves what it sees alone"),
)


def _same(first: list[dict[str, Any]], second: list[dict[str, Any]], what: str) -> None:
    for step, (one, other) in enumerate(zip(first, second, strict=True)):
        if one != other:
            raise _Problem(f"{what}: at step {step} {_shown(one)}, then {_shown(other)}")


def _shown(answer: Mapping[str, Any]) -> str:
    """Return what was returned, in words."""
    parts = []
    for action in answer.values():
        if isinstance(action, SiteAction | Action):
            given = {one.name: getattr(action, one.name) for one in fields(action)}
            parts += [f"{key}={value}" for key, value in given.items() if value not in (None, "")]
        else:
            parts.append(repr(action))
    return " ".join(parts) or "nothing"


def _fork(day: ExampleDay, other: ExampleDay, step: int, factor: float) -> ExampleDay:
    """Return a day that is as one until a step, and from it on `factor` times as another."""
    signals = {}
    for site, one in day.signals.items():
        changed: dict[str, Any] = {}
        for name in ("carbon_intensity_g_per_kwh", "solar_w", "price_per_kwh", "arrivals_per_s"):
            here, there = getattr(one, name), getattr(other.signals[site], name)
            changed[name] = np.concatenate([here[:step], factor * there[step:]])
        signals[site] = replace(one, **changed)
    later = other if factor > 1 else day
    return replace(
        day,
        signals=signals,
        reports=[*day.reports[:step], *later.reports[step:]],
        microgrids=[*day.microgrids[:step], *later.microgrids[step:]],
    )


def _snapshot(record: Any) -> dict[str, Any]:
    """Return the values of a record, with copies of what could be changed in place."""
    found: dict[str, Any] = {}
    for one in fields(record):
        value = getattr(record, one.name)
        if isinstance(value, Forecasts):
            value = {name: (f.mean.copy(), f.spread.copy()) for name, f in value.items()}
        elif isinstance(value, np.ndarray):
            value = value.copy()
        elif isinstance(value, Mapping):
            value = {
                key: _snapshot(part) if is_dataclass(part) else part for key, part in value.items()
            }
        elif is_dataclass(value):
            value = _snapshot(value)
        found[one.name] = value
    return found


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return the name of a value that is no longer as it was, with its view's; empty if all are."""
    for name, value in now.items():
        if isinstance(value, dict) and isinstance(before[name], dict) and name != "forecasts":
            if value.keys() != before[name].keys():
                return name
            if inside := _changed(before[name], value):
                return f"{name}.{inside}"
        elif not _equal(value, before[name]):
            return name
    return ""


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)
