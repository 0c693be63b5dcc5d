"""LLM architectures. The numbers are in ``models.yaml``, as their publishers give them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from inference_sim.catalogue import read_data
from inference_sim.errors import UnknownName
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


@cache
def model_names() -> tuple[str, ...]:
    """Return the names of all known models."""
    return tuple(read_data(__name__, "models.yaml"))


@cache
def find_model(name: str) -> ModelSpec:
    """Return the model called `name` (its Hugging Face name), or that of a ``config.json``.

    Raises:
        UnknownName: If the catalogue has no such model.
        InferenceSimError: If `name` ends in ``.json`` and the file cannot be used.
    """
    if name.endswith(".json"):
        return read_config(Path(name))
    entries = read_data(__name__, "models.yaml")
    if name not in entries:
        raise UnknownName("model", name, entries)
    entry = dict(entries[name])
    experts = entry.pop("experts", None)
    return ModelSpec(name=name, experts=Experts(**experts) if experts else None, **entry)
