"""A mix of models: pools that differ in quality and energy, and how much of the load each gets.

The mean quality of a mix is that of its requests. Of all mixes with a mean quality over a window,
the one with the least emissions is a linear programme: with s the share of pool p in period t,

    minimise    sum_t F_t n_t sum_p e_p s_tp
    such that   sum_p s_tp = 1                                     every request is served
                sum_t n_t sum_p q_p s_tp >= Q                      quality over the window
                n_t s_tp <= room_p                                 capacity

where n are the requests of a period, F the carbon intensity, q and e the quality of a pool and the
energy that a request adds to it, and Q what is left of the quality wanted. It gives the better
model the clean hours (Wiesner et al., "Quality Time: Carbon-Aware Quality Adaptation for
Energy-Intensive Services", 2024, arXiv 2411.19058).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from controllers.arrays import FloatArray
from controllers.base import PoolContext, SiteContext

_SHORT = 1e3
"""Price of a missing request's worth of quality, over the dearest request."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mix:
    """The pools of a site by quality and energy; arrays have shape (pools,).

    Attributes:
        pools: Their names; the first gets the requests that no share gives to another.
        quality: Score of each model.
        energy_j: Energy that a request adds to the facility [J].
        capacity_per_s: Highest rate [requests/s].
    """

    pools: tuple[str, ...]
    quality: FloatArray
    energy_j: FloatArray
    capacity_per_s: FloatArray

    @classmethod
    def of(cls, context: SiteContext, benchmark: str | None) -> Self | None:
        """Return the mix of a site; None if its context tells no pools.

        The energy of a request is what it adds to a pool, in the mean from no load to the highest
        mean rate of the workload.

        Args:
            context: The site.
            benchmark: The score that counts; the first that all models have by default.

        Raises:
            ValueError: If the site has no share to set, or its models have no score in common.
        """
        settable = [name for name, pool in context.pools.items() if "tier_share" in pool.limits]
        if not settable:
            if "tier_share" in context.limits:
                return None
            raise ValueError(
                f"site '{context.site}' has no tier_share to set: it needs `pools` and "
                "`dispatch: {type: tiers, default: ..., shares: {...}}`"
            )
        default = [name for name in context.pools if name not in settable]
        pools = {name: context.pools[name] for name in (*default[:1], *settable)}
        quality = [_score(name, pool, benchmark, pools) for name, pool in pools.items()]
        rate_per_s = context.limits["admission_rate"].maximum
        added = [_added(name, pool, rate_per_s) for name, pool in pools.items()]
        energy_j, capacity_per_s = zip(*added, strict=True)
        return cls(
            pools=tuple(pools),
            quality=np.array(quality),
            energy_j=np.array(energy_j),
            capacity_per_s=np.array(capacity_per_s),
        )

    def check(self, floor: float) -> None:
        """Check that a mix can have a mean quality.

        Raises:
            ValueError: If not even the best model has it.
        """
        best = float(self.quality.max())
        if floor > best:
            raise ValueError(f"floor must be at most {best:g}, the best model's score ({floor:g})")

    def settings(self, shares: FloatArray) -> dict[str, float]:
        """Return shares, shape (pools,), as the values of the actuator, rounded to 1e-6."""
        values = np.clip(np.round(shares[1:], 6), 0.0, 1.0)
        return dict(zip(self.pools[1:], values.tolist(), strict=True))

    def constant(self, floor: float) -> FloatArray:
        """Return the shares with the least energy that have a mean quality, shape (pools,)."""
        one = np.ones(1)
        shares: FloatArray = self.least_carbon(one, one, floor, utilisation=np.inf)[0]
        return shares

    def least_carbon(
        self,
        intensity: FloatArray,
        requests: FloatArray,
        quality: float,
        *,
        utilisation: float,
        periods_s: FloatArray | float = 1.0,
    ) -> FloatArray:
        """Return the shares with the least emissions, shape (periods, pools).

        Args:
            intensity: Carbon intensity, shape (periods,) [g/kWh].
            requests: Requests of each period, shape (periods,).
            quality: Sum of the scores that the requests are to have at least; as much of it as is
                possible.
            utilisation: Share of a pool's capacity that may be used [0 to 1].
            periods_s: Length of a period, or of each [s].
        """
        from scipy.optimize import linprog

        periods, pools = len(requests), len(self.pools)
        grams = intensity * requests
        cost = np.outer(grams, self.energy_j).ravel()
        dearest = max(float(cost.max(initial=0.0)), 1e-12)
        worth = dearest * _SHORT
        room = utilisation * np.outer(np.broadcast_to(periods_s, periods), self.capacity_per_s)
        with np.errstate(divide="ignore"):
            most = np.minimum(room / requests[:, None], 1.0)
        # What exceeds all room is shared by capacity: it has to go somewhere.
        most /= np.minimum(most.sum(axis=1, keepdims=True), 1.0)
        shares = np.kron(np.eye(periods), np.ones((1, pools)))
        equal = np.hstack([shares, np.zeros((periods, 1))])
        scores = -np.outer(requests, self.quality).ravel()
        result = linprog(
            np.append(cost / dearest, worth / dearest),
            A_ub=np.append(scores, -1.0)[None, :],
            b_ub=[-quality],
            A_eq=equal,
            b_eq=np.ones(periods),
            bounds=[*((0.0, float(bound)) for bound in most.ravel()), (0.0, None)],
            method="highs",
        )
        if not result.success:
            raise ValueError(f"no mix could be found: {result.message}")
        found: FloatArray = result.x[:-1].reshape(periods, pools)
        return found


def _score(
    name: str, pool: PoolContext, benchmark: str | None, pools: dict[str, PoolContext]
) -> float:
    shared = [key for key in pool.quality if all(key in other.quality for other in pools.values())]
    key = benchmark or (shared[0] if shared else None)
    if key is None or key not in pool.quality:
        wanted = "a score of the same benchmark" if key is None else f"a score of {key}"
        raise ValueError(f"pool '{name}' needs `quality` with {wanted} (has {dict(pool.quality)})")
    return pool.quality[key]


def _added(name: str, pool: PoolContext, rate_per_s: float) -> tuple[float, float]:
    """Return the energy that a request adds [J], and the capacity [requests/s]."""
    if pool.service is None:
        raise ValueError(f"pool '{name}' has no service model to plan with")
    capacity_per_s = pool.service.capacity_per_s()
    rate = min(max(rate_per_s, 1e-6), capacity_per_s)
    draw_w = pool.service.draw_w(np.array([0.0, rate]))
    return float(draw_w[1] - draw_w[0]) / rate, capacity_per_s
