"""Checks of the rules that hold for every controller, to run on any of them.

A controller is played through days of `controllers.example_day`: it sees the observations that a
run would show it, and its actions are checked. In a test of your own::

    from controllers.conformance import check_controller

    def test_conforms():
        assert [str(check) for check in check_controller(Mine) if not check.passed] == []
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from controllers.base import (
    Action,
    Controller,
    FleetController,
    SiteAction,
    SiteContext,
)
from controllers.effect import actuator_uses
from controllers.errors import Call, ControllerError, error_text
from controllers.example import STEPS, example_context
from controllers.example_day import ExampleDay, example_day
from controllers.observation import Observation
from controllers.placement import Declaration
from controllers.rehearsal import Rehearsal
from controllers.site_views import MicrogridReport, SiteReport
from controllers.snapshot import changed, snapshot

Make = Callable[[], Controller | FleetController]
Sites = Mapping[str, SiteContext]
Check = Callable[[Make, Sites], str | None]
_SHORT = STEPS // 4  # for days on which every hour is alike
_SPARSE = 4  # a controller may be asked at every fourth step only


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check.

    Attributes:
        check: The rule that must hold.
        problem: The reason why it does not; empty if it does.
        warning: Something that no rule forbids, and that is hardly meant; empty for nothing.
        note: A remark, such as why the check was left out.
    """

    check: str
    problem: str = ""
    warning: str = ""
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether it holds."""
        return not self.problem

    def __str__(self) -> str:
        detail = self.problem or self.warning or self.note
        result = "FAIL" if self.problem else "warn" if self.warning else "ok"
        return f"{result:<4}  {self.check}" + (f": {detail}" if detail else "")


def check_controller(
    make: Make, contexts: Mapping[str, SiteContext] | None = None
) -> list[Finding]:
    """Return the result of each check.

    At the example sites it ends with a warning if what a controller that passed sets never matters.

    Args:
        make: Makes the controller, with the parameters to check it with. It is called often, and
            must return a new controller each time.
        contexts: The sites to check it at, by name; by default one example that has every
            actuator, and two of them for a fleet. Runs are cut to 96 steps.
    """
    findings = [_finding(check, text, make, contexts) for check, text in _CHECKS]
    if contexts is None and all(finding.passed for finding in findings):
        findings.append(_finding(_matters, "what it sets matters", make, contexts))
    return findings


def _finding(
    check: Check, text: str, make: Make, contexts: Mapping[str, SiteContext] | None
) -> Finding:
    try:
        controller = make()
        fleet = isinstance(controller, FleetController)
        sites = contexts or {
            name: example_context(name) for name in (("north", "south") if fleet else ("dc",))
        }
        groups = [sites] if fleet else [{name: context} for name, context in sites.items()]
        notes = [check(make, group) for group in groups]
        return Finding(text, note=notes[0] or "")
    except _Doubt as doubt:
        return Finding(text, warning=str(doubt))
    except (_Problem, ControllerError, ValueError) as problem:
        return Finding(text, problem=str(problem))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the constructor may be anybody's, and call sys.exit
        return Finding(text, problem=f"raised {type(error).__name__}: {error_text(error)}")


class _Problem(Exception):
    """Violation of a rule that must hold."""


class _Doubt(Exception):
    """Something that no rule forbids, and that is hardly meant."""


def _days_of_every_kind(sites: Sites) -> Iterator[tuple[ExampleDay, int]]:
    """Yield days, and how many steps of each to play."""
    generator = np.random.default_rng(0)
    kinds = {
        "an ordinary day": (None, STEPS),
        "a flat day": (np.full(STEPS, 200.0), _SHORT),
        "a day without emissions": (np.zeros(STEPS), _SHORT),
        "a wild day": (generator.choice([0.0, 50.0, 900.0, 5000.0], STEPS), STEPS),
    }
    for name, (intensity, until) in kinds.items():
        yield example_day(name, sites, intensity=intensity), until


def _within_limits(make: Make, sites: Sites) -> str | None:
    """Play days of every kind: an action that cannot be applied raises."""
    for day, until in _days_of_every_kind(sites):
        try:
            Rehearsal(make(), day).run(until=until)
        except ControllerError as error:
            raise _Problem(f"on {day.name}, {error}") from error
    return None


def _only_declared(make: Make, sites: Sites) -> str | None:
    controller = make()
    play = Rehearsal(controller, example_day(contexts=sites))
    for step, answer in enumerate(play.run()):
        for site, action in answer.items():
            call = Call(type(controller).__name__, site, step)
            was_set = {actuator for actuator, _ in play.values(site, action, call)}
            undeclared = sorted(was_set - play.declared.actuators)
            if undeclared:
                allowed = ", ".join(sorted(play.declared.actuators)) or "none"
                raise _Problem(f"it set {undeclared[0]} at step {step}, and declares {allowed}")
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
        return "not checked, because it needs perfect forecasts"
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
        name: replace(context, past_carbon_intensity_g_per_kwh=np.empty(0))
        for name, context in sites.items()
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
    for name, (bare_day, every) in days.items():
        try:
            Rehearsal(make(), bare_day).run(every=every)
        except ControllerError as error:
            raise _Problem(f"{name}, {error}") from error
    return None


def _leaves_alone(make: Make, sites: Sites) -> str | None:
    day = example_day(contexts=sites)
    contexts_before = {name: snapshot(context) for name, context in day.contexts.items()}
    before: list[Any] = []  # snapshots of the observation before the step

    def look(shown: object, call: Call) -> None:
        now = (
            {name: snapshot(site) for name, site in shown.sites.items()}
            if isinstance(shown, Observation)
            else {"": snapshot(shown)}
        )
        if not before:
            before.append(now)
            return
        previous = before.pop()
        for name, values in now.items():
            if place := changed(previous[name], values):
                raise _Problem(f"it changed {place} of the observation at step {call.step}")

    Rehearsal(make(), day).run(look=look)
    for name, context in day.contexts.items():
        if place := changed(contexts_before[name], snapshot(context)):
            raise _Problem(f"it changed {place} of the context")
    return None


def _matters(make: Make, sites: Sites) -> str | None:
    """Count the steps in which an actuator is not as without a controller, and in which it binds.

    An actuator that a controller declares and leaves alone is no reason to worry if another is set.
    """
    uses = actuator_uses(make, _days_of_every_kind(sites))
    idle = [use for use in uses if not use.mattered]
    if any(use.in_force for use in uses):
        idle = [use for use in idle if use.in_force]
    if idle:
        raise _Doubt("; ".join(map(str, idle)))
    return None if uses else "it sets nothing"


_CHECKS: tuple[tuple[Check, str], ...] = (
    (_within_limits, "what it sets can be applied"),
    (_only_declared, "it sets only the actuators that it declares"),
    (_same_after_a_reset, "after a reset it does the same again"),
    (_no_look_ahead, "it does not look ahead"),
    (_copes_with_what_is_missing, "it copes with what is missing"),
    (_leaves_alone, "it leaves what it sees alone"),
)


def _same(first: list[dict[str, Any]], second: list[dict[str, Any]], problem: str) -> None:
    for step, (answer, other) in enumerate(zip(first, second, strict=True)):
        if answer != other:
            raise _Problem(f"{problem}: at step {step} {_shown(answer)}, then {_shown(other)}")


def _shown(answer: Mapping[str, Any]) -> str:
    """Return the settings of an answer, in words."""
    parts = []
    for action in answer.values():
        if isinstance(action, SiteAction | Action):
            values = {part.name: getattr(action, part.name) for part in fields(action)}
            parts += [f"{key}={value}" for key, value in values.items() if value not in (None, "")]
        else:
            parts.append(repr(action))
    return " ".join(parts) or "nothing"


_SIGNALS = (
    "carbon_intensity_g_per_kwh",
    "solar_w",
    "price_per_kwh",
    "arrivals_per_s",
    "deferrable_arrivals_per_s",
)


def _fork(day: ExampleDay, other: ExampleDay, step: int, factor: float) -> ExampleDay:
    """Return a day that is as one until a step, and from it on `factor` times as another."""
    signals = {}
    for site, signal in day.signals.items():
        changed: dict[str, Any] = {}
        for name in _SIGNALS:
            early, late = getattr(signal, name), getattr(other.signals[site], name)
            changed[name] = np.concatenate([early[:step], factor * late[step:]])
        signals[site] = replace(signal, **changed)
    later = other if factor > 1 else day
    return replace(
        day,
        signals=signals,
        reports=[*day.reports[:step], *later.reports[step:]],
        microgrids=[*day.microgrids[:step], *later.microgrids[step:]],
    )
