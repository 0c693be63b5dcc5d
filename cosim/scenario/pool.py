"""Scenario keys of a pool: replicas that are alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from cosim.scenario.execution import Execution, RooflineExecution, engine_of, execution_stages
from cosim.scenario.fields import (
    CatalogueName,
    Count,
    DurationS,
    NonNegative,
    Positive,
    StrictModel,
    up_to,
)
from cosim.scenario.offload import KvOffloadKeys
from cosim.scenario.parts import RouterName, router_of, scheduler_of
from cosim.scenario.power import Power, TwoResourcePower
from cosim.scenario.scheduler import CLUSTER_FLAGS, FLAGS_OF_A_SCHEDULER, SchedulerKeys
from inference_sim.errors import cut
from inference_sim.execution.vidur import vidur_blocks
from inference_sim.hardware import GpuSpec, find_gpu, find_node
from inference_sim.models import ModelSpec, find_model
from inference_sim.pool_config import PoolConfig
from inference_sim.pool_limits import check_pool
from inference_sim.scheduling import Scheduler, find_scheduler
from inference_sim.scheduling.defaults import release_defaults
from inference_sim.scheduling.releases import DEFAULT_RELEASE
from inference_sim.speculative import Speculative

MAX_REPLICAS = 100_000
MAX_GPUS = 1_000_000
"""Most GPUs of a cluster: five times the largest that is known."""


class PoolKeys(StrictModel):
    """Replicas that are alike: a model on GPUs."""

    names_elsewhere: ClassVar[Mapping[str, str]] = CLUSTER_FLAGS | {
        flag: f"scheduler.{key}" for flag, key in FLAGS_OF_A_SCHEDULER.items()
    }

    model: CatalogueName
    """Model, by its Hugging Face name (`cosim models` lists them), or the path of its
    config.json."""
    gpu: CatalogueName
    """GPU type (`cosim gpus` lists them), or the path of a YAML file that describes one."""
    node: str | None = None
    """Link between the GPUs of a replica: dgx, pairwise_nvlink or pcie; as usual for the GPU by
    default."""
    precision: Annotated[
        Literal["bf16", "fp8", "fp8_block", "mxfp4", "nvfp4", "int8", "int4"] | None,
        Field(validate_default=True),
    ] = None
    """Precision of the weights, whatever the model's files say; the model's own by default. Its
    bytes count; all compute at the speed of bf16. int4 is weight-only."""
    replicas: Annotated[
        Count, up_to(MAX_REPLICAS, "split them over several sites, or take fewer for less work")
    ] = 1
    """Copies of the model."""
    startup: DurationS = 60.0
    """Time that a replica takes to wake up from sleep, at idle power."""
    tensor_parallel: Count = 1
    """GPUs that share each layer of a replica."""
    pipeline_parallel: Count = 1
    """Stages of a replica, each with a part of the layers."""
    router: RouterName = "round_robin"
    """Routing of requests to replicas (`cosim routers` lists the ways), or
    `./file.py:function` for one of your own."""
    memory_utilisation: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of GPU memory for weights and KV cache (gpu_memory_utilization): 0.9 by default, and
    0.92 with release 0.33."""
    scheduler: SchedulerKeys = SchedulerKeys()
    """Rules by which batches are formed."""
    kv_offload: KvOffloadKeys | None = None
    """Host memory behind the KV caches, with prefix_caching; none by default."""
    execution: Execution = RooflineExecution(type="roofline")
    """Model of the time of an iteration."""
    power: Power = TwoResourcePower()
    """Power model of the GPUs."""
    host_power_w: NonNegative | None = None
    """Power of the host (CPU, fans, network) per GPU [W]; 0 leaves it out. By default that of the
    node type, or 0 where it is not known."""
    power_cap_w: Positive | None = None
    """Power cap of each GPU [W], within what its board takes (`cosim gpus`): it lowers its clock to
    stay under it; none by default."""
    embodied_g_per_gpu_hour: NonNegative | None = None
    """Embodied carbon [g per GPU and hour]; the GPU's own figure by default."""

    @field_validator("model")
    @classmethod
    def _known_model(cls, value: str) -> str:
        find_model(value, "bf16")  # its own precision is checked below, where it can be overridden
        return value

    @field_validator("precision")
    @classmethod
    def _modelled_precision(cls, value: str | None, info: ValidationInfo) -> str | None:
        if "model" in info.data:
            find_model(info.data["model"], value)
        return value

    @field_validator("gpu")
    @classmethod
    def _known_gpu(cls, value: str) -> str:
        find_gpu(value)
        return value

    @field_validator("node")
    @classmethod
    def _known_node(cls, value: str | None) -> str | None:
        if value is not None:
            find_node(value)
        return value

    @model_validator(mode="after")
    def _deployable(self) -> PoolKeys:
        if self.gpus > MAX_GPUS:
            raise ValueError(
                f"a cluster may have {MAX_GPUS:,} GPUs (got {cut(f'{self.gpus:,}', 30)}: replicas "
                "x tensor_parallel x pipeline_parallel); split them over several sites"
            )
        check_pool(self.pool())
        return self

    @property
    def gpus(self) -> int:
        """Number of GPUs."""
        return self.replicas * self.tensor_parallel * self.pipeline_parallel

    def pool(self, name: str = "main") -> PoolConfig:
        """Return the pool as the simulator takes it.

        Raises:
            InferenceSimError: If it cannot be simulated.
        """
        gpu, model = find_gpu(self.gpu), self._model()
        power = self.power.model(gpu)
        serving = self._serving(gpu)
        return PoolConfig(
            name=name,
            model=model,
            gpu=gpu,
            stages=execution_stages(
                self.execution,
                model,
                gpu,
                self.tensor_parallel,
                find_node(self.node) if self.node else None,
            ),
            engine=engine_of(self.execution, gpu),
            power=power,
            replicas=self.replicas,
            startup_s=self.startup,
            power_cap_w=float("inf") if self.power_cap_w is None else self.power_cap_w,
            tensor_parallel=self.tensor_parallel,
            pipeline_parallel=self.pipeline_parallel,
            router=router_of(self.router),
            scheduler=self._scheduler,
            release=self._release,
            prefix_caching=serving.prefix_caching,
            kv_offload=None if self.kv_offload is None else self.kv_offload.offload(),
            batch_cap=serving.batch_cap,
            max_batch_tokens=serving.max_batch_tokens,
            max_model_len=self.scheduler.max_model_len,
            memory_utilisation=serving.memory_utilisation,
            block_size=self.scheduler.block_size,
            kv_blocks=self._kv_blocks(model, gpu),
            speculative=self._speculative(model),
            host_power_w=self._host_power_w(gpu),
            stepwise=self.execution.stepwise,
        )

    @property
    def caches_prefixes(self) -> bool:
        """Whether its engines find again what they computed before."""
        return self._serving(find_gpu(self.gpu)).prefix_caching

    @model_serializer(mode="wrap")
    def _filled(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return self.with_defaults(handler(self))

    def with_defaults(self, content: dict[str, Any]) -> dict[str, Any]:
        """Return its content with the defaults that depend on the release and the GPU."""
        serving = self._serving(find_gpu(self.gpu))
        content["memory_utilisation"] = serving.memory_utilisation
        content["scheduler"] |= {
            "release": self._release,
            "batch_cap": serving.batch_cap,
            "prefix_caching": serving.prefix_caching,
        }
        if serving.max_batch_tokens is not None:
            content["scheduler"]["max_batch_tokens"] = serving.max_batch_tokens
        return content

    def _model(self) -> ModelSpec:
        return self._with_cache_type(find_model(self.model, self.precision))

    def _with_cache_type(self, model: ModelSpec) -> ModelSpec:
        if self.scheduler.kv_cache_dtype == "fp8":
            return replace(model, kv_bytes_per_value=1.0)
        return model

    def _speculative(self, model: ModelSpec) -> Speculative | None:
        """Return the drafts of the engines, whose KV cache is of the same type."""
        keys = self.scheduler.speculative
        speculative = None if keys is None else keys.drafts(model)
        if speculative is None or speculative.draft is None:
            return speculative
        return replace(speculative, draft=self._with_cache_type(speculative.draft))

    @property
    def _scheduler(self) -> str | type[Scheduler]:
        """Name of the scheduler, or its class."""
        name = self.scheduler.type
        return scheduler_of("vidur" if name == "vllm" and self._as_vidur else name)

    @property
    def _as_vidur(self) -> bool:
        """Whether time and memory are Vidur's."""
        return self.execution.type == "vidur"

    @property
    def _release(self) -> str | None:
        """Release of vLLM, if the scheduler follows one."""
        if self.scheduler.release is not None or self._as_vidur:
            return self.scheduler.release
        scheduler = self._scheduler
        rules = find_scheduler(scheduler) if isinstance(scheduler, str) else scheduler
        return DEFAULT_RELEASE if rules.follows_releases else None

    def _serving(self, gpu: GpuSpec) -> Serving:
        """Return the caps and shares that are given, or else the default ones."""
        keys = self.scheduler
        default = Serving(128, keys.max_batch_tokens, 0.9, prefix_caching=False)
        if self._release is not None:
            release = release_defaults(self._release)
            batch = release.batch(gpu)
            tokens = keys.max_batch_tokens or batch.max_batch_tokens
            default = Serving(
                min(batch.batch_cap, tokens),
                tokens,
                release.memory_utilisation,
                prefix_caching=release.prefix_caching and self._model().state is None,
            )
        caching = keys.prefix_caching
        return Serving(
            keys.batch_cap or default.batch_cap,
            default.max_batch_tokens,
            self.memory_utilisation or default.memory_utilisation,
            prefix_caching=default.prefix_caching if caching is None else caching,
        )

    def _host_power_w(self, gpu: GpuSpec) -> float:
        if self.host_power_w is not None:
            return self.host_power_w
        host = find_node(self.node or gpu.node).host.get(gpu.name)
        return 0.0 if host is None else host.w_per_gpu

    def _kv_blocks(self, model: ModelSpec, gpu: GpuSpec) -> int | None:
        """Return the KV blocks of a replica; None to plan them."""
        if self.scheduler.kv_blocks is not None or not self._as_vidur:
            return self.scheduler.kv_blocks
        return vidur_blocks(model, gpu, self.tensor_parallel, self.pipeline_parallel)


@dataclass(frozen=True, slots=True)
class Serving:
    """Caps of a batch and share of the memory, as a deployment has them."""

    batch_cap: int
    max_batch_tokens: int | None
    memory_utilisation: float
    prefix_caching: bool
