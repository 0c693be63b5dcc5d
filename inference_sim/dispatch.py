"""Dispatch: the choice of a pool for each request that the gateway released.

A dispatch sees what a real one could: the request without its output length, and the load of the
pools. A request that the chosen pool can never serve goes to the first one that can.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from inference_sim.arrays import FloatArray
from inference_sim.decode_energy import DecodeEnergy
from inference_sim.deferral import ServiceClass
from inference_sim.errors import InferenceSimError
from inference_sim.handover import least_loaded
from inference_sim.knobs import Knob
from inference_sim.pool import Pool
from inference_sim.request import Request

_BLOCK = 4096
"""Requests whose draws are made at once."""
_ROUNDING = 1e-9


class Dispatch(ABC):
    """A choice between the pools of one cluster.

    Attributes:
        knobs: Knobs by pool, beside those that the pools have.
    """

    knobs: Mapping[str, Knob] = MappingProxyType({})

    @abstractmethod
    def choose(self, request: Request) -> Pool:
        """Return the pool that is to serve a request."""


class DispatchRule(ABC):
    """A rule by which pools are chosen, before there are any."""

    @property
    def settable_shares(self) -> Mapping[str, float]:
        """Shares at the start of the pools whose share may be set; none by default."""
        return {}

    @abstractmethod
    def between(
        self, pools: Sequence[Pool], classes: Sequence[ServiceClass], seed: int
    ) -> Dispatch:
        """Return the dispatch between some pools; its draws follow from the seed."""


@dataclass(frozen=True, slots=True)
class OnlyPool(DispatchRule):
    """The only pool of a cluster."""

    def between(
        self, pools: Sequence[Pool], classes: Sequence[ServiceClass], seed: int
    ) -> Dispatch:
        """Return the dispatch to the only pool.

        Raises:
            InferenceSimError: If there are several.
        """
        if len(pools) != 1:
            raise InferenceSimError(f"{len(pools)} pools need a dispatch that chooses between them")
        return _ToPool(pools[0])


class _ToPool(Dispatch):
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def choose(self, request: Request) -> Pool:
        return self._pool


@dataclass(frozen=True, slots=True)
class Tiers(DispatchRule):
    """A share of the requests for each pool, drawn request by request.

    A request has one draw from 0 to 1, whatever the shares, and the pools take the range from 0 on
    in the order in which they are named: raising the share of the last one moves requests to it,
    and moves no others. Requests of a session share their draw.

    Attributes:
        default: Pool that gets the rest.
        shares: Share of the requests by pool [0 to 1].
        by_class: Shares of classes that have their own, by class and pool.
    """

    default: str
    shares: Mapping[str, float] = field(default_factory=dict)
    by_class: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def settable_shares(self) -> Mapping[str, float]:
        """Shares at the start of the pools whose share may be set: all that are named."""
        return {name: share for name, share in self.shares.items() if name != self.default}

    def between(
        self, pools: Sequence[Pool], classes: Sequence[ServiceClass], seed: int
    ) -> Dispatch:
        """Return the dispatch between pools.

        Raises:
            InferenceSimError: If a pool or a class is unknown, or shares add up to more than 1.
        """
        return _TierDispatch(self, pools, classes, seed)


class _TierDispatch(Dispatch):
    def __init__(
        self, rule: Tiers, pools: Sequence[Pool], classes: Sequence[ServiceClass], seed: int
    ) -> None:
        self._pools = {pool.name: pool for pool in pools}
        self._default = _pool(self._pools, rule.default)
        _check_sum("shares", rule.shares)
        self._shares = dict(rule.settable_shares)
        names = [service_class.name for service_class in classes]
        self._by_class: dict[int, dict[str, float]] = {}
        for name, shares in rule.by_class.items():
            if name not in names:
                known = ", ".join(names) or "none"
                raise InferenceSimError(f"by_class: no class is named '{name}' (known: {known})")
            for pool_name in shares:
                _pool(self._pools, pool_name)
            _check_sum(f"by_class.{name}", shares)
            own = {pool: share for pool, share in shares.items() if pool != rule.default}
            self._by_class[names.index(name)] = own
        self.knobs = {name: self._knob(name) for name in self._shares}
        self._seed = seed

    def _knob(self, name: str) -> Knob:
        _pool(self._pools, name)
        others = [other for other in self._shares if other != name]

        def left() -> float:
            return 1.0 - sum(self._shares[other] for other in others)

        return Knob(
            "tier_share",
            lambda: self._shares[name],
            lambda value: self._shares.__setitem__(name, value),
            (
                "from 0 to what other pools leave of 1",
                lambda value: 0 <= value <= left() + _ROUNDING,
            ),
        )

    def choose(self, request: Request) -> Pool:
        shares = self._by_class.get(request.class_id, self._shares)
        draw = self._draw(request)
        for name, share in shares.items():
            if draw < share:
                return self._pools[name]
            draw -= share
        return self._default

    def _draw(self, request: Request) -> float:
        of_session = request.session >= 0
        number = request.session if of_session else request.request_id
        block, place = divmod(number, _BLOCK)
        return float(_draws(self._seed, of_session, block)[place])


@lru_cache(maxsize=256)
def _draws(seed: int, of_sessions: bool, block: int) -> FloatArray:
    # A constant of its own keeps these draws apart from those of the workload.
    key = [seed, 0x74696572, int(of_sessions), block]
    return np.random.default_rng(key).random(_BLOCK)


@dataclass(frozen=True, slots=True)
class ByLength(DispatchRule):
    """Short prompts to one pool, long ones to another.

    Attributes:
        prompt_tokens: Longest prompt that is short [tokens].
        short, long: The pools.
    """

    prompt_tokens: int
    short: str
    long: str

    def between(
        self, pools: Sequence[Pool], classes: Sequence[ServiceClass], seed: int
    ) -> Dispatch:
        """Return the dispatch between the two pools.

        Raises:
            InferenceSimError: If one is unknown.
        """
        by_name = {pool.name: pool for pool in pools}
        return _LengthDispatch(
            self.prompt_tokens, _pool(by_name, self.short), _pool(by_name, self.long)
        )


class _LengthDispatch(Dispatch):
    def __init__(self, prompt_tokens: int, short: Pool, long: Pool) -> None:
        self._prompt_tokens, self._short, self._long = prompt_tokens, short, long

    def choose(self, request: Request) -> Pool:
        return self._short if request.prompt_tokens <= self._prompt_tokens else self._long


@dataclass(frozen=True, slots=True)
class LeastEnergy(DispatchRule):
    """The pool with the least energy per token, if its replicas get one more sequence.

    Energy is that of the GPUs of a replica in a decode iteration, over its sequences; each is taken
    to be as long as the prompt of the request. A replica with few sequences needs much for each, so
    requests gather on few replicas until another pool is better, or the time per token exceeds
    `tpot_s`.

    Attributes:
        tpot_s: Time per token above which a pool gets no more requests while another is faster [s];
            None for no bound.
    """

    tpot_s: float | None = None

    def between(
        self, pools: Sequence[Pool], classes: Sequence[ServiceClass], seed: int
    ) -> Dispatch:
        """Return the dispatch between the pools."""
        return _EnergyDispatch(pools, self.tpot_s)


class _EnergyDispatch(Dispatch):
    def __init__(self, pools: Sequence[Pool], tpot_s: float | None) -> None:
        self._pools, self._tpot_s = pools, tpot_s
        self._energy = [DecodeEnergy(pool.config) for pool in pools]

    def choose(self, request: Request) -> Pool:
        scores: list[tuple[bool, float]] = []
        for pool, energy in zip(self._pools, self._energy, strict=True):
            sequences = (pool.waiting + pool.running) // len(pool.standby.live) + 1
            batch = min(sequences, pool.batch_cap)
            cost = energy.of(pool.pace.stages, batch, request.prompt_tokens)
            late = self._tpot_s is not None and cost.duration_s > self._tpot_s
            full = sequences > pool.batch_cap
            scores.append((full or late, cost.duration_s if full or late else cost.energy_j))
        return self._pools[scores.index(min(scores))]


@dataclass(frozen=True, slots=True)
class Disaggregated(DispatchRule):
    """Prompts to the prefill pools, short ones to where all of a request is served.

    Those are the pools that do both, or decode pools where there are none. Of several pools the one
    with the fewest requests for each replica gets a request.

    Attributes:
        local_tokens: Longest prompt that is short [tokens].
    """

    local_tokens: int = 0

    def between(
        self, pools: Sequence[Pool], classes: Sequence[ServiceClass], seed: int
    ) -> Dispatch:
        """Return the dispatch between the pools.

        Raises:
            InferenceSimError: If none computes prompts for others.
        """
        by_role = {
            role: [pool for pool in pools if pool.config.role == role]
            for role in ("prefill", "decode", "both")
        }
        if not by_role["prefill"]:
            raise InferenceSimError("a disaggregated dispatch needs pools of role prefill")
        local = by_role["both"] or by_role["decode"]
        return _PrefillDispatch(self.local_tokens, local, by_role["prefill"])


class _PrefillDispatch(Dispatch):
    def __init__(self, local_tokens: int, local: Sequence[Pool], prefill: Sequence[Pool]) -> None:
        self._local_tokens, self._local, self._prefill = local_tokens, local, prefill

    def choose(self, request: Request) -> Pool:
        short = request.prompt_tokens <= self._local_tokens
        return least_loaded(self._local if short else self._prefill)


def _check_sum(name: str, shares: Mapping[str, float]) -> None:
    total = sum(shares.values())
    if total > 1 + _ROUNDING:
        raise InferenceSimError(f"dispatch: {name} add up to {total:g}; expected 1 at most")


def _pool(pools: Mapping[str, Pool], name: str) -> Pool:
    if name not in pools:
        raise InferenceSimError(f"dispatch: no pool is named '{name}'; known: {', '.join(pools)}")
    return pools[name]
