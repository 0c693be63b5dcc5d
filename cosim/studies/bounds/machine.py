"""A replica as a machine that does iterations: what may be in one, what it takes.

An iteration has amounts of six kinds of work:

    decoding    1 if any sequence decodes in it
    tokens      prompt tokens that it computes
    prompts     prompts that end in it, each with a first token
    pairs       sum over chunks of q (kv + q / 2): pairs of tokens in causal attention
    steps       sequences that decode
    context     tokens that these hold, and so read

A request brings amounts that do not depend on how it is cut and batched: a prompt of P tokens has P
tokens and P^2 / 2 pairs, whatever its chunks, and an output of O tokens takes O - 1 decode steps
over contexts from P + 1 on. Where a step gives several tokens, as drafts are accepted, it takes at
least the steps in which the engine can give so many, over the shortest contexts they can have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from inference_sim.arrays import FloatArray
from inference_sim.deployment import ClusterConfig
from inference_sim.execution import ExecutionModel, IterationCost
from inference_sim.kv_cache import KvCache
from inference_sim.pool_config import PoolConfig
from inference_sim.power import PowerModel, Use
from inference_sim.scheduling import OrcaScheduler, StaticScheduler, VllmScheduler
from inference_sim.scheduling.chunked import ChunkedScheduler
from inference_sim.speculative import Speculative

KINDS = ("decoding", "tokens", "prompts", "pairs", "steps", "context")


class Composition(NamedTuple):
    """The content of an iteration.

    Attributes:
        chunks: Tokens computed now, and before, of each prompt.
        done: Number of prompts that end in it.
        steps: Sequences that decode.
        context: Tokens that these hold, the newest ones included.
    """

    chunks: tuple[tuple[int, int], ...]
    done: int
    steps: int
    context: int

    def amounts(self) -> tuple[float, ...]:
        """Return its amounts of the kinds of work."""
        tokens = sum(new for new, _ in self.chunks)
        pairs = sum(new * (before + new / 2) for new, before in self.chunks)
        return (float(self.steps > 0), tokens, self.done, pairs, self.steps, self.context)


def request_amounts(
    prompt_tokens: FloatArray, output_tokens: FloatArray, speculative: Speculative | None
) -> FloatArray:
    """Return the amounts that requests bring, shape (requests, kinds); none of `decoding`.

    Args:
        prompt_tokens, output_tokens: Lengths, shape (requests,).
        speculative: Drafts of the engines.
    """
    steps = decode_steps(output_tokens, speculative)
    grown = steps * (steps - 1) / 2
    if speculative is not None:
        given = [speculative.tokens(step) for step in range(int(steps.max(initial=0)))]
        grown = np.concatenate([[0.0], np.cumsum(given)])[steps.astype(np.int64)]
    context = steps * (prompt_tokens + 1) + grown
    return np.column_stack(
        [
            np.zeros_like(steps),
            prompt_tokens,
            np.ones_like(steps),
            prompt_tokens**2 / 2,
            steps,
            context,
        ]
    )


def decode_steps(output_tokens: FloatArray, speculative: Speculative | None) -> FloatArray:
    """Return the least decode steps of outputs of some lengths, shape (requests,)."""
    steps = output_tokens - 1
    if speculative is None:
        return steps
    lengths, places = np.unique(steps, return_inverse=True)
    least = [float(speculative.least_iterations(int(length))) for length in lengths]
    return np.array(least)[places.reshape(-1)]


@dataclass(frozen=True, slots=True, eq=False)
class Machine:
    """A replica: the limits of its iterations, their energy and their time.

    Attributes:
        stages: Execution models of its pipeline stages at the highest clock.
        power: Power of a GPU.
        gpus: GPUs of a stage.
        peak_bytes_per_s: Peak bandwidth of a GPU.
        awake_w: Least power of a GPU that is awake, from which energies count [W].
        sequences: Most sequences of an engine.
        together: Most requests that have begun and have not ended on the replica; infinite where
            some may be evicted, for these wait without a place in the batch.
        room: Tokens that the KV cache of an engine holds.
        budget: Most prompt tokens of an iteration.
        mixes: Whether prompts and decodes share an iteration.
        cuts: Whether prompts are cut where the budget of an iteration ends, and only there; a
            scheduler of a user's own may do so anywhere.
        shortest, longest: Fewest tokens of a prompt, and most of a prompt with its output.
        step_tokens: Tokens of each decoding sequence that an iteration computes.
        speculative: Drafts of its engines.
    """

    stages: tuple[ExecutionModel, ...]
    power: PowerModel
    gpus: int
    peak_bytes_per_s: float
    awake_w: float
    sequences: int
    together: float
    room: int
    budget: int
    mixes: bool
    cuts: Literal["never", "at budget", "anywhere"]
    shortest: int
    longest: int
    step_tokens: int
    speculative: Speculative | None

    @classmethod
    def of(cls, cluster: ClusterConfig, shortest: int, longest: int) -> Machine:
        """Return the machine of a deployment's replicas, for requests of such lengths [tokens]."""
        pool = cluster.pool
        engines = pool.engines_per_replica
        blocks = pool.blocks() // engines
        cap = max(1, pool.batch_cap // engines)
        cache = engine_cache(cluster)
        sequences, room = _room(pool, blocks, shortest, cache)
        windowed = pool.kv_groups.windowed > 0
        most = pool.most_blocks(longest) if windowed else cache.blocks_for(longest)
        rules = set(pool.scheduling.__mro__)
        chunked, counting = ChunkedScheduler in rules, VllmScheduler in rules
        fit = cap * most <= blocks
        whole = counting or bool({OrcaScheduler, StaticScheduler} & rules)
        return cls(
            stages=tuple(pool.execution_stages()),
            power=pool.power,
            gpus=pool.tensor_parallel,
            peak_bytes_per_s=pool.gpu.peak_bytes_per_s,
            awake_w=min(pool.power.idle_w, pool.power.static_w),
            sequences=max(1, min(cap, sequences)),
            together=engines * cap if fit else math.inf,
            room=room,
            budget=max(1, min(pool.batch_tokens, room) if chunked or counting else room),
            mixes=pool.scheduling.mixes,
            cuts="at budget" if chunked else "never" if whole else "anywhere",
            shortest=shortest,
            longest=min(longest, room),
            step_tokens=pool.decode_tokens if pool.scheduling.mixes else 0,
            speculative=pool.speculative,
        )

    def costs(
        self, compositions: Sequence[Composition], clock: float
    ) -> tuple[FloatArray, FloatArray]:
        """Return energies above those of a GPU awake [J], and times [s], shape (n,) each.

        The energy is that of all GPUs of the replica, the time the mean over its stages.

        Args:
            compositions: The iterations.
            clock: Clock of the GPUs over their highest one.

        Raises:
            InferenceSimError: If the execution model knows no other clock than the highest.
        """
        energy_j, time_s = np.zeros(len(compositions)), np.zeros(len(compositions))
        sequences = np.array([len(each.chunks) + each.steps for each in compositions], dtype=float)
        for stage in self.stages:
            slowed = stage.at_clock(clock)
            costs = [_cost(slowed, each) for each in compositions]
            seconds = np.array([cost.duration_s for cost in costs])
            use = _use(costs, seconds, sequences, stage.peak_flops, self.peak_bytes_per_s)
            energy_j += self.gpus * seconds * (self.power.busy_w(use) - self.awake_w)
            time_s += seconds / len(self.stages)
        return energy_j, time_s

    def token_s(self, context: int) -> float:
        """Return the least time of a decode step of a sequence with such a context, or more [s].

        It passes all stages one after the other. Beside others it takes longer, and so does a
        longer context or a lower clock.
        """
        beside = [count for count in (1, 2, 4, 8) if count <= self.sequences]
        return min(
            sum(stage.decode(count, context).at(context).duration_s for stage in self.stages)
            for count in beside
        )


def engine_cache(cluster: ClusterConfig) -> KvCache:
    """Return an empty KV cache of an engine of a deployment."""
    pool = cluster.pool
    engines = pool.engines_per_replica
    scheduler = pool.make_scheduler(max(1, pool.batch_cap // engines))
    return scheduler.make_cache(pool.blocks() // engines, pool.max_context_tokens)


def _room(pool: PoolConfig, blocks: int, shortest: int, cache: KvCache) -> tuple[int, int]:
    """Return the most sequences of at least `shortest` tokens, and the most tokens, in the blocks.

    Windowed layers hold at least the blocks inside their window.
    """
    groups = pool.kv_groups
    if not groups.windowed:
        return blocks // cache.blocks_for(shortest), blocks * cache.block_size
    each = -(-shortest // cache.block_size)
    inside = max(1, min(each, groups.window_tokens // cache.block_size))
    sequences = blocks // (groups.full * each + groups.windowed * inside)
    if not groups.full:
        return sequences, sequences * pool.max_context_tokens
    return sequences, blocks // groups.full * cache.block_size


def _cost(stage: ExecutionModel, composition: Composition) -> IterationCost:
    chunks, done, steps, context = composition
    if chunks:
        return stage.iteration(chunks, done, steps, context)
    return stage.decode(steps, context).at(context)


def _use(
    costs: Sequence[IterationCost],
    seconds: FloatArray,
    sequences: FloatArray,
    peak_flops: float,
    peak_bytes_per_s: float,
) -> Use:
    flops = np.array([cost.flops for cost in costs])
    return Use(
        mfu=flops / (seconds * peak_flops),
        bandwidth_utilisation=np.array([cost.hbm_bytes for cost in costs])
        / (seconds * peak_bytes_per_s),
        busy_fraction=np.array([cost.gpu_s for cost in costs]) / seconds,
        sampling=np.array([cost.sampling_s for cost in costs]) / seconds,
        batch=sequences,
        clock_fraction=np.array([cost.clock_fraction for cost in costs]),
        padding=np.array([cost.padding_flops for cost in costs]) / (seconds * peak_flops),
    )
