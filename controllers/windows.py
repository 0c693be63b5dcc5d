"""Windows of time in which deferrable work runs on all replicas; between them it waits.

A policy of this kind chooses which of the coming steps belong to a window. The rest is the same for
all of them. In a window deferrable requests are released at the rate that fills the replicas which
serve, up to a share of their capacity at the SLO for the time per token:

    rate = (utilisation * capacity(TPOT SLO, replicas that serve) - interactive load) / weight

As many replicas serve as the interactive load and the work that waits need, which is all of them
when a window opens. They are woken before it does. Between windows only those stay awake that the
interactive load needs (`controllers.replicas`); the others finish their requests and sleep.

Hours are clean by what the work of a window adds to the import, F (import at full load - import at
the interactive load) / (power at full load - power at the interactive load): surplus sun is free.

Work that cannot wait for the next window is served in time for its latest start, at the lowest rate
at which all starts in time (`controllers.cohorts`).
"""

from __future__ import annotations

import heapq
import math
from abc import abstractmethod
from collections import deque
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from controllers.arrays import FloatArray
from controllers.base import Controller, SiteAction, SiteContext
from controllers.cohorts import Cohorts
from controllers.objective import required_service
from controllers.observation import SiteObservation
from controllers.release import ACTUATOR
from controllers.replicas import BaseReplicas
from controllers.service import LoadSplit

Replicas = Annotated[bool, Field(description="whether it also sets the replicas that serve")]
Utilisation = Annotated[
    float, Field(gt=0, le=1, description="share of the capacity that all work may take")
]
WakeS = Annotated[float, Field(ge=0, description="time that a replica takes to wake up [s]")]
HorizonH = Annotated[float, Field(gt=0, description="how far it looks ahead [h]")]
Sun = Annotated[bool, Field(description="whether it counts the solar power on site")]
_REPLICAS = "active_replicas"
_LOOKAHEAD_S = 900.0
_ROUNDING = 1e-9


class WindowPolicy(Controller):
    """A policy that serves deferrable work in windows of time.

    Args:
        replicas: Whether it also sets the replicas that serve.
        utilisation: Share of the capacity at the SLO for the time per token that all work together
            may take [0 to 1].
        wake_s: Time that a replica takes to wake up [s].
        horizon_h: How far it looks ahead [h].
        sun: Whether it counts the solar power on site where it looks at the intensity.
    """

    forecasts = frozenset({"arrivals", "deferrable_arrivals"})

    def __init__(
        self,
        *,
        replicas: bool,
        utilisation: float,
        wake_s: float,
        horizon_h: float,
        sun: bool = False,
    ) -> None:
        self.actuators = frozenset({ACTUATOR, *([_REPLICAS] if replicas else [])})
        self.forecast_horizon_h = max(horizon_h, _LOOKAHEAD_S / 3600)
        self._scales = replicas
        self._utilisation = utilisation
        self._wake_s = wake_s
        self._sun = sun
        if sun:
            self.forecasts = self.forecasts | {"solar"}

    def reset(self, context: SiteContext) -> None:
        """Begin with no window open.

        Raises:
            ValueError: If the site has no cluster, or no deferrable requests.
        """
        if ACTUATOR not in context.limits:
            raise ValueError(f"site '{context.site}' has no {ACTUATOR}: no class is deferrable")
        self._service = required_service(context, "scale")
        self._split = LoadSplit.of(context.classes)
        self._base = BaseReplicas(
            context,
            weight=self._split.interactive_weight,
            utilisation=self._utilisation,
            lookahead_s=_LOOKAHEAD_S,
        )
        self._cohorts = Cohorts(context)
        self._fastest_per_s = context.limits[ACTUATOR].maximum
        self._set: deque[tuple[float, int]] = deque()  # times [s] and replicas set, of late

    @abstractmethod
    def windows(self, observation: SiteObservation) -> NDArray[np.bool_]:
        """Return which of the coming steps belong to a window, the present one first.

        Args:
            observation: The present observation; forecasts hold at most as many steps.
        """

    def step(self, observation: SiteObservation) -> SiteAction:
        """Open a window, wake replicas for it, or let work wait."""
        self._cohorts.see(observation)
        waiting = observation.deferrable_waiting
        load_per_s = self._base.load_per_s(observation)
        chosen = self.windows(observation)
        opens = 1 + math.ceil(self._wake_s / observation.step_s)
        most_per_s = self._room_per_s(self._base.most, load_per_s)
        spare_s = self._wake_s + observation.step_s
        release_per_s = wanted_per_s = 0.0
        if not waiting:
            reason = "nothing waits"
        elif chosen[0]:
            release_per_s = most_per_s
            wanted_per_s = waiting / _LOOKAHEAD_S
            reason = f"window: {waiting} wait"
        elif most_per_s <= 0 or self._cohorts.begin_s(most_per_s) <= spare_s + observation.step_s:
            release_per_s = wanted_per_s = self._cohorts.pressing_per_s(spare_s, observation.step_s)
            reason = f"{waiting} wait, some can wait no more"
        elif chosen[:opens].any():
            wanted_per_s = waiting / _LOOKAHEAD_S
            reason = "a window opens soon"
        else:
            reason = f"{waiting} wait for a window"
        replicas = int(
            self._base.holding(load_per_s + self._split.deferrable_weight * wanted_per_s)
        )
        room_per_s = self._room_per_s(self._serving(observation, replicas), load_per_s)
        return SiteAction(
            active_replicas=replicas if self._scales else None,
            deferrable_rate_per_s=min(release_per_s, room_per_s, self._fastest_per_s),
            reason=reason,
        )

    def cleanest(self, observation: SiteObservation) -> NDArray[np.bool_]:
        """Return the cleanest of the steps ahead that serve the waiting work in time.

        Work that may wait for longer than the forecast reaches is due at its end.
        """
        intensity = self.supply_g_per_kwh(observation)
        step_s = observation.step_s
        next_ends_s = step_s * np.arange(2.0, len(intensity) + 2)
        due = self._cohorts.due_by(next_ends_s)  # a slot counts if it ends before they must start
        due[-1] = observation.deferrable_waiting
        load_per_s = self._base.coming_per_s(observation)
        room_per_s = np.maximum(self._base.most * self._base.each_per_s - load_per_s, 0.0)
        return cleanest_slots(intensity, room_per_s * step_s / self._split.deferrable_weight, due)

    def supply_g_per_kwh(self, observation: SiteObservation) -> FloatArray:
        """Return the emissions of what the work of a window adds, by step ahead, shape (steps,)."""
        intensity = observation.forecasts["carbon_intensity"].mean
        if not self._sun:
            return intensity
        load_per_s = self._base.coming_per_s(observation)
        full_per_s = self._base.most * self._base.each_per_s
        replicas = self._base.holding(load_per_s)
        base_w = np.array(
            [
                float(self._service.draw_w(load, int(count)))
                for load, count in zip(load_per_s, replicas, strict=True)
            ]
        )
        full_w = np.maximum(float(self._service.draw_w(full_per_s, self._base.most)), base_w + 1.0)
        sun_w = observation.forecasts["solar"].mean
        imported_w = np.maximum(full_w - sun_w, 0.0) - np.maximum(base_w - sun_w, 0.0)
        supply: FloatArray = intensity * imported_w / (full_w - base_w)
        return supply

    def _room_per_s(self, replicas: int, load_per_s: float) -> float:
        """Return the rate of deferrable requests that replicas can serve beside a load."""
        return (
            max(0.0, replicas * self._base.each_per_s - load_per_s) / self._split.deferrable_weight
        )

    def _serving(self, observation: SiteObservation, replicas: int) -> int:
        """Return how many replicas serve for sure, and keep the number that is set now."""
        awake = observation.awake_replicas or self._base.most
        if not self._scales:
            return min(awake, observation.active_replicas or self._base.most)
        now_s = observation.time_s
        while len(self._set) > 1 and self._set[1][0] <= now_s - self._wake_s:
            self._set.popleft()
        self._set.append((now_s, replicas))
        return min(awake, *(count for _, count in self._set), self._base.most)


def cleanest_slots(intensity: FloatArray, room: FloatArray, due: FloatArray) -> NDArray[np.bool_]:
    """Return the cleanest slots that serve work in time, shape (slots,); the sooner of equal ones.

    Slot by slot, while those chosen serve less than is due by its end, the cleanest one up to it is
    added.

    Args:
        intensity: Carbon intensity of each slot, shape (slots,).
        room: Work that each slot serves, shape (slots,).
        due: Work that must be served by the end of each slot, cumulative, shape (slots,).
    """
    chosen = np.zeros(len(intensity), dtype=np.bool_)
    served = 0.0
    others: list[tuple[float, int]] = []  # heap of the slots so far that are not chosen
    for slot, needed in enumerate(due.tolist()):
        heapq.heappush(others, (float(intensity[slot]), slot))
        while served < needed * (1 - _ROUNDING) and others:
            _, best = heapq.heappop(others)
            chosen[best] = True
            served += float(room[best])
    return chosen
