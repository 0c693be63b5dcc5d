"""Node types: the links between the GPUs of a server. The numbers are in ``nodes.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from inference_sim.errors import InferenceSimError
from inference_sim.files.catalogue import Catalogue, FileEntry, NonNegative, Positive


@dataclass(frozen=True, slots=True)
class Link(FileEntry):
    """Cost of one collective or transfer: a latency, then bytes at a bandwidth.

    Attributes:
        estimate: Whether it was taken from similar hardware, not measured.
    """

    latency_us: NonNegative
    bandwidth_gb_per_s: Positive
    estimate: bool = False

    def seconds(self, bytes_moved: float) -> float:
        """Return the time that a tensor of `bytes_moved` adds to the latency [s]."""
        return bytes_moved / (self.bandwidth_gb_per_s * 1e9)


@dataclass(frozen=True, slots=True)
class NodeType(FileEntry):
    """Links between the GPUs of a node.

    Attributes:
        all_reduce: By GPU name, then by number of GPUs.
        send_receive: By GPU name: from one GPU to the next, as pipeline stages hand over.
    """

    name: str
    description: str
    all_reduce: Mapping[str, Mapping[int, Link]]
    send_receive: Mapping[str, Link]

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
