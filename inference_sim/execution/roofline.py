"""Closed-form iteration time of a transformer on a GPU: roofline with fitted efficiencies.

For one layer under tensor parallelism TP, with T tokens in the batch:

    linear op        t0 + (t_mem^p + t_flop^p)^(1/p)
                     t_mem = (weights + activations) / (BW e_bw), t_flop = 2 n k T / (peak e_flop)
    elementwise      t0e + 2T(7h + 2d(H+kv)/TP + 3ff/TP) / (BW e_el)
    prefill attn     2 (H/TP) d sum(q (q + 2 kv)) / (peak e_prefill)     (causal)
    decode attn      t0a + KV bytes read / (BW e_kv)
    all-reduce       2 (launch + latency + bytes / bandwidth)             (TP > 1)

and once an iteration the LM head over the sampled sequences. With a fixed decode batch everything
but the KV read is constant, so cost is affine in the total context S: the reason why a run of
decode iterations has a closed form. ``p`` smooths the corner of the roofline (Williams et al.,
"Roofline", CACM 2009).
"""

from __future__ import annotations

from collections.abc import Sequence

from inference_sim.errors import InferenceSimError
from inference_sim.execution.cost import AffineCost, IterationCost, Stage
from inference_sim.execution.engine_profile import EngineProfile
from inference_sim.hardware import GpuSpec
from inference_sim.models import BYTES_PER_VALUE, ModelSpec

_LAUNCH_S = 20e-6  # of an all-reduce; Vidur's network profiles


class Roofline:
    """Iteration cost of one model on one tensor-parallel group of GPUs."""

    def __init__(
        self,
        model: ModelSpec,
        gpu: GpuSpec,
        engine: EngineProfile,
        tensor_parallel: int = 1,
        stage: Stage | None = None,
    ) -> None:
        """Prepare the shapes.

        Raises:
            InferenceSimError: If the model's heads cannot be split, or the GPU has no measured
                all-reduce of that width.
        """
        if model.query_heads % tensor_parallel or model.ffn_size % tensor_parallel:
            raise InferenceSimError(
                f"'{model.name}' cannot be split over {tensor_parallel} GPUs: it has "
                f"{model.query_heads} attention heads and an FFN of {model.ffn_size}"
            )
        if tensor_parallel > 1 and tensor_parallel not in gpu.all_reduce:
            known = ", ".join(map(str, [1, *gpu.all_reduce]))
            raise InferenceSimError(
                f"no all-reduce cost is known for {tensor_parallel} GPUs of type '{gpu.name}' "
                f"(known tensor_parallel: {known})"
            )
        self.model, self.gpu, self.engine = model, gpu, engine
        self.tensor_parallel = tensor_parallel
        self.stage = stage or Stage(model.layers)
        self._peak_flops, self._peak_bytes_per_s = gpu.peak_flops, gpu.peak_bytes_per_s
        h, d, tp = model.hidden_size, model.head_dim, tensor_parallel
        heads, kv_heads = model.query_heads / tp, max(model.kv_heads / tp, 1.0)
        ff = model.ffn_size / tp
        self._linear_ops = (  # (inputs, outputs) of one GPU's share
            (h, (heads + 2 * kv_heads) * d),
            (heads * d, h),
            (h, 2 * ff),
            (ff, h),
        )
        self._layer_weights = sum(k * n for k, n in self._linear_ops)
        self._elementwise_bytes = BYTES_PER_VALUE * (7 * h + 2 * d * (heads + kv_heads) + 3 * ff)
        self._attention_flops = 4 * heads * d  # per query token and context token: QK^T and PV
        self._kv_bytes = model.kv_bytes_per_token_per_layer(tp)
        self._decode_memo: dict[int, AffineCost] = {}
        self._dense_memo: dict[int, tuple[float, float, float]] = {}

    def decode(self, batch: int) -> AffineCost:
        """Return the cost of a decode iteration of `batch` sequences, as a function of context."""
        cost = self._decode_memo.get(batch)
        if cost is None:
            cost = self._decode_memo[batch] = self._decode(batch)
        return cost

    def iteration(
        self,
        chunks: Sequence[tuple[int, int]],
        prompts_done: int,
        decode_batch: int = 0,
        decode_context: int = 0,
    ) -> IterationCost:
        """Return the cost of an iteration that computes prompts, and decodes beside them.

        Args:
            chunks: For each prompt, the tokens computed now and those computed before.
            prompts_done: How many of the chunks are the last of their prompt; each samples a token.
            decode_batch: Sequences that decode a token in the same iteration.
            decode_context: What these hold, the newest tokens included [tokens].
        """
        coefficients, layers = self.gpu.kernels, self.stage.layers
        new_tokens = sum(new for new, _ in chunks)
        dense_s, dense_flops, dense_bytes = self._dense(new_tokens + decode_batch)
        sampled = prompts_done + decode_batch
        head_s, head_flops, head_bytes = self._lm_head(sampled)
        pairs = sum(new * (before + new / 2) for new, before in chunks)  # causal
        prefill_flops = self._attention_flops * pairs
        attention_s = prefill_flops / (self._peak_flops * coefficients.e_prefill)
        attention_bytes = self._kv_bytes * sum(new + before for new, before in chunks)
        if decode_batch:
            decode_bytes = self._kv_bytes * decode_context
            attention_s += coefficients.t0a_us * 1e-6
            attention_s += decode_bytes / (self._peak_bytes_per_s * coefficients.e_kv)
            attention_bytes += decode_bytes
        attention_flops = prefill_flops + self._attention_flops * decode_context
        return IterationCost(
            gpu_s=layers * (dense_s + attention_s) + head_s,
            sampling_s=self._sampling_s(sampled),
            host_s=self._host_s(sampled),
            flops=layers * (dense_flops + attention_flops) + head_flops,
            hbm_bytes=layers * (dense_bytes + attention_bytes) + head_bytes,
        )

    def _decode(self, batch: int) -> AffineCost:
        coefficients, layers = self.gpu.kernels, self.stage.layers
        dense_s, dense_flops, dense_bytes = self._dense(batch)
        head_s, head_flops, head_bytes = self._lm_head(batch)
        kv_s = self._kv_bytes / (self._peak_bytes_per_s * coefficients.e_kv)
        return AffineCost(
            gpu_s=layers * (dense_s + coefficients.t0a_us * 1e-6) + head_s,
            gpu_s_per_context=layers * kv_s,
            sampling_s=self._sampling_s(batch),
            host_s=self._host_s(batch),
            flops=layers * dense_flops + head_flops,
            flops_per_context=layers * self._attention_flops,
            hbm_bytes=layers * dense_bytes + head_bytes,
            hbm_bytes_per_context=layers * self._kv_bytes,
        )

    def _dense(self, tokens: int) -> tuple[float, float, float]:
        """Return time [s], FLOPs and bytes of a layer without attention."""
        memo = self._dense_memo.get(tokens)
        if memo is not None:
            return memo
        coefficients = self.gpu.kernels
        seconds = bytes_moved = 0.0
        for inputs, outputs in self._linear_ops:
            op_s, op_bytes = self._linear(inputs, outputs, tokens)
            seconds += op_s
            bytes_moved += op_bytes
        elementwise = self._elementwise_bytes * tokens
        seconds += coefficients.t0e_us * 1e-6
        seconds += elementwise / (self._peak_bytes_per_s * coefficients.e_el)
        seconds += 2 * self._all_reduce_s(tokens)
        memo = (seconds, 2 * tokens * self._layer_weights, bytes_moved + elementwise)
        self._dense_memo[tokens] = memo
        return memo

    def _linear(self, inputs: float, outputs: float, tokens: int) -> tuple[float, float]:
        """Return time [s] and bytes of one matrix product."""
        c = self.gpu.kernels
        bytes_moved = BYTES_PER_VALUE * (inputs * outputs + tokens * (inputs + outputs))
        memory_s = bytes_moved / (self._peak_bytes_per_s * c.e_bw)
        compute_s = 2 * inputs * outputs * tokens / (self._peak_flops * c.e_flop)
        return c.t0_us * 1e-6 + (memory_s**c.p + compute_s**c.p) ** (1 / c.p), bytes_moved

    def _lm_head(self, sequences: int) -> tuple[float, float, float]:
        if not (sequences and self.stage.last):
            return 0.0, 0.0, 0.0
        inputs, outputs = self.model.hidden_size, self.model.vocab_size / self.tensor_parallel
        seconds, bytes_moved = self._linear(inputs, outputs, sequences)
        return seconds, 2 * sequences * inputs * outputs, bytes_moved

    def _all_reduce_s(self, tokens: int) -> float:
        if self.tensor_parallel == 1:
            return 0.0
        cost = self.gpu.all_reduce[self.tensor_parallel]
        bytes_moved = BYTES_PER_VALUE * tokens * self.model.hidden_size
        return _LAUNCH_S + cost.latency_us * 1e-6 + bytes_moved / (cost.bandwidth_gb_per_s * 1e9)

    def _sampling_s(self, sequences: int) -> float:
        if not (sequences and self.stage.last):
            return 0.0
        return self.engine.sampling_s + self.engine.sampling_s_per_sequence * sequences

    def _host_s(self, sequences: int) -> float:
        return self.engine.host_s + self.engine.host_s_per_sequence * sequences
