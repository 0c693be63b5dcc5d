"""Execution models: the time of an iteration, and the FLOPs and bytes of it."""

from inference_sim.execution.cost import (
    AffineCost,
    ExecutionModel,
    IterationCost,
    Stage,
    pipeline_stages,
)
from inference_sim.execution.engine_profile import EngineProfile, find_engine
from inference_sim.execution.roofline import Roofline

__all__ = [
    "AffineCost",
    "EngineProfile",
    "ExecutionModel",
    "IterationCost",
    "Roofline",
    "Stage",
    "find_engine",
    "pipeline_stages",
]
