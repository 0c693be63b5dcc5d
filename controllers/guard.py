"""The SLO guard: it releases throttles while users would notice them.

When a class that may not be deferred comes near one of its SLOs, the throttles of the site that
make it worse are released for a while, and deferrable requests are deferred, because they compete
for the same GPUs. For the time to first token those are all throttles; for the time per token those
that slow the GPUs down, because a smaller batch shortens it. If the next throttle brings the
trouble back within a day, the guard holds for twice as long, and so on: a controller that cannot
throttle without harm may not try every few minutes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controllers.actuators import DEFERRING, SLOWING, THROTTLES
from controllers.base import SiteContext
from controllers.observation import SiteObservation
from controllers.placement import HostedController
from controllers.service import ClassInfo
from controllers.site_views import NO_LATENCY, LatencyView

GUARD = "slo_guard"
"""Name under which its changes are recorded."""

RELEASED = THROTTLES - DEFERRING
"""Actuators that it opens when requests wait too long; `SLOWING` ones in any case."""
_MEMORY_S = 86400.0  # trouble at some hour may come back at that hour tomorrow


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSettings:
    """Settings of the guard.

    Attributes:
        margin: Distance below an SLO at which it acts, as a share of the SLO [0 to 1].
        hold_s: Shortest hold [s].
        max_hold_s: Longest hold [s].
    """

    margin: float = 0.1
    hold_s: float = 900.0
    max_hold_s: float = 6 * 3600.0


class SloGuard:
    """Guard of the SLOs of one site.

    Args:
        settings: Its settings.
        classes: The classes of requests.

    Attributes:
        reason: Reason of its last action.
        released: Actuators that it opens now.
        active_s: Time for which it has held so far [s].
    """

    def __init__(self, settings: GuardSettings, classes: Sequence[ClassInfo]) -> None:
        self._settings = settings
        bounds = {info.name: (info.ttft_slo_s, info.tpot_slo_s) for info in classes}
        guarded = {info.name for info in classes if not info.deferrable}
        self._bounds = {
            name: pair for name, pair in bounds.items() if name in guarded and pair != (None, None)
        }
        self.reset()

    @property
    def watches(self) -> bool:
        """Whether there is an SLO to watch."""
        return bool(self._bounds)

    def reset(self) -> None:
        """Forget all state."""
        self._until_s = -math.inf
        self._hold_s = self._settings.hold_s
        self.reason = ""
        self.released = RELEASED
        self.active_s = 0.0

    def update(self, observation: SiteObservation) -> bool:
        """Take in an observation, and return whether the guard holds in the step that begins."""
        now_s, settings = observation.time_s, self._settings
        holds = now_s < self._until_s
        trouble = self._trouble(observation.classes)
        if holds and trouble and trouble[0] == "TTFT" and self.released != RELEASED:
            self.released, self.reason = RELEASED, trouble[1]
        if trouble and not holds:
            recent = now_s - self._until_s < _MEMORY_S
            self._hold_s = min(2 * self._hold_s if recent else settings.hold_s, settings.max_hold_s)
            self._until_s = now_s + self._hold_s
            self.released = RELEASED if trouble[0] == "TTFT" else SLOWING
            self.reason = trouble[1]
            holds = True
        if holds:
            self.active_s += observation.step_s
        return holds

    def _trouble(self, latencies: Mapping[str, LatencyView]) -> tuple[str, str] | None:
        """Return which latency nears its SLO, TTFT of any class first, and a sentence on it."""
        for number, latency in enumerate(("TTFT", "TPOT")):
            for name, bounds in self._bounds.items():
                view = latencies.get(name, NO_LATENCY)
                value, bound = (view.ttft_p99_s, view.tpot_p99_s)[number], bounds[number]
                if value is None or bound is None:
                    continue
                if value > bound * (1 - self._settings.margin):
                    return latency, f"{latency} p99 of {name} {value:.3g} s, SLO {bound:g} s"
        return None


def guards_of(
    settings: GuardSettings | None,
    entries: Sequence[HostedController],
    contexts: Mapping[str, SiteContext],
) -> dict[str, SloGuard]:
    """Return the guards of the sites where controllers throttle and a class has an SLO."""
    guards: dict[str, SloGuard] = {}
    for site, context in contexts.items():
        throttled = any(
            frozenset(entry.controller.actuators) & THROTTLES and entry.site in (None, site)
            for entry in entries
        )
        if settings is not None and throttled:
            guard = SloGuard(settings, context.classes)
            if guard.watches:
                guards[site] = guard
    return guards
