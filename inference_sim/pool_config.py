"""The configuration of replicas that are alike, and the KV cache that it leaves them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from inference_sim.execution import (
    EngineProfile,
    ExecutionModel,
    Roofline,
    Stage,
    find_engine,
    pipeline_stages,
)
from inference_sim.execution.drafting import speculative_stage
from inference_sim.hardware import GpuSpec
from inference_sim.host_cache import HostTier
from inference_sim.kv_cache import BLOCK_SIZE
from inference_sim.kv_groups import KvGroups, kv_groups
from inference_sim.kv_offload import KvOffload
from inference_sim.memory_plan import GIB, MemoryPlan, plan_blocks
from inference_sim.models import ModelSpec
from inference_sim.power import PowerModel
from inference_sim.power_cap import LOWEST_CLOCK
from inference_sim.routing import RouterFactory, find_router
from inference_sim.scheduling import Scheduler, find_scheduler
from inference_sim.scheduling.defaults import release_defaults
from inference_sim.scheduling.releases import find_release
from inference_sim.speculative import Speculative

Role = Literal["both", "prefill", "decode"]


@dataclass(frozen=True, slots=True)
class KvCacheSize:
    """Room for KV of a replica.

    Attributes:
        gib_per_gpu: Memory on each GPU [GiB].
        tokens: Tokens of contexts without a window, as vLLM logs them [tokens].
        sequences: Sequences of the longest length.
        sequence_tokens: That length [tokens].
    """

    gib_per_gpu: float
    tokens: int
    sequences: float
    sequence_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolConfig:
    """Configuration of replicas that are alike: their model, GPUs and engine.

    Attributes:
        name: Name of the pool in its cluster.
        role: Part of the work on a request: the prompt, what follows it, or both.
        power: Power model of a GPU.
        engine: Times that the engine adds to the kernels, for the roofline; and its front end.
        stages: Makes the execution model of a pipeline stage; the roofline by default.
        router: Name of the router, or the function that makes it; see ``routing``.
        scheduler: Name of the scheduler, or its class; see ``scheduling``.
        release: Release of vLLM whose rules the scheduler follows, if it knows several, and which
            plans the memory; None for the rules of 0.11 and a plain share of the memory.
        prefix_caching: Whether its KV cache finds blocks again by what they hold.
        kv_offload: Host memory behind the KV cache of each replica; None for none.
        batch_cap: Largest batch of a replica [sequences].
        max_batch_tokens: Most tokens of one iteration; None for the scheduler's default, or the
            model's context.
        max_model_len: Longest request, prompt and output [tokens]; None for the model's context.
        memory_utilisation: Share of GPU memory for weights and KV cache [0 to 1].
        block_size: Tokens of a KV block [tokens].
        kv_blocks: KV blocks per replica; None to plan them from the memory.
        speculative: Drafts that each decode iteration verifies; None for none.
        host_power_w: Constant power of the host, per GPU [W].
        startup_s: Time that a replica takes to wake up [s].
        power_cap_w: Power cap of each GPU at the start [W]; infinite for none.
        stepwise: One event per iteration (a check of the segment engine; slow).
    """

    name: str = "main"
    role: Role = "both"
    model: ModelSpec
    gpu: GpuSpec
    power: PowerModel
    engine: EngineProfile = field(default_factory=lambda: find_engine("none"))
    replicas: int = 1
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    router: str | RouterFactory = "round_robin"
    scheduler: str | type[Scheduler] = "vllm_v1"
    release: str | None = None
    prefix_caching: bool = False
    kv_offload: KvOffload | None = None
    batch_cap: int = 128
    max_batch_tokens: int | None = None
    max_model_len: int | None = None
    memory_utilisation: float = 0.9
    block_size: int = BLOCK_SIZE
    kv_blocks: int | None = None
    speculative: Speculative | None = None
    host_power_w: float = 0.0
    startup_s: float = 60.0
    power_cap_w: float = math.inf
    stepwise: bool = False
    stages: Callable[[Stage], ExecutionModel] | None = None

    @property
    def gpus_per_replica(self) -> int:
        """Number of GPUs of a replica."""
        return self.tensor_parallel * self.pipeline_parallel

    @property
    def gpus(self) -> int:
        """Number of GPUs."""
        return self.replicas * self.gpus_per_replica

    @property
    def idle_it_w(self) -> float:
        """Power of GPUs and hosts with nothing running [W]."""
        return self.gpus * (self.power.idle_w + self.host_power_w) + self.host_memory_w()

    @property
    def peak_it_w(self) -> float:
        """Highest power of GPUs and hosts [W]."""
        return self.gpus * (self.power.max_w + self.host_power_w) + self.host_memory_w()

    def host_memory_w(self, cache_host_gib: float | None = None) -> float:
        """Return the power of all host memory behind KV caches [W]; 0 without any.

        Args:
            cache_host_gib: What is used of it, of each replica [GiB]; None for all.
        """
        offload = self.kv_offload
        if offload is None:
            return 0.0
        set_gib = offload.host_gib if cache_host_gib is None else cache_host_gib
        return self.replicas * offload.power_w(set_gib)

    @property
    def scheduling(self) -> type[Scheduler]:
        """The class of its schedulers."""
        scheduler = self.scheduler
        return find_scheduler(scheduler) if isinstance(scheduler, str) else scheduler

    @property
    def scheduler_name(self) -> str:
        """Name of the scheduler, or of its class."""
        return self.scheduler if isinstance(self.scheduler, str) else self.scheduler.__name__

    def make_scheduler(self, batch_cap: int) -> Scheduler:
        """Return a scheduler of an engine.

        Args:
            batch_cap: Most sequences that run at once on it [sequences].
        """
        scheduler = self.scheduling(batch_cap, self.batch_tokens)
        scheduler.prefix_caching = self.prefix_caching
        scheduler.block_size = self.block_size
        scheduler.state_blocks = self.state_blocks
        scheduler.decode_tokens = self.decode_tokens
        scheduler.receives = self.role == "decode"
        if self.kv_offload is not None:
            link_bytes_per_s = self.kv_offload.host_gb_per_s * 1e9
            scheduler.host = HostTier(
                self.host_blocks(self.kv_offload.host_gib), self.block_bytes / link_bytes_per_s
            )
        if self.release is not None:
            scheduler.release = find_release(self.release)
            scheduler.kv_groups = self.kv_groups if self.kv_groups.windowed else None
            scheduler.batches_held = self._batches_held
        return scheduler

    @property
    def routing(self) -> RouterFactory:
        """The function that makes its router."""
        return find_router(self.router) if isinstance(self.router, str) else self.router

    @property
    def batch_tokens(self) -> int:
        """Most tokens of one iteration."""
        default = self.scheduling.default_batch_tokens
        return self.max_batch_tokens or default or self.model.max_context_tokens

    @property
    def max_context_tokens(self) -> int:
        """Longest request that its engines take, prompt and output [tokens]."""
        longest = self.max_model_len or self.model.max_context_tokens
        return min(longest, self.batch_tokens) if self.scheduling.whole_prompts else longest

    @property
    def decode_tokens(self) -> int:
        """Tokens of each sequence that a decode iteration computes [tokens]."""
        return 1 if self.speculative is None else self.speculative.decode_tokens

    @property
    def lookahead_tokens(self) -> int:
        """Tokens beyond its newest one for which a sequence needs KV blocks to decode [tokens]."""
        return 0 if self.speculative is None else self.speculative.lookahead_tokens

    @property
    def kv_groups(self) -> KvGroups:
        """The groups of layers that share the KV cache: one, unless a release tells windows.

        With drafts the layers with windows count with the whole context, too; so with host memory
        behind it, as in vLLM with `--disable-hybrid-kv-cache-manager`.
        """
        if self.release is None or self.speculative is not None or self.kv_offload is not None:
            return KvGroups(1, 0, 0, self.model.attention_layers)
        return kv_groups(self.model, find_release(self.release).pads_nearly_even_groups)

    @property
    def schedules_ahead(self) -> bool:
        """Whether its release plans batches while others run."""
        return self.release is not None and find_release(self.release).schedules_ahead

    @property
    def engines_per_replica(self) -> int:
        """Engines that share the batch cap and the KV cache of a replica."""
        return 1 if self.scheduling.spans_stages else self.pipeline_parallel

    @property
    def _batches_held(self) -> int:
        """Batches whose tokens windowed layers keep: vLLM counts them if it plans ahead."""
        return self.pipeline_parallel + 1 if self.schedules_ahead else 1

    @property
    def kv_bytes_per_token(self) -> float:
        """Bytes of the KV of a token, over all layers and GPUs, each of them counted once."""
        return self.model.attention_layers * self.model.kv_bytes_per_token_per_layer()

    @property
    def block_bytes(self) -> float:
        """Bytes of a KV block on each GPU, in the mean over the pipeline stages."""
        return self._block_bytes(self.kv_groups.layers / self.pipeline_parallel)

    def _block_bytes(self, layers: float) -> float:
        per_token = layers * self.model.kv_bytes_per_token_per_layer(self.tensor_parallel)
        if self.speculative is not None:
            per_token += self.speculative.kv_bytes_per_token(self.tensor_parallel)
        return per_token * self.block_size

    def host_blocks(self, host_gib: float) -> int:
        """Return the KV blocks of a whole replica that so much host memory holds."""
        return int(host_gib * GIB // (self.block_bytes * self.gpus_per_replica))

    @property
    def state_blocks(self) -> int:
        """KV blocks that the states of a sequence take, whatever its length."""
        state_bytes = self.model.state_bytes_per_sequence(self.tensor_parallel)
        return math.ceil(state_bytes / self.pipeline_parallel / self.block_bytes)

    @property
    def memory_plan(self) -> MemoryPlan | None:
        """Memory of a GPU as its release of vLLM divides it; None without a release.

        It is that of the pipeline stage that has room for the fewest blocks.
        """
        if self.release is None:
            return None
        release = release_defaults(self.release)
        plans = [
            MemoryPlan(
                model=self.model,
                gpu=self.gpu,
                release=release,
                memory_utilisation=self.memory_utilisation,
                batch_cap=self.batch_cap,
                batch_tokens=self.batch_tokens,
                stage=stage,
                tensor_parallel=self.tensor_parallel,
                pipeline_parallel=self.pipeline_parallel,
                speculative=self.speculative,
            )
            for stage in pipeline_stages(self.model.layers, self.pipeline_parallel)
        ]
        return min(plans, key=lambda plan: plan.kv_bytes / plan.stage.layers)

    def blocks(self) -> int:
        """Return the number of KV blocks of a replica that requests can hold.

        Raises:
            ModelDoesNotFit: If a GPU cannot hold its share of the model and one request.
        """
        if self.kv_blocks is not None:
            return self.kv_blocks
        plan = self.memory_plan
        if plan is not None:
            plan.check()
            layers = self.kv_groups.layers * plan.stage.layers / self.model.layers
            # vLLM keeps one, which is never used
            return int(plan.kv_bytes // self._block_bytes(layers)) - 1
        return plan_blocks(
            self.model,
            self.gpu,
            self.tensor_parallel,
            self.memory_utilisation,
            self.pipeline_parallel,
            self.block_size,
            self.speculative,
        )

    def kv_cache_size(self) -> KvCacheSize:
        """Return the size of the KV cache of a replica.

        Raises:
            ModelDoesNotFit: If a GPU cannot hold its share of the model and one request.
        """
        blocks = self.blocks()
        most = self.most_blocks(self.max_context_tokens)
        return KvCacheSize(
            gib_per_gpu=blocks * self.block_bytes / GIB,
            tokens=blocks // self.kv_groups.count * self.block_size,
            sequences=blocks / most,
            sequence_tokens=self.max_context_tokens,
        )

    def sequences_held(self, tokens: float) -> float:
        """Return how many sequences that decode at `tokens` the KV cache of a replica holds."""
        groups = self.kv_groups
        if self.state_blocks:
            return self.blocks() / (tokens / self.block_size + self.state_blocks)
        if not groups.windowed:
            return self.blocks() * self.block_size / (tokens + self.lookahead_tokens)
        return self.blocks() / groups.decoding_blocks(tokens, self.block_size)

    def most_blocks(self, tokens: int) -> int:
        """Return the most KV blocks that a request of so many tokens holds."""
        in_flight = self.batch_tokens * self._batches_held
        blocks = self.kv_groups.most_blocks(tokens, in_flight, self.block_size)
        return blocks + self.state_blocks

    def execution_stages(self) -> list[ExecutionModel]:
        """Return the execution models of a replica's pipeline stages, made anew."""
        stages = pipeline_stages(self.model.layers, self.pipeline_parallel)
        models = [self._execution_stage(stage) for stage in stages]
        if self.speculative is None:
            return models
        return [speculative_stage(model, self.speculative) for model in models]

    def _execution_stage(self, stage: Stage) -> ExecutionModel:
        if self.stages is not None:
            return self.stages(stage)
        return Roofline(self.model, self.gpu, self.engine, self.tensor_parallel, stage)

    @property
    def lowest_clock(self) -> float:
        """Lowest clock that may be set, over the highest: the board's, or the power model's."""
        return max(LOWEST_CLOCK, self.gpu.lowest_clock)

    @property
    def lowest_cap_w(self) -> float:
        """Lowest power cap that may be set [W]: the board's, or the idle power of a GPU."""
        return max(self.power.idle_w, self.gpu.least_cap_w)
