"""How a replica forms its next batch."""

from inference_sim.scheduling.vllm import VllmScheduler

__all__ = ["VllmScheduler"]
