"""The mean demand of sessions, and of clients in a closed loop.

Clients in a closed loop send as fast as they are served: their rate is no signal that could be
forecast. Planners get that of the steady state with all replicas awake at the full clock, where N
clients, b of whom are served and the others think for Z, send N = b + X(b) Z.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np

from controllers import ServiceModel
from cosim.world.workload import ClosedLoop, WorkloadSource
from inference_sim.arrays import FloatArray
from inference_sim.workload import Sessions

_SAMPLE = 1024
"""Sessions whose lengths are taken for those of all."""


@dataclass(frozen=True, slots=True)
class SessionSample:
    """The requests of a sample of sessions, or of those of a class.

    Attributes:
        prompts, outputs: Lengths of each request, shape (requests,) [tokens].
        cached: Part of each prompt that earlier ones of its session hold, shape (requests,)
            [tokens]; with its system prompt, as if that was always found.
        sessions: Number of sessions.
    """

    prompts: FloatArray
    outputs: FloatArray
    cached: FloatArray
    sessions: int

    @property
    def turns(self) -> float:
        """Mean number of requests of a session."""
        return len(self.prompts) / max(self.sessions, 1)


def session_sample(
    sessions: Sessions, longest_tokens: float, class_id: int | None = None
) -> SessionSample:
    """Return the requests of a sample of sessions, which end before their context is too long.

    Args:
        sessions: The sessions.
        longest_tokens: Longest request, prompt and output [tokens].
        class_id: Class of the sessions; None for all.
    """
    rows: list[Sequence[float]] = []
    count = 0
    for number in range(_SAMPLE):
        session = sessions.session(number)
        if class_id is not None and session.class_id != class_id:
            continue
        count += 1
        turns = zip(sessions.prompts(session), session.answers, session.texts, strict=True)
        fitting = takewhile(lambda turn: turn[0] + turn[1] <= longest_tokens, turns)
        rows += [(prompt, answer, prompt - text) for prompt, answer, text in fitting]
    table = np.array(rows or [(1.0, 1.0, 0.0)], dtype=np.float64)
    return SessionSample(table[:, 0], table[:, 1], table[:, 2], count)


def with_rate(source: WorkloadSource, service: ServiceModel) -> WorkloadSource:
    """Return a closed loop with the rate of its steady state.

    Args:
        source: The workload of a site, from clients in a closed loop.
        service: The service model of its cluster.
    """
    loop = source.source
    if not isinstance(loop, ClosedLoop):
        return source
    rates = np.maximum.accumulate(service.rate_per_s[-1])
    clients = np.append(0.0, service.batches + rates * loop.pause_s)
    on_each = loop.clients / service.replicas
    rate = service.replicas * float(np.interp(on_each, clients, np.append(0.0, rates)))
    return replace(source, source=replace(loop, rate_per_s=rate), peak_rate_per_s=rate)
