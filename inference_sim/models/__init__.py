"""LLM architectures. The numbers are in ``models.yaml``, as their publishers give them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from inference_sim.files.catalogue import Catalogue
from inference_sim.models.hugging_face import read_config
from inference_sim.models.spec import BYTES_PER_VALUE, PRECISIONS, Experts, ModelSpec

__all__ = [
    "BYTES_PER_VALUE",
    "PRECISIONS",
    "Experts",
    "ModelSpec",
    "find_model",
    "model_names",
]


MODELS = Catalogue("model", __name__, "models.yaml", ModelSpec)


def model_names() -> tuple[str, ...]:
    """Return the names of all known models."""
    return MODELS.names


@cache
def find_model(name: str) -> ModelSpec:
    """Return the model called `name` (its Hugging Face name), or that of a ``config.json``.

    Raises:
        UnknownName: If the catalogue has no such model.
        InferenceSimError: If `name` ends in ``.json`` and the file cannot be used.
    """
    return read_config(Path(name)) if name.endswith(".json") else MODELS.find(name)
