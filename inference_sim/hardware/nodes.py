"""Node types: the servers of GPUs, their links and hosts. The numbers are in ``nodes.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from inference_sim.errors import InferenceSimError
from inference_sim.files.catalogue import Catalogue, FileEntry, NonNegative, Positive

_HALF_LARGE_BYTES = 1e6


@dataclass(frozen=True, slots=True)
class Link(FileEntry):
    """Cost of one collective or transfer: a latency, then bytes at a bandwidth.

    Attributes:
        large_us: Further latency of tensors of many MB. An all-reduce takes one step while the
            tensor is small, and more beyond: half of it comes at 1 MB.
        launch_us: Time before it begins; 0 where it is measured within CUDA graphs.
        sums_in_switch: Whether the switch between the GPUs can add tensors up (NVLink SHARP, from
            Hopper on).
        estimate: Whether it was taken from similar hardware, not measured.
    """

    latency_us: NonNegative
    bandwidth_gb_per_s: Positive
    large_us: NonNegative = 0.0
    launch_us: NonNegative = 20.0
    sums_in_switch: bool = False
    estimate: bool = False

    def seconds(self, bytes_moved: float) -> float:
        """Return the time that a tensor of `bytes_moved` adds to the latency [s]."""
        seconds = bytes_moved / (self.bandwidth_gb_per_s * 1e9)
        if self.large_us:
            seconds += self.large_us * 1e-6 * bytes_moved / (bytes_moved + _HALF_LARGE_BYTES)
        return seconds

    def fixed_s(self) -> float:
        """Return the time of a transfer of no bytes [s]."""
        return (self.launch_us + self.latency_us) * 1e-6


@dataclass(frozen=True, slots=True)
class HostPower(FileEntry):
    """Power of a server without its GPUs: CPUs, memory, switches, network, fans, power supplies.

    Attributes:
        w_per_gpu: The power over the number of GPUs [W].
        estimate: Whether it was taken from similar hardware, not measured.
    """

    w_per_gpu: Positive
    estimate: bool = False


@dataclass(frozen=True, slots=True)
class NodeType(FileEntry):
    """Links between the GPUs of a node, and its host.

    Attributes:
        all_reduce: By GPU name, then by number of GPUs.
        graph_all_reduce: The same within CUDA graphs, as engines run it; where it is known.
        send_receive: By GPU name: from one GPU to the next, as pipeline stages hand over.
        host: Power of the host, by GPU name; where it is known.
    """

    name: str
    description: str
    all_reduce: Mapping[str, Mapping[int, Link]]
    send_receive: Mapping[str, Link]
    graph_all_reduce: Mapping[str, Mapping[int, Link]] = field(default_factory=dict)
    host: Mapping[str, HostPower] = field(default_factory=dict)

    def engine_all_reduce_link(self, gpu: str, gpus: int) -> Link:
        """Return the all-reduce cost within CUDA graphs, or else that outside of them.

        Raises:
            InferenceSimError: If neither is known.
        """
        in_graphs = self.graph_all_reduce.get(gpu, {}).get(gpus)
        return in_graphs or self.all_reduce_link(gpu, gpus)

    def all_reduce_link(self, gpu: str, gpus: int) -> Link:
        """Return the all-reduce cost among `gpus` GPUs of type `gpu`.

        Raises:
            InferenceSimError: If it is not known; the message lists the known ones.
        """
        widths = self.all_reduce.get(gpu, {})
        if gpus not in widths:
            raise InferenceSimError(
                f"no all-reduce cost is known for {gpus} GPUs of type '{gpu}' in a "
                f"'{self.name}' node; known: {_known(gpu)}"
            )
        return widths[gpus]

    def send_receive_link(self, gpu: str) -> Link:
        """Return the cost of a hand-over between two GPUs of type `gpu`.

        Raises:
            InferenceSimError: If it is not known.
        """
        if gpu not in self.send_receive:
            raise InferenceSimError(
                f"no send/receive cost is known for GPUs of type '{gpu}' in a '{self.name}' node "
                f"(known: {', '.join(self.send_receive) or 'none'})"
            )
        return self.send_receive[gpu]


def _known(gpu: str) -> str:
    """Return the numbers of GPUs for which each node type has links, in words."""
    widths = {name: find_node(name).all_reduce.get(gpu, {}) for name in node_names()}
    return "; ".join(
        f"{name}: tensor_parallel {', '.join(map(str, [1, *links]))}"
        for name, links in widths.items()
    )


NODES = Catalogue("node type", __package__, "nodes.yaml", NodeType)


def node_names() -> tuple[str, ...]:
    """Return the names of all known node types."""
    return NODES.names


@cache
def find_node(name: str) -> NodeType:
    """Return the node type called `name`.

    Raises:
        UnknownName: If the catalogue has no such node type.
    """
    return NODES.find(name)
