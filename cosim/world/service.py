"""A model of a deployment's capacity and power, from the cost of its iterations, for policies.

In the steady state of b running sequences with outputs of O tokens in the mean, b / O prompts take
the place of those that end in each iteration, so that a token takes

    tpot = decode(b) + (b / O) prompt(b)          and   rate = b / (O tpot)

where decode(b) is an iteration that only decodes, and prompt(b) what a prompt adds to one, or takes
where prompts have iterations of their own. A running request is met in proportion to its length.
With drafts an iteration gives several tokens, and the iterations of an output take O's place.

Where requests come at random, the number that run is random too: at light load a replica is now
idle and now busy. The power at a load is the mean over a Poisson distribution of that number, as in
a system with a server for everyone (M/G/inf).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from controllers import ServiceModel
from cosim.world.demand import Demand
from inference_sim.arrays import FloatArray
from inference_sim.deployment import ClusterConfig
from inference_sim.errors import InferenceSimError
from inference_sim.execution import ExecutionModel, IterationCost
from inference_sim.pool_config import PoolConfig
from inference_sim.power import Use
from inference_sim.power.pue import Pue

CLOCKS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_Steady = tuple[float, float, float]
"""Rate [requests/s], facility power [W] and time per token [s] of a replica."""


def service_models(config: ClusterConfig, demand: Demand) -> dict[str, ServiceModel]:
    """Return the capacity and power of each pool for a workload's mean request, by name.

    Args:
        config: The deployment; a scenario's has been checked.
        demand: The workload, all of which each pool is taken to get.

    Raises:
        InferenceSimError: If the deployment cannot be simulated.
    """
    return {pool.name: service_model(pool, config.pue, demand) for pool in config.pools}


def service_model(pool: PoolConfig, pue: Pue, demand: Demand) -> ServiceModel:
    """Return the capacity and power of a pool for a workload's mean request.

    Args:
        pool: The pool; a scenario's has been checked.
        pue: Facility power over IT power.
        demand: The workload.

    Raises:
        InferenceSimError: If the pool cannot be simulated.
    """
    lengths = _Lengths.of(demand, caching=pool.prefix_caching)
    batches = _batches(pool, lengths)
    by_clock = _by_clock(pool, pue, lengths, tuple(map(int, batches)))
    clocks, table = list(by_clock), np.array(list(by_clock.values()))
    gpus = pool.gpus_per_replica
    memory_w = pool.host_memory_w() / pool.replicas
    idle_w = pue.least_w(gpus * (pool.power.idle_w + pool.host_power_w) + memory_w)
    if pool.role == "prefill":  # a server of one prompt at a time is busy in proportion to the load
        load_per_s, load_w = np.array([0.0, table[-1, 0, 0]]), np.array([idle_w, table[-1, 0, 1]])
    else:
        load_per_s, load_w = _load_curve(batches, table[-1], idle_w)
    return ServiceModel(
        replicas=pool.replicas,
        clocks=np.array(clocks),
        batches=batches,
        rate_per_s=table[:, :, 0],
        power_w=table[:, :, 1],
        tpot_s=table[:, :, 2],
        load_per_s=load_per_s,
        load_w=load_w,
        idle_w=idle_w,
        sleep_w=pue.least_w(gpus * (pool.power.sleep_w + pool.host_power_w) + memory_w),
        output_tokens=demand.output_tokens,
    )


def class_weights(
    pool: PoolConfig, pue: Pue, demand: Demand, service: ServiceModel, tpot_s: float | None
) -> tuple[float, ...]:
    """Return the service that a request of each class takes, in that of the mean request.

    It is the time that a request adds to a replica at the full clock and the largest batch allowed,
    O tpot / b, over its mean; so the mean of the weights over the classes, by share, is 1.

    Args:
        pool: The pool.
        pue: Facility power over IT power.
        demand: The workload; one whose classes differ in length.
        service: Its service model.
        tpot_s: SLO for the time per token, which bounds the batch [s]; None for no bound.
    """
    stages, mixes = pool.execution_stages(), pool.scheduling.mixes
    batch = int(service.largest_batch(tpot_s))
    taken_s = [
        1
        / _steady(
            pool,
            pue,
            stages,
            _Lengths.of(part, caching=pool.prefix_caching),
            batch,
            mixes=mixes,
        )[0]
        for part in demand.by_class
    ]
    mean_s = sum(part.share * part_s for part, part_s in zip(demand.by_class, taken_s, strict=True))
    return tuple(part_s / mean_s for part_s in taken_s)


class _Lengths(NamedTuple):
    """The mean lengths of a demand, as :class:`Demand` has them."""

    prompt_tokens: float
    output_tokens: float
    context_tokens: float
    cached_tokens: float

    @classmethod
    def of(cls, demand: Demand, *, caching: bool) -> _Lengths:
        """Return those of a demand; `caching`: whether prompts are found that were computed."""
        cached = demand.cached_tokens if caching else 0.0
        return cls(demand.prompt_tokens, demand.output_tokens, demand.context_tokens, cached)


@lru_cache(maxsize=64)
def _by_clock(
    pool: PoolConfig, pue: Pue, lengths: _Lengths, batches: tuple[int, ...]
) -> Mapping[float, tuple[_Steady, ...]]:
    """Return the steady states by clock, and by batch.

    It is cached, as the runs of a study differ in their seeds and policies.
    """
    stages, mixes = pool.execution_stages(), pool.scheduling.mixes
    rows: dict[float, tuple[_Steady, ...]] = {}
    for clock in CLOCKS:
        try:
            slowed = [stage.at_clock(clock) for stage in stages]
        except InferenceSimError:  # profiles know the full clock alone
            continue
        rows[clock] = tuple(_steady(pool, pue, slowed, lengths, n, mixes=mixes) for n in batches)
    return MappingProxyType(rows)


def _load_curve(
    batches: FloatArray, steady: FloatArray, idle_w: float
) -> tuple[FloatArray, FloatArray]:
    """Return rates [requests/s], from 0, and the mean powers [W] at them.

    Args:
        batches: Running sequences, shape (b,).
        steady: Rate, power and time per token at each, shape (b, 3).
        idle_w: Power without work [W].
    """
    from scipy.special import gammaln, xlogy

    rates = np.maximum.accumulate(steady[:, 0])
    counts = np.arange(0, int(batches[-1]) + 1)
    power_w = np.interp(counts, np.append(0.0, batches), np.append(idle_w, steady[:, 1]))
    means = np.append(np.array([0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7]), batches)
    log_chances = xlogy(counts, means[:, None]) - means[:, None] - gammaln(counts + 1)
    chances = np.exp(log_chances)
    chances[:, -1] += 1 - chances.sum(axis=1)  # more than the most are as many as the most
    at_rate = np.interp(means, np.append(0.0, batches), np.append(0.0, rates))
    return at_rate, chances @ power_w


def _batches(pool: PoolConfig, lengths: _Lengths) -> FloatArray:
    """Return batches from 1 to the most that cap and KV cache allow, in even ratios.

    Where prompts alone are computed, one at a time stands for all.
    """
    if pool.role == "prefill":
        return np.ones(1)
    most = max(1, min(pool.batch_cap, int(pool.sequences_held(lengths.context_tokens))))
    steps = max(2, 4 * int(np.ceil(np.log2(most))) + 1)
    batches: FloatArray = (
        np.unique(np.round(np.geomspace(1, most, steps))) if most > 1 else np.ones(1)
    )
    return batches


def _steady(
    pool: PoolConfig,
    pue: Pue,
    stages: Sequence[ExecutionModel],
    lengths: _Lengths,
    batch: int,
    *,
    mixes: bool,
) -> _Steady:
    """Return rate [requests/s], facility power [W] and time per token [s] of a replica.

    One that computes prompts alone takes them one after the other, and gives no further tokens; one
    that decodes alone gives all but the first.
    """
    depth, in_flight = len(stages), _batches_in_flight(pool)
    each = max(1, round(batch / in_flight))
    over_stages = sum if in_flight < depth else max  # the slowest sets the pace of a full pipeline
    context = each * lengths.context_tokens
    cached = round(lengths.cached_tokens)
    chunk = (max(1, round(lengths.prompt_tokens) - cached), cached)
    decode = [stage.decode(each, context).at(context) for stage in stages]
    prompts_alone = pool.role == "prefill"
    if mixes and not prompts_alone:
        prompt = [stage.iteration([chunk], 1, each, round(context)) for stage in stages]
        both_s = over_stages(cost.duration_s for cost in prompt)
        prompt_s = both_s - over_stages(cost.duration_s for cost in decode)
    else:
        prompt = [stage.iteration([chunk], 1) for stage in stages]
        prompt_s = over_stages(cost.duration_s for cost in prompt)
    decode_s = 0.0 if prompts_alone else over_stages(cost.duration_s for cost in decode)
    iterations = _iterations(pool, lengths.output_tokens)
    prompts = 0.0 if pool.role == "decode" else each / iterations
    beat_s = decode_s + prompts * prompt_s  # of one batch in flight
    gpu_w = [
        _power_w(pool, stage, decode[k], prompt[k], prompts, beat_s, each, mixes=mixes)
        for k, stage in enumerate(stages)
    ]
    hosts_w = pool.host_power_w * pool.tensor_parallel * depth
    hosts_w += pool.host_memory_w() / pool.replicas
    it_w = sum(gpu_w) * pool.tensor_parallel + hosts_w
    facility_w = (pue.least_w(it_w) + pue.most_w(it_w)) / 2
    iteration_s = beat_s * in_flight
    further = lengths.output_tokens - 1  # tokens that are decoded
    decodes = iterations if pool.role == "decode" else iterations - 1
    tpot_s = iteration_s * (decodes / further if further > 0 else 1.0)
    return each * in_flight / (iterations * iteration_s), facility_w, tpot_s


def _iterations(pool: PoolConfig, output_tokens: float) -> float:
    """Return the iterations of a mean output: one that ends its prompt, and those that decode.

    A pool with a role has just one of them, or the others.
    """
    if pool.role == "prefill":
        return 1.0
    if pool.role == "decode":
        return max(output_tokens - 1, 1.0)
    if pool.speculative is None:
        return output_tokens
    return 1 + pool.speculative.iterations_of(output_tokens)


def _batches_in_flight(pool: PoolConfig) -> int:
    """Return how many batches share the sequences of a replica.

    Those are as many as its pipeline stages, but one where the next batch takes all sequences and
    arrivals, as that of a scheduler of all stages does, unless it keeps their turns: then a second
    one forms only of prompts beyond the budget.
    """
    gathers = pool.scheduling.spans_stages and not pool.schedules_ahead
    return 1 if gathers else pool.pipeline_parallel


def _power_w(
    pool: PoolConfig,
    stage: ExecutionModel,
    decode: IterationCost,
    prompt: IterationCost,
    prompts: float,
    beat_s: float,
    batch: int,
    *,
    mixes: bool,
) -> float:
    """Return the mean power of a GPU of a stage [W]."""
    alone = max(0.0, 1 - prompts) if mixes else 1.0
    if pool.role == "prefill":
        alone = 0.0
    weights = np.array([alone, prompts])
    costs = (decode, prompt)
    seconds = np.array([max(cost.duration_s, 1e-12) for cost in costs])
    use = Use(
        mfu=np.array([cost.flops for cost in costs]) / (seconds * stage.peak_flops),
        bandwidth_utilisation=np.array([cost.hbm_bytes for cost in costs])
        / (seconds * pool.gpu.peak_bytes_per_s),
        busy_fraction=np.array([cost.gpu_s for cost in costs]) / seconds,
        sampling=np.array([cost.sampling_s for cost in costs]) / seconds,
        batch=np.full(2, float(batch)),
        clock_fraction=np.array([cost.clock_fraction for cost in costs]),
        padding=np.array([cost.padding_flops for cost in costs]) / (seconds * stage.peak_flops),
    )
    busy_s = weights * seconds
    idle_s = max(0.0, beat_s - float(busy_s.sum()))
    energy_j = float(pool.power.busy_w(use) @ busy_s) + pool.power.idle_w * idle_s
    return energy_j / (float(busy_s.sum()) + idle_s)
