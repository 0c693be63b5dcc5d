"""The precisions of a checkpoint, wherever its publisher wrote them down.

In the order in which vLLM looks: ``quantization_config``, ``compression_config``, the file
``hf_quant_config.json`` beside it (NVIDIA ModelOpt), and the ``dtype`` of the weights. Formats
without a precision in :data:`~inference_sim.models.PRECISIONS` are rejected, never taken for bf16.
Modules that stay in 16 bits, or have a precision of their own, count with their own bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from inference_sim.errors import InferenceSimError
from inference_sim.files.json_text import read_json_object
from inference_sim.models.config_file import ConfigFile
from inference_sim.models.layer_order import LayerOrder
from inference_sim.models.modules import modules_of
from inference_sim.models.precision import BYTES_PER_VALUE, Weights
from inference_sim.models.quantization_scheme import Scheme, refused
from inference_sim.models.spec import ModelSpec

BESIDE = "hf_quant_config.json"
"""Name of ModelOpt's file."""

_DTYPES = {"bfloat16": "bf16", "float16": "bf16", "float32": "bf16"}
"""Engines load float32 as 16 bits."""


@dataclass(frozen=True, slots=True)
class Quantization:
    """Precisions of a checkpoint.

    Attributes:
        precision: Precision of most of the weights.
        parts: Weights of the parts that differ from it.
        kv_bytes_per_value: Bytes per value of the KV cache.
    """

    precision: str = "bf16"
    parts: Mapping[str, Weights] = field(default_factory=dict)
    kv_bytes_per_value: float = BYTES_PER_VALUE


def read_quantization(
    config: ConfigFile, precision: str | None, model: ModelSpec, order: LayerOrder
) -> Quantization:
    """Return the precisions of a checkpoint.

    Args:
        config: Its ``config.json``.
        precision: Precision of the weights in place of the file's; the KV cache is then as in the
            file where that can be read, and bf16 elsewhere.
        model: Its shape.
        order: Its layers.

    Raises:
        InferenceSimError: If it has a precision that is not modelled; the message names the part.
    """
    if precision is None:
        return _read(config, model, order)
    try:
        own = _read(config, model, order)
    except InferenceSimError:
        return Quantization(precision)
    if precision == own.precision:
        return own
    return Quantization(precision, kv_bytes_per_value=own.kv_bytes_per_value)


def _read(config: ConfigFile, model: ModelSpec, order: LayerOrder) -> Quantization:
    scheme = _scheme(config)
    if scheme is None:
        return Quantization(_precision_of_dtype(config))
    kv_bytes = scheme.kv_bytes()
    by_part = _by_part(scheme, model, order)
    if not by_part:
        return Quantization(kv_bytes_per_value=kv_bytes)
    counted: Counter[str] = Counter()
    for part, by_weights in by_part.items():
        if part != "head":
            for weights, count in by_weights.items():
                counted[weights.precision] += count
    precision = counted.most_common(1)[0][0]
    parts = {part: _mean(by_weights) for part, by_weights in by_part.items()}
    usual = model.with_precision(precision)
    return Quantization(
        precision,
        {part: weights for part, weights in parts.items() if weights != usual.weights_of(part)},
        kv_bytes,
    )


def _by_part(scheme: Scheme, model: ModelSpec, order: LayerOrder) -> dict[str, Counter[Weights]]:
    """Return the numbers of weights by part and precision; empty where all are bf16."""
    rule = scheme.rule()
    by_part: dict[str, Counter[Weights]] = {}
    for module in modules_of(model, order):
        if module.weights:
            by_part.setdefault(module.part, Counter())[rule(module)] += module.weights
    if all(weights.precision == "bf16" for counts in by_part.values() for weights in counts):
        return {}
    return by_part


def _mean(by_weights: Counter[Weights]) -> Weights:
    """Return the precision that most weights of a part have, and the mean bytes of all."""
    most = by_weights.most_common(1)[0][0]
    total = sum(by_weights.values())
    mean = sum(count * weights.bytes_per_weight for weights, count in by_weights.items()) / total
    return Weights(most.precision, mean)


def _scheme(config: ConfigFile) -> Scheme | None:
    """Return the scheme that a checkpoint names, wherever that is; None for none."""
    for key in ("quantization_config", "compression_config"):
        value = config.values.get(key)
        if value:
            values = value if isinstance(value, dict) else {"quant_method": value}
            return Scheme(config, key, values)
    beside = config.path.with_name(BESIDE)
    if beside != config.path and beside.exists():
        inner = ConfigFile(beside, read_json_object(beside)).mapping("quantization")
        return Scheme(config, BESIDE, {**inner, "quant_method": "modelopt"})
    return None


def _precision_of_dtype(config: ConfigFile) -> str:
    key = "dtype" if config.values.get("dtype") is not None else "torch_dtype"
    dtype = str(config.values.get(key) or "bfloat16").removeprefix("torch.")
    if dtype.startswith("float8"):
        return "fp8"
    if dtype not in _DTYPES:
        raise refused(config, f"'{key}' is {dtype!r:.40}")
    return _DTYPES[dtype]
