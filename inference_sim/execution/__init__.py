"""How long an iteration takes, and what it computes and moves."""

from inference_sim.execution.engine_profile import EngineProfile, find_engine
from inference_sim.execution.roofline import AffineCost, IterationCost, Roofline

__all__ = ["AffineCost", "EngineProfile", "IterationCost", "Roofline", "find_engine"]
