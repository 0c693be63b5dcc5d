"""Scenario keys of a site: a cluster (or a plain load) on a microgrid."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from cosim.scenario.fields import Fraction, NonNegative, Positive, StrictModel
from cosim.scenario.signals import CarbonIntensity, Load, Price, Solar
from cosim.scenario.workload import Workload
from inference_sim.cluster import ClusterConfig
from inference_sim.execution import find_engine
from inference_sim.execution.roofline import Roofline
from inference_sim.hardware import find_gpu
from inference_sim.memory_plan import plan_blocks
from inference_sim.models import find_model
from inference_sim.power import MfuPowerLaw, PowerModel, TwoResource
from inference_sim.routing import ROUTERS

Count = Annotated[int, Field(ge=1)]


class Location(StrictModel):
    """Where a site is."""

    latitude: Annotated[float, Field(ge=-90, le=90)]
    """Degrees north."""
    longitude: Annotated[float, Field(ge=-180, le=180)]
    """Degrees east."""


class VllmScheduler(StrictModel):
    """vLLM v0: prefill first, never mixed with decode, no chunks."""

    type: Literal["vllm"] = "vllm"
    """Scheduler."""
    batch_cap: Count = 128
    """Most sequences that run at once on a replica (max_num_seqs)."""
    max_batch_tokens: Count | None = None
    """Most tokens of one prefill, padded to its longest prompt (max_num_batched_tokens); it also
    bounds the length of a request. The model's context by default."""


class RooflineExecution(StrictModel):
    """Closed-form iteration time with fitted efficiencies."""

    type: Literal["roofline"] = "roofline"
    """Iteration-time model."""
    engine: str = "vllm-0.11"
    """Engine profile: what the engine adds to the kernels in an iteration; `none` for nothing."""
    stepwise: bool = False
    """One event per iteration instead of per change of the batch: the same results, slower."""

    @field_validator("engine")
    @classmethod
    def _known(cls, value: str) -> str:
        find_engine(value)
        return value


class Power(StrictModel):
    """Power model of a GPU."""

    type: Literal["two_resource", "mfu_power_law"] = "two_resource"
    """two_resource: compute and memory draw separately. mfu_power_law: Eq. 1 of the paper."""


class Gateway(StrictModel):
    """The token bucket in front of the cluster."""

    admission_rate_per_s: Positive | None = None
    """Highest admission rate [requests/s]; unlimited by default."""
    burst: Count = 1
    """Tokens that the bucket holds [requests]."""
    overflow: Literal["wait", "reject"] = "wait"
    """What happens to requests above the admission rate: they wait in line, or are rejected."""


class Cluster(StrictModel):
    """An LLM serving deployment."""

    model: str
    """Model, by its Hugging Face name (`cosim models` lists them)."""
    gpu: str
    """GPU type (`cosim gpus` lists them)."""
    replicas: Count = 1
    """Copies of the model."""
    tensor_parallel: Count = 1
    """GPUs that share each layer of a replica."""
    pipeline_parallel: Literal[1] = 1
    """Pipeline stages of a replica; only 1 is supported."""
    router: str = "round_robin"
    """How requests are spread over replicas: round_robin or least_outstanding."""
    memory_utilisation: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Share of GPU memory for weights and KV cache (gpu_memory_utilization)."""
    scheduler: VllmScheduler = VllmScheduler()
    """How a batch is formed."""
    execution: RooflineExecution = RooflineExecution()
    """How long an iteration takes."""
    power: Power = Power()
    """What the GPUs draw."""
    gateway: Gateway = Gateway()
    """What stands in front of the replicas."""
    host_power_w: NonNegative = 0.0
    """Power of the host (CPU, fans, network) per GPU [W]; 0 leaves it out."""
    pue: Annotated[float, Field(ge=1)] = 1.0
    """Power usage effectiveness: facility power over IT power."""
    embodied_g_per_gpu_hour: NonNegative | None = None
    """Embodied carbon [g per GPU and hour]; the GPU's own figure by default."""

    @field_validator("model")
    @classmethod
    def _known_model(cls, value: str) -> str:
        find_model(value)
        return value

    @field_validator("gpu")
    @classmethod
    def _known_gpu(cls, value: str) -> str:
        find_gpu(value)
        return value

    @field_validator("router")
    @classmethod
    def _known_router(cls, value: str) -> str:
        if value not in ROUTERS:
            raise ValueError(f"expected one of {', '.join(ROUTERS)} (got {value!r})")
        return value

    @model_validator(mode="after")
    def _deployable(self) -> Cluster:
        model, gpu = find_model(self.model), find_gpu(self.gpu)
        Roofline(model, gpu, find_engine(self.execution.engine), self.tensor_parallel)
        plan_blocks(model, gpu, self.tensor_parallel, self.memory_utilisation)
        self._power_model()
        return self

    def _power_model(self) -> PowerModel:
        gpu = find_gpu(self.gpu)
        return MfuPowerLaw.of(gpu) if self.power.type == "mfu_power_law" else TwoResource.of(gpu)

    def config(self) -> ClusterConfig:
        """Return the deployment as the simulator takes it."""
        rate = self.gateway.admission_rate_per_s
        return ClusterConfig(
            model=find_model(self.model),
            gpu=find_gpu(self.gpu),
            engine=find_engine(self.execution.engine),
            power=self._power_model(),
            replicas=self.replicas,
            tensor_parallel=self.tensor_parallel,
            router=self.router,
            batch_cap=self.scheduler.batch_cap,
            max_batch_tokens=self.scheduler.max_batch_tokens,
            memory_utilisation=self.memory_utilisation,
            host_power_w=self.host_power_w,
            pue=self.pue,
            admission_rate_per_s=float("inf") if rate is None else rate,
            burst=self.gateway.burst,
            overflow=self.gateway.overflow,
            stepwise=self.execution.stepwise,
        )


class _Battery(StrictModel):
    capacity_wh: Positive
    """Energy that it holds when full [Wh]."""
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
    """What supplies a site."""

    carbon_intensity: CarbonIntensity
    """Carbon intensity of the grid."""
    solar: Solar | None = None
    """Solar power on site."""
    battery: Annotated[SimpleBattery | ClcBattery, Field(discriminator="type")] | None = None
    """Battery on site; it takes solar surplus and covers deficits before the grid does."""
    price: Price | None = None
    """Price of energy from the grid."""


class Site(StrictModel):
    """One place: a cluster, or a plain load, on a microgrid."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    """Name of the site."""
    location: Location | None = None
    """Where it is; computed solar power needs it."""
    cluster: Cluster | None = None
    """The serving deployment."""
    load: Load | None = None
    """A plain load in place of a cluster."""
    workload: Workload | None = None
    """The site's own workload, in place of the scenario's."""
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the scenario's workload that comes to this site."""
    microgrid: Microgrid
    """What supplies it."""

    @model_validator(mode="after")
    def _one_load(self) -> Site:
        if (self.cluster is None) == (self.load is None):
            raise ValueError("expected either `cluster` or `load`")
        if self.cluster is None and (self.workload or self.share):
            raise ValueError("`workload` and `share` go with a `cluster`")
        if self.workload is not None and self.share is not None:
            raise ValueError("expected a `workload` of its own or a `share`, not both")
        return self
