"""The work that has come and the work that is due, by the ends of periods.

Work is counted by the floor of its energy (`prices`): of each class that on prompts and that of
decoding. A request's work can begin when it arrives. It is due, where its class is to hold
objectives,

    its prompt    by arrival + ttft, or when all of it is due, if that is sooner
    all of it     by arrival + ttft + (output - 1) tpot, by arrival + e2e, and by its deadline

and all work by the end of the run. One request in a hundred may miss its objectives, the largest
ones; and a hundredth of the work of a class may be left at the end, if there are requests so small.

Where two requests with objectives cannot be served at the same time, for the one is due before the
other comes, no iteration decodes for both. The most decode steps of requests of which no two
overlap (weighted interval scheduling [1]_) are therefore iterations that decode, for certain.

References:
    .. [1] J. Kleinberg, E. Tardos, "Algorithm Design", 2005, Section 6.1.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from cosim.scenario.workload import RequestClass
from cosim.studies.bounds.machine import decode_steps, request_amounts
from cosim.studies.bounds.prices import Floor, Worth
from inference_sim.arrays import FloatArray
from inference_sim.cluster import Cluster
from inference_sim.speculative import Speculative
from inference_sim.workload import Arrival

MISSING = 0.01
"""Share of the requests that may miss their objectives, and of a class's work that may be left."""

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Work by the ends of periods, cumulative, shape (periods,).

    Attributes:
        most: The most that can have been done: of the requests that have come.
        least: The least that must have been done.
    """

    most: FloatArray
    least: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class ClassDemand:
    """Work of a class: on its prompts, of decoding [Wh], and both at the end.

    Attributes:
        prompts, steps: Curves of the two.
        least_wh: Least of both together that must be done by the end.
    """

    prompts: Curve
    steps: Curve
    least_wh: float


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """Requests that a site can serve; arrays of shape (requests,).

    Attributes:
        arrival_s, class_id: Arrivals, and numbers of classes.
        prompt_tokens, output_tokens: Lengths.
        first_due_s, due_s: Times by which the first token and the last one are due; infinite
            for the end of the run.
        has_slo: Whether the attainment of the SLOs counts it.
        alone: Numbers of requests with objectives of which no two overlap.
        steps: Least decode steps of each.
        speculative: Drafts of the engines.
    """

    arrival_s: FloatArray
    class_id: Indices
    prompt_tokens: FloatArray
    output_tokens: FloatArray
    first_due_s: FloatArray
    due_s: FloatArray
    has_slo: NDArray[np.bool_]
    alone: Indices
    steps: FloatArray
    speculative: Speculative | None

    @classmethod
    def of(
        cls,
        stream: Iterable[Arrival],
        classes: list[RequestClass],
        horizon_s: float,
        cluster: Cluster,
    ) -> Requests:
        """Return the requests of a stream.

        Args:
            stream: The arrivals.
            classes: The classes.
            horizon_s: End of the run [s].
            cluster: The cluster, which refuses some.
        """
        pool = next(iter(cluster.pools.values()))
        rows = [
            (arrival[0], arrival[1], arrival[2], arrival[3])
            for arrival in takewhile(lambda arrival: arrival[0] < horizon_s, stream)
            if not pool.refusal(arrival[1] + arrival[2])
        ]
        table = np.array(rows, dtype=np.float64).reshape(-1, 4)
        arrival_s, prompt, output = table[:, 0], table[:, 1], table[:, 2]
        class_id = table[:, 3].astype(np.int64)
        first_due_s, due_s = np.full(len(table), math.inf), np.full(len(table), math.inf)
        for number, keys in enumerate(classes):
            mine = class_id == number
            first_s, last_s = _due_after_s(keys, output[mine])
            first_due_s[mine] = arrival_s[mine] + first_s
            due_s[mine] = arrival_s[mine] + last_s
        slo = (
            np.array([_has_slo(keys) for keys in classes])[class_id]
            if len(table)
            else np.zeros(0, bool)
        )
        strict = slo & np.isfinite(due_s) & (due_s <= horizon_s)
        speculative = pool.config.speculative
        steps = decode_steps(output, speculative)
        alone = most_apart(arrival_s, due_s, steps, np.flatnonzero(strict))
        return cls(
            arrival_s=arrival_s,
            class_id=class_id,
            prompt_tokens=prompt,
            output_tokens=output,
            first_due_s=first_due_s,
            due_s=due_s,
            has_slo=slo,
            alone=alone,
            steps=steps,
            speculative=speculative,
        )

    @property
    def amounts(self) -> FloatArray:
        """Amounts of their work, shape (requests, kinds)."""
        return request_amounts(self.prompt_tokens, self.output_tokens, self.speculative)

    def worths(self, classes: list[RequestClass], busy_s: float) -> list[Worth]:
        """Return the work for which lines of a floor are to be high: of all, and of chat.

        Args:
            classes: The classes.
            busy_s: Time in which replicas must be at work [s].
        """
        work = self.amounts
        if not len(work):
            return []
        worths = [Worth(0.0, 0.0, work.sum(axis=0))]
        may_wait = np.array([keys.deferrable for keys in classes])[self.class_id]
        if len(self.alone):
            iterations = float(self.steps[self.alone].sum())
            worths.append(Worth(0.0, iterations, work[~may_wait].sum(axis=0)))
        if busy_s:
            worths.append(Worth(busy_s, 0.0, work[~may_wait].sum(axis=0)))
            worths.append(Worth(busy_s, 0.0, work.sum(axis=0)))
        if may_wait.any() and not may_wait.all():
            worths.append(Worth(0.0, 0.0, work[may_wait].sum(axis=0)))
        return worths

    def by_class(self, floor: Floor, ends_s: FloatArray, may_miss: int) -> list[ClassDemand]:
        """Return the work of each class [Wh].

        Args:
            floor: The floor that it is counted by.
            ends_s: Ends of the periods [s].
            may_miss: Requests with SLOs that may miss them.
        """
        work = self.amounts
        prompts_wh, steps_wh = floor.prompts_j(work) / 3600, floor.steps_j(work) / 3600
        demands = []
        for number in np.unique(self.class_id):
            mine = self.class_id == number
            misses = may_miss if self.has_slo[mine].any() else int(MISSING * mine.sum())
            each_wh = prompts_wh[mine] + steps_wh[mine]
            total_wh = float(each_wh.sum())
            may_be_left = each_wh.min() <= MISSING * total_wh
            left_wh = MISSING * total_wh if may_be_left else 0.0
            first_s = np.minimum(self.first_due_s[mine], self.due_s[mine])
            demands.append(
                ClassDemand(
                    _curve(self.arrival_s[mine], first_s, prompts_wh[mine], misses, ends_s),
                    _curve(self.arrival_s[mine], self.due_s[mine], steps_wh[mine], misses, ends_s),
                    total_wh - left_wh,
                )
            )
        return demands

    def decoding(self, ends_s: FloatArray, may_miss: int) -> Curve:
        """Return iterations that decode for certain: for requests of which no two overlap."""
        alone = self.alone
        steps = self.steps[alone]
        return _curve(self.arrival_s[alone], self.due_s[alone], steps, may_miss, ends_s)


def _has_slo(keys: RequestClass) -> bool:
    return any(value is not None for value in (keys.slo.ttft_s, keys.slo.tpot_s, keys.slo.e2e_s))


def _due_after_s(keys: RequestClass, output_tokens: FloatArray) -> tuple[float, FloatArray]:
    """Return times from arrival by which first and last tokens are due [s]."""
    slo = keys.slo
    first_s = math.inf if slo.ttft_s is None else slo.ttft_s
    last_s = np.full(len(output_tokens), math.inf)
    if slo.tpot_s is not None:
        last_s = first_s + slo.tpot_s * (output_tokens - 1)
    if slo.e2e_s is not None:
        last_s = np.minimum(last_s, slo.e2e_s)
    if keys.deferrable and keys.deadline is not None:
        last_s = np.minimum(last_s, keys.deadline)
    return first_s, last_s


def _curve(
    arrival_s: FloatArray, due_s: FloatArray, work: FloatArray, misses: int, ends_s: FloatArray
) -> Curve:
    """Return the curve of work that comes and is due at some times; the largest `misses` may be
    late."""
    missed = float(np.sort(work)[len(work) - misses :].sum()) if misses else 0.0
    most = _cumulative(arrival_s, work, ends_s, side="left")
    least = _cumulative(due_s, work, ends_s, side="right") - missed
    return Curve(most, np.clip(least, 0.0, most))


def _cumulative(times_s: FloatArray, work: FloatArray, ends_s: FloatArray, side: str) -> FloatArray:
    order = np.argsort(times_s, kind="stable")
    sums = np.concatenate([[0.0], np.cumsum(work[order])])
    counts = np.searchsorted(times_s[order], ends_s, side="left" if side == "left" else "right")
    cumulative: FloatArray = sums[counts]
    return cumulative


def most_apart(
    starts_s: FloatArray, ends_s: FloatArray, weights: FloatArray, numbers: Indices
) -> Indices:
    """Return those of some intervals of which no two overlap and whose weights are the most.

    Args:
        starts_s, ends_s: Ends of all intervals [s].
        weights: Their weights.
        numbers: Numbers of the intervals to choose from.
    """
    order = numbers[np.argsort(ends_s[numbers], kind="stable")]
    ends = ends_s[order].tolist()
    best = [0.0]
    before: list[int] = []
    for place, number in enumerate(order.tolist()):
        before.append(bisect_right(ends, starts_s[number], 0, place))
        best.append(max(best[-1], best[before[-1]] + float(weights[number])))
    chosen: list[int] = []
    place = len(order)
    while place > 0:
        if best[place] > best[place - 1]:
            chosen.append(int(order[place - 1]))
            place = before[place - 1]
        else:
            place -= 1
    return np.array(chosen[::-1], dtype=np.int64)
