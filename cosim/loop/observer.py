"""Observers of a run: notified of its start, of each step and of the requests that end."""

from __future__ import annotations

from collections.abc import Iterable

from cosim.loop.record import Run
from inference_sim.request import Request


class RunObserver:
    """An observer of a run; a subclass overrides the methods of interest.

    An exception that is raised before the first step goes to the caller of the run; one that is
    raised later breaks the run off, as any failure does.

    Example::

        class Steps(RunObserver):
            def on_step(self, steps: int) -> None:
                print(f"{steps} steps done")


        run(plan, observers=[Steps()])
    """

    def on_start(self, run: Run) -> None:
        """Observe a run before its first step; its parts change as it advances."""

    def on_requests(self, site: str, requests: list[Request]) -> None:
        """Observe the requests of a site that ended in a step; called before `on_step`."""

    def on_step(self, steps: int) -> None:
        """Observe that a step is done and recorded; `steps` counts all so far."""


class Observers(RunObserver):
    """Several observers as one, called one after the other.

    Args:
        observers: The observers, in the order in which they are called.
    """

    def __init__(self, observers: Iterable[RunObserver]) -> None:
        self._observers = tuple(observers)

    def on_start(self, run: Run) -> None:
        """Pass the run to every observer."""
        for observer in self._observers:
            observer.on_start(run)

    def on_requests(self, site: str, requests: list[Request]) -> None:
        """Pass the requests to every observer."""
        for observer in self._observers:
            observer.on_requests(site, requests)

    def on_step(self, steps: int) -> None:
        """Pass the count of steps to every observer."""
        for observer in self._observers:
            observer.on_step(steps)
