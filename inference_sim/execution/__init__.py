"""How long an iteration takes, and what it computes and moves."""

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
