"""Iteration time as Vidur computes it (Agrawal et al., "Vidur", MLSys 2024), for paper mode.

For each layer of a stage, with T tokens in the batch,

    matrix products and elementwise operations    by T, up to a multiple of 8
    KV save                                       by T
    prefill attention    by (sum of the contexts before, sqrt(sum of the chunks' squares))
    decode attention     by (sequences, mean context, up to a multiple of 64)
    all-reduce, twice    by T, up to a multiple of 8; with TP > 1

and once a stage the hand-over to the next. Embedding, LM head, sampling and the engine's own time
are left out. The times come from fitted coefficients (``vidur_fit``) or from profile files
(``profile``).

Decode attention is taken to be affine in the context, so that a run of decode iterations has a
closed form. Rounding the mean context up to 64 adds 31.5 tokens a sequence on average; the affine
form adds just that, in place of Vidur's steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from inference_sim.errors import InferenceSimError
from inference_sim.execution.cost import AffineCost, IterationCost, Stage
from inference_sim.execution.engine_profile import EngineProfile, find_engine
from inference_sim.execution.shapes import check_split, layer_ops
from inference_sim.hardware import GpuSpec
from inference_sim.models import BYTES_PER_VALUE, ModelSpec

_TOKEN_STEP = 8
_CONTEXT_STEP = 64
_GQA_BATCHING = 1.1  # Vidur's overhead of batched attention with grouped queries


class DecodeAttention(NamedTuple):
    """Decode attention of a fixed batch in one layer: ``max(floor, ms + ms_per_context * S)``.

    S is the context of the batch [tokens].
    """

    ms: float
    ms_per_context: float
    floor_ms: float


class LayerTimes(Protocol):
    """Times of one layer's operations on one GPU of a tensor-parallel group [ms].

    Attributes:
        uncalibrated_because: Why they are not backed by profiles; empty if they are.
    """

    @property
    def uncalibrated_because(self) -> str: ...  # noqa: D102

    def dense_ms(self, tokens: int) -> float:
        """Return the time of everything but attention and communication."""
        ...

    def kv_save_ms(self, tokens: int, *, prefill: bool) -> float:
        """Return the time of writing keys and values of a batch with or without prompts."""
        ...

    def prefill_attention_ms(self, chunk: int, before: int) -> float:
        """Return the time of `chunk` tokens that attend to themselves and to `before` others."""
        ...

    def decode_attention(self, batch: int) -> DecodeAttention:
        """Return the time of `batch` sequences as a function of their context."""
        ...

    def all_reduce_ms(self, tokens: int) -> float:
        """Return the time of one all-reduce."""
        ...

    def hand_over_ms(self, tokens: int) -> float:
        """Return the time of handing activations to the next stage."""
        ...


class VidurExecution:
    """Iteration cost of one pipeline stage, from the times of a layer.

    FLOPs are the paper's (its Eq. 2, as its code has it): ``2 * tokens * linear parameters`` and
    ``4 * layers * heads * head_dim * q * (q + processed)`` for attention, without a causal half and
    without the LM head, per GPU. Its MFU divides them by :attr:`peak_flops`.

    Args:
        model: The model; dense.
        gpu: The GPU.
        times: Times of one layer.
        tensor_parallel: GPUs of the stage.
        stage: The stage; None for the whole model.
        engine: Sampling and host time; None for none, as in Vidur.
        causal: Count half of a chunk's attention to itself, as the kernels do, and divide by the
            GPU's own peak.

    Attributes:
        peak_flops: Divisor of the MFU [FLOP/s]; in paper mode TFLOPS * 2^40, which is 10 % above
            the GPU's peak.

    Raises:
        InferenceSimError: If the model is not dense, has latent attention or state layers, or
            cannot be split that way.
    """

    def __init__(
        self,
        model: ModelSpec,
        gpu: GpuSpec,
        times: LayerTimes,
        tensor_parallel: int = 1,
        stage: Stage | None = None,
        *,
        engine: EngineProfile | None = None,
        causal: bool = False,
    ) -> None:
        if model.experts:
            raise InferenceSimError(f"Vidur has no mixtures of experts ('{model.name}' is one)")
        if model.latent or model.state:
            raise InferenceSimError(
                f"Vidur has grouped-query attention alone ('{model.name}' has another)"
            )
        check_split(model, tensor_parallel, expert_parallel=1)
        self.stage = stage or Stage(model.layers)
        self.times = times
        self.peak_flops = gpu.peak_flops if causal else gpu.peak_tflops * 2.0**40
        self._engine = engine or find_engine("none")
        self._sequence_sampling_s = self._engine.sequence_sampling_s(model.vocab_size)
        # Context that a token attends to: half or all of its own chunk, and in a decode itself,
        # which the context of the batch may hold already.
        self._own_share, self._decode_extra = (0.5, 0) if causal else (1.0, 1)
        self._tensor_parallel = tensor_parallel
        self._batching = _GQA_BATCHING if model.query_heads > model.kv_heads else 1.0
        self._attention_flops = 4 * model.query_heads // tensor_parallel * model.head_dim
        self._kv_bytes = model.kv_bytes_per_token_per_layer(tensor_parallel)
        self._parameters = _parameters_per_layer(model, tensor_parallel)
        width = 2 * model.head_dim * (model.query_heads + model.kv_heads) + 3 * model.ffn_size
        self._activation_bytes = BYTES_PER_VALUE * (7 * model.hidden_size + width / tensor_parallel)
        self._decode_memo: dict[int, AffineCost] = {}
        self._dense_memo: dict[int, float] = {}

    @property
    def uncalibrated_because(self) -> str:
        """Why the times are not backed by profiles; empty if they are."""
        return self.times.uncalibrated_because

    def at_clock(self, clock_fraction: float) -> VidurExecution:
        """Return itself at the highest clock, the one at which it was profiled.

        Raises:
            InferenceSimError: At any other clock.
        """
        if clock_fraction != 1.0:
            raise InferenceSimError(
                "profiles give times at the highest clock only; for clocks and power caps use "
                "execution: {type: roofline}"
            )
        return self

    def decode(self, batch: int, context: float = math.inf) -> AffineCost:
        """Return the cost of a decode iteration of `batch` sequences; the same at any context.

        The floor of decode attention is in ``host_s``: with this batch, an iteration is never
        shorter.
        """
        cost = self._decode_memo.get(batch)
        if cost is None:
            cost = self._decode_memo[batch] = self._decode(batch)
        return cost

    def iteration(
        self,
        chunks: Sequence[tuple[int, int]],
        prompts_done: int,
        decode_batch: int = 0,
        decode_context: float = 0,
    ) -> IterationCost:
        """Return the cost of an iteration that computes prompts, and decodes beside them.

        Args:
            chunks: For each prompt, the tokens computed now and those computed before.
            prompts_done: How many of the chunks are the last of their prompt; each samples a token.
            decode_batch: Sequences that decode a token in the same iteration.
            decode_context: Tokens that these hold, the newest ones included [tokens].
        """
        layers = self.stage.layers
        tokens = sum(new for new, _ in chunks) + decode_batch
        layer_ms = self._layer_ms(tokens, prefill=bool(chunks)) + self._prefill_ms(chunks)
        if decode_batch:
            attention = self._decode_attention(decode_batch)
            affine_ms = attention.ms + attention.ms_per_context * decode_context
            layer_ms += max(affine_ms, attention.floor_ms)
        pairs = sum(new * (before + self._own_share * new) for new, before in chunks)
        pairs += self._decode_extra * decode_batch + decode_context
        read = sum(new + before for new, before in chunks) + decode_context
        sampled = prompts_done + decode_batch
        return IterationCost(
            gpu_s=(layers * layer_ms + self._hand_over_ms(tokens)) * 1e-3,
            sampling_s=self._sampling_s(sampled),
            host_s=self._host_s(sampled),
            flops=layers * (2 * tokens * self._parameters + self._attention_flops * pairs),
            hbm_bytes=layers * (self._dense_bytes(tokens) + self._kv_bytes * read),
        )

    def _decode(self, batch: int) -> AffineCost:
        layers, attention = self.stage.layers, self._decode_attention(batch)
        fixed_ms = layers * self._layer_ms(batch, prefill=False) + self._hand_over_ms(batch)
        flops = batch * (2 * self._parameters + self._attention_flops * self._decode_extra)
        floor_s = (fixed_ms + layers * attention.floor_ms) * 1e-3 if attention.floor_ms else 0.0
        return AffineCost(
            gpu_s=(fixed_ms + layers * attention.ms) * 1e-3,
            gpu_s_per_context=layers * attention.ms_per_context * 1e-3,
            sampling_s=self._sampling_s(batch),
            host_s=max(floor_s, self._host_s(batch)),
            flops=layers * flops,
            flops_per_context=layers * self._attention_flops,
            hbm_bytes=layers * self._dense_bytes(batch),
            hbm_bytes_per_context=layers * self._kv_bytes,
        )

    def _layer_ms(self, tokens: int, *, prefill: bool) -> float:
        """Return the time of a layer without attention."""
        rounded = _round_up(tokens, _TOKEN_STEP)
        dense_ms = self._dense_memo.get(rounded)
        if dense_ms is None:
            dense_ms = self.times.dense_ms(rounded)
            if self._tensor_parallel > 1:
                dense_ms += 2 * self.times.all_reduce_ms(rounded)
            self._dense_memo[rounded] = dense_ms
        return dense_ms + self.times.kv_save_ms(tokens, prefill=prefill)

    def _prefill_ms(self, chunks: Sequence[tuple[int, int]]) -> float:
        if not chunks:
            return 0.0
        before = sum(_round_up(before, _CONTEXT_STEP) for _, before in chunks)
        chunk = round(math.sqrt(sum(new * new for new, _ in chunks)))
        factor = self._batching if len(chunks) > 1 else 1.0
        return factor * self.times.prefill_attention_ms(chunk, before)

    def _decode_attention(self, batch: int) -> DecodeAttention:
        ms, ms_per_context, floor_ms = self.times.decode_attention(batch)
        rounding_ms = ms_per_context * batch * (_CONTEXT_STEP - 1) / 2
        factor = self._batching if batch > 1 else 1.0
        return DecodeAttention(
            factor * (ms + rounding_ms), factor * ms_per_context, factor * floor_ms
        )

    def _hand_over_ms(self, tokens: int) -> float:
        return 0.0 if self.stage.last else self.times.hand_over_ms(_round_up(tokens, _TOKEN_STEP))

    def _dense_bytes(self, tokens: int) -> float:
        return BYTES_PER_VALUE * self._parameters + self._activation_bytes * tokens

    def _sampling_s(self, sequences: int) -> float:
        if not (sequences and self.stage.last):
            return 0.0
        return self._engine.sampling_s + self._sequence_sampling_s * sequences

    def _host_s(self, sequences: int) -> float:
        return self._engine.host_s + self._engine.host_s_per_sequence * sequences


def vidur_blocks(
    model: ModelSpec,
    gpu: GpuSpec,
    tensor_parallel: int = 1,
    pipeline_parallel: int = 1,
    max_tokens: int = 4096,
    block_size: int = 16,
) -> int:
    """Return the number of KV blocks that Vidur gives a replica.

    It counts whole requests of `max_tokens` in 90 % of the memory less the weights of a stage,
    without embeddings and LM head, at 2 bytes a parameter::

        (max_tokens // block_size) * (available - weights) // (KV bytes of a request) * PP

    where, under pipeline parallelism, each stage is charged the KV cache of all layers.

    Raises:
        InferenceSimError: If not one request fits.
    """
    available = gpu.memory_gib * 1024**3 * 0.9
    layers = model.layers // pipeline_parallel
    weights = BYTES_PER_VALUE * layers * _parameters_per_layer(model, tensor_parallel)
    kv_bytes = model.kv_bytes_per_token_per_layer(tensor_parallel)
    requests = int((available - weights) // (kv_bytes * max_tokens * model.layers))
    if requests < 1:
        raise InferenceSimError(
            f"'{model.name}' on {tensor_parallel} x {pipeline_parallel} {gpu.name} leaves no room "
            f"for one request of {max_tokens} tokens beside {weights / 1024**3:.1f} GiB of weights"
        )
    return max_tokens // block_size * requests * pipeline_parallel


def _parameters_per_layer(model: ModelSpec, tensor_parallel: int) -> float:
    """Return the linear parameters of a layer on one GPU; KV heads do not split below one."""
    return sum(op.inputs * op.outputs for op in layer_ops(model, tensor_parallel))


def _round_up(value: int, step: int) -> int:
    return -(-value // step) * step
