"""A deployment: which model on which GPUs, served how."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from inference_sim.deferral import ServiceClass
from inference_sim.errors import InferenceSimError
from inference_sim.execution import (
    EngineProfile,
    ExecutionModel,
    Roofline,
    Stage,
    find_engine,
    pipeline_stages,
)
from inference_sim.hardware import GpuSpec
from inference_sim.memory_plan import plan_blocks
from inference_sim.models import ModelSpec
from inference_sim.power import PowerModel
from inference_sim.power.pue import Pue, as_pue
from inference_sim.power_cap import LOWEST_CLOCK


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterConfig:
    """A deployment.

    Attributes:
        engine: What the engine adds to the kernels, for the roofline.
        stages: Makes the execution model of a pipeline stage; the roofline by default.
        scheduler: Name of the scheduler; see ``scheduling``.
        max_batch_tokens: Most tokens of one iteration; None for the scheduler's default, or the
            model's context.
        kv_blocks: KV blocks per replica; None to plan them from the memory.
        host_power_w: Constant power of the host, per GPU [W].
        pue: Facility power over IT power, as a number or a function.
        outside_temperature_c: Temperature outside by simulated time [s], for a PUE that needs it
            [°C]; constant over each step.
        admission_rate_per_s: Highest admission rate [requests/s]; infinite for no limit.
        burst: Tokens that the gateway's bucket holds [requests].
        classes: Classes of requests, by the number that they carry; none may be held back without.
        startup_s: Time that a replica takes to wake up [s].
        power_cap_w: Power cap of each GPU at the start [W]; infinite for none.
        seed: Seed of routers that draw.
        stepwise: One event per iteration (a check of the segment engine; slow).
    """

    model: ModelSpec
    gpu: GpuSpec
    power: PowerModel
    engine: EngineProfile = field(default_factory=lambda: find_engine("none"))
    replicas: int = 1
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    router: str = "round_robin"
    scheduler: str = "vllm_v1"
    batch_cap: int = 128
    max_batch_tokens: int | None = None
    memory_utilisation: float = 0.9
    kv_blocks: int | None = None
    host_power_w: float = 0.0
    pue: float | Pue = 1.0
    outside_temperature_c: Callable[[float], float] | None = None
    admission_rate_per_s: float = math.inf
    burst: int = 1
    overflow: Literal["wait", "reject"] = "wait"
    classes: tuple[ServiceClass, ...] = ()
    startup_s: float = 60.0
    power_cap_w: float = math.inf
    stepwise: bool = False
    seed: int = 0
    stages: Callable[[Stage], ExecutionModel] | None = None

    @property
    def gpus(self) -> int:
        """Number of GPUs."""
        return self.replicas * self.tensor_parallel * self.pipeline_parallel

    def execution(self, stage: Stage) -> ExecutionModel:
        """Return the execution model of a pipeline stage."""
        if self.stages is not None:
            return self.stages(stage)
        return Roofline(self.model, self.gpu, self.engine, self.tensor_parallel, stage)

    @property
    def idle_power_w(self) -> float:
        """Facility power with nothing running [W]."""
        return as_pue(self.pue).least_w(self.gpus * (self.power.idle_w + self.host_power_w))

    @property
    def peak_power_w(self) -> float:
        """The most the facility can draw [W]."""
        return as_pue(self.pue).most_w(self.gpus * (self.power.max_w + self.host_power_w))


def check_deployment(config: ClusterConfig) -> list[ExecutionModel]:
    """Return the execution models of a replica's stages, if the deployment can be simulated.

    Raises:
        ModelDoesNotFit: If a GPU cannot hold its share of the model and one request.
        InferenceSimError: If the deployment cannot be simulated for another reason.
    """
    if config.pipeline_parallel > config.model.layers:
        raise InferenceSimError(
            f"'{config.model.name}' has {config.model.layers} layers, too few for "
            f"{config.pipeline_parallel} pipeline stages"
        )
    plan_blocks(
        config.model,
        config.gpu,
        config.tensor_parallel,
        config.memory_utilisation,
        config.pipeline_parallel,
    )
    layers = config.model.layers
    stages = [
        config.execution(stage) for stage in pipeline_stages(layers, config.pipeline_parallel)
    ]
    check_power_cap(config.power_cap_w, config.power)
    if config.power_cap_w < config.power.max_w:
        for stage in stages:
            stage.at_clock(LOWEST_CLOCK)
    return stages


def check_power_cap(power_cap_w: float, power: PowerModel) -> None:
    """Check that a power cap can be held by a GPU with nothing to do.

    Raises:
        InferenceSimError: If not.
    """
    if not power_cap_w >= power.idle_w:
        raise InferenceSimError(
            f"a power cap must be at least {power.idle_w:g} W, what a GPU draws with nothing to do "
            f"(got {power_cap_w:g} W)"
        )
