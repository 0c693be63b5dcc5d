"""The links between prefill and decode pools, as they are configured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class KvTransfer:
    """Links between prefill and decode pools.

    Attributes:
        bytes_per_s: Bandwidth of a link [bytes/s].
        latency_s: Time that each transfer takes beside its bytes [s].
        links: Number of links.
        power_w_per_link: Power of a link while a transfer is under way on it [W].
        layerwise: Whether the KV of a layer is sent while the next layers are computed.
    """

    bytes_per_s: float
    latency_s: float = 0.0
    links: int = 1
    power_w_per_link: float = 0.0
    layerwise: bool = False

    @property
    def peak_w(self) -> float:
        """Power of all links at work [W]."""
        return self.links * self.power_w_per_link

    def overlap(self, layers: int) -> float:
        """Return the part of a prefill, of 1, in which its KV can be sent already.

        Args:
            layers: Layers of the model; the KV of the last one is there at the end.
        """
        return 1 - 1 / layers if self.layerwise else 0.0
