"""A run in real time: it waits for the clock at every step, and asks servers for signals.

Step k begins when its time has come; the values known then hold for the whole step. A run that
falls behind skips nothing: it catches up.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from cosim.errors import RunFailed
from cosim.scenario.live import LiveCarbon
from cosim.signals.live_feed import LiveFeed
from cosim.world.plan import Plan

_PATIENCE_S = 5.0  # with a server; half of the least time between two failures


def live_sites(plan: Plan) -> dict[str, LiveCarbon]:
    """Return the sites whose carbon intensity is asked for, with whom to ask."""
    intensities = {site.name: site.config.microgrid.carbon_intensity for site in plan.sites}
    return {name: config for name, config in intensities.items() if isinstance(config, LiveCarbon)}


class Live:
    """The clock of a live run, and its feeds by site.

    Args:
        plan: The plan of the run.
        speed: Seconds of the run per second of the clock on the wall.
        notify: Called with a sentence whenever a signal ceases to come, or comes again.

    Attributes:
        feeds: The feeds by site.
        origin_s: When the first step began, on the monotonic clock [s].
        late_s: How far the run was behind the clock at most [s of the run].
    """

    def __init__(
        self,
        plan: Plan,
        *,
        speed: float = 1.0,
        notify: Callable[[str], None] = lambda text: None,
    ) -> None:
        if not speed > 0:
            raise ValueError(f"speed must be positive (got {speed})")
        self.speed = speed
        self._start_s = plan.scenario.time.start.timestamp()
        self._step_s, self._steps = plan.scenario.time.step_s, plan.scenario.time.steps
        values = {site.name: site.carbon_intensity_g_per_kwh for site in plan.sites}
        self._configs = live_sites(plan)
        self.feeds = {
            name: LiveFeed(config, values[name], _prefixed(notify, name))
            for name, config in self._configs.items()
        }
        self.late_s = 0.0
        self.origin_s = 0.0

    def connect(self) -> None:
        """Get the first values.

        Raises:
            RunFailed: If a server has none: there is nothing to hold yet.
        """
        for name, feed in self.feeds.items():
            if failure := feed.poll(self._start_s, _PATIENCE_S):
                raise RunFailed(
                    f"no carbon intensity for site '{name}' to begin with: {failure} "
                    f"({self._configs[name].url})"
                )

    def begin(self, step: int) -> None:
        """Wait until a step begins, and bring its signals up to date; once a step, in order.

        Args:
            step: Index of the step, from 0.
        """
        if step == 0:
            self.origin_s = time.monotonic()
        self.late_s = max(self.late_s, -self._wait(step) * self.speed)
        for feed in self.feeds.values():
            feed.begin(step, self._start_s + step * self._step_s, _PATIENCE_S)

    def end(self) -> None:
        """Wait for the end of the last step, as Vessim does at the clock's speed."""
        self._wait(self._steps)

    def _wait(self, step: int) -> float:
        """Wait until a step begins; return how long it took [s], negative if it was late."""
        wait_s = self.origin_s + step * self._step_s / self.speed - time.monotonic()
        time.sleep(max(0.0, wait_s))
        return wait_s


def _prefixed(notify: Callable[[str], None], site: str) -> Callable[[str], None]:
    return lambda text: notify(f"carbon intensity of {site}: {text}")
