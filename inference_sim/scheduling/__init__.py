"""How an engine forms its next batch."""

from collections.abc import Mapping
from types import MappingProxyType

from inference_sim.scheduling.base import Chunk, Scheduler
from inference_sim.scheduling.chunked import SarathiScheduler, VllmV1Scheduler
from inference_sim.scheduling.reserved import OrcaScheduler, StaticScheduler
from inference_sim.scheduling.vllm import VllmScheduler

SCHEDULERS: Mapping[str, type[Scheduler]] = MappingProxyType(
    {
        "vllm": VllmScheduler,
        "vllm_v1": VllmV1Scheduler,
        "sarathi": SarathiScheduler,
        "orca": OrcaScheduler,
        "static": StaticScheduler,
    }
)
"""Every scheduler, by its name in scenarios."""

__all__ = [
    "SCHEDULERS",
    "Chunk",
    "OrcaScheduler",
    "SarathiScheduler",
    "Scheduler",
    "StaticScheduler",
    "VllmScheduler",
    "VllmV1Scheduler",
]
