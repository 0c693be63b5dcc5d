"""The hand-over of requests from prefill pools to decode pools."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import simpy

from inference_sim.disaggregated import DecodeEngine, PrefillEngine
from inference_sim.kv_transfer import KvTransfer
from inference_sim.kv_transfers import KvTransfers
from inference_sim.pool import Pool
from inference_sim.request import Request


class Handover:
    """The hand-over of the requests of a cluster, with the KV of their prompts.

    A request goes to the decode pool with the fewest requests for each of its replicas. If it waits
    for blocks there, its KV waits in the prefill engine, and less of the transfer can have run
    beside the prefill.

    Args:
        env: The clock.
        config: The links.
        pools: All pools of the cluster.

    Attributes:
        transfers: The transfers under way.
    """

    def __init__(self, env: simpy.Environment, config: KvTransfer, pools: Sequence[Pool]) -> None:
        self.transfers = KvTransfers(env, config)
        self._env = env
        self._pools = [pool for pool in pools if pool.config.role == "decode"]
        config_of_all = self._pools[0].config  # model and KV cache are the same in all
        self._bytes_per_token = config_of_all.kv_bytes_per_token
        self._overlap = config.overlap(config_of_all.model.layers)
        self._senders: dict[Request, tuple[PrefillEngine, float]] = {}
        for pool in pools:
            if pool.config.role == "prefill":
                pool.decoders = self._pools
            for engine in pool.engines:
                if isinstance(engine, PrefillEngine):
                    engine.on_prefilled = partial(self._on_prefilled, engine)
                elif isinstance(engine, DecodeEngine):
                    engine.on_reserved = partial(self._on_reserved, engine)
                    engine.on_forgotten = self._on_forgotten

    def _on_prefilled(self, engine: PrefillEngine, request: Request, prefill_s: float) -> None:
        """Hand over a request whose prompt an engine has computed in `prefill_s` [s]."""
        now_s: float = self._env.now
        self._senders[request] = (engine, now_s + self._overlap * prefill_s)
        self._next_pool(request).receive(request)

    def _next_pool(self, request: Request) -> Pool:
        if len(self._pools) == 1:
            return self._pools[0]
        tokens = request.prompt_tokens + request.output_tokens
        return least_loaded([pool for pool in self._pools if not pool.refusal(tokens)])

    def _on_reserved(self, engine: DecodeEngine, request: Request) -> None:
        """Begin the transfer of a request for which a decode engine has reserved blocks."""
        sender, overlapped_until_s = self._senders.pop(request)
        size_bytes = request.prompt_tokens * self._bytes_per_token

        def on_end() -> None:
            sender.sent(request)
            engine.land(request)

        now_s: float = self._env.now
        overlap_s = max(overlapped_until_s - now_s, 0.0)
        self.transfers.start(size_bytes, overlap_s, on_end)

    def _on_forgotten(self, request: Request) -> None:
        sender, _ = self._senders.pop(request)
        sender.sent(request)


def least_loaded(pools: Sequence[Pool]) -> Pool:
    """Return the pool with the fewest requests for each of its replicas that serve."""
    if len(pools) == 1:
        return pools[0]
    return min(pools, key=lambda pool: (pool.waiting + pool.running) / len(pool.standby.live))
