"""The replicas of a pool that serve: surplus ones drain and fall asleep, and wake up slowly.

A draining replica gets no new requests and falls asleep when it has served its last one. Waking up
takes a while at idle power; until then it serves nothing. The first replica always serves.
"""

from __future__ import annotations

from collections.abc import Sequence

import simpy

from inference_sim.replica import Replica


class Standby:
    """The replicas of a pool, and which of them are awake.

    Args:
        env: The cluster's clock.
        replicas: All replicas; awake at the start.
        startup_s: Time that one takes to wake up [s].

    Attributes:
        live: Those that get requests, in order; routers choose from this list.
        active: Number of replicas that are to serve.
    """

    def __init__(
        self, env: simpy.Environment, replicas: Sequence[Replica], startup_s: float
    ) -> None:
        self._env, self._startup_s = env, startup_s
        self._replicas = list(replicas)
        self.live: list[Replica] = list(replicas)
        self.active = len(replicas)
        self._draining: list[Replica] = []
        self._waking: list[Replica] = []
        self._asleep_since_s: dict[Replica, float] = {}
        self._ready: dict[Replica, simpy.Event] = {}  # the latest awakening of each
        self._asleep_s = 0.0
        for replica in replicas:
            for engine in replica.engines:
                engine.on_idle = self._on_idle

    @property
    def awake(self) -> int:
        """Replicas that are not asleep: serving, draining or waking up."""
        return len(self._replicas) - len(self._asleep_since_s)

    def set_active(self, count: int) -> None:
        """Let `count` replicas serve, from 1 to all."""
        self.active = count
        surplus = len(self.live) + len(self._waking) - count
        while surplus > 0 and self._waking:
            self._fall_asleep(self._waking.pop())
            surplus -= 1
        while surplus > 0:
            self._draining.append(self.live.pop())
            surplus -= 1
        while surplus < 0 and self._draining:  # it has not slept yet
            self._serve(self._draining.pop())
            surplus += 1
        for replica in self._replicas:
            if surplus < 0 and replica in self._asleep_since_s:
                self._wake(replica)
                surplus += 1
        self._on_idle()

    def take_asleep_s(self, now_s: float) -> float:
        """Return the time that replicas slept since the last call, all together [replicas * s]."""
        for replica, since_s in self._asleep_since_s.items():
            self._asleep_s += now_s - since_s
            self._asleep_since_s[replica] = now_s
        asleep_s, self._asleep_s = self._asleep_s, 0.0
        return asleep_s

    def _on_idle(self) -> None:
        """Put draining replicas without requests to sleep."""
        for replica in [draining for draining in self._draining if not draining.outstanding]:
            self._draining.remove(replica)
            self._fall_asleep(replica)

    def _fall_asleep(self, replica: Replica) -> None:
        self._asleep_since_s[replica] = self._env.now

    def _wake(self, replica: Replica) -> None:
        self._asleep_s += self._env.now - self._asleep_since_s.pop(replica)
        self._waking.append(replica)
        ready = simpy.Timeout(self._env, self._startup_s)

        def on_ready(event: simpy.Event) -> None:
            if replica in self._waking and self._ready.get(replica) is event:
                self._waking.remove(replica)
                self._serve(replica)

        self._ready[replica] = ready
        ready.callbacks.append(on_ready)

    def _serve(self, replica: Replica) -> None:
        self.live.append(replica)
        self.live.sort(key=lambda serving: serving.index)
