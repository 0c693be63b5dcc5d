"""A rehearsal: a controller played through an example day, and its actions.

The controller sees the observations that a run would show it, at the sites of the day. Its settings
come into force in later observations, and have no other effect.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from controllers.actuators import ACTUATORS, Setting
from controllers.base import Controller, FleetController
from controllers.errors import Call
from controllers.example_day import ExampleDay
from controllers.observation import Observation
from controllers.placement import Declaration, HostedController, check_place
from controllers.site_views import MicrogridReport, SiteReport
from controllers.validation import read_action, read_site_action
from controllers.views import Viewer


class Rehearsal:
    """A controller played through an example day.

    Args:
        controller: The controller.
        day: The day; a controller of one site stands at the first of its sites.

    Attributes:
        declared: Declarations of the controller before the day.

    Raises:
        ValueError: If the controller cannot stand at the sites of the day.
    """

    def __init__(self, controller: Controller | FleetController, day: ExampleDay) -> None:
        self._day = day
        self._site = None if isinstance(controller, FleetController) else next(iter(day.contexts))
        self._entry = HostedController(
            type(controller).__name__,
            controller,
            self._site,
            next(iter(day.contexts.values())).step_s,
            clairvoyant=controller.needs_clairvoyance,
        )
        check_place(self._entry, day.contexts)
        self.declared = Declaration.of(controller)
        self._viewer = Viewer(day.contexts, day.signals)

    def run(
        self,
        *,
        every: int = 1,
        until: int | None = None,
        look: Callable[[object, Call], None] | None = None,
    ) -> list[dict[str, Any]]:
        """Reset the controller, play the day, and return its actions, by step and site.

        Args:
            every: Steps from one call to the next.
            until: Step before which to stop; None for the end of the day.
            look: Called before and after each step with the observation.

        Raises:
            ControllerError: If it raises an exception, or its action cannot be applied.
        """
        controller, day = self._entry.controller, self._day
        in_force: dict[str, dict[Setting, float]] = {
            site: {name: limits.unthrottled for name, limits in context.settings().items()}
            for site, context in day.contexts.items()
        }
        name = self._entry.name
        self._reset(Call(name, self._site))
        answers = []
        for step in range(0, min(day.steps, until or day.steps), every):
            observations = {
                site: self._viewer.view(
                    self._entry,
                    self._viewer.observe(
                        site,
                        step,
                        day.reports[step].get(site, SiteReport()),
                        day.microgrids[step].get(site, MicrogridReport()),
                        in_force[site],
                        False,
                    ),
                )
                for site in day.contexts
            }
            current = next(iter(observations.values()))
            call = Call(name, self._site, step, current.time_s, current.time)
            shown: Any = current
            if isinstance(controller, FleetController):
                shown = Observation(
                    step=step, time_s=current.time_s, time=current.time, sites=observations
                )
            if look:
                look(shown, call)
            try:
                returned: Any = controller.step(shown)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                raise call.raised(error) from error
            if look:
                look(shown, call)
            if self._site is not None:
                returned = {self._site: returned}
            answers.append(read_action(returned, sites=day.contexts, call=call))
            for site, action in answers[-1].items():
                in_force[site] |= self.values(site, action, replace(call, site=site))
        return answers

    def values(self, site: str, action: object, call: Call) -> dict[Setting, float]:
        """Return the values that an action sets.

        Raises:
            ControllerError: If it cannot be applied, whatever the controller declares.
        """
        limits = self._day.contexts[site].settings()
        return read_site_action(action, declared=frozenset(ACTUATORS), limits=limits, call=call)[0]

    def _reset(self, call: Call) -> None:
        controller, contexts = self._entry.controller, self._day.contexts
        try:
            if isinstance(controller, FleetController):
                controller.reset(contexts)
            else:
                controller.reset(next(iter(contexts.values())))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise call.raised(error) from error
