"""Work that a run left undone, or did too late, by class."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from cosim.results.totals import ClassTotals, ServingTotals


@dataclass(frozen=True, slots=True)
class Undone:
    """Requests that were left, or served after their deadline.

    Attributes:
        left_g: Emissions of the requests that were left, as of those of their class that were
            served [g].
        left_by_class: Share of its requests that was left [0 to 1].
        late: Deferrable requests that were served after their deadline, or never.
        late_by_class: Their share of the requests of the class [0 to 1].
    """

    left_g: float
    left_by_class: dict[str, float]
    late: int
    late_by_class: dict[str, float]


def undone(serving: ServingTotals | None, deferrable: Collection[str]) -> Undone:
    """Return what a run left undone.

    Args:
        serving: Totals of the serving; None if nothing was served.
        deferrable: Names of the classes whose requests may wait.
    """
    classes = serving.attribution.by_class if serving else {}
    asked = {name: share for name, share in classes.items() if share.requests}
    late = {
        name: share.late + share.requests - share.completed
        for name, share in asked.items()
        if name in deferrable
    }
    return Undone(
        left_g=math.fsum(_left_g(share) for share in asked.values()),
        left_by_class={name: 1 - share.completed / share.requests for name, share in asked.items()},
        late=sum(late.values()),
        late_by_class={name: count / asked[name].requests for name, count in late.items()},
    )


def _left_g(share: ClassTotals) -> float:
    if not share.completed:
        return 0.0
    return max(share.carbon_g, 0.0) / share.completed * (share.requests - share.completed)
