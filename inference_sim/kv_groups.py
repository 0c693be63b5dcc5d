"""Groups of layers whose KV cache shares one pool of blocks, as vLLM forms them.

Layers with full attention and layers with an attention window take turns in a model. vLLM puts
layers of one kind into groups of equal size; a block of the pool holds the tokens of one group, so
that every kind takes blocks of the same bytes. A group with full attention keeps the blocks of the
whole context, a windowed one those that its window reaches. Windows that do not slide (Llama-4) are
kept whole: vLLM gives none of them back unless VLLM_ALLOW_CHUNKED_LOCAL_ATTN_WITH_HYBRID_KV_CACHE
says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from inference_sim.models import ModelSpec

_NEARLY_EVEN = 1.5
"""Ratio of layers below which the smaller kind is padded to the larger one."""


@dataclass(frozen=True, slots=True)
class KvGroups:
    """Groups of equally many layers.

    Attributes:
        full: Groups with full attention.
        windowed: Groups with an attention window.
        window_tokens: Tokens that the window reaches, the newest one included [tokens].
        layers: Layers of a group, padding included.
    """

    full: int
    windowed: int
    window_tokens: int
    layers: int

    @property
    def count(self) -> int:
        """Number of groups."""
        return self.full + self.windowed

    def most_blocks(self, tokens: int, in_flight_tokens: int, block_size: int) -> int:
        """Return the most blocks that a sequence holds while it grows to `tokens`.

        Args:
            tokens: Its length in the end [tokens].
            in_flight_tokens: Most tokens that are computed at once: the window reaches back from
                the first of them.
            block_size: Tokens of a block [tokens].
        """
        held = self.full * -(-tokens // block_size)
        if self.windowed:
            reach = min(self.window_tokens - 1 + in_flight_tokens, tokens)
            held += self.windowed * (-(-reach // block_size) + 1)
        return held

    def decoding_blocks(self, tokens: float, block_size: int) -> float:
        """Return the mean number of blocks that a sequence holds while it decodes at `tokens`."""
        windowed = min(tokens, self.window_tokens + block_size / 2) if self.windowed else 0.0
        return (self.full * tokens + self.windowed * windowed) / block_size


def kv_groups(model: ModelSpec, pads_nearly_even: bool = False) -> KvGroups:
    """Return the groups of a model's layers.

    Args:
        model: The model.
        pads_nearly_even: Whether two kinds with nearly as many layers become a group each.
    """
    windowed = model.windowed_layers if model.window_tokens else 0
    full = model.attention_layers - windowed
    if model.chunked:
        return KvGroups(1, 0, 0, model.attention_layers)
    if not windowed or not full:
        return KvGroups(
            int(full > 0), int(windowed > 0), model.window_tokens, model.attention_layers
        )
    size, most = min(full, windowed), max(full, windowed)
    if pads_nearly_even and most < _NEARLY_EVEN * size:
        size = most
    return KvGroups(-(-full // size), -(-windowed // size), model.window_tokens, size)
