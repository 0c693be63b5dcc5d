"""The engine against vLLM's rules written out plainly: one list of sequences, one loop."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from hypothesis import event, given, settings
from hypothesis import strategies as st

from inference_sim.deployment import ClusterConfig
from inference_sim.execution import EngineProfile, Roofline
from inference_sim.workload import Arrival
from tests.inference_sim.builders import approx, config, prefill, random_scenario, serve
from tests.samples import examples
from tests.strategies import engines, streams


@dataclass
class Sequence:
    arrival: Arrival
    generated: int = 0
    preemptions: int = 0
    started_s: list[float] = field(default_factory=list)  # of its prefills
    tokens_s: list[float] = field(default_factory=list)  # of its tokens

    @property
    def tokens(self) -> int:
        return self.arrival.prompt_tokens + self.generated

    @property
    def done(self) -> bool:
        return self.generated == self.arrival.output_tokens

    def emit(self, now_s: float) -> None:
        self.generated += 1
        self.tokens_s.append(now_s)


def serve_plainly(deployment: ClusterConfig, stream: list[Arrival]) -> list[Sequence]:
    """Serve on one replica, iteration by iteration, looking at every sequence in each."""
    roofline = Roofline(deployment.pool.model, deployment.pool.gpu, deployment.pool.engine)
    blocks, most_tokens = deployment.pool.kv_blocks or 0, deployment.pool.max_batch_tokens or 4096
    late_s = deployment.pool.engine.front_end_s
    sequences = [Sequence(one._replace(time_s=one.time_s + late_s)) for one in stream]
    coming, waiting, running = list(sequences), [], []
    now_s = 0.0
    while coming or waiting or running:
        if not waiting and not running:
            now_s = max(now_s, coming[0].arrival.time_s)
        while coming and coming[0].arrival.time_s <= now_s:
            waiting.append(coming.pop(0))

        # The newest token of a running sequence is not in the cache yet.
        free = blocks - sum(math.ceil((one.tokens - 1) / 16) for one in running)
        batch: list[Sequence] = []
        while waiting and len(running) + len(batch) < deployment.pool.batch_cap:
            head = waiting[0]
            prompts = [one.tokens for one in [*batch, head]]
            padded = deployment.pool.scheduler == "vidur"
            counted = len(prompts) * max(prompts) if padded else sum(prompts)
            left = free - math.ceil(head.tokens / 16)
            if left < int(0.01 * blocks) or counted > most_tokens:
                break
            free = left
            batch.append(waiting.pop(0))
        if batch:
            for one in batch:
                one.started_s.append(now_s)
            now_s += prefill(roofline, [one.tokens for one in batch]).duration_s
            for one in batch:
                one.emit(now_s)
            running += [one for one in batch if not one.done]
            continue

        # A sequence whose last block is full needs another; the youngest makes room.
        # vLLM wants a free block for one that needs none, too; Vidur does not.
        for one in list(running):
            needs = (one.tokens - 1) % 16 == 0
            while one in running and free < (needs or deployment.pool.scheduler == "vllm"):
                victim = running.pop()
                victim.preemptions += 1
                free += math.ceil((victim.tokens - 1) / 16)
                waiting.insert(0, victim)
            free -= needs and one in running
        if running:
            cost = roofline.decode(len(running))
            context = sum(one.tokens for one in running)
            gpu_s = cost.gpu_s + cost.gpu_s_per_context * context
            now_s += max(gpu_s, cost.host_s) + cost.sampling_s + cost.serial_s
            for one in running:
                one.emit(now_s)
            running = [one for one in running if not one.done]
    return sequences


def assert_same(deployment: ClusterConfig, stream: list[Arrival]) -> int:
    """Compare all times and preemptions; return the number of these."""
    _, requests = serve(deployment, stream)
    for got, expected in zip(requests, serve_plainly(deployment, stream), strict=True):
        assert len(expected.tokens_s) == got.output_tokens
        assert got.scheduled_s == approx(expected.started_s[0], 1e-9)
        assert got.first_token_s == approx(expected.tokens_s[0], 1e-9)
        assert got.finish_s == approx(expected.tokens_s[-1], 1e-9)
        assert got.preemptions == expected.preemptions == len(expected.started_s) - 1
    return sum(one.preemptions for one in requests)


@settings(max_examples=examples(100))
@given(
    stream=streams(),
    engine=engines(),
    batch_cap=st.integers(1, 24),
    kv_blocks=st.integers(21, 60),
    max_batch_tokens=st.sampled_from([320, 600, None]),
    scheduler=st.sampled_from(["vllm", "vidur"]),
)
def test_same_as_vllm_written_out(
    stream: list[Arrival],
    engine: EngineProfile,
    batch_cap: int,
    kv_blocks: int,
    max_batch_tokens: int | None,
    scheduler: str,
) -> None:
    deployment = config(
        scheduler=scheduler,
        engine=engine,
        batch_cap=batch_cap,
        kv_blocks=kv_blocks,
        max_batch_tokens=max_batch_tokens,
    )
    event(f"preemptions: {'some' if assert_same(deployment, stream) else 'none'}")


def test_same_under_pressure() -> None:
    """Busy runs with many preemptions."""
    preemptions = 0
    for seed in range(0, 40, 2):
        scenario = random_scenario(seed)
        preemptions += assert_same(scenario.config, scenario.stream)
    assert preemptions > 200
