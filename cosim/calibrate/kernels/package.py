"""NVIDIA's package aiconfigurator-core (Apache-2.0): its import, its words, its model files.

It is asked once, when a table is built, and never in a run. The package downloads the
``config.json`` of a model that it does not know; here it is always given one, written from the
model as the simulator has it.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from cosim.errors import CosimError, ScenarioError, install_hint
from inference_sim.execution.kernel_table import TableModel

PACKAGE = "aiconfigurator-core"
VERSION = "0.12"
"""Series of its versions whose interface is used here; pyproject.toml has the same."""
SYSTEMS = {
    "a100-sxm-80gb": "a100_sxm",
    "h100-sxm-80gb": "h100_sxm",
    "h200-sxm-141gb": "h200_sxm",
    "b200-sxm-180gb": "b200_sxm",
    "b300-sxm-288gb": "b300_sxm",
    "gb200-nvl72-186gb": "gb200",
    "l40s": "l40s",
    "rtx-pro-6000-96gb": "rtx_pro_6000_server",
}
"""The GPUs that the package has measurements of, by our names."""
_PRODUCTS = {
    "bf16": "bfloat16",
    "fp8": "fp8",
    "fp8_block": "fp8_block",
    "nvfp4": "nvfp4",
    "int4": "int4_wo",
}
_EXPERTS = _PRODUCTS | {"mxfp4": "w4a16_mxfp4"}
_CACHES = {2.0: "bfloat16", 1.0: "fp8"}  # by bytes of a value
_NORMALIZED = "qwen3"  # in the names of families whose queries and keys are normalized


@dataclass(frozen=True, slots=True)
class Subject:
    """One model on one GPU, width and engine: a table's subject, in the package's words.

    Attributes:
        model: The model.
        gpu: Name of the GPU.
        engine: Engine whose kernels are taken: sglang, vllm or trtllm.
        tensor_parallel: GPUs that share each layer.
        expert_parallel: Groups of these that hold different experts.
    """

    model: TableModel
    gpu: str
    engine: str
    tensor_parallel: int
    expert_parallel: int = 1

    @property
    def system(self) -> str:
        """The GPU's name there.

        Raises:
            ScenarioError: If the package has no measurements of it.
        """
        if self.gpu not in SYSTEMS:
            raise ScenarioError(
                f"--gpu: {PACKAGE} has no measurements of {self.gpu} (it has {', '.join(SYSTEMS)})"
            )
        return SYSTEMS[self.gpu]

    @property
    def products(self) -> str:
        """Precision of matrix products."""
        return self._word(_PRODUCTS, self.model.precision, "products in {}")

    @property
    def experts(self) -> str:
        """Precision of experts."""
        return self._word(_EXPERTS, self.model.expert_precision, "experts in {}")

    @property
    def cache(self) -> str:
        """Precision of the KV cache."""
        return self._word(_CACHES, self.model.kv_bytes_per_value, "a KV cache of {} bytes a value")

    @property
    def expert_shards(self) -> int:
        """GPUs that share each expert."""
        return self.tensor_parallel // self.expert_parallel

    def missing(self, part: str) -> ScenarioError:
        """Return the error that the package has no measurements of a part."""
        return ScenarioError(
            f"{PACKAGE} has no measurements of {part} ('{self.model.name}' on "
            f"{self.tensor_parallel} x {self.gpu}, {self.engine})"
        )

    def config(self) -> dict[str, Any]:
        """Return the ``config.json`` of the model, as far as the package reads it."""
        model, experts = self.model, self.model.experts
        normalized = _NORMALIZED in model.name.lower()
        config: dict[str, Any] = {
            "architectures": ["Qwen3ForCausalLM" if normalized else "LlamaForCausalLM"],
            "num_hidden_layers": model.layers,
            "hidden_size": model.hidden_size,
            "num_attention_heads": model.query_heads,
            "num_key_value_heads": model.kv_heads,
            "head_dim": model.head_dim,
            "intermediate_size": model.ffn_size,
            "vocab_size": model.vocab_size,
            "max_position_embeddings": 131072,
        }
        if experts is not None:
            config |= {
                "architectures": ["Qwen3MoeForCausalLM" if normalized else "MixtralForCausalLM"],
                "intermediate_size": experts.ffn_size,
                "moe_intermediate_size": experts.ffn_size,
                "num_experts": experts.count,
                "num_local_experts": experts.count,
                "num_experts_per_tok": experts.per_token,
            }
        return config

    def _word(self, words: Mapping[Any, str], key: Any, part: str) -> str:
        if key not in words:
            raise self.missing(part.format(key))
        return words[key]


def import_package() -> Any:
    """Return the package's ``sdk``, with the parts of it that are used here.

    Raises:
        CosimError: If it is not installed, or is of another series.
    """
    try:
        for part in ("engine", "perf_database", "operations"):
            importlib.import_module(f"aiconfigurator_core.sdk.{part}")
        sdk = importlib.import_module("aiconfigurator_core.sdk")
    except ImportError as error:
        raise CosimError(
            f"kernel tables are built from NVIDIA's package {PACKAGE} {VERSION}: "
            f"{install_hint('kernels')} ({error})"
        ) from None
    if not installed_version().startswith(f"{VERSION}."):
        raise CosimError(
            f"kernel tables are built from {PACKAGE} {VERSION}: {install_hint('kernels')} (found "
            f"{installed_version()})"
        )
    logging.getLogger("aiconfigurator_core").setLevel(logging.ERROR)
    return sdk


def installed_version() -> str:
    """Return the package's version; "an unknown version" where pip did not install it."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return "an unknown version"


def find_rows(rows: Any, keys: Iterable[Any]) -> Any:
    """Return what the package's nested tables hold under some keys; None if nothing.

    Precisions are members of enumerations there; they are found by their names.
    """
    for key in keys:
        by_name = {getattr(own, "name", own): own for own in rows} if rows else {}
        if key not in by_name:
            return None
        rows = rows[by_name[key]]
    return rows
