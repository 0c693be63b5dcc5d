"""The classes of controllers, by the names that scenarios use."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import cast

from controllers.base import Controller, FleetController
from controllers.errors import did_you_mean, error_text, where_raised
from controllers.policies.autoscale import Autoscale
from controllers.policies.batch_cap_aimd import BatchCapAimd
from controllers.policies.batch_cap_primal_dual import BatchCapPrimalDual
from controllers.policies.battery_aware import BatteryAware
from controllers.policies.battery_dispatch import BatteryDispatch
from controllers.policies.carbon_budget_pid import CarbonBudgetPid
from controllers.policies.carbon_proportional import CarbonProportional
from controllers.policies.carbon_threshold import CarbonThreshold
from controllers.policies.carbon_time import CarbonTime
from controllers.policies.clean_windows import CleanWindows
from controllers.policies.day_ahead_plan import DayAheadPlan
from controllers.policies.fixed_hours import FixedHours
from controllers.policies.fixed_mix import FixedMix
from controllers.policies.lowest_window import LowestWindow
from controllers.policies.mpc import Mpc
from controllers.policies.noop import Noop
from controllers.policies.power_cap import PowerCap
from controllers.policies.quality_lp import QualityLp
from controllers.policies.slo_clock import SloClock
from controllers.policies.suspend_resume import SuspendResume
from controllers.policies.wait_awhile import WaitAwhile
from controllers.user_file import names_a_file, read_part

ControllerType = type[Controller] | type[FleetController]

BUILTIN: Mapping[str, ControllerType] = MappingProxyType(
    {
        "noop": Noop,
        "carbon_threshold": CarbonThreshold,
        "carbon_proportional": CarbonProportional,
        "battery_aware": BatteryAware,
        "battery_dispatch": BatteryDispatch,
        "batch_cap_aimd": BatchCapAimd,
        "batch_cap_primal_dual": BatchCapPrimalDual,
        "power_cap": PowerCap,
        "slo_clock": SloClock,
        "carbon_budget_pid": CarbonBudgetPid,
        "mpc": Mpc,
        "day_ahead_plan": DayAheadPlan,
        "suspend_resume": SuspendResume,
        "lowest_window": LowestWindow,
        "carbon_time": CarbonTime,
        "wait_awhile": WaitAwhile,
        "autoscale": Autoscale,
        "clean_windows": CleanWindows,
        "fixed_hours": FixedHours,
        "fixed_mix": FixedMix,
        "quality_lp": QualityLp,
    }
)
"""The policies that come with the package, by name."""

GROUP = "cosim.controllers"
"""Group of entry points under which an installed package offers controllers by name."""


def installed() -> tuple[str, ...]:
    """Return the names of the controllers that installed packages offer, sorted."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)} - BUILTIN.keys()))


def resolve(type_name: str, base_dir: Path) -> ControllerType:
    """Return the class of a controller.

    Args:
        type_name: Name of a built-in policy, or of one that an installed package offers, or
            ``./file.py:Class`` for a class in a file of the user's.
        base_dir: Folder that a relative path starts from.

    Raises:
        ValueError: If the policy, file or class does not exist, if it cannot be imported, if two
            packages offer it, or if the class is not a complete controller.
    """
    if type_name in BUILTIN:
        return BUILTIN[type_name]
    if not names_a_file(type_name):
        if points := tuple(entry_points(group=GROUP, name=type_name)):
            return _load_installed(points)
        known = (*BUILTIN, *installed())
        raise ValueError(
            f"no controller '{type_name}'{did_you_mean(type_name, known) or ':'} expected one of "
            f"{', '.join(known)}, or a class of yours as ./file.py:Class"
        )
    part, source = read_part("controller", type_name, base_dir, _is_controller)
    return complete(part, source)


def _load_installed(points: Sequence[EntryPoint]) -> ControllerType:
    """Return the class that an entry point names."""
    point, *others = points
    sources = [entry.dist.name if entry.dist is not None else entry.value for entry in points]
    if others:
        raise ValueError(
            f"'{point.name}' is offered by {' and by '.join(sources)}: remove one, or name its "
            "class as ./file.py:Class"
        )
    source = f"'{point.value}' of {sources[0]}"
    try:
        part = point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ValueError(
            f"importing {source} raised {type(error).__name__}: {error_text(error)} "
            f"({where_raised(error)})"
        ) from error
    return complete(part, source)


def complete(part: object, source: str) -> ControllerType:
    """Return `part` if it is a controller with all its methods.

    Args:
        part: The part.
        source: Its origin, for errors.

    Raises:
        ValueError: If it is not.
    """
    if not _is_controller(part):
        raise ValueError(
            f"{source} must be a subclass of controllers.Controller or "
            f"controllers.FleetController (got {part!r})"
        )
    missing = sorted(getattr(part, "__abstractmethods__", ()))
    if missing:
        raise ValueError(f"controller {source} must define {' and '.join(missing)}")
    return cast(ControllerType, part)


def _is_controller(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, (Controller, FleetController))
