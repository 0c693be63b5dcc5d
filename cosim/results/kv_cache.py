"""The room for KV of a replica, on its GPUs and in host memory."""

from __future__ import annotations

from dataclasses import dataclass

from cosim.accounting.keys import IfPresent
from inference_sim.pool_config import PoolConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class KvCache:
    """Room for KV of a replica.

    Attributes:
        gib_per_gpu: Memory on each GPU [GiB].
        tokens: Tokens of contexts without a window, as vLLM logs them [tokens].
        sequences: Sequences of the longest length.
        sequence_tokens: That length [tokens].
        host_gib: Host memory behind it [GiB]; None without any.
        host_tokens: Tokens that this holds [tokens]; None without any.
    """

    gib_per_gpu: float
    tokens: int
    sequences: float
    sequence_tokens: int
    host_gib: IfPresent[float] = None
    host_tokens: IfPresent[int] = None

    @classmethod
    def of(cls, pool: PoolConfig) -> KvCache:
        """Return that of the replicas of a pool.

        Raises:
            ModelDoesNotFit: If a GPU cannot hold its share of the model and one request.
        """
        size, offload = pool.kv_cache_size(), pool.kv_offload
        host_gib = None if offload is None else offload.host_gib
        return cls(
            gib_per_gpu=size.gib_per_gpu,
            tokens=size.tokens,
            sequences=size.sequences,
            sequence_tokens=size.sequence_tokens,
            host_gib=host_gib,
            host_tokens=None if host_gib is None else pool.host_blocks(host_gib) * pool.block_size,
        )
