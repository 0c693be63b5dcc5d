"""The precision of a checkpoint, wherever its publisher wrote it down.

In the order in which vLLM looks: ``quantization_config``, ``compression_config``, the file
``hf_quant_config.json`` beside it (NVIDIA ModelOpt), and the ``dtype`` of the weights. Formats
without a precision in :data:`PRECISIONS` are rejected, never taken for bf16.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inference_sim.errors import InferenceSimError
from inference_sim.files.json_text import read_json_object
from inference_sim.models.config_file import ConfigFile
from inference_sim.models.spec import BYTES_PER_VALUE

BESIDE = "hf_quant_config.json"
"""Name of ModelOpt's file."""

_FP8_METHODS = ("fp8", "fbgemm_fp8", "ptpc_fp8")
_BITS_METHODS = ("awq", "gptq", "auto-round")
_METHODS = (*_FP8_METHODS, "mxfp4", "compressed-tensors", "modelopt", *_BITS_METHODS)
_BY_BITS = {4: "int4", 8: "int8"}
_DTYPES = {"bfloat16": "bf16", "float16": "bf16", "float32": "bf16"}
"""Engines load float32 as 16 bits."""

_NOT_LINEAR = {"lm_head", "gate", "router", "shared_expert_gate", "wte", "wpe"}
_OTHER_MODELS = ("vis", "multi_modal", "mm_proj", "audio", "mtp", "embed")
"""Beginnings of the names of parts outside the layers that are modelled."""
_LEFT_OUT = ("modules_to_not_convert", "ignored_layers", "exclude_modules", "ignore")


@dataclass(frozen=True, slots=True)
class Quantization:
    """Precisions of a checkpoint.

    Attributes:
        precision: Precision of the linear layers' weights.
        kv_bytes_per_value: Bytes per value of the KV cache.
    """

    precision: str = "bf16"
    kv_bytes_per_value: float = BYTES_PER_VALUE


def read_quantization(
    config: ConfigFile, precision: str | None, *, experts: bool = False
) -> Quantization:
    """Return the precisions of a checkpoint.

    Args:
        config: Its ``config.json``.
        precision: Precision of the weights in place of the file's; the KV cache is then as in the
            file where that can be read, and bf16 elsewhere.
        experts: Whether it is a mixture of experts.

    Raises:
        InferenceSimError: If it has a precision that is not modelled; the message names the part.
    """
    if precision is None:
        return _read(config, experts)
    try:
        return Quantization(precision, _read(config, experts).kv_bytes_per_value)
    except InferenceSimError:
        return Quantization(precision)


def _read(config: ConfigFile, experts: bool) -> Quantization:
    for key in ("quantization_config", "compression_config"):
        value = config.values.get(key)
        if value:
            values = value if isinstance(value, dict) else {"quant_method": value}
            return _Scheme(config, key, values, experts).read()
    beside = config.path.with_name(BESIDE)
    if beside != config.path and beside.exists():
        inner = ConfigFile(beside, read_json_object(beside)).mapping("quantization")
        values = {**inner, "quant_method": "modelopt"}
        return _Scheme(config, BESIDE, values, experts).read()
    return Quantization(_precision_of_dtype(config))


def _precision_of_dtype(config: ConfigFile) -> str:
    key = "dtype" if config.values.get("dtype") is not None else "torch_dtype"
    dtype = str(config.values.get(key) or "bfloat16").removeprefix("torch.")
    if dtype.startswith("float8"):
        return "fp8"
    if dtype not in _DTYPES:
        raise _refused(config, f"'{key}' is {dtype!r:.40}")
    return _DTYPES[dtype]


def _refused(config: ConfigFile, problem: str) -> InferenceSimError:
    return config.fail(f"{problem}, which is not modelled; `precision` sets one to take instead")


@dataclass(frozen=True, slots=True)
class _Scheme:
    """Quantization of one checkpoint: `values` of the key, or the file, that is called `key`."""

    config: ConfigFile
    key: str
    values: Mapping[str, Any]
    experts: bool

    def read(self) -> Quantization:
        precision = self._precision()
        self._check_left_out(precision)
        return Quantization(precision, self._kv_bytes())

    def _refused(self, name: str, value: Any) -> InferenceSimError:
        return _refused(self.config, f"'{self.key}.{name}' is {value!r:.60}")

    def _precision(self) -> str:
        method = self.values.get("quant_method")
        if method in _FP8_METHODS:
            return "fp8"
        if method == "mxfp4":
            return "mxfp4"
        if method in ("compressed-tensors", "compressed_tensors"):
            return self._of_groups()
        if method == "modelopt":
            return self._of_modelopt()
        if method in _BITS_METHODS:
            bits = self.values.get("bits", self.values.get("w_bit"))
            if not isinstance(bits, int) or bits not in _BY_BITS:
                raise self._refused("bits", bits)
            if self.values.get("dynamic"):
                raise _refused(self.config, f"'{self.key}.dynamic' (a precision by layer)")
            return _BY_BITS[bits]
        raise _refused(
            self.config,
            f"'{self.key}.quant_method' is {method!r:.60} (known: {', '.join(_METHODS)})",
        )

    def _of_groups(self) -> str:
        """Return the precision of compressed-tensors, the same in all groups of layers."""
        groups = self.values.get("config_groups")
        if not isinstance(groups, dict) or not groups:
            raise self._refused("config_groups", groups)
        by_precision: dict[str, str] = {}
        for name, group in groups.items():
            weights = group.get("weights") if isinstance(group, dict) else None
            weights = weights if isinstance(weights, dict) else {}
            bits, kind = weights.get("num_bits"), weights.get("type")
            if kind == "float" and bits == 8:
                by_precision["fp8"] = name
            elif kind == "int" and isinstance(bits, int) and bits in _BY_BITS:
                by_precision[_BY_BITS[bits]] = name
            else:
                raise self._refused(f"config_groups.{name}.weights", weights)
        if len(by_precision) > 1:
            mixed = " and ".join(
                f"{precision} in {name}" for precision, name in by_precision.items()
            )
            raise _refused(self.config, f"'{self.key}.config_groups' has {mixed}")
        return next(iter(by_precision))

    def _of_modelopt(self) -> str:
        algorithm = self.values.get("quant_algo")
        if algorithm is None:  # the KV cache alone
            return "bf16"
        name = str(algorithm).upper()
        if name.startswith("FP8"):
            return "fp8"
        if name.startswith(("W4A16", "INT4")):
            return "int4"
        if name.startswith(("W8A16", "W8A8", "INT8")):
            return "int8"
        raise self._refused("quant_algo", algorithm)

    def _kv_bytes(self) -> float:
        algorithm = self.values.get("kv_cache_quant_algo")
        if algorithm:
            if str(algorithm).upper() not in ("FP8", "INT8"):
                raise self._refused("kv_cache_quant_algo", algorithm)
            return 1.0
        scheme = self.values.get("kv_cache_scheme")
        if not scheme:
            return BYTES_PER_VALUE
        if not isinstance(scheme, dict) or scheme.get("num_bits") != 8:
            raise self._refused("kv_cache_scheme", scheme)
        return 1.0

    def _check_left_out(self, precision: str) -> None:
        """Refuse linear layers that are left in bf16: all are taken alike."""
        if precision == "bf16" or (precision == "mxfp4" and self.experts):
            return
        for key in _LEFT_OUT:
            names = self.values.get(key)
            names = names if isinstance(names, list) else []
            linear = [name for name in names if _is_linear(str(name))]
            if linear:
                raise _refused(
                    self.config, f"'{self.key}.{key}' leaves '{linear[0]!s:.60}' in bf16"
                )


def _is_linear(pattern: str) -> bool:
    """Return whether a name, or a pattern of names, is a linear operation of the layers."""
    parts = [
        part for part in re.split(r"[.\\*/:^$()]+", pattern) if part not in ("", "re", "model")
    ]
    if not parts or any(part.startswith(_OTHER_MODELS) for part in parts):
        return False
    last = parts[-2] if parts[-1] in ("weight", "bias") and len(parts) > 1 else parts[-1]
    return last not in _NOT_LINEAR and "norm" not in last
