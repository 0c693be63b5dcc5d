"""The service model of a deployment: rates, powers and latencies that policies plan with.

It is an aggregate model: means in the steady state of the workload's mean request, by clock and
batch. Classes may differ in length: the weight of a class converts its requests into mean ones, in
which loads and capacities are added up. The simulator is more detailed, and a policy that plans
with the model is corrected by its observations.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
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
        prompt_tokens, output_tokens: Mean lengths of its requests [tokens]; 0 where not known.
        weight: Service that one of its requests takes, in that of the workload's mean request; 1
            where all classes have the same lengths.
    """

    name: str
    share: float
    deferrable: bool = False
    deadline_s: float = math.inf
    latest_start_s: float = math.inf
    ttft_slo_s: float | None = None
    tpot_slo_s: float | None = None
    prompt_tokens: float = 0.0
    output_tokens: float = 0.0
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSplit:
    """Split of a site's requests into those that may wait and those that may not.

    Example::

        split = LoadSplit.of(context.classes)
        load_per_s = split.interactive_weight * interactive_per_s  # [mean requests/s]

    Attributes:
        interactive_load: Load of those that may not wait [mean requests per request that arrives].
        interactive_weight: Mean weight of those [mean requests].
        deferrable_share: Share of the requests that may wait [0 to 1].
        deferrable_weight: Mean weight of these [mean requests].
        may_wait_s: Time for which they may wait, the shortest of their classes [s]; may be
            infinite.
        tpot_slo_s: The strictest SLO of the others for the time per token [s], or None.
    """

    interactive_load: float
    interactive_weight: float
    deferrable_share: float
    deferrable_weight: float
    may_wait_s: float
    tpot_slo_s: float | None

    @classmethod
    def of(cls, classes: Iterable[ClassInfo]) -> LoadSplit:
        """Return the split of some classes; without any, no request may wait."""
        present = [info for info in classes if info.share > 0]
        may_wait = [info for info in present if info.deferrable]
        others = [info for info in present if not info.deferrable]
        bounds = [info.tpot_slo_s for info in others if info.tpot_slo_s is not None]
        share = sum(info.share for info in may_wait)
        load = sum(info.share * info.weight for info in may_wait)
        other_share = sum(info.share for info in others)
        other_load = sum(info.share * info.weight for info in others) if present else 1.0
        return cls(
            interactive_load=other_load,
            interactive_weight=other_load / other_share if other_share else 1.0,
            deferrable_share=share,
            deferrable_weight=load / share if share else 1.0,
            may_wait_s=min((info.latest_start_s for info in may_wait), default=math.inf),
            tpot_slo_s=min(bounds, default=None),
        )
