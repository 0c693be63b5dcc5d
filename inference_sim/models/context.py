"""The longest context of a checkpoint: its positions, and the stretch of rotary embeddings.

The rule is vLLM's for its longest ``max_model_len``. Linear and dynamic scaling multiply the
positions by their factor; YaRN multiplies those that it was trained on. The positions of
``llama3``, ``longrope`` and Gemma 3 are given with the stretch in them. (vLLM takes the shorter
original context of a ``longrope`` model unless it is given a longer one; the longer one is meant
here.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inference_sim.models.config_file import ConfigFile

_LENGTHS = (
    "max_position_embeddings",
    "n_positions",
    "max_seq_len",
    "seq_length",
    "max_sequence_length",
    "max_seq_length",
    "seq_len",
)
"""Names that checkpoints have for it; the smallest that is given counts."""
_UNSTRETCHED = ("default", "mrope", "llama3", "longrope", "su")
_STRETCHED = ("linear", "dynamic", "yarn")


def read_context(config: ConfigFile, architecture: str) -> int:
    """Return the longest context that a model takes, prompt and output [tokens].

    Raises:
        InferenceSimError: If no length is given, or the kind of scaling is not known.
    """
    names = [name for name in _LENGTHS if config.values.get(name) is not None]
    positions = min(
        (config.integer(name) for name in names),
        default=0,
    ) or config.integer(_LENGTHS[0])
    if architecture.startswith("Gemma3"):
        return positions
    return max(
        (_stretched(config, scaling, positions) for scaling in _scalings(config)), default=positions
    )


def _scalings(config: ConfigFile) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the scalings with their keys; transformers 5 gives them by kind of layer, or once."""
    key = "rope_parameters" if config.values.get("rope_parameters") else "rope_scaling"
    values = config.mapping(key)
    nested = {f"{key}.{kind}": entry for kind, entry in values.items() if isinstance(entry, dict)}
    return [*nested.items()] if nested else [(key, values)] if values else []


def _stretched(config: ConfigFile, scaling: tuple[str, Mapping[str, Any]], positions: int) -> int:
    key, values = scaling
    kind = values.get("rope_type", values.get("type", "default"))
    if kind in _UNSTRETCHED:
        return positions
    if kind not in _STRETCHED:
        raise config.fail(
            f"'{key}' is of the type {kind!r:.40}, and how that stretches the context is not "
            f"known; expected one of {', '.join((*_UNSTRETCHED, *_STRETCHED))}"
        )
    factor = values.get("factor", 1.0)
    if isinstance(factor, bool) or not isinstance(factor, (int, float)) or not 1 <= factor <= 1e4:
        raise config.fail(f"'{key}.factor' must be a number from 1 to 10,000 (got {factor!r:.40})")
    if kind == "yarn":
        scaling_file = ConfigFile(config.path, values)
        positions = scaling_file.integer("original_max_position_embeddings", default=positions)
    return int(positions * factor)
