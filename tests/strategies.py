"""Hypothesis strategies that more than one test uses."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from inference_sim.deferral import ServiceClass
from inference_sim.deployment import ClusterConfig
from inference_sim.execution import EngineProfile, find_engine
from inference_sim.hardware import find_gpu
from inference_sim.kv_offload import KvOffload
from inference_sim.models import find_model
from inference_sim.power import MfuPowerLaw, PowerTable, TwoResource
from inference_sim.routing import ROUTERS
from inference_sim.scheduling import SCHEDULERS
from inference_sim.scheduling.releases import RELEASES
from inference_sim.speculative import Speculative, draft_layers
from inference_sim.workload import Arrival
from tests.deployments import changed, one_pool

A100 = find_gpu("a100-sxm-80gb")
LLAMA2_7B = find_model("meta-llama/Llama-2-7b-hf")
CLASSES = (ServiceClass("chat"), ServiceClass("batch", True, 60.0, 5.0))
POWERS = [
    MfuPowerLaw.of(A100),
    TwoResource.of(A100),
    PowerTable(idle_w=70, sleep_w=50, max_w=330, batches=(1, 5, 20), powers_w=(120, 210, 330)),
]


def actuators(replicas: int, host_gib: float = 0.0) -> dict[str, st.SearchStrategy[float]]:
    """Values that may be set on a cluster of so many replicas, with so much host memory each."""
    values = {
        "batch_cap": st.integers(1, 24),
        "admission_rate": st.sampled_from([0.0, 0.7, 3.1, 17.0, float("inf")]),
        "deferrable_rate": st.sampled_from([0.0, 0.4, 5.0, float("inf")]),
        "active_replicas": st.integers(1, replicas),
        "clock_fraction": st.sampled_from([1.0, 0.7, 0.4]),
        "prefill_clock": st.sampled_from([1.0, 0.8, 0.5]),
        "decode_clock": st.sampled_from([1.0, 0.6, 0.35]),
        "power_cap": st.sampled_from([100.0, 170.0, 210.0, 250.0, 300.0, math.inf]),
    }
    if host_gib:
        shares = st.sampled_from([0.0, 0.4, 1.0])
        values["cache_host_gib"] = shares.map(lambda share: share * host_gib)
    return values


@dataclass(frozen=True)
class Scenario:
    """A deployment, its requests, and the actuators that are set at the start of each step."""

    config: ClusterConfig
    stream: list[Arrival]
    step_s: float
    settings: list[dict[str, float]]

    def but(self, **changes: Any) -> Scenario:
        """The same with another deployment."""
        return replace(self, config=changed(self.config, **changes))


@st.composite
def streams(draw: st.DrawFn, max_size: int = 40, max_tokens: int = 160) -> list[Arrival]:
    """Requests in bursts and apart, of 1 to `max_tokens` prompt and output tokens."""
    gap = st.just(0.0) | st.floats(1e-3, 0.1) | st.floats(1e-3, 0.1) | st.floats(0.1, 4.0)
    tokens = (
        st.integers(1, max_tokens)
        | st.integers(max_tokens // 2, max_tokens)
        | st.sampled_from([1, 2, 15, 16, 17, max_tokens])
    )
    classes = st.sampled_from([0, 0, 1])
    requests = draw(
        st.lists(
            st.tuples(gap, tokens, tokens, classes), min_size=min(12, max_size), max_size=max_size
        )
    )
    time_s, stream = 0.0, []
    for gap_s, prompt, output, class_id in requests:
        time_s += gap_s
        stream.append(Arrival(time_s, prompt, output, class_id))
    return stream


def engines() -> st.SearchStrategy[EngineProfile]:
    """Engines, most of them with a host whose pace the GPU overtakes as the contexts grow.

    An iteration of Llama-2-7b on an A100 takes 10.3 ms of the GPU, and 0.28 ms more for every
    1000 tokens of context.
    """
    host = st.builds(
        lambda host_s, per_sequence: EngineProfile(
            "host-bound", 0.31e-3, 17e-6, host_s, per_sequence, "made up"
        ),
        st.floats(10.3e-3, 11.0e-3),
        st.sampled_from([0.0, 23e-6]),
    )
    return st.sampled_from([find_engine("none"), find_engine("vllm-0.11")]) | host


def offloads() -> st.SearchStrategy[KvOffload]:
    """Host memory for some KV blocks of Llama-2-7b, of 8 MiB, or for more than there ever are.

    A block is loaded in 0.4 to 84 ms.
    """
    return st.builds(
        lambda blocks, gb_per_s: KvOffload(host_gib=blocks / 128, host_gb_per_s=gb_per_s),
        st.sampled_from([2, 40, 90, 5000]),
        st.sampled_from([0.1, 1.3, 20.0]),
    )


@st.composite
def speculations(draw: st.DrawFn) -> Speculative:
    """Drafts of Llama-2-7b: by look-up, by a layer of its own, and by a model half as deep."""
    drafts = draw(st.integers(1, 5))
    return Speculative(
        draft_tokens=drafts,
        accepted_tokens=draw(st.sampled_from([0.0, 0.1, 0.7, 1.0, drafts]) | st.floats(0, drafts)),
        draft=draw(
            st.sampled_from([None, draft_layers(LLAMA2_7B, 1), draft_layers(LLAMA2_7B, 16)])
        ),
        shares_embeddings=True,
    )


@st.composite
def scenarios(draw: st.DrawFn, *, drafts: bool = False, offloaded: bool = False) -> Scenario:
    """A small deployment with little KV memory, whose actuators move.

    With `drafts` it decodes speculatively. If `offloaded`, there is host memory behind the cache;
    otherwise now and then.
    """
    scheduler = "vllm_v1" if drafts or offloaded else draw(st.sampled_from(sorted(SCHEDULERS)))
    stages = 1 if drafts or offloaded else draw(st.sampled_from([1, 1, 1, 2, 4]))
    rules: dict[str, Any] = {}
    if scheduler == "vllm_v1":
        rules = {
            "release": draw(st.sampled_from([None, *RELEASES])),
            "prefix_caching": offloaded or draw(st.booleans()),
            "speculative": draw(speculations()) if drafts else None,
        }
        if rules["prefix_caching"] and stages == 1:
            rules["kv_offload"] = draw(offloads() if offloaded else st.none() | offloads())
    config = one_pool(
        **rules,
        model=LLAMA2_7B,
        gpu=A100,
        engine=draw(engines()),
        power=draw(st.sampled_from(POWERS)),
        replicas=draw(st.integers(1, 2)),
        tensor_parallel=draw(st.sampled_from([1, 1, 1, 2])),
        pipeline_parallel=stages,
        scheduler=scheduler,
        router=draw(st.sampled_from(sorted(ROUTERS))),
        batch_cap=draw(st.integers(1, 24)),
        max_batch_tokens=draw(st.sampled_from([320, 600, None])),
        kv_blocks=draw(st.integers(21, 54)),
        burst=draw(st.integers(1, 4)),
        overflow=draw(st.sampled_from(["wait", "wait", "reject"])),
        classes=CLASSES,
        startup_s=draw(st.sampled_from([0.0, 0.5, 3.0])),
    )
    offload = config.pool.kv_offload
    host_gib = 0.0 if offload is None else offload.host_gib
    moves = st.fixed_dictionaries({}, optional=actuators(config.pool.replicas, host_gib))
    settings = draw(st.lists(moves, max_size=8))
    step_s = draw(st.sampled_from([0.37, 1.3, 5.0]))
    return Scenario(config, draw(streams()), step_s, settings)
