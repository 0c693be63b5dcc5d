"""The layers of a checkpoint in their order, by the many keys that families have for it."""

from __future__ import annotations

from typing import NamedTuple

from inference_sim.models.config_file import ConfigFile
from inference_sim.models.layer_kinds import Mixer, Mlp

_STATES = ("linear_attention", "mamba")
_NEMOTRON: dict[str, tuple[Mixer, Mlp]] = {
    "M": ("state", ""),
    "mamba": ("state", ""),
    "*": ("attention", ""),
    "attention": ("attention", ""),
    "-": ("", "dense"),
    "mlp": ("", "dense"),
    "E": ("", "experts"),
    "moe": ("", "experts"),
}


class LayerOrder(NamedTuple):
    """Mixers and MLPs of the layers, first to last."""

    mixers: tuple[Mixer, ...]
    mlps: tuple[Mlp, ...]

    def count(self, part: Mixer | Mlp) -> int:
        """Return how many layers have a part."""
        return self.mixers.count(part) + self.mlps.count(part)


def read_layer_order(config: ConfigFile, *, has_experts: bool) -> LayerOrder:
    """Return the layers of a checkpoint.

    Raises:
        InferenceSimError: If a layer is of a kind that is not modelled.
    """
    pattern = config.values.get("hybrid_override_pattern") or config.values.get("layers_block_type")
    if pattern:
        return _of_pattern(config, pattern)
    layers = config.integer("num_hidden_layers")
    dense = _dense_layers(config, layers) if has_experts else [True] * layers
    return LayerOrder(
        tuple(_mixers(config, layers)),
        tuple("dense" if is_dense else "experts" for is_dense in dense),
    )


def _of_pattern(config: ConfigFile, pattern: object) -> LayerOrder:
    kinds = list(pattern) if isinstance(pattern, (str, list)) else []
    unknown = [kind for kind in kinds if kind not in _NEMOTRON]
    if unknown or not kinds:
        raise config.fail(
            f"a layer of the kind {unknown[0] if unknown else pattern!r:.40} is not modelled; "
            f"expected {', '.join(_NEMOTRON)}"
        )
    parts = [_NEMOTRON[kind] for kind in kinds]
    return LayerOrder(tuple(mixer for mixer, _ in parts), tuple(mlp for _, mlp in parts))


def _mixers(config: ConfigFile, layers: int) -> list[Mixer]:
    kinds = config.values.get("layer_types")
    if isinstance(kinds, list) and kinds:
        return ["state" if kind in _STATES else "attention" for kind in kinds]
    if config.values.get("linear_num_value_heads"):
        every = config.integer("full_attention_interval")
        return ["attention" if (layer + 1) % every == 0 else "state" for layer in range(layers)]
    return ["attention"] * layers


def _dense_layers(config: ConfigFile, layers: int) -> list[bool]:
    """Return, for each layer of a mixture of experts, whether its MLP is dense."""
    kinds = config.values.get("mlp_layer_types")
    if isinstance(kinds, list):
        return [kind == "dense" for kind in kinds]
    frequency = config.values.get("moe_layer_freq")
    if isinstance(frequency, list):
        return [not value for value in frequency]
    listed = config.values.get("moe_layers")
    if isinstance(listed, list):
        return [layer not in listed for layer in range(layers)]
    first = config.integer("first_k_dense_replace", least=0, default=0)
    every = config.integer("moe_layer_freq", default=1)
    step = config.integer("decoder_sparse_step", "interleave_moe_layer_step", default=1)
    alone = config.values.get("mlp_only_layers") or []
    return [
        layer < first or layer % every != 0 or (layer + 1) % step != 0 or layer in alone
        for layer in range(layers)
    ]
