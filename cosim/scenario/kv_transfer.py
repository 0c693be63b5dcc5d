"""Scenario keys of the links between prefill and decode pools."""

from __future__ import annotations

from typing import Literal

from cosim.scenario.fields import Count, DurationS, NonNegative, Positive, StrictModel
from inference_sim.kv_transfer import KvTransfer


class KvTransferKeys(StrictModel):
    """Links over which prefill pools send the KV of prompts to decode pools."""

    gb_per_s: Positive
    """Bandwidth of each link [GB/s]; 50 with a network card of 400 Gbit/s. A transfer takes one
    link at most; if there are more transfers than links, they share them evenly."""
    latency: DurationS = 0.0
    """Time that each transfer takes beside its bytes."""
    links: Count = 1
    """Number of links."""
    power_w_per_link: NonNegative = 0.0
    """Power of a link while a transfer is under way on it [W]; it counts as host power of the
    site."""
    overlap: Literal["layerwise", "none"] = "none"
    """Overlap with the prefill: the KV of each layer is sent while the next layers are computed, or
    all of it is sent after the prompt."""

    def config(self) -> KvTransfer:
        """Return them as the simulator takes them."""
        return KvTransfer(
            bytes_per_s=self.gb_per_s * 1e9,
            latency_s=self.latency,
            links=self.links,
            power_w_per_link=self.power_w_per_link,
            layerwise=self.overlap == "layerwise",
        )
