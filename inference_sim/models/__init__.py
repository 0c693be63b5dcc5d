"""LLM architectures. The numbers are in ``models.yaml``, as their publishers give them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from inference_sim.files.catalogue import Catalogue
from inference_sim.models.hugging_face import read_config
from inference_sim.models.layer_kinds import LayerKind
from inference_sim.models.mixers import STATE_FLOPS, LatentAttention, StateLayers
from inference_sim.models.precision import BYTES_PER_VALUE, PRECISIONS, Weights
from inference_sim.models.spec import Experts, ModelSpec

__all__ = [
    "BYTES_PER_VALUE",
    "PRECISIONS",
    "STATE_FLOPS",
    "Experts",
    "LatentAttention",
    "LayerKind",
    "ModelSpec",
    "StateLayers",
    "Weights",
    "find_model",
    "model_names",
]


MODELS = Catalogue("model", __name__, "models.yaml", ModelSpec)


def model_names() -> tuple[str, ...]:
    """Return the names of all known models."""
    return MODELS.names


@cache
def find_model(name: str, precision: str | None = None) -> ModelSpec:
    """Return the model called `name` (its Hugging Face name), or that of a ``config.json``.

    Args:
        name: The name, or the path of a file that ends in ``.json``.
        precision: Precision of the weights; None for the model's own.

    Raises:
        UnknownName: If the catalogue has no such model.
        InferenceSimError: If the file cannot be used, or the precision is unknown.
    """
    if name.endswith(".json"):
        return read_config(Path(name), precision)
    model = MODELS.find(name)
    return model if precision is None else model.with_precision(precision)
