"""Checks of what controllers return: names, types and ranges.

Values that a controller returns are neither clipped nor guessed at: a value that cannot be applied
as it is becomes a `ControllerError` that names the expected one.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from numbers import Real

from controllers.actuators import ACTUATORS, ActuatorLimits, Setting
from controllers.base import Action, SiteAction
from controllers.errors import Call, did_you_mean, printable

_ROUNDING = 1e-9
"""Excess over 1 of a sum of shares that rounding explains."""
_ACTUATOR_OF = {actuator.field: name for name, actuator in ACTUATORS.items()}
_ACTUATOR_OF |= {name: name for name in ACTUATORS}


def read_action(returned: object, *, sites: Collection[str], call: Call) -> dict[str, object]:
    """Return the actions of a fleet controller, by site; the sites' actions are not yet checked.

    Args:
        returned: An `Action`, None, or a mapping of site names to actions.
        sites: Names of the sites of the run.
        call: The call that returned it.

    Raises:
        ControllerError: If it is something else, or names an unknown site.
    """
    if returned is None:
        return {}
    actions = returned.sites if isinstance(returned, Action) else returned
    if not isinstance(actions, Mapping):
        raise call.error(f"returned {_show(returned)}", "expected an Action or None")
    for site in actions:
        if site not in sites:
            raise call.error(
                f"returned an action for site {site!r}",
                f"no such site, expected {' or '.join(sites)}{did_you_mean(str(site), sites)}",
            )
    return dict(actions)


def read_site_action(
    returned: object,
    *,
    declared: frozenset[str],
    limits: Mapping[Setting, ActuatorLimits],
    call: Call,
) -> tuple[dict[Setting, float], str]:
    """Return the values that a controller set, by actuator and pool, and its reason.

    Args:
        returned: A `SiteAction`, None, or a mapping of its field names or of actuator names.
        declared: Actuators that the controller declares.
        limits: Ranges of the settings of the site; see `SiteContext.settings`.
        call: The call that returned it.

    Raises:
        ControllerError: If it is something else, or names an unknown or undeclared actuator, or
            one that the site does not have, or if a value is not a number within its limits.
    """
    if returned is None:
        return {}, ""
    if isinstance(returned, SiteAction):
        returned_values = {
            actuator.field: getattr(returned, actuator.field) for actuator in ACTUATORS.values()
        }
        reason: object = returned.reason
    elif isinstance(returned, Mapping):
        returned_values = dict(returned)
        reason = returned_values.pop("reason", "")
    else:
        raise call.error(f"returned {_show(returned)}", "expected a SiteAction or None")

    values: dict[Setting, float] = {}
    for name, value in returned_values.items():
        actuator = _ACTUATOR_OF.get(name)
        if actuator is None:
            raise call.error(
                f"returned {name!r}",
                f"no such actuator, expected {' or '.join(ACTUATORS)}"
                + did_you_mean(str(name), _ACTUATOR_OF),
            )
        if value is None:
            continue
        did = f"returned {name}={_show(value, with_type=not isinstance(value, Real))}"
        if actuator not in declared:
            allowed = ", ".join(sorted(declared)) or "none"
            raise call.error(did, f"expected only the actuators that it declares ({allowed})")
        targets = [target for of_actuator, target in limits if of_actuator == actuator]
        if not targets:
            raise call.error(did, f"the site has no {actuator}")
        for target, given_value in _by_target(value, targets, did, call):
            range_ = limits[actuator, target]
            number = _number(given_value, actuator, range_)
            if number is None:
                pool_text = f" for pool '{target}'" if isinstance(value, Mapping) else ""
                raise call.error(did, f"expected {_expected(actuator, range_)}{pool_text}")
            values[actuator, target] = number
    return values, _reason(reason)


def check_sums(
    in_force: Mapping[Setting, float], values: Mapping[Setting, float], *, call: Call
) -> None:
    """Check that shares of pools add up to 1 at most.

    Args:
        in_force: The values of a site with those that a controller has just set.
        values: Those alone.
        call: The call that returned them.

    Raises:
        ControllerError: If they add up to more.
    """
    for actuator in dict.fromkeys(name for name, _ in values if ACTUATORS[name].divides):
        shares = {pool: share for (name, pool), share in in_force.items() if name == actuator}
        total = sum(shares.values())
        if total > 1 + _ROUNDING:
            listed = ", ".join(f"{pool} {share:g}" for pool, share in shares.items())
            raise call.error(
                f"set {actuator} so that the pools have {listed}",
                f"expected a sum of 1 at most (got {total:g})",
            )


def _by_target(
    value: object, targets: Collection[str], did: str, call: Call
) -> Iterator[tuple[str, object]]:
    """Yield each pool that is set, and its value; a single value is for all of them."""
    if not isinstance(value, Mapping):
        yield from ((target, value) for target in targets)
        return
    for target, number in value.items():
        if target not in targets:
            pools = " or ".join(name for name in targets if name)
            expected = f"expected {pools}" if pools else "expected a number: a site has one"
            raise call.error(did, f"no such pool, {expected}{did_you_mean(str(target), targets)}")
        if number is not None:
            yield target, number


def _number(value: object, actuator: str, limits: ActuatorLimits) -> float | None:
    """Return `value` as a number that can be applied, or None if it cannot."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        number = float(value)
    except OverflowError:  # a whole number beyond all floats
        return None
    if math.isinf(number):
        # only a site without a limit of its own can be unlimited
        return number if number == limits.unthrottled else None
    if not limits.minimum <= number <= limits.maximum:  # false for NaN as well
        return None
    if ACTUATORS[actuator].integral:
        return int(number) if number.is_integer() else None
    return number


def _expected(actuator: str, limits: ActuatorLimits) -> str:
    kind = "a whole number" if ACTUATORS[actuator].integral else "a number"
    end = f"from {limits.minimum:g} to {limits.maximum:g}"
    return f"{kind} {end}" + (", or inf for no limit" if math.isinf(limits.unthrottled) else "")


def _reason(reason: object) -> str:
    """Return a controller's own words; whatever they are, they go to files, pages and terminals."""
    try:
        return printable(str(reason))
    except Exception as error:
        return f"(no reason: its text raised {type(error).__name__})"


def _show(value: object, *, with_type: bool = True) -> str:
    """Return `value` as text for a message, cut to a readable length."""
    try:
        text = printable(repr(value) if with_type else str(value))
    except Exception as error:
        text = f"(something whose text raised {type(error).__name__})"
    cut = text if len(text) <= 60 else text[:57] + "..."
    return f"{cut} (a {type(value).__name__})" if with_type else cut
