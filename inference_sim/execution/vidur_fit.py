"""Vidur's layer times without its profiles: fitted coefficients, from ``vidur.yaml``.

For a GPU that Vidur profiled, the matrix products and elementwise operations take

    sum over the four products of t0 + (t_mem^p + t_flop^p)^(1/p)    +    t0e + bytes / (BW e_el)

times the ratio of profile to formula where the shape of the model was profiled, interpolated over
tokens and held beyond. Attention is, with c prompt tokens after kv others, and S tokens of context,

    prefill   a + b c + d c (c + 2 kv)
    decode    max(floor, e + f batch + KV bytes of S / bandwidth)

with constants of the model's shape, or those of Llama-3-8B on the A100, scaled by heads per GPU and
by the GPU's peak and bandwidth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference_sim.arrays import FloatArray
from inference_sim.errors import InferenceSimError
from inference_sim.execution.cost import Stage
from inference_sim.execution.shapes import layer_ops
from inference_sim.execution.vidur import DecodeAttention, VidurExecution
from inference_sim.files.catalogue import read_data
from inference_sim.hardware import GpuSpec, Link, NodeType, find_gpu, find_node
from inference_sim.models import BYTES_PER_VALUE, ModelSpec

_REFERENCE = "a100-sxm-80gb"  # other models take the attention of its first shape, Llama-3-8B
LAUNCH_MS = 0.02  # of an all-reduce, on the CPU; Vidur's default


@dataclass(frozen=True, slots=True)
class LinearCoefficients:
    """Matrix products and elementwise operations; see the module."""

    t0_us: float
    e_bw: float
    e_flop: float
    p: float
    t0e_us: float
    e_el: float


@dataclass(frozen=True, slots=True)
class AttentionCoefficients:
    """Attention and KV save of one layer [ms], on one GPU; see the module."""

    prefill_ms: float
    prefill_ms_per_token: float
    prefill_ms_per_pair: float
    decode_ms: float
    decode_ms_per_sequence: float
    decode_tb_per_s: float
    decode_floor_ms: float
    save_prefill_ms_per_token: float
    save_decode_ms: float
    save_decode_ms_per_sequence: float

    def scaled(self, work: float, bandwidth: float) -> AttentionCoefficients:
        """Return them for `work` times the time per prompt token and `bandwidth` times the bytes/s.

        The KV save of prompts is left out: it is an artefact of one profile.
        """
        return replace(
            self,
            prefill_ms_per_token=self.prefill_ms_per_token * work,
            prefill_ms_per_pair=self.prefill_ms_per_pair * work,
            decode_tb_per_s=self.decode_tb_per_s * bandwidth,
            save_prefill_ms_per_token=0.0,
        )


class FittedTimes:
    """Times of one layer of `model` on `tensor_parallel` GPUs; a ``LayerTimes``.

    Raises:
        InferenceSimError: If Vidur did not profile the GPU.
    """

    def __init__(
        self, model: ModelSpec, gpu: GpuSpec, tensor_parallel: int, node: NodeType
    ) -> None:
        profiled = read_data("inference_sim.execution", "vidur.yaml")
        if gpu.name not in profiled:
            raise InferenceSimError(
                f"Vidur has no profile of GPU '{gpu.name}' (known: {', '.join(profiled)})"
            )
        entry = _entry_of_shape(profiled[gpu.name]["shapes"], model)
        self.uncalibrated_because = (
            "" if entry else "Vidur profiled no model of this shape; another's attention is scaled"
        )
        self._gpu, self._node, self._tensor_parallel = gpu, node, tensor_parallel
        self._linear = LinearCoefficients(**profiled[gpu.name]["linear"])
        self._attention = _attention(model, gpu, tensor_parallel, entry, profiled)
        ops = layer_ops(model, tensor_parallel)
        self._products = tuple((op.inputs, op.outputs) for op in ops)
        h, tp = model.hidden_size, tensor_parallel
        self._kv_bytes = model.kv_bytes_per_token_per_layer(tp)
        width = model.query_heads / tp * model.head_dim + self._kv_bytes / 2 / BYTES_PER_VALUE
        self._elementwise_bytes = BYTES_PER_VALUE * (7 * h + 2 * width + 3 * model.ffn_size / tp)
        self._token_bytes = BYTES_PER_VALUE * h
        self._tokens, self._ratios = np.ones(1), np.ones(1)
        table = entry.get("layer_ms", {}).get(str(tensor_parallel))
        if table:
            self._tokens = np.asarray(table["tokens"], dtype=np.float64)
            self._ratios = np.asarray(table["ms"]) / self._formula_ms(self._tokens)

    def dense_ms(self, tokens: int) -> float:
        """Return the time of matrix products and elementwise operations."""
        ratio = np.interp(tokens, self._tokens, self._ratios)
        return float(self._formula_ms(np.array([tokens]))[0] * ratio)

    def kv_save_ms(self, tokens: int, *, prefill: bool) -> float:
        """Return the time of writing keys and values."""
        c = self._attention
        if prefill:
            return c.save_prefill_ms_per_token * tokens
        return c.save_decode_ms + c.save_decode_ms_per_sequence * tokens

    def prefill_attention_ms(self, chunk: int, before: int) -> float:
        """Return the time of `chunk` tokens that attend to themselves and to `before` others."""
        c = self._attention
        pairs = chunk * (chunk + 2 * before)
        return c.prefill_ms + c.prefill_ms_per_token * chunk + c.prefill_ms_per_pair * pairs

    def decode_attention(self, batch: int) -> DecodeAttention:
        """Return the time of `batch` sequences as a function of their context."""
        c = self._attention
        return DecodeAttention(
            ms=c.decode_ms + c.decode_ms_per_sequence * batch,
            ms_per_context=self._kv_bytes / (c.decode_tb_per_s * 1e9),
            floor_ms=c.decode_floor_ms,
        )

    def all_reduce_ms(self, tokens: int) -> float:
        """Return the time of one all-reduce."""
        link = self._node.all_reduce_link(self._gpu.link_name, self._tensor_parallel)
        return LAUNCH_MS + link_ms(link, self._token_bytes * tokens)

    def hand_over_ms(self, tokens: int) -> float:
        """Return the time of handing activations to the next stage."""
        link = self._node.send_receive_link(self._gpu.link_name)
        return link_ms(link, self._token_bytes * tokens)

    def _formula_ms(self, tokens: NDArray[Any]) -> FloatArray:
        c, bandwidth = self._linear, self._gpu.peak_bytes_per_s
        seconds = c.t0e_us * 1e-6 + self._elementwise_bytes * tokens / (bandwidth * c.e_el)
        for inputs, outputs in self._products:
            moved = BYTES_PER_VALUE * (inputs * outputs + tokens * (inputs + outputs))
            memory_s = moved / (bandwidth * c.e_bw)
            compute_s = 2 * inputs * outputs * tokens / (self._gpu.peak_flops * c.e_flop)
            seconds = seconds + c.t0_us * 1e-6 + (memory_s**c.p + compute_s**c.p) ** (1 / c.p)
        result: FloatArray = seconds * 1e3
        return result


def vidur_execution(
    model: ModelSpec,
    gpu: GpuSpec,
    tensor_parallel: int = 1,
    stage: Stage | None = None,
    node: NodeType | None = None,
) -> VidurExecution:
    """Return the execution model of paper mode.

    Args:
        model: The model; dense.
        gpu: The GPU; one that Vidur profiled.
        tensor_parallel: GPUs of the stage.
        stage: The stage; None for the whole model.
        node: Links of the GPUs; None for the node type that the GPU usually sits in.

    Raises:
        InferenceSimError: If the model cannot be split that way, the GPU was not profiled, or the
            node type lacks a link.
    """
    node = node or find_node(gpu.node)
    times = FittedTimes(model, gpu, tensor_parallel, node)
    execution = VidurExecution(model, gpu, times, tensor_parallel, stage)
    if tensor_parallel > 1:
        times.all_reduce_ms(1)  # fails now, not in the middle of a run, without such a link
    if not execution.stage.last:
        times.hand_over_ms(1)
    return execution


def link_ms(link: Link, bytes_moved: float) -> float:
    """Return the time that a tensor of `bytes_moved` takes over a link [ms]."""
    return link.latency_us * 1e-3 + bytes_moved / (link.bandwidth_gb_per_s * 1e6)


def _entry_of_shape(entries: list[dict[str, Any]], model: ModelSpec) -> dict[str, Any]:
    """Return the profiled entry with the layers of `model`, or an empty one."""
    shape = [model.hidden_size, model.query_heads, model.kv_heads, model.ffn_size]
    return next((entry for entry in entries if entry["shape"] == shape), {})


def _attention(
    model: ModelSpec,
    gpu: GpuSpec,
    tensor_parallel: int,
    entry: Mapping[str, Any],
    profiled: Mapping[str, Any],
) -> AttentionCoefficients:
    if "attention" in entry and tensor_parallel == 1:
        return AttentionCoefficients(**entry["attention"])
    reference = find_gpu(_REFERENCE)
    llama = profiled[_REFERENCE]["shapes"][0]
    coefficients = AttentionCoefficients(**entry.get("attention", llama["attention"]))
    width = model.query_heads * model.head_dim / tensor_parallel / llama["shape"][0]
    return coefficients.scaled(
        work=width * reference.peak_tflops / gpu.peak_tflops,
        bandwidth=gpu.memory_bandwidth_tb_per_s / reference.memory_bandwidth_tb_per_s,
    )
