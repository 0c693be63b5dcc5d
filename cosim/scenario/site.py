"""Scenario keys of a site: a cluster (or a plain load) on a microgrid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from cosim.scenario.fields import (
    DurationS,
    Fraction,
    InputFile,
    NonNegative,
    PlainName,
    Positive,
    StrictModel,
    resolve_path,
    up_to,
)
from cosim.scenario.parts import RouterName, SchedulerName, router_of, scheduler_of
from cosim.scenario.power import Power, PueKeys, TwoResourcePower
from cosim.scenario.recorded import known_timezone
from cosim.scenario.signals import CarbonIntensity, Load, MarginalIntensity, Price, Solar
from cosim.scenario.solar import Panels
from cosim.scenario.workload import Workload
from inference_sim.deployment import ClusterConfig, GatewayConfig, PoolConfig
from inference_sim.errors import cut
from inference_sim.execution import EngineProfile, ExecutionModel, Roofline, Stage, find_engine
from inference_sim.execution.profile import ProfileFiles, profile_execution
from inference_sim.execution.vidur import vidur_blocks
from inference_sim.execution.vidur_fit import vidur_execution
from inference_sim.hardware import GpuSpec, NodeType, find_gpu, find_node
from inference_sim.models import ModelSpec, find_model
from inference_sim.power.pue import ConstantPue
from inference_sim.scheduling.defaults import release_defaults

Count = Annotated[int, Field(ge=1)]
MAX_REPLICAS = 100_000
MAX_GPUS = 1_000_000
"""Most GPUs of a cluster: five times the largest that is known."""


class Location(StrictModel):
    """Location of a site."""

    latitude: Annotated[float, Field(ge=-90, le=90)]
    """Degrees north."""
    longitude: Annotated[float, Field(ge=-180, le=180)]
    """Degrees east."""
    altitude_m: Annotated[float, Field(ge=-430, le=9000)] = 0.0
    """Height above the sea [m]: thinner air lets more of the sun through."""


def _release_text(value: Any) -> Any:
    """Return a release written without quotes, which is a number, as text."""
    return f"{value:g}" if isinstance(value, float) else value


_SCHEDULER_FLAGS = {
    "max_num_seqs": "batch_cap",
    "max_num_batched_tokens": "max_batch_tokens",
    "enable_prefix_caching": "prefix_caching",
    "num_gpu_blocks_override": "kv_blocks",
}
_CLUSTER_FLAGS = {
    "gpu_memory_utilization": "memory_utilisation",
    "tensor_parallel_size": "tensor_parallel",
    "pipeline_parallel_size": "pipeline_parallel",
    "data_parallel_size": "replicas",
    "quantization": "precision",
}
_SAME_FLAGS = ("max_model_len", "kv_cache_dtype", "block_size")
"""Flags of vLLM whose names the keys of a scheduler have."""


class SchedulerKeys(StrictModel):
    """Rules by which a replica forms its batches."""

    names_elsewhere: ClassVar[Mapping[str, str]] = _SCHEDULER_FLAGS | {
        flag: f"cluster.{key}" for flag, key in _CLUSTER_FLAGS.items()
    }

    type: SchedulerName = "vllm_v1"
    """vllm_v1: today's vLLM, chunked prefill mixed with decodes. vllm: v0, prompts first. vidur:
    the same as Vidur models it, which `execution: vidur` takes for vllm. sarathi: chunks of 512
    tokens. orca: prompts whole and mixed in. static: FasterTransformer. Or `./file.py:Class` for
    one of your own (`cosim schedulers` lists those that have a name)."""
    release: Annotated[Literal["0.11", "0.33"] | None, BeforeValidator(_release_text)] = None
    """Release of vLLM that vllm_v1 follows: its rules, its plan of the GPU's memory, and its
    defaults for prefix_caching, batch_cap, max_batch_tokens and memory_utilisation. 0.33 admits a
    prompt only if all of it fits into the KV cache, and plans an iteration while the one before
    runs: a request that arrives in an iteration starts in the second one after it. Without it the
    rules are those of 0.11, the KV cache gets all that the weights leave, and layers with attention
    windows count with the whole context."""
    prefix_caching: bool | None = None
    """Whether vllm_v1 finds KV blocks of earlier prompts again by what they hold, until others
    take them (enable_prefix_caching): true with a release, false without by default."""
    batch_cap: Annotated[Count, up_to(1_000_000, "engines run some thousands at most")] | None = (
        None
    )
    """Most sequences that run at once on a replica (max_num_seqs): 128 by default, and with a
    release 1024 on GPUs of 70 GiB and more but the A100, 256 on others."""
    max_batch_tokens: Count | None = None
    """Most tokens of one iteration (max_num_batched_tokens): 8192 for vllm_v1 and 512 for sarathi
    by default; with a release 8192 where batch_cap is 1024, 2048 where it is 256, and 16384 on a
    B200 with 0.33. For vllm those of one prefill, for vidur padded to its longest prompt, which
    bounds the length of a request too; the model's context by default. orca and static do not
    count them."""
    max_model_len: Count | None = None
    """Longest request, prompt and output [tokens]; the model's context by default. The KV cache
    must hold one of them."""
    kv_cache_dtype: Literal["auto", "fp8"] = "auto"
    """Type of the values of the KV cache: fp8 is a byte, auto the model's own, 2 bytes but for
    those that a file says."""
    block_size: Literal[1, 8, 16, 32, 64, 128] = 16
    """Tokens of a KV block."""
    kv_blocks: (
        Annotated[Count, up_to(100_000_000, "a replica's GPUs hold some millions at most")] | None
    ) = None
    """KV blocks of a replica (num_gpu_blocks_override); as many as fit beside the weights by
    default."""


FILE_ENDINGS = (".json", ".yaml", ".yml")
"""Ending by which the path of a file differs from a name of a catalogue."""


def _file_or_name(value: Any) -> Any:
    """Return the path of a file that describes something; a name of a catalogue as it is."""
    if isinstance(value, str) and value.endswith(FILE_ENDINGS):
        return str(resolve_path(value))
    return value


CatalogueName = Annotated[str, BeforeValidator(_file_or_name)]


class RooflineExecution(StrictModel):
    """Closed-form iteration time with fitted efficiencies."""

    type: Literal["roofline"]
    """Roofline with coefficients fitted on measured kernels and engines."""
    engine: CatalogueName | None = None
    """Engine profile: what the engine adds to the kernels in an iteration; `none` for nothing, or
    the path of a YAML file that describes one. By default that of the newest vLLM on the GPU, or
    on the H100."""
    expert_parallel: Count = 1
    """Groups of GPUs that hold different experts, for mixtures of experts."""
    time_factor: Positive | None = None
    """Factor on the GPU's time, from a measurement of this model; that of the engine's file by
    default."""
    stepwise: bool = False
    """One event per iteration instead of per change of the batch: the same results, slower."""

    @field_validator("engine")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None:
            find_engine(value)
        return value


class VidurExecutionKeys(StrictModel):
    """Vidur's iteration time and memory plan, as the paper used them."""

    type: Literal["vidur"]
    """Fitted on Vidur's own profiles; no LM head, no overhead."""
    stepwise: bool = False
    """One event per iteration instead of per change of the batch: the same results, slower."""


class ProfileExecution(StrictModel):
    """Iteration time from profiles in Vidur's file format, interpolated."""

    type: Literal["profile"]
    """Read from files."""
    mlp: InputFile
    """Times of the linear operations (mlp.csv)."""
    attention: InputFile | None = None
    """Times of attention (attention.csv); the roofline's by default."""
    all_reduce: InputFile | None = None
    """Times of all-reduces (all_reduce.csv); the node type's by default."""
    send_recv: InputFile | None = None
    """Times of hand-overs (send_recv.csv); the node type's by default."""
    engine: CatalogueName = "none"
    """Engine profile on top, or the path of a YAML file that describes one."""
    stepwise: bool = False
    """One event per iteration instead of per change of the batch: the same results, slower."""

    @field_validator("engine")
    @classmethod
    def _known(cls, value: str) -> str:
        find_engine(value)
        return value


Execution = Annotated[
    RooflineExecution | VidurExecutionKeys | ProfileExecution, Field(discriminator="type")
]


class GatewayKeys(StrictModel):
    """The token bucket in front of the cluster."""

    admission_rate_per_s: Positive | None = None
    """Highest admission rate [requests/s]; unlimited by default."""
    burst: Count = 1
    """Tokens that the bucket holds [requests]."""
    overflow: Literal["wait", "reject"] = "wait"
    """Handling of requests above the admission rate: they are queued, or rejected."""


class ClusterKeys(StrictModel):
    """An LLM serving deployment."""

    names_elsewhere: ClassVar[Mapping[str, str]] = _CLUSTER_FLAGS | {
        flag: f"scheduler.{key}"
        for flag, key in [*_SCHEDULER_FLAGS.items(), *zip(_SAME_FLAGS, _SAME_FLAGS, strict=True)]
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
        Literal["bf16", "fp8", "mxfp4", "int8", "int4"] | None, Field(validate_default=True)
    ] = None
    """Precision of the weights, whatever the model's files say; the model's own by default. int8
    and int4 count the bytes; all but bf16 compute at the speed of bf16."""
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
    execution: Execution = RooflineExecution(type="roofline")
    """Model of the time of an iteration."""
    power: Power = TwoResourcePower()
    """Power model of the GPUs."""
    gateway: GatewayKeys = GatewayKeys()
    """Gateway in front of the replicas."""
    host_power_w: NonNegative = 0.0
    """Power of the host (CPU, fans, network) per GPU [W]; 0 leaves it out."""
    pue: PueKeys = 1.0
    """Power usage effectiveness, facility power over IT power: a number, or by load or
    temperature."""
    power_cap_w: Positive | None = None
    """Power cap of each GPU [W]: it lowers its clock to stay under it; none by default."""
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
    def _deployable(self) -> ClusterKeys:
        gpus = self.replicas * self.tensor_parallel * self.pipeline_parallel
        if gpus > MAX_GPUS:
            raise ValueError(
                f"a cluster may have {MAX_GPUS:,} GPUs (got {cut(f'{gpus:,}', 30)}: replicas x "
                "tensor_parallel x pipeline_parallel); split them over several sites"
            )
        self.config().check()
        return self

    def config(self) -> ClusterConfig:
        """Return the deployment as the simulator takes it.

        Raises:
            InferenceSimError: If it cannot be simulated.
        """
        gpu, model = find_gpu(self.gpu), self._model()
        rate = self.gateway.admission_rate_per_s
        power = self.power.model(gpu)
        vidur = self.execution.type == "vidur"
        serving = self._serving(gpu)
        pool = PoolConfig(
            model=model,
            gpu=gpu,
            stages=self._stages(model, gpu),
            power=power,
            replicas=self.replicas,
            startup_s=self.startup,
            power_cap_w=float("inf") if self.power_cap_w is None else self.power_cap_w,
            tensor_parallel=self.tensor_parallel,
            pipeline_parallel=self.pipeline_parallel,
            router=router_of(self.router),
            scheduler=scheduler_of(
                "vidur" if vidur and self.scheduler.type == "vllm" else self.scheduler.type
            ),
            release=self.scheduler.release,
            prefix_caching=serving.prefix_caching,
            batch_cap=serving.batch_cap,
            max_batch_tokens=serving.max_batch_tokens,
            max_model_len=self.scheduler.max_model_len,
            memory_utilisation=serving.memory_utilisation,
            block_size=self.scheduler.block_size,
            kv_blocks=self._kv_blocks(model, gpu),
            host_power_w=self.host_power_w,
            stepwise=self.execution.stepwise,
        )
        return ClusterConfig(
            pools=(pool,),
            gateway=GatewayConfig(
                admission_rate_per_s=float("inf") if rate is None else rate,
                burst=self.gateway.burst,
                overflow=self.gateway.overflow,
            ),
            pue=ConstantPue(self.pue)
            if isinstance(self.pue, float)
            else self.pue.model(pool.gpus * (power.max_w + self.host_power_w)),
        )

    @model_serializer(mode="wrap")
    def _with_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write out the defaults that depend on the release and the GPU."""
        content: dict[str, Any] = handler(self)
        serving = self._serving(find_gpu(self.gpu))
        content["memory_utilisation"] = serving.memory_utilisation
        content["scheduler"] |= {
            "batch_cap": serving.batch_cap,
            "prefix_caching": serving.prefix_caching,
        }
        if serving.max_batch_tokens is not None:
            content["scheduler"]["max_batch_tokens"] = serving.max_batch_tokens
        return content

    def _model(self) -> ModelSpec:
        model = find_model(self.model, self.precision)
        if self.scheduler.kv_cache_dtype == "fp8":
            return replace(model, kv_bytes_per_value=1.0)
        return model

    def _serving(self, gpu: GpuSpec) -> _Serving:
        """Return the caps and shares that are given, or else the default ones."""
        keys = self.scheduler
        default = _Serving(128, keys.max_batch_tokens, 0.9, prefix_caching=False)
        if keys.release is not None:
            release = release_defaults(keys.release)
            batch = release.batch(gpu)
            tokens = keys.max_batch_tokens or batch.max_batch_tokens
            default = _Serving(
                min(batch.batch_cap, tokens),
                tokens,
                release.memory_utilisation,
                prefix_caching=release.prefix_caching,
            )
        caching = keys.prefix_caching
        return _Serving(
            keys.batch_cap or default.batch_cap,
            default.max_batch_tokens,
            self.memory_utilisation or default.memory_utilisation,
            prefix_caching=default.prefix_caching if caching is None else caching,
        )

    def _kv_blocks(self, model: ModelSpec, gpu: GpuSpec) -> int | None:
        """Return the KV blocks of a replica; None to plan them."""
        if self.scheduler.kv_blocks is not None or self.execution.type != "vidur":
            return self.scheduler.kv_blocks
        return vidur_blocks(model, gpu, self.tensor_parallel, self.pipeline_parallel)

    def _stages(self, model: ModelSpec, gpu: GpuSpec) -> Callable[[Stage], ExecutionModel]:
        node = find_node(self.node) if self.node else None
        width = self.tensor_parallel
        match self.execution:
            case VidurExecutionKeys():
                return lambda stage: vidur_execution(model, gpu, width, stage, node)
            case ProfileExecution() as profile:
                files = ProfileFiles(
                    mlp=profile.mlp,
                    attention=profile.attention,
                    all_reduce=profile.all_reduce,
                    send_recv=profile.send_recv,
                )
                engine = find_engine(profile.engine)
                return lambda stage: profile_execution(
                    model, gpu, files, width, stage, engine=engine, node=node
                )
            case RooflineExecution() as roofline:
                engine = find_engine(roofline.engine or gpu.default_engine)
                return _RooflineStages(
                    model, gpu, engine, width, roofline.expert_parallel, node, roofline.time_factor
                )


@dataclass(frozen=True, slots=True)
class _Serving:
    """Caps of a batch and share of the memory, as a deployment has them."""

    batch_cap: int
    max_batch_tokens: int | None
    memory_utilisation: float
    prefix_caching: bool


@dataclass(frozen=True, slots=True)
class _RooflineStages:
    """Execution models of pipeline stages by the roofline: equal ones for the same deployment."""

    model: ModelSpec
    gpu: GpuSpec
    engine: EngineProfile
    tensor_parallel: int
    expert_parallel: int
    node: NodeType | None
    time_factor: float | None

    def __call__(self, stage: Stage) -> Roofline:
        return Roofline(
            self.model,
            self.gpu,
            self.engine,
            self.tensor_parallel,
            stage,
            expert_parallel=self.expert_parallel,
            node=self.node,
            time_factor=self.time_factor,
        )


class _Battery(StrictModel):
    capacity_wh: NonNegative
    """Energy that it stores when full [Wh]; 0 for no battery."""
    initial_soc: Fraction = 0.5
    """State of charge at the start [0 to 1]."""
    min_soc: Fraction = 0.0
    """State of charge below which it is not discharged [0 to 1]."""

    @model_validator(mode="after")
    def _above_minimum(self) -> _Battery:
        if self.initial_soc < self.min_soc:
            raise ValueError(
                f"initial_soc must be at least min_soc (got {self.initial_soc:g} < "
                f"{self.min_soc:g})"
            )
        return self


class SimpleBattery(_Battery):
    """A lossless battery."""

    type: Literal["simple"]
    """No losses; power limited by c_rate alone."""
    c_rate: Positive | None = None
    """Power limit over capacity [1/h]; no limit by default."""


class ClcBattery(_Battery):
    """A lithium-ion battery: the C-L-C model, with losses, power limits and tapering."""

    type: Literal["clc"]
    """Kazhamiaka et al., Energy Informatics 2, 4 (2019); cells of 19.14 Wh scaled to capacity."""


class Microgrid(StrictModel):
    """Power supply of a site."""

    carbon_intensity: CarbonIntensity
    """Carbon intensity of the grid; the one that controllers see."""
    marginal_carbon_intensity: MarginalIntensity | None = None
    """Marginal intensity beside the average one: emissions are then given by both."""
    solar: Solar | None = None
    """Solar power on site."""
    battery: Annotated[SimpleBattery | ClcBattery, Field(discriminator="type")] | None = None
    """Battery on site; it takes solar surplus and covers deficits before the grid does."""
    price: Price | None = None
    """Price of energy from the grid."""

    @field_validator("battery")
    @classmethod
    def _battery_of_nothing(
        cls, value: SimpleBattery | ClcBattery | None
    ) -> SimpleBattery | ClcBattery | None:
        return value if value is not None and value.capacity_wh else None

    @field_validator("solar")
    @classmethod
    def _panels_of_nothing(cls, value: Any) -> Any:
        return None if isinstance(value, Panels) and not value.peak_power_w else value

    @model_validator(mode="after")
    def _two_kinds(self) -> Microgrid:
        if self.marginal_carbon_intensity and self.carbon_intensity.kind == "marginal":
            raise ValueError(
                "beside `marginal_carbon_intensity`, `carbon_intensity` must be of kind average"
            )
        return self


class Site(StrictModel):
    """One place: a cluster, or a plain load, on a microgrid."""

    name: PlainName
    """Name of the site."""
    location: Location | None = None
    """Its location; needed for computed solar power."""
    timezone: Annotated[str, AfterValidator(known_timezone)] | None = None
    """IANA time zone of its charts and tables, such as ``Europe/Berlin``. By default the hours
    from UTC by the longitude of its location, else those of the area of a built-in carbon
    intensity, else UTC."""
    cluster: ClusterKeys | None = None
    """The serving deployment."""
    load: Load | None = None
    """A plain load in place of a cluster."""
    workload: Workload | None = None
    """The site's own workload, in place of the scenario's."""
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the scenario's workload that comes to this site."""
    microgrid: Microgrid
    """Its power supply."""

    @model_validator(mode="after")
    def _one_load(self) -> Site:
        if (self.cluster is None) == (self.load is None):
            raise ValueError("expected either `cluster` or `load`")
        if self.cluster is None and (self.workload or self.share):
            raise ValueError("`workload` and `share` go with a `cluster`")
        if self.workload is not None and self.share is not None:
            raise ValueError("expected a `workload` of its own or a `share`, not both")
        return self
