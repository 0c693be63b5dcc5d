"""Scenario keys of the time of an iteration, and the execution models that they ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, field_validator

from cosim.scenario.fields import CatalogueName, Count, InputFile, Positive, StrictModel
from inference_sim.execution import EngineProfile, ExecutionModel, Roofline, Stage, find_engine
from inference_sim.execution.kernels import kernel_execution
from inference_sim.execution.profile import ProfileFiles, profile_execution
from inference_sim.execution.vidur_fit import vidur_execution
from inference_sim.hardware import GpuSpec, NodeType
from inference_sim.models import ModelSpec


class RooflineExecution(StrictModel):
    """Closed-form iteration time with fitted efficiencies."""

    type: Literal["roofline"]
    """Roofline with coefficients fitted on measured kernels and engines."""
    engine: CatalogueName | None = None
    """Engine profile: what the engine adds to the kernels in an iteration; `none` for nothing, or
    the path of a YAML file that describes one. By default that of the newest vLLM on the GPU, or
    on the H100."""
    sampler: Literal["top_p", "greedy"] = "top_p"
    """Sampling of tokens: top_p, which sorts the vocabulary and for which engine profiles are
    fitted, or greedy, which takes next to no time."""
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


class KernelsExecution(StrictModel):
    """Iteration time from a table of kernel times, as `cosim kernels build` writes it."""

    type: Literal["kernels"]
    """Read from a table; FLOPs, bytes and the effect of the clock are the roofline's."""
    table: InputFile
    """The table (JSON), made for this model, GPU and tensor_parallel."""
    engine: CatalogueName = "none"
    """Engine profile on top, for host, sampler and front end, or the path of a YAML file that
    describes one. Tables hold none of them."""
    sampler: Literal["top_p", "greedy"] = "top_p"
    """Sampling of tokens, in the engine profile: top_p, or greedy, which takes next to no time."""
    stepwise: bool = False
    """One event per iteration instead of per change of the batch: the same results, slower."""

    @field_validator("engine")
    @classmethod
    def _known(cls, value: str) -> str:
        find_engine(value)
        return value


Execution = Annotated[
    RooflineExecution | VidurExecutionKeys | ProfileExecution | KernelsExecution,
    Field(discriminator="type"),
]


def engine_of(execution: Execution, gpu: GpuSpec) -> EngineProfile:
    """Return the engine profile that the keys ask for; Vidur's times have none."""
    match execution:
        case VidurExecutionKeys():
            return find_engine("none")
        case ProfileExecution() as profile:
            return find_engine(profile.engine)
        case KernelsExecution() as kernels:
            engine = find_engine(kernels.engine)
            return engine.greedy if kernels.sampler == "greedy" else engine
        case RooflineExecution() as roofline:
            engine = find_engine(roofline.engine or gpu.default_engine)
            return engine.greedy if roofline.sampler == "greedy" else engine


def execution_stages(
    execution: Execution, model: ModelSpec, gpu: GpuSpec, width: int, node: NodeType | None
) -> Callable[[Stage], ExecutionModel]:
    """Return what makes the execution model of a pipeline stage.

    Args:
        execution: The keys that tell which.
        model, gpu: What is served, and on which GPUs.
        width: GPUs that share each layer.
        node: Link between them; None as usual for the GPU.
    """
    match execution:
        case VidurExecutionKeys():
            return lambda stage: vidur_execution(model, gpu, width, stage, node)
        case ProfileExecution() as profile:
            files = ProfileFiles(
                mlp=profile.mlp,
                attention=profile.attention,
                all_reduce=profile.all_reduce,
                send_recv=profile.send_recv,
            )
            engine = engine_of(execution, gpu)
            return lambda stage: profile_execution(
                model, gpu, files, width, stage, engine=engine, node=node
            )
        case KernelsExecution() as kernels:
            engine = engine_of(execution, gpu)
            return lambda stage: kernel_execution(
                model, gpu, kernels.table, width, stage, engine=engine, node=node
            )
        case RooflineExecution() as roofline:
            engine = engine_of(execution, gpu)
            return _RooflineStages(
                model, gpu, engine, width, roofline.expert_parallel, node, roofline.time_factor
            )


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
