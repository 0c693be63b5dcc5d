"""GPUs and the nodes that link them."""

from inference_sim.hardware.gpus import (
    ClockRange,
    ExpertCoefficients,
    GpuSpec,
    KernelCoefficients,
    PowerLawCoefficients,
    ProductCoefficients,
    TwoResourceCoefficients,
    find_gpu,
    gpu_names,
)
from inference_sim.hardware.host_memory import HostMemory, host_dram
from inference_sim.hardware.nodes import Link, NodeType, find_node, node_names

__all__ = [
    "ClockRange",
    "ExpertCoefficients",
    "GpuSpec",
    "HostMemory",
    "KernelCoefficients",
    "Link",
    "NodeType",
    "PowerLawCoefficients",
    "ProductCoefficients",
    "TwoResourceCoefficients",
    "find_gpu",
    "find_node",
    "gpu_names",
    "host_dram",
    "node_names",
]
