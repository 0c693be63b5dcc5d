"""The service model of a deployment: rates, powers and latencies that policies plan with.

It is an aggregate model: means in the steady state of the workload's mean request, by clock and
batch. The simulator is more detailed, and a policy that plans with the model is corrected by its
observations.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from controllers.arrays import FloatArray


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ServiceModel:
    """A site's deployment in the steady state, by clock (c of them) and batch (b of them).

    Example::

        capacity_per_s = service.capacity_per_s(tpot_s=0.05)  # [requests/s]
        power_w = service.draw_w(0.5 * capacity_per_s)  # at half load

    Attributes:
        replicas: Replicas of the site.
        clocks: Clock fractions, ascending to 1, shape (c,).
        batches: Mean running sequences of a replica, ascending, shape (b,).
        rate_per_s: Requests that a replica completes, shape (c, b) [requests/s].
        power_w: Facility power of a replica meanwhile, shape (c, b) [W].
        tpot_s: Mean time per output token, shape (c, b) [s].
        load_per_s: Rates at which requests come to a replica at random, ascending from 0 to the
            highest it can serve at the full clock, shape (l,) [requests/s].
        load_w: Facility power of the replica at those rates, shape (l,) [W].
        idle_w, sleep_w: Facility power of a replica without work, and asleep [W].
        output_tokens: Mean output length [tokens].
    """

    replicas: int
    clocks: FloatArray
    batches: FloatArray
    rate_per_s: FloatArray
    power_w: FloatArray
    tpot_s: FloatArray
    load_per_s: FloatArray
    load_w: FloatArray
    idle_w: float
    sleep_w: float
    output_tokens: float

    def __post_init__(self) -> None:
        for part in fields(self):
            value = getattr(self, part.name)
            if isinstance(value, np.ndarray):
                copy = value.copy()
                copy.setflags(write=False)
                object.__setattr__(self, part.name, copy)

    def largest_batch(self, tpot_s: float | None, clock: float = 1.0) -> float:
        """Return the largest batch whose time per token is at most `tpot_s`; the least if none.

        Args:
            tpot_s: SLO [s]; None for no bound.
            clock: Clock fraction.
        """
        row = self.at_clock(self.tpot_s, clock)
        allowed = np.flatnonzero(row <= (np.inf if tpot_s is None else tpot_s))
        return float(self.batches[allowed[-1]] if len(allowed) else self.batches[0])

    def at_clock(self, table: FloatArray, clock: float) -> FloatArray:
        """Return a row of a table at any clock, linear between those of the table, shape (b,)."""
        return np.array([np.interp(clock, self.clocks, column) for column in table.T])

    def capacity_per_s(self, tpot_s: float | None = None, replicas: int | None = None) -> float:
        """Return the highest rate at the full clock [requests/s].

        Args:
            tpot_s: SLO for the time per token [s]; None for no bound.
            replicas: Replicas that serve; all by default.
        """
        count = self.replicas if replicas is None else replicas
        batch = self.largest_batch(tpot_s)
        fastest = self.rate_per_s[-1][self.batches <= batch].max()
        return float(fastest) * count

    def draw_w(self, rate_per_s: FloatArray | float, replicas: int | None = None) -> FloatArray:
        """Return the mean facility power of the site at the full clock, by load [W].

        The load is spread over the replicas that serve; the others sleep.

        Args:
            rate_per_s: Load, any shape [requests/s]; a load above the capacity draws no more power.
            replicas: Replicas that serve; all by default.
        """
        count = self.replicas if replicas is None else replicas
        replica_w = np.interp(np.asarray(rate_per_s) / count, self.load_per_s, self.load_w)
        draw: FloatArray = replica_w * count + self.sleep_w * (self.replicas - count)
        return draw


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassInfo:
    """A class of requests, as a controller knows it.

    Attributes:
        name: Its name.
        share: Share of the requests [0 to 1].
        deferrable: Whether its requests may be deferred.
        deadline_s: From arrival to the latest completion [s]; infinite for none.
        latest_start_s: From arrival until a deferrable request is released whatever is set [s].
        ttft_slo_s, tpot_slo_s: SLOs [s]; None without one.
    """

    name: str
    share: float
    deferrable: bool = False
    deadline_s: float = float("inf")
    latest_start_s: float = float("inf")
    ttft_slo_s: float | None = None
    tpot_slo_s: float | None = None
