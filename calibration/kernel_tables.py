"""NVIDIA's tables of kernel times: those of the wheel of aiconfigurator-core that are fitted here.

The wheel ``aiconfigurator-core`` 0.12.0 (Apache-2.0; ``pip download --no-deps
aiconfigurator-core==0.12.0``) is a zip of Parquet tables, ``data/SYSTEM/FAMILY/ENGINE/VERSION/``,
one for each kernel family. The choice of table by GPU and precision stands here, with the rows that
are left out:

- Products with a side below `SMALLEST_SIDE`: no layer of a model in the catalog has one but the
  router, and few thread blocks then bound the time, which four numbers cannot say.
- KV caches that the L2 cache holds: a benchmark that repeats one layer reads them there, a model
  with other layers in between does not.
- Tables of fp8 with a scale per block for vLLM: they show the overhead of launching, the same 59 to
  190 us from 1 to 2,048 tokens. SGLang's have the kernels themselves; those of fp8 are taken there,
  too, because vLLM's hold two reads of the activations beside.
- Experts in bf16 on the B200 are those of vLLM 0.19, by Triton as in earlier versions.
- Tables of fp8 experts on the H200, which are kept to judge by what others say about them.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from inference_sim.arrays import FloatArray
from inference_sim.errors import InferenceSimError

SYSTEMS = {
    "a100-sxm-80gb": "a100_sxm",
    "h100-sxm-80gb": "h100_sxm",
    "h200-sxm-141gb": "h200_sxm",
    "b200-sxm-180gb": "b200_sxm",
    "l40s": "l40s",
}
VLLM = dict.fromkeys(SYSTEMS, "vllm/0.24.0") | {"a100-sxm-80gb": "vllm/0.14.0"}
SGLANG = "sglang/0.5.14"

PRODUCTS = {
    "bf16": ("bfloat16", VLLM),
    "fp8": ("fp8", dict.fromkeys(("h100-sxm-80gb", "h200-sxm-141gb", "b200-sxm-180gb"), SGLANG)
            | {"l40s": "sglang/0.5.14"}),
    "fp8_block": (
        "fp8_block",
        dict.fromkeys(("h100-sxm-80gb", "h200-sxm-141gb", "b200-sxm-180gb"), SGLANG),
    ),
    "nvfp4": ("nvfp4", {"b200-sxm-180gb": "vllm/0.24.0"}),
}  # fmt: skip
"""By precision: its name in the tables, and the engine whose table is taken, by GPU."""

EXPERTS = {
    "bf16": ("bfloat16", VLLM | {"b200-sxm-180gb": "vllm/0.19.0"}, ("triton", "")),
    "fp8": ("fp8", {"h100-sxm-80gb": "vllm/0.24.0", "b200-sxm-180gb": "vllm/0.24.0"}, ("",)),
    "fp8_block": (
        "fp8_block",
        {"h100-sxm-80gb": "vllm/0.24.0", "b200-sxm-180gb": "vllm/0.24.0"},
        ("tritonexperts", ""),
    ),
    "mxfp4": (
        "w4a16_mxfp4",
        {"h100-sxm-80gb": "vllm/0.24.0", "b200-sxm-180gb": "vllm/0.24.0"},
        ("gptoss",),
    ),
    "nvfp4": ("nvfp4", {"b200-sxm-180gb": "vllm/0.24.0"}, ("monolithic",)),
}
"""By precision: its name, the table by GPU, and parts of kernels' names: the first that occurs."""
ROUTING = "power_law_1.01"  # of the distributions in the tables the mildest that is not even

REDUCES = VLLM | {"l40s": "vllm/0.22.0"}
WIDTHS = (2, 4, 8)

SMALLEST_SIDE = 512
MOST_TOKENS = 8193  # of an iteration: vLLM's own default is 8,192 at most
L2_BYTES = {
    "a100-sxm-80gb": 40e6, "h100-sxm-80gb": 50e6, "h200-sxm-141gb": 50e6, "b200-sxm-180gb": 126e6,
    "l40s": 96e6,
}  # fmt: skip
"""NVIDIA's architecture white papers; the B200's as cudaDeviceProp tells it."""
_MEASURED_BY_LATENCY = 0.02  # share of the L2 cache below which reading takes no time worth a name
KEPT = ("h200-sxm-141gb", "fp8")  # experts: GPU and the beginning of precisions that are not read


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a table.

    Attributes:
        columns: Numbers by column, shape (rows,).
        seconds: Measured times, shape (rows,) [s].
        shape: Which shape a row belongs to, from 0, shape (rows,). Halves of the shapes are fitted
            and tested in turn.
    """

    columns: dict[str, FloatArray]
    seconds: FloatArray
    shape: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.seconds)

    @property
    def shapes(self) -> int:
        """Number of shapes."""
        return int(self.shape.max()) + 1

    def where(self, chosen: NDArray[np.bool_]) -> Rows:
        """Return some of the rows."""
        columns = {name: values[chosen] for name, values in self.columns.items()}
        return Rows(columns, self.seconds[chosen], self.shape[chosen])


class KernelTables:
    """The tables of a wheel.

    Raises:
        InferenceSimError: If the file cannot be read, or is not the wheel.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise InferenceSimError(f"{path}: cannot be read as a wheel: {error}") from None
        self._path = path
        self._names = {
            name.split("/systems/data/", 1)[1]: name
            for name in self._zip.namelist()
            if "/systems/data/" in name and name.endswith(".parquet")
        }
        if not self._names:
            raise InferenceSimError(f"{path}: holds no kernel tables of aiconfigurator-core")

    def products(self, gpu: str, precision: str) -> Rows:
        """Return matrix products: columns ``tokens``, ``inputs`` and ``outputs``."""
        name, engines = PRODUCTS[precision]
        table = self._table(gpu, "gemm", engines[gpu], "gemm_perf")
        chosen = table["gemm_dtype"] == name
        columns = {
            "tokens": table["m"], "inputs": table["k"], "outputs": table["n"]
        }  # fmt: skip
        sides = np.minimum(table["n"], table["k"])
        chosen &= (sides >= SMALLEST_SIDE) & (table["m"] <= MOST_TOKENS)
        return _rows(columns, table["latency"], chosen, ("inputs", "outputs"))

    def decodes(self, gpu: str, *, beside_l2: bool = True) -> Rows:
        """Return decode attention: ``sequences``, ``context``, ``kv_heads`` and ``head_dim``.

        Args:
            gpu: The GPU.
            beside_l2: Whether rows whose KV cache the L2 cache holds are left out.
        """
        table = self._table(gpu, "attention", VLLM[gpu], "generation_attention_perf")
        chosen = (table["attn_dtype"] == "bfloat16") & (table["kv_cache_dtype"] == "bfloat16")
        if "window_size" in table:
            chosen &= table["window_size"] == 0
        kv_heads = np.where(
            table["num_key_value_heads"] == 0, table["num_heads"], table["num_key_value_heads"]
        )
        columns = {
            "sequences": table["batch_size"], "context": table["isl"] + table["step"],
            "heads": table["num_heads"], "kv_heads": kv_heads, "head_dim": table["head_dim"],
        }  # fmt: skip
        if beside_l2:
            read = 4 * columns["sequences"] * columns["context"] * kv_heads * table["head_dim"]
            l2 = L2_BYTES[gpu]
            chosen &= (read > l2) | (read < _MEASURED_BY_LATENCY * l2)
        return _rows(columns, table["latency"], chosen, ("heads", "kv_heads", "head_dim"))

    def experts(self, gpu: str, precision: str) -> Rows:
        """Return experts of a layer on one GPU of a group.

        Columns: ``tokens``, ``hidden``, ``ffn``, ``per_token``, ``count``, ``shards`` of an expert
        and ``groups`` of experts.
        """
        if gpu == KEPT[0] and precision.startswith(KEPT[1]):
            raise InferenceSimError(f"{precision} experts on {gpu} are kept to judge by")
        name, engines, kernels = EXPERTS[precision]
        table = self._table(gpu, "moe", engines[gpu], "moe_perf")
        chosen = (table["moe_dtype"] == name) & (table["distribution"] == ROUTING)
        chosen &= table["num_tokens"] <= MOST_TOKENS
        sources = table["kernel_source"]
        for part in kernels:
            of_kernel = np.array([part in source for source in sources])
            if (chosen & of_kernel).any():
                chosen &= of_kernel
                break
        columns = {
            "tokens": table["num_tokens"], "hidden": table["hidden_size"],
            "ffn": table["inter_size"], "per_token": table["topk"], "count": table["num_experts"],
            "shards": table["moe_tp_size"], "groups": table["moe_ep_size"],
        }  # fmt: skip
        return _rows(columns, table["latency"], chosen, tuple(columns)[1:])

    def reduces(self, gpu: str, gpus: int) -> Rows:
        """Return all-reduces within CUDA graphs: ``bytes``; each size is a shape of its own."""
        table = self._table(gpu, "comm", REDUCES[gpu], "custom_allreduce_perf")
        in_graph = np.array(["graph" in backend for backend in table["backend"]])
        size = table["message_size"]
        chosen = in_graph & (table["num_gpus"] == gpus) & (size >= 1024) & (size <= 2**27)
        return _rows({"bytes": size}, table["latency"], chosen, ("bytes",))

    def _table(self, gpu: str, family: str, engine: str, name: str) -> dict[str, NDArray[Any]]:
        path = f"{SYSTEMS[gpu]}/{family}/{engine}/{name}.parquet"
        if path not in self._names:
            raise InferenceSimError(f"{self._path}: has no table {path}")
        table = pq.read_table(io.BytesIO(self._zip.read(self._names[path])))
        return {
            column: np.asarray(table[column].to_pylist())
            if table.schema.field(column).type == "string"
            else table[column].to_numpy()
            for column in table.column_names
        }


def _rows(
    columns: dict[str, NDArray[Any]],
    latency_ms: NDArray[Any],
    chosen: NDArray[np.bool_],
    of_shape: Sequence[str],
) -> Rows:
    """Return the chosen rows with a time, repeated measurements of a row as their median."""
    chosen = chosen & (latency_ms > 0)
    keys = np.stack([columns[name][chosen].astype(np.float64) for name in columns], axis=1)
    unique, index = np.unique(keys, axis=0, return_inverse=True)
    order = np.argsort(index.ravel(), kind="stable")
    groups = np.split(latency_ms[chosen][order], np.cumsum(np.bincount(index.ravel()))[:-1])
    seconds = np.array([float(np.median(group)) for group in groups]) * 1e-3
    by_name = dict(zip(columns, unique.T, strict=True))
    _, shape = np.unique(
        np.stack([by_name[name] for name in of_shape], axis=1), axis=0, return_inverse=True
    )
    return Rows(by_name, seconds, shape.ravel())
