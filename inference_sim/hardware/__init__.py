"""GPUs and the nodes that link them."""

from inference_sim.hardware.gpus import (
    ClockRange,
    ExpertCoefficients,
    GpuSpec,
    KernelCoefficients,
    PowerLawCoefficients,
    TwoResourceCoefficients,
    find_gpu,
    gpu_names,
)
from inference_sim.hardware.nodes import Link, NodeType, find_node, node_names

__all__ = [
    "ClockRange",
    "ExpertCoefficients",
    "GpuSpec",
    "KernelCoefficients",
    "Link",
    "NodeType",
    "PowerLawCoefficients",
    "TwoResourceCoefficients",
    "find_gpu",
    "find_node",
    "gpu_names",
    "node_names",
]
