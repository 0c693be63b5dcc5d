"""The layers of a model, counted by kind.

Most models repeat one layer. Others begin with dense layers (DeepSeek), alternate dense MLPs with
experts (Llama-4), attention with state layers (Qwen3-Next), or have layers with a mixer or an MLP
alone (Nemotron-H). The order does not matter to any cost.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal, NamedTuple

Mixer = Literal["attention", "state", ""]
Mlp = Literal["dense", "experts", ""]


class LayerKind(NamedTuple):
    """Layers that are alike.

    Attributes:
        layers: Number of them.
        mixer: The part in which tokens meet; "" for none.
        mlp: The part that computes each token alone; "" for none.
    """

    layers: int
    mixer: Mixer
    mlp: Mlp

    @property
    def parts(self) -> int:
        """Parts, each with a norm, a residual and an all-reduce of its own."""
        return (self.mixer != "") + (self.mlp != "")


def layer_kinds(
    *, attention: int, states: int, experts: int, dense: int, single: bool
) -> tuple[LayerKind, ...]:
    """Return the kinds of layers of a model.

    Args:
        attention: Layers with attention.
        states: Layers with a state.
        experts: Layers with experts.
        dense: Layers with a dense MLP.
        single: Whether each layer is a mixer or an MLP alone.
    """
    mixers: list[Mixer] = ["attention"] * attention
    mixers += ["state"] * states
    mlps: list[Mlp] = [""] * len(mixers) if single else []
    mlps += ["experts"] * experts
    mlps += ["dense"] * dense
    mixers += [""] * (len(mlps) - len(mixers))
    counts = Counter(zip(mixers, mlps, strict=True))
    return tuple(LayerKind(count, mixer, mlp) for (mixer, mlp), count in counts.items())
