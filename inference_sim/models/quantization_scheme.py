"""One quantization scheme: the precision that it gives to each module of a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from inference_sim.errors import InferenceSimError
from inference_sim.models.config_file import ConfigFile
from inference_sim.models.modules import Module, Patterns
from inference_sim.models.precision import BYTES_PER_VALUE, PRECISIONS, Weights, int4_bytes

_FP8_METHODS = ("fp8", "fbgemm_fp8", "ptpc_fp8")
_BITS_METHODS = ("awq", "gptq", "auto-round")
_METHODS = (
    *_FP8_METHODS, "mxfp4", "compressed-tensors", "modelopt", *_BITS_METHODS, "bitsandbytes",
)  # fmt: skip
_TENSORS = ("compressed-tensors", "compressed_tensors")
_LEFT_OUT = (
    "modules_to_not_convert", "ignored_layers", "exclude_modules", "ignore",
    "llm_int8_skip_modules",
)  # fmt: skip
_CLASSES = ("Linear", "FusedMoE")
"""Targets that mean every linear module."""

_BF16 = Weights("bf16", BYTES_PER_VALUE)
_NVFP4_WEIGHT_ONLY = Weights("int4", PRECISIONS["nvfp4"])
"""4-bit floats that are computed in bf16: as int4, with the bytes of nvfp4."""

Rule = Callable[[Module], Weights]
Fits = Callable[[Module], bool]


def refused(config: ConfigFile, problem: str) -> InferenceSimError:
    """Return the error of a precision that is not modelled."""
    return config.fail(f"{problem}, which is not modelled; `precision` sets one to take instead")


def _plain(precision: str) -> Weights:
    return Weights(precision, PRECISIONS[precision])


def _every(module: Module) -> bool:
    """Return whether methods mean a module where they name none: not the LM head."""
    return module.part != "head"


def _experts(module: Module) -> bool:
    return module.part == "experts"


@dataclass(frozen=True, slots=True)
class Scheme:
    """Quantization of one checkpoint: `values` of the key, or the file, that is called `key`."""

    config: ConfigFile
    key: str
    values: Mapping[str, Any]

    def rule(self) -> Rule:
        """Return the weights of each module.

        Raises:
            InferenceSimError: If one is not modelled; the message names the key.
        """
        method = self._method()
        groups = self.values.get("config_groups")
        layers = self.values.get("quantized_layers")
        if isinstance(layers, dict) and layers:
            return self._of_layers(layers)
        if isinstance(groups, dict) and (method in _TENSORS or _targets(groups)):
            return self._of_groups(groups)
        # OpenAI's mxfp4 concerns experts alone.
        fits = _experts if method == "mxfp4" else _every
        return self._but_left_out([(self._of_method(method), fits)])

    def kv_bytes(self) -> float:
        """Return the bytes of a value of the KV cache.

        Raises:
            InferenceSimError: If its precision is not modelled.
        """
        algorithm = self.values.get("kv_cache_quant_algo")
        scheme = self.values.get("kv_cache_scheme")
        for name, value in (("kv_cache_quant_algo", algorithm), ("kv_cache_scheme", scheme)):
            if not value:
                continue
            eight_bits = str(value).upper() in ("FP8", "INT8")
            if isinstance(value, dict):
                eight_bits = value.get("num_bits") == 8
            if not eight_bits:
                raise self._refused(name, value)
            return 1.0
        return BYTES_PER_VALUE

    def _refused(self, name: str, value: Any) -> InferenceSimError:
        return refused(self.config, f"'{self.key}.{name}' is {value!r:.60}")

    def _method(self) -> str | None:
        method = self.values.get("quant_method")
        return "modelopt" if method is None and self.values.get("quant_algo") else method

    def _of_method(self, method: str | None) -> Weights:
        """Return the weights of methods that have one precision for all modules."""
        if method in _FP8_METHODS:
            return _plain("fp8_block" if self.values.get("weight_block_size") else "fp8")
        if method == "mxfp4":
            return _plain("mxfp4")
        if method in _TENSORS:
            raise self._refused("config_groups", self.values.get("config_groups"))
        if method == "modelopt":
            return self._of_algorithm("quant_algo", self.values.get("quant_algo"))
        if method in _BITS_METHODS:
            return self._of_bits()
        if method == "bitsandbytes":
            return self._of_bitsandbytes()
        raise refused(
            self.config,
            f"'{self.key}.quant_method' is {method!r:.60} (known: {', '.join(_METHODS)})",
        )

    def _of_bits(self) -> Weights:
        bits = self.values.get("bits", self.values.get("w_bit"))
        if self.values.get("dynamic"):
            raise refused(self.config, f"'{self.key}.dynamic' (a precision by layer)")
        if bits == 8:
            return _plain("int8")
        if bits != 4 or isinstance(bits, bool):
            raise self._refused("bits", bits)
        group = self.values.get("group_size", self.values.get("q_group_size", 128))
        return Weights("int4", self._int4_bytes("group_size", group))

    def _int4_bytes(self, name: str, group: Any, zero_point_bits: int = 4) -> float:
        if group in (None, -1):  # one scale a channel
            return 0.5
        if isinstance(group, bool) or not isinstance(group, int) or group < 1:
            raise self._refused(name, group)
        return int4_bytes(group, zero_point_bits)

    def _of_bitsandbytes(self) -> Weights:
        if self.values.get("load_in_8bit"):
            return _plain("int8")
        if not self.values.get("load_in_4bit"):
            raise self._refused("load_in_4bit", self.values.get("load_in_4bit"))
        # A 32-bit scale for 64 values, or one of 8 bits and a 32-bit scale for 256 of these
        # (QLoRA: Dettmers et al., NeurIPS 2023, Section 3).
        double = bool(self.values.get("bnb_4bit_use_double_quant"))
        return Weights("int4", (4 + (8 / 64 + 32 / (64 * 256) if double else 32 / 64)) / 8)

    def _of_algorithm(self, key: str, algorithm: Any) -> Weights:
        """Return the weights of one of ModelOpt's algorithms."""
        if algorithm is None:  # the KV cache alone
            return _BF16
        name = str(algorithm).upper()
        if name.startswith("FP8"):
            return _plain("fp8_block" if "BLOCK" in name or "_PB" in name else "fp8")
        if name == "MXFP8":
            return Weights("fp8_block", 1 + 1 / 32)
        if name.startswith("NVFP4"):
            return _plain("nvfp4")
        if name.startswith("W4A16_NVFP4"):
            return _NVFP4_WEIGHT_ONLY
        if name.startswith(("W4A16", "INT4")):
            group = self.values.get("group_size", 128)
            return Weights("int4", self._int4_bytes("group_size", group))
        if name.startswith(("W8A16", "W8A8", "INT8")):
            return _plain("int8")
        raise self._refused(key, algorithm)

    def _of_layers(self, layers: Mapping[str, Any]) -> Rule:
        """Return ModelOpt's precisions by name of a layer."""
        by_weights: dict[Weights, list[str]] = {}
        for name, values in layers.items():
            algorithm = values.get("quant_algo") if isinstance(values, dict) else values
            weights = self._of_algorithm(f"quantized_layers.{name}", algorithm)
            by_weights.setdefault(weights, []).append(name)
        return self._but_left_out(
            [
                (w, self._patterns("quantized_layers", names).match)
                for w, names in by_weights.items()
            ]
        )

    def _of_groups(self, groups: Mapping[str, Any]) -> Rule:
        """Return the precisions of compressed-tensors by group of modules."""
        if not groups:
            raise self._refused("config_groups", groups)
        rules: list[tuple[Weights, Fits]] = []
        for name, group in groups.items():
            values = group if isinstance(group, dict) else {}
            targets = [str(target) for target in values.get("targets") or _CLASSES]
            every = any(target in _CLASSES for target in targets)
            fits = _every if every else self._patterns(name, targets).match
            rules.append((self._of_group(name, values), fits))
        of_all = [weights.precision for weights, fits in rules if fits is _every]
        if len(set(of_all)) > 1:
            problem = f"'{self.key}.config_groups' has {' and '.join(of_all)} for all modules"
            raise refused(self.config, problem)
        return self._but_left_out(sorted(rules, key=lambda rule: rule[1] is _every))

    def _of_group(self, name: str, group: Mapping[str, Any]) -> Weights:
        weights = group.get("weights")
        weights = weights if isinstance(weights, dict) else {}
        bits, kind, size = (weights.get(key) for key in ("num_bits", "type", "group_size"))
        if kind == "float" and bits == 8:
            return _plain("fp8_block" if weights.get("strategy") == "block" else "fp8")
        if kind == "float" and bits == 4 and size in (16, 32):
            if size == 32:
                return _plain("mxfp4")
            return _plain("nvfp4") if group.get("input_activations") else _NVFP4_WEIGHT_ONLY
        if kind == "int" and bits == 8:
            return _plain("int8")
        if kind == "int" and bits == 4:
            zero_point_bits = 0 if weights.get("symmetric") else 4
            per_weight = self._int4_bytes(f"config_groups.{name}.weights", size, zero_point_bits)
            return Weights("int4", per_weight)
        raise self._refused(f"config_groups.{name}.weights", weights)

    def _patterns(self, name: str, patterns: Iterable[str]) -> Patterns:
        try:
            return Patterns(patterns)
        except ValueError as error:
            raise self.config.fail(
                f"'{self.key}.{name}' has a regular expression that is not one ({error})"
            ) from None

    def _but_left_out(self, rules: list[tuple[Weights, Fits]]) -> Rule:
        """Return the first rule that fits a module, but bf16 for those that are left out."""
        lists = [value for key in _LEFT_OUT if isinstance(value := self.values.get(key), list)]
        left_out = self._patterns("ignore", (str(name) for names in lists for name in names))

        def rule(module: Module) -> Weights:
            if left_out.match(module):
                return _BF16
            return next((weights for weights, fits in rules if fits(module)), _BF16)

        return rule


def _targets(groups: Mapping[str, Any]) -> bool:
    """Return whether groups name the modules that they concern."""
    return any(isinstance(group, dict) and group.get("targets") for group in groups.values())
