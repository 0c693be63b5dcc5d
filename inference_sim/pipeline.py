"""The stages of a replica's pipeline, and the times of each batch on them.

Batches enter the first stage one at a time and never overtake, so the times of a batch on all
stages are known when it enters.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import simpy

from inference_sim.execution import ExecutionModel


class Entrance:
    """The first stage, one batch at a time, first come first served.

    It works as a ``simpy.Resource``, without the events that nobody waits for: there is a turn for
    every iteration.

    Attributes:
        held: Whether a batch is in it, or has the turn.
    """

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self.held = False
        self._waiting: deque[simpy.Event] = deque()

    def request(self) -> simpy.Event:
        """Return an event that happens when it is the caller's turn."""
        turn = simpy.Event(self._env)
        if self.held:
            self._waiting.append(turn)
        else:
            self.held = True
            turn.succeed()
        return turn

    def release(self) -> None:
        """End the present turn."""
        if self._waiting:
            self._waiting.popleft().succeed()
        else:
            self.held = False


class Pipeline:
    """Pipeline-parallel stages, shared by the engines of a replica.

    Attributes:
        stages: Cost of an iteration on each stage.
        entrance: The first stage; a batch holds it while it is there.
    """

    def __init__(self, env: simpy.Environment, stages: Sequence[ExecutionModel]) -> None:
        self.stages = tuple(stages)
        self.entrance = Entrance(env)
        self._free_s = [0.0] * len(stages)

    def enter(self, now_s: float, durations_s: Sequence[float]) -> list[float]:
        """Return the times at which a batch that enters now begins on each stage [s].

        Args:
            now_s: The time [s]; the first stage must be free.
            durations_s: Time of the batch on each stage [s].
        """
        ready_s = now_s
        starts: list[float] = []
        for stage, duration_s in enumerate(durations_s):
            start_s = max(ready_s, self._free_s[stage])
            starts.append(start_s)
            ready_s = self._free_s[stage] = start_s + duration_s
        return starts
