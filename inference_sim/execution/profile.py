"""Layer times from profile files in Vidur's format, for `profile` execution.

``mlp.csv`` is required. ``attention.csv``, ``all_reduce.csv`` and ``send_recv.csv`` may be left
out: attention is then the roofline's, the links those of the node type. Nothing is trained: medians
are interpolated linearly over tokens. Beyond the profiled range they follow the trend of the upper
half, and :attr:`ProfiledTimes.extrapolated` reports it.

Columns: ``time_stats.<operation>.median`` [ms] and, in ``mlp.csv``, ``num_tokens``,
``num_tensor_parallel_workers``, ``n_head``, ``n_kv_head``, ``n_embd``, ``n_expanded_embd``; in
``attention.csv`` ``n_q_head`` for ``n_head``, ``batch_size``, ``prefill_chunk_size`` (0: decode)
and ``kv_cache_size``; in the others ``size`` [B], ``num_workers`` and ``devices_per_node``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from inference_sim.errors import InferenceSimError
from inference_sim.execution.cost import Stage
from inference_sim.execution.engine_profile import EngineProfile
from inference_sim.execution.profile_csv import Curve, median_column, read_columns, select_rows
from inference_sim.execution.vidur import DecodeAttention, VidurExecution
from inference_sim.execution.vidur_fit import LAUNCH_MS, link_ms
from inference_sim.hardware import GpuSpec, NodeType, find_node
from inference_sim.models import BYTES_PER_VALUE, ModelSpec

_MLP = (
    "attn_pre_proj", "attn_rope", "attn_post_proj", "mlp_up_proj", "mlp_act", "mlp_down_proj",
)  # fmt: skip
_MLP_OPTIONAL = ("input_layernorm", "post_attention_layernorm", "add")  # not every model has them
_WORKERS = "num_tensor_parallel_workers"
_CONTEXT = "kv_cache_size"
_FLAT = 1.2  # decode attention within this factor of its shortest time is its floor


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileFiles:
    """Paths of the profile files."""

    mlp: Path
    attention: Path | None = None
    all_reduce: Path | None = None
    send_recv: Path | None = None


class ProfiledTimes:
    """Times of one layer of `model` on `tensor_parallel` GPUs; a ``LayerTimes``.

    Attributes:
        extrapolated: Values requested beyond the profiles so far: the farthest one, by file and
            quantity.

    Raises:
        InferenceSimError: If a file cannot be read, lacks a column, or has no rows for the model's
            shape and the number of GPUs; the message names the file and the missing part.
    """

    def __init__(
        self,
        model: ModelSpec,
        gpu: GpuSpec,
        files: ProfileFiles,
        tensor_parallel: int,
        node: NodeType,
    ) -> None:
        self.extrapolated: dict[str, float] = {}
        self._gpu, self._node, self._tensor_parallel = gpu, node, tensor_parallel
        self._token_bytes = BYTES_PER_VALUE * model.hidden_size
        self._dense = self.curve(files.mlp, _read_mlp(files.mlp, model, tensor_parallel), "tokens")
        self._attention: _RooflineAttention | _ProfiledAttention
        if files.attention is None:
            self._attention = _RooflineAttention(model, gpu, tensor_parallel)
        else:
            self._attention = _ProfiledAttention(self, files.attention, model, tensor_parallel)
        self._all_reduce = self._hand_over = None
        if files.all_reduce is not None and tensor_parallel > 1:
            criteria = {"num_workers": tensor_parallel, "devices_per_node": tensor_parallel}
            self._all_reduce = self._network(files.all_reduce, "all_reduce", criteria)
        if files.send_recv is not None:
            criteria = {"num_workers": 2, "devices_per_node": 2}
            self._hand_over = self._network(files.send_recv, "send_recv", criteria)

    @property
    def uncalibrated_because(self) -> str:
        """Extrapolations beyond the profiles so far; empty if there were none."""
        beyond = ", ".join(f"{name} to {value:g}" for name, value in self.extrapolated.items())
        return f"extrapolated beyond the profiles: {beyond}" if beyond else ""

    def dense_ms(self, tokens: int) -> float:
        """Return the time of matrix products and elementwise operations."""
        return self._dense(tokens)

    def kv_save_ms(self, tokens: int, *, prefill: bool) -> float:
        """Return the time of writing keys and values; profiles do not distinguish prompts."""
        return self._attention.kv_save_ms(tokens)

    def prefill_attention_ms(self, chunk: int, before: int) -> float:
        """Return the time of `chunk` tokens that attend to themselves and to `before` others."""
        return self._attention.prefill_ms(chunk, before)

    def decode_attention(self, batch: int) -> DecodeAttention:
        """Return the time of `batch` sequences as a function of their context."""
        return self._attention.decode(batch)

    def all_reduce_ms(self, tokens: int) -> float:
        """Return the time of one all-reduce."""
        if self._all_reduce is not None:
            return LAUNCH_MS + self._all_reduce(tokens)
        link = self._node.all_reduce_link(self._gpu.link_name, self._tensor_parallel)
        return LAUNCH_MS + link_ms(link, self._token_bytes * tokens)

    def hand_over_ms(self, tokens: int) -> float:
        """Return the time of handing activations to the next stage."""
        if self._hand_over is not None:
            return self._hand_over(tokens)
        link = self._node.send_receive_link(self._gpu.link_name)
        return link_ms(link, self._token_bytes * tokens)

    def _network(self, path: Path, operation: str, criteria: Mapping[str, float]) -> Curve:
        median = median_column(operation)
        frame = select_rows(path, read_columns(path, ["size", median, *criteria]), criteria)
        by_size = frame.groupby("size")[median].mean()
        by_size.index = by_size.index / self._token_bytes
        return self.curve(path, by_size, "tokens")

    def curve(self, path: Path, values: pd.Series[float], quantity: str) -> Curve:
        """Return a curve that notes requests beyond its points."""
        return Curve(values, self.extrapolated, f"{path.name}: {quantity}")


class _RooflineAttention:
    """Attention by the roofline's coefficients; the KV save is in its elementwise operations."""

    def __init__(self, model: ModelSpec, gpu: GpuSpec, tensor_parallel: int) -> None:
        kernels = gpu.kernels
        flops = 2 * model.query_heads / tensor_parallel * model.head_dim  # causal, per pair
        kv_bytes = model.kv_bytes_per_token_per_layer(tensor_parallel)
        self._ms_per_pair = flops / (gpu.peak_flops * kernels.e_prefill) * 1e3
        self._base_ms = kernels.t0a_us * 1e-3
        self._ms_per_context = kv_bytes / (gpu.peak_bytes_per_s * kernels.e_kv) * 1e3

    def kv_save_ms(self, tokens: int) -> float:
        return 0.0

    def prefill_ms(self, chunk: int, before: int) -> float:
        return self._ms_per_pair * chunk * (chunk + 2 * before)

    def decode(self, batch: int) -> DecodeAttention:
        return DecodeAttention(self._base_ms, self._ms_per_context, 0.0)


class _ProfiledAttention:
    """Attention from ``attention.csv``.

    Decode at a batch is a floor and, above it, the straight line in the context that fits best in
    relative terms.
    """

    def __init__(
        self, times: ProfiledTimes, path: Path, model: ModelSpec, tensor_parallel: int
    ) -> None:
        save, prefill, decode = (
            median_column(name) for name in ("attn_kv_cache_save", "attn_prefill", "attn_decode")
        )
        keys = ["batch_size", "prefill_chunk_size", _CONTEXT]
        shape = {
            "n_embd": model.hidden_size,
            "n_q_head": model.query_heads,
            "n_kv_head": model.kv_heads,
            _WORKERS: tensor_parallel,
        }
        frame = read_columns(path, [*keys, *shape, prefill, decode], [save])
        frame = select_rows(path, frame, shape)
        tokens = np.maximum(frame["prefill_chunk_size"], frame["batch_size"])
        self._save = times.curve(path, frame.groupby(tokens)[save].mean(), "KV save tokens")
        decodes = frame["prefill_chunk_size"] == 0

        def curves(rows: pd.DataFrame, by: str, median: str) -> dict[float, Curve]:
            """Return a curve for each context."""
            if rows.empty:
                raise InferenceSimError(f"{path}: has no rows of {median} for '{model.name}'")
            return {
                kv: times.curve(path, rows[rows[_CONTEXT] == kv].groupby(by)[median].mean(), by)
                for kv in np.unique(rows[_CONTEXT]).tolist()
            }

        self._prefill = curves(frame[~decodes], "prefill_chunk_size", prefill)
        self._decode = curves(frame[decodes & (frame[_CONTEXT] > 0)], "batch_size", decode)
        self._contexts = np.array(list(self._prefill))
        self._beyond, self._label = times.extrapolated, f"{path.name}: {_CONTEXT}"

    def kv_save_ms(self, tokens: int) -> float:
        return self._save(tokens)

    def prefill_ms(self, chunk: int, before: int) -> float:
        if before in self._prefill:
            return self._prefill[before](chunk)
        contexts = self._contexts
        if before > contexts[-1]:
            self._beyond[self._label] = max(before, self._beyond.get(self._label, 0.0))
        if len(contexts) == 1:
            return self._prefill[contexts[0]](chunk)
        index = int(np.clip(np.searchsorted(contexts, before), 1, len(contexts) - 1))
        low, high = contexts[index - 1], contexts[index]
        low_ms, high_ms = self._prefill[low](chunk), self._prefill[high](chunk)
        return float(low_ms + max(high_ms - low_ms, 0.0) * (before - low) / (high - low))

    def decode(self, batch: int) -> DecodeAttention:
        context = np.array([kv * batch for kv in self._decode])
        ms = np.array([curve(batch) for curve in self._decode.values()])
        floor_ms = float(ms.min())
        rising = ms > _FLAT * floor_ms
        if np.count_nonzero(rising) < 2:
            rising[:] = True
        if len(ms) == 1:
            return DecodeAttention(0.0, float(ms[0] / context[0]), 0.0)
        slope, base = np.polyfit(context[rising], ms[rising], 1, w=1 / ms[rising])
        if slope <= 0:
            return DecodeAttention(float(ms.mean()), 0.0, 0.0)
        return DecodeAttention(float(base), float(slope), floor_ms)


def profile_execution(
    model: ModelSpec,
    gpu: GpuSpec,
    files: ProfileFiles,
    tensor_parallel: int = 1,
    stage: Stage | None = None,
    *,
    engine: EngineProfile | None = None,
    node: NodeType | None = None,
) -> VidurExecution:
    """Return an execution model that reads its times from profile files.

    As in Vidur, it leaves out the LM head. FLOPs are causal, and the peak is the GPU's own.

    Raises:
        InferenceSimError: As :class:`ProfiledTimes`, or if the model cannot be split that way.
    """
    times = ProfiledTimes(model, gpu, files, tensor_parallel, node or find_node(gpu.node))
    execution = VidurExecution(
        model, gpu, times, tensor_parallel, stage, engine=engine, causal=True
    )
    if tensor_parallel > 1:
        times.all_reduce_ms(1)  # fails now, not in the middle of a run, without such a link
    if not execution.stage.last:
        times.hand_over_ms(1)
    return execution


def _read_mlp(path: Path, model: ModelSpec, tensor_parallel: int) -> pd.Series[float]:
    """Return the time of a layer's operations by tokens [ms]."""
    shape = {
        "n_embd": model.hidden_size,
        "n_head": model.query_heads,
        "n_kv_head": model.kv_heads,
        "n_expanded_embd": model.ffn_size,
        _WORKERS: tensor_parallel,
    }
    required, optional = ([median_column(op) for op in ops] for ops in (_MLP, _MLP_OPTIONAL))
    frame = read_columns(path, ["num_tokens", *shape, *required], optional)
    frame = select_rows(path, frame, shape)
    layer: pd.Series[float] = frame.groupby("num_tokens")[required + optional].mean().sum(axis=1)
    if len(layer) < 2:
        raise InferenceSimError(f"{path}: has a single num_tokens ({layer.index[0]:g})")
    return layer
