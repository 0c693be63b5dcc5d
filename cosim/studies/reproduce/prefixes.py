"""Several request counts from one run, exactly.

Experiment 1 serves the first N requests of one stream for many N. As requests are served in order
of arrival, the run of N is the run of more until the first request beyond N would be looked at. So
the longest run is made once; shortly before each N the process forks, and the child takes what is
beyond N out of the lines and runs to its end. It repeats the events that a run of N alone would
have, to the bit. Where the system cannot fork, or a run turns out not to allow it, each count is
run by itself, with the same result.
"""

from __future__ import annotations

import math
import os
import pickle
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from cosim.studies.reproduce.cases import Case
from cosim.studies.reproduce.serving import Measured, Serving, measure
from inference_sim.request import Request

_MARGIN = 48  # requests before a count at which to fork, so that the child has little left to do


def measure_counts(
    case: Case, counts: Sequence[int], on_served: Callable[[int], None] = lambda requests: None
) -> dict[int, Measured]:
    """Return the measurements of the first N requests of a case, for each N of `counts`.

    Args:
        case: The case.
        counts: Numbers of requests.
        on_served: Called with the number of requests served since the last call.

    Raises:
        RunFailed: If no request could be served.
    """
    pending = sorted(set(counts))
    longest = pending.pop()
    by_count: dict[int, Measured] = {}
    serving, served = Serving(replace(case, requests=longest)), 0
    alone = [] if hasattr(os, "fork") else pending
    while pending and alone is not pending:
        served += _report(serving, served, on_served)
        heads, count = _heads(serving), pending[0]
        if serving.cluster.drained or not _still_alike(serving, heads, count):
            alone.append(pending.pop(0))
        elif max(heads) >= count - _MARGIN and serving.cluster.arrived >= count:
            pending.pop(0)
            if (measured := _in_a_child(serving, count)) is None:
                alone.append(count)
            else:
                by_count[count] = measured
        else:
            serving.advance(serving.cluster.env.now + _step_s(serving, heads, count))
    for count in alone:
        by_count[count] = measure(replace(case, requests=count))
    by_count[longest] = serving.finish()
    _report(serving, served, on_served)
    return by_count


def _report(serving: Serving, before: int, on_served: Callable[[int], None]) -> int:
    if serving.ended > before:
        on_served(serving.ended - before)
    return serving.ended - before


def _heads(serving: Serving) -> list[float]:
    """Return the number of the first request in each line that was never served; else infinity."""
    return [
        next((r.request_id for r in engine.waiting if math.isnan(r.scheduled_s)), math.inf)
        for engine in serving.cluster.engines
    ]


def _still_alike(serving: Serving, heads: Sequence[float], count: int) -> bool:
    """Return whether the run so far equals that of the first `count` requests alone.

    It has if no other has arrived, or if in every line one of these still stands before the others.
    """
    return serving.cluster.arrived <= count or max(heads) < count


def _step_s(serving: Serving, heads: Sequence[float], count: int) -> float:
    """Return a time in which about a third of the requests to go are served [s]."""
    begun = max([serving.ended, *(head for head in heads if head < math.inf)])
    per_request_s = serving.cluster.env.now / begun if begun else 0.01
    return max((count - _MARGIN - begun) / 3, _MARGIN / 4) * per_request_s


def _in_a_child(serving: Serving, count: int) -> Measured | None:
    """Return the measurements of the first `count` requests alone; None if the child failed."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Python warns of threads, those of NumPy's BLAS; it starts them anew in a child.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:  # no tests' or caller's clean-up must run here
        try:
            os.close(reading)
            measured = _finish_alone(serving, count)
            with os.fdopen(writing, "wb") as stream:
                pickle.dump(measured, stream)
            os._exit(0)
        except BaseException:  # pragma: no cover - the parent runs it by itself
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        written = stream.read()
    _, status = os.waitpid(child, 0)
    return pickle.loads(written) if status == 0 else None  # noqa: S301 - our own child wrote it


def _finish_alone(serving: Serving, count: int) -> Measured:
    """Drop the queued requests beyond `count`, admit no more, and run to the end."""
    serving.cluster.apply({"admission_rate": 0.0})
    for engine in serving.cluster.engines:
        engine.waiting = deque[Request](r for r in engine.waiting if r.request_id < count)
    return serving.finish(count)
