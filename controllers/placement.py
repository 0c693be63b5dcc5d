"""Controllers in their places, and the checks that they can work there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from controllers.actuators import ACTUATORS
from controllers.base import Controller, FleetController, SiteContext
from controllers.decoy import Decoy
from controllers.errors import did_you_mean
from controllers.forecast import SIGNALS


@dataclass(frozen=True, slots=True)
class HostedController:
    """A controller in its place.

    Example::

        HostedController("saver", CarbonThreshold(), "berlin", every_s=900)

    Attributes:
        name: Its name in messages and records, as the scenario writes it.
        controller: The controller.
        site: The site it controls; None for a fleet controller.
        every_s: Control period [s], a multiple of the step.
        clairvoyant: Whether its forecasts are perfect.
        agnostic: Whether it is a carbon-agnostic baseline, which sees the mean of the carbon
            intensity in place of the intensity: it separates savings from when work runs from
            savings from running less.
        decoy: Decoy of carbon intensity and sun that it is shown in their place; None for none.
    """

    name: str
    controller: Controller | FleetController
    site: str | None
    every_s: float
    clairvoyant: bool = False
    agnostic: bool = False
    decoy: Decoy | None = None

    @property
    def is_blind(self) -> bool:
        """Whether it is shown the mean of the carbon intensity alone."""
        return self.agnostic or not self.controller.sees_carbon


def check_conflicts(entries: Sequence[HostedController]) -> None:
    """Check that no actuator of a site is declared by two controllers.

    Raises:
        ValueError: If one is; it names both controllers, the actuator and the site.
    """
    setters: dict[str, dict[str | None, HostedController]] = {}  # by actuator and site
    for second in entries:
        declared = frozenset(second.controller.actuators)
        for actuator in sorted(declared):
            by_site = setters.setdefault(actuator, {})
            # one of every site meets all others; one of a site, those of it and of every site
            met = list(by_site) if second.site is None else [second.site, None]
            for first in (by_site[site] for site in met if site in by_site):
                shared = declared.intersection(first.controller.actuators)
                site = first.site if second.site is None else second.site
                location = "every site" if site is None else f"site '{site}'"
                raise ValueError(
                    f"controllers '{first.name}' and '{second.name}' both set "
                    f"{' and '.join(sorted(shared))} on {location}: "
                    "an actuator takes one controller per site"
                )
            by_site[second.site] = second


def check_place(entry: HostedController, contexts: Mapping[str, SiteContext]) -> None:
    """Check that a controller declares actuators that exist where it stands.

    Raises:
        ValueError: If it does not, or if it stands at no site, or a fleet controller at one.
    """
    declared: Collection[str] = entry.controller.actuators
    for name in [declared] if isinstance(declared, str) else sorted(declared):
        if isinstance(declared, str) or name not in ACTUATORS:
            raise ValueError(
                f"actuators of controller '{entry.name}' must be a frozenset of names, out of "
                f"{', '.join(ACTUATORS)} (got {name!r}){did_you_mean(name, ACTUATORS)}"
            )
    unknown = sorted(frozenset(entry.controller.forecasts) - SIGNALS.keys())
    if unknown:
        raise ValueError(
            f"forecasts of controller '{entry.name}' must be out of {', '.join(SIGNALS)} "
            f"(got '{unknown[0]}'){did_you_mean(unknown[0], SIGNALS)}"
        )
    if entry.controller.needs_clairvoyance and not entry.clairvoyant:
        raise ValueError(
            f"controller '{entry.name}' needs perfect forecasts: its entry must say "
            "clairvoyant: true"
        )
    if isinstance(entry.controller, FleetController):
        if entry.site is not None:
            raise ValueError(
                f"controller '{entry.name}' controls the fleet, not one site (got '{entry.site}')"
            )
        return
    if entry.site is None or entry.site not in contexts:
        raise ValueError(
            f"controller '{entry.name}' must stand at one of the sites {', '.join(contexts)} "
            f"(got {entry.site!r})"
        )
    there = {actuator for actuator, _ in contexts[entry.site].settings()}
    missing = sorted(frozenset(entry.controller.actuators) - there)
    if missing:
        raise ValueError(
            f"controller '{entry.name}' sets {' and '.join(missing)}, "
            f"which site '{entry.site}' does not have"
        )


@dataclass(frozen=True, slots=True)
class Declaration:
    """Declarations of a controller before a run, which may not change during it.

    Attributes:
        actuators: Actuators that it may set.
        forecasts: Signals of which it gets forecasts.
        forecast_horizon_h: Length of the forecasts [h].
        sees_carbon: Whether it looks at the carbon intensity.
    """

    actuators: frozenset[str]
    forecasts: frozenset[str]
    forecast_horizon_h: float
    sees_carbon: bool

    @classmethod
    def of(cls, controller: Controller | FleetController) -> Declaration:
        """Return the present declarations of a controller."""
        return cls(
            frozenset(controller.actuators),
            frozenset(controller.forecasts),
            controller.forecast_horizon_h,
            controller.sees_carbon,
        )

    def changed_to(self, now: Declaration) -> str:
        """Return the first declaration that changed, in words; empty if none did."""
        for name in ("actuators", "forecasts", "forecast_horizon_h", "sees_carbon"):
            before, after = getattr(self, name), getattr(now, name)
            if before != after:
                return f"expected `{name}` to stay {_show(before)} (got {_show(after)})"
        return ""


def _show(value: frozenset[str] | float | bool) -> str:
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, frozenset):
        return ", ".join(sorted(value)) or "empty"
    return f"{value:g}"


def period_steps(entry: HostedController, step_s: float) -> int:
    """Return the control period of a controller in steps of `step_s` seconds.

    Raises:
        ValueError: If it is not a positive multiple of the step.
    """
    steps = entry.every_s / step_s
    if not steps >= 1 or abs(steps - round(steps)) > 1e-9:
        raise ValueError(
            f"the period of controller '{entry.name}' must be a multiple of the step, "
            f"{step_s:g} s (got {entry.every_s:g} s)"
        )
    return round(steps)
