"""Closed-form iteration time of a transformer on a GPU: roofline with fitted efficiencies.

For one layer under tensor parallelism TP, with T tokens in the batch:

    linear op        t0 + (t_mem^p + t_flop^p)^(1/p)
                     t_mem = (weights + activations) / (BW e_bw), t_flop = 2 n k T / (peak e_flop)
    experts          t0x + the same of the experts that the batch touches, with an e_bw of their own
    elementwise      t0e + 2T(7h + 2d(H+kv)/TP + 3ff/TP) / (BW e_el)
    prefill attn     2 (H/TP) d sum(q (q + 2 kv)) / (peak e_prefill)     (causal)
    decode attn      t0a + t0s sequences + KV bytes read / (BW e_kv), or FLOPs if they take longer
    state            t0a + t0s sequences + 2 states / (BW e_kv) each; prompts at peak e_prefill
    all-reduce       2 (launch + latency + large share + bytes / bandwidth)   (TP > 1)

and once an iteration the LM head over the sampled sequences, or the hand-over to the next pipeline
stage. With a fixed decode batch everything but the KV read is constant, so cost is affine in the
total context S. A run of decode iterations therefore has a closed form. ``p`` smooths the corner of
the roofline (Williams et al., "Roofline", CACM 2009). At a lower clock the peak is lower in
proportion, and the memory as fast as before, down to `GpuSpec.bandwidth_clock`; below, the
bandwidth follows the clock, too.

Precisions with coefficients of their own (`GpuSpec.products`) have their own peak, and take
activations that are quantized first: inputs read in bf16 and written, at BW e_el.

Experts compute in tiles of rows (:func:`tile_rows`): the rows of a tile that hold no token take
time and power as others do. They are counted apart from the useful FLOPs.
Where the engine gives fp8 experts tiles of their own (:func:`padded_rows`), these take their time:

    fp8 experts      s_x + 6 h ff_local rows / (fp8 peak e_x), at least the bytes at BW e_bw

A FLOP in fp8 takes the energy of a bf16 one over the ratio of the peaks: the same units at the same
power.

A decode iteration may compute several tokens of each sequence: the newest one and the drafts that
it verifies. They share the weights and read the KV cache once.

Layers whose attention has a window W read min(S, B W): exact while all sequences of the batch are
on one side of it, at most a little too much while they are on both.

Latent attention (:class:`~inference_sim.models.LatentAttention`) reads one vector a token on every
GPU, for all heads: with many heads on a GPU its FLOPs bound a decode. Tokens of a prompt that were
computed before are expanded again for each chunk.

A model whose layers differ is the sum over their kinds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple

from inference_sim.errors import InferenceSimError
from inference_sim.execution.cost import AffineCost, IterationCost, Stage
from inference_sim.execution.engine_profile import EngineProfile
from inference_sim.execution.experts import padded_rows, tile_rows
from inference_sim.execution.shapes import (
    QUANTIZED_BYTES,
    LinearOp,
    check_precisions,
    check_split,
    layer_ops,
    mlp_values_per_token,
    uncalibrated_because,
)
from inference_sim.hardware import (
    GpuSpec,
    KernelCoefficients,
    Link,
    NodeType,
    ProductCoefficients,
    find_node,
)
from inference_sim.models import BYTES_PER_VALUE, STATE_FLOPS, LayerKind, ModelSpec


class _Work:
    """Cost of the parts of an iteration that do not depend on context."""

    __slots__ = ("flops", "hbm_bytes", "padding_flops", "seconds")

    def __init__(
        self, seconds: float, flops: float, hbm_bytes: float, padding_flops: float = 0.0
    ) -> None:
        self.seconds, self.flops, self.hbm_bytes = seconds, flops, hbm_bytes
        self.padding_flops = padding_flops


_NOTHING = _Work(0.0, 0.0, 0.0)


class _Layers:
    """Layers of one kind in a stage, and one GPU's share of one of them."""

    __slots__ = ("elementwise_bytes", "experts", "layers", "ops", "parts")

    def __init__(
        self, model: ModelSpec, tensor_parallel: int, kind: LayerKind, layers: float
    ) -> None:
        self.layers, self.parts = layers, kind.parts
        self.experts = kind.mlp == "experts"
        self.ops = layer_ops(model, tensor_parallel, kind)
        values = 7.0 * model.hidden_size if self.parts == 2 else 3.5 * model.hidden_size
        if kind.mixer == "attention":
            values += model.mixer_values_per_token(tensor_parallel)
        elif model.state is not None and kind.mixer == "state":
            values += (model.state.in_size + 2 * model.state.inner_size) / tensor_parallel
        if kind.mlp:
            values += mlp_values_per_token(model, tensor_parallel, kind)
        self.elementwise_bytes = BYTES_PER_VALUE * values


class Roofline:
    """Iteration cost of one pipeline stage of a model on one tensor-parallel group of GPUs.

    Attributes:
        decode_tokens: Tokens of each sequence that a decode iteration computes [tokens].
        uncalibrated_because: Parts of this combination that no measurement backs; "" if none.
    """

    def __init__(
        self,
        model: ModelSpec,
        gpu: GpuSpec,
        engine: EngineProfile,
        tensor_parallel: int = 1,
        stage: Stage | None = None,
        *,
        expert_parallel: int = 1,
        node: NodeType | None = None,
        time_factor: float | None = None,
        clock_fraction: float = 1.0,
        decode_tokens: int = 1,
    ) -> None:
        """Prepare the shapes.

        Args:
            model: The model; its precision decides the bytes of its weights.
            gpu: The GPU type.
            engine: Times that the engine adds to the kernels.
            tensor_parallel: GPUs that share each layer.
            stage: The layers that it computes; None for all.
            expert_parallel: Number of groups of these GPUs that hold different experts; within a
                group each expert is split. Routing is taken as balanced.
            node: Links of the GPUs; None for the node type that the GPU usually sits in.
            time_factor: Factor on the GPU's time, from a measurement of this model; None for the
                engine's own, if it has one.
            clock_fraction: Clock of the GPU over its highest one.
            decode_tokens: Tokens of each sequence that a decode iteration computes: its newest one,
                and the drafts that it verifies [tokens].

        Raises:
            InferenceSimError: If the model cannot be split that way, the GPU has no kernels for its
                precision, or the node has no measured all-reduce of that width.
        """
        check_split(model, tensor_parallel, expert_parallel)
        check_precisions(model, gpu)
        node = node or find_node(gpu.node)
        self.model, self.gpu, self.engine, self.node = model, gpu, engine, node
        self.tensor_parallel = tensor_parallel
        self.stage = stage or Stage(model.layers)
        if time_factor is None:
            time_factor = engine.time_factors.get(model.name)
        if time_factor is not None and not 0 < time_factor < math.inf:
            raise InferenceSimError(f"'time_factor' must be above 0 (got {time_factor})")
        self._given_factor = time_factor
        self.time_factor = 1.0 if time_factor is None else time_factor
        self._reduce = self._send = None
        if tensor_parallel > 1:
            self._reduce = node.engine_all_reduce_link(gpu.link_name, tensor_parallel)
        if not self.stage.last:
            self._send = node.send_receive_link(gpu.link_name)
        links = [link for link in (self._reduce, self._send) if link]
        self.uncalibrated_because = (
            "" if time_factor else uncalibrated_because(model, gpu, engine, tensor_parallel, links)
        )
        self.expert_parallel, self.clock_fraction = expert_parallel, clock_fraction
        self.peak_flops, self._peak_bytes_per_s = gpu.peak_flops, gpu.peak_bytes_per_s
        if clock_fraction < gpu.bandwidth_clock:
            self._peak_bytes_per_s *= clock_fraction / gpu.bandwidth_clock
        self._flops_per_s = gpu.peak_flops * clock_fraction
        heads = model.query_heads / tensor_parallel
        share = self.stage.layers / model.layers  # of each kind of layers, in the mean over stages
        self._layers = [
            _Layers(model, tensor_parallel, kind, kind.layers * share) for kind in model.kinds
        ]
        self._sequence_sampling_s = engine.sequence_sampling_s(model.vocab_size)
        head = model.weights_of("head")
        self._head = LinearOp(
            model.hidden_size,
            model.vocab_size / tensor_parallel,
            head.bytes_per_weight,
            head.precision,
        )
        # Per query token and context token: QK^T and PV.
        self._attention_flops = self._decode_flops = 4 * heads * model.head_dim
        self._expansion_flops = 0.0  # per token of a prompt that was computed before
        if model.latent is not None:
            latent = model.latent
            self._attention_flops = latent.prefill_flops(heads)
            self._decode_flops = latent.decode_flops(heads)
            self._expansion_flops = 2 * latent.kv_rank * heads * latent.expanded_dim
        self._kv_bytes = model.kv_bytes_per_token_per_layer(tensor_parallel)
        attention_flops_per_s = self._flops_per_s * gpu.kernels.e_prefill
        self._prefill_s = self._attention_flops / attention_flops_per_s
        self.decode_tokens = decode_tokens
        self._kv_s = self._kv_bytes / (self._peak_bytes_per_s * gpu.kernels.e_kv)
        if decode_tokens > 1 or model.latent is not None:
            compute_s = self._decode_flops / attention_flops_per_s
            self._kv_s = max(self._kv_s, decode_tokens * compute_s)
        self._window = model.window_tokens
        windowed = model.windowed_layers / model.layers if model.window_tokens else 0.0
        self._attending = model.attention_layers * share
        self._windowed = self.stage.layers * windowed
        self._full = self._attending - self._windowed
        self._state_layers = model.state.layers * share if model.state else 0.0
        self._has_more = bool(model.state or model.latent)
        self._decode_memo: dict[tuple[int, bool], AffineCost] = {}
        self._dense_memo: dict[int, _Work] = {}
        self._head_memo: dict[int, _Work] = {}
        self._prompt_memo: dict[int, IterationCost] = {}

    @property
    def calibrated(self) -> bool:
        """Whether measurements back this combination of model, GPU, engine and width."""
        return not self.uncalibrated_because

    def at_clock(self, clock_fraction: float) -> Roofline:
        """Return the same stage with the GPU at a fraction of its highest clock.

        Compute and sampling take longer in proportion; the times of memory stay down to the GPU's
        `bandwidth_clock`; those of links and the host stay, and so do the fixed times of kernels.
        """
        if clock_fraction == self.clock_fraction:
            return self
        return self._like(clock_fraction, self.decode_tokens)

    def verifying(self, drafts: int) -> Roofline:
        """Return the same stage with decodes that verify so many drafts of each sequence."""
        return self._like(self.clock_fraction, 1 + drafts)

    def _like(self, clock_fraction: float, decode_tokens: int) -> Roofline:
        return Roofline(
            self.model,
            self.gpu,
            self.engine,
            self.tensor_parallel,
            self.stage,
            expert_parallel=self.expert_parallel,
            node=self.node,
            time_factor=self._given_factor,
            clock_fraction=clock_fraction,
            decode_tokens=decode_tokens,
        )

    def decode(self, batch: int, context: float = math.inf) -> AffineCost:
        """Return the cost of a decode iteration of `batch` sequences, as a function of context.

        Where layers have windows, it is the line that holds at `context`, up to the cost's
        ``context_limit``; by default the one that holds from full windows on. It is then never
        below the other one.
        """
        beyond = context >= batch * self._window
        cost = self._decode_memo.get((batch, beyond))
        if cost is None:
            cost = self._decode_memo[batch, beyond] = self._decode(batch, beyond)
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
            decode_batch: Sequences that decode in the same iteration.
            decode_context: Tokens that these hold, the newest ones included [tokens].
        """
        if len(chunks) == 1 and not (chunks[0][1] or decode_batch) and prompts_done == 1:
            prompt = chunks[0][0]  # by far the most frequent
            memo = self._prompt_memo.get(prompt)
            if memo is None:
                memo = self._prompt_memo[prompt] = self._iteration(chunks, 1, 0, 0)
            return memo
        return self._iteration(chunks, prompts_done, decode_batch, decode_context)

    def _iteration(
        self,
        chunks: Sequence[tuple[int, int]],
        prompts_done: int,
        decode_batch: int,
        decode_context: float,
    ) -> IterationCost:
        new_tokens = sum(new for new, _ in chunks)
        sequences, decoded = prompts_done + decode_batch, decode_batch * self.decode_tokens
        sampled = prompts_done + decoded
        dense, head = self._dense(new_tokens + decoded), self._lm_head(sampled)
        seconds = dense.seconds
        pairs = read = 0.0  # layers * query tokens * context tokens, layers * context tokens
        seen_pairs = _chunked_pairs if self.model.chunked else _windowed_pairs
        for new, before in chunks:
            pairs += self._full * new * (before + new / 2)  # causal
            read += self._full * (before + new)
            if self._windowed:
                pairs += self._windowed * seen_pairs(new, before, self._window)
                reach = before % self._window if self.model.chunked else min(before, self._window)
                read += self._windowed * (new + reach)
        seconds += head.seconds + self._prefill_s * pairs
        more = self._more(chunks, decode_batch) if self._has_more else _NOTHING
        seconds += more.seconds
        absorbed_flops = 0.0  # of decodes, above those of prompts
        if decode_batch:
            context = self._full * decode_context
            if self._windowed:
                context += self._windowed * min(decode_context, decode_batch * self._window)
            held, seen = self._of_drafts(decode_batch)
            read_now, pairs_now = context + held, self.decode_tokens * context + seen
            seconds += self._attending * self._attention_s(decode_batch) + self._kv_s * read_now
            pairs += pairs_now
            read += read_now
            absorbed_flops = (self._decode_flops - self._attention_flops) * pairs_now
        return IterationCost(
            gpu_s=self.time_factor * seconds,
            sampling_s=self._sampling_s(sampled),
            host_s=self._host_s(sequences),
            flops=dense.flops
            + head.flops
            + self._attention_flops * pairs
            + absorbed_flops
            + more.flops,
            hbm_bytes=dense.hbm_bytes + head.hbm_bytes + self._kv_bytes * read + more.hbm_bytes,
            serial_s=self._serial_s(sequences, prompts_done),
            clock_fraction=self.clock_fraction,
            padding_flops=dense.padding_flops + head.padding_flops,
        )

    def _decode(self, batch: int, beyond: bool) -> AffineCost:
        """Return the line below or beyond full windows."""
        decoded = batch * self.decode_tokens
        dense, head = self._dense(decoded), self._lm_head(decoded)
        more = self._more([], batch) if self._has_more else _NOTHING
        growing = self._full if beyond else self._attending  # layers whose reads grow
        window = self._windowed * batch * self._window if beyond else 0.0
        held, seen = self._of_drafts(batch)
        read, pairs = window + held, self.decode_tokens * window + seen
        seconds = self._attending * self._attention_s(batch) + self._kv_s * read
        seconds += more.seconds
        return AffineCost(
            gpu_s=self.time_factor * (dense.seconds + head.seconds + seconds),
            gpu_s_per_context=self.time_factor * growing * self._kv_s,
            sampling_s=self._sampling_s(decoded),
            host_s=self._host_s(batch),
            flops=dense.flops + head.flops + self._decode_flops * pairs + more.flops,
            flops_per_context=growing * self._decode_flops * self.decode_tokens,
            hbm_bytes=dense.hbm_bytes + head.hbm_bytes + self._kv_bytes * read + more.hbm_bytes,
            hbm_bytes_per_context=growing * self._kv_bytes,
            serial_s=self._serial_s(batch),
            context_limit=math.inf if beyond or not self._windowed else batch * self._window,
            clock_fraction=self.clock_fraction,
            padding_flops=dense.padding_flops + head.padding_flops,
        )

    def _of_drafts(self, batch: int) -> tuple[float, float]:
        """Return the drafts that a batch holds, and the drafts that its tokens see, in all layers.

        A token sees the drafts up to itself, beside its context.
        """
        drafts = self.decode_tokens - 1
        each = float(self._attending * batch)
        return each * drafts, each * (drafts * (drafts + 1) / 2)

    def _dense(self, tokens: int) -> _Work:
        """Return the cost of the stage's layers without attention, and of the hand-over."""
        memo = self._dense_memo.get(tokens)
        if memo is not None:
            return memo
        hand_over_s = 0.0
        if self._send:
            activations = BYTES_PER_VALUE * tokens * self.model.hidden_size
            hand_over_s = self._send.fixed_s() + self._send.seconds(activations)
        memo = _Work(0.0, 0.0, 0.0)
        for layers in self._layers:
            work = self._layer(layers, tokens)
            memo.seconds += layers.layers * work.seconds
            memo.flops += layers.layers * work.flops
            memo.hbm_bytes += layers.layers * work.hbm_bytes
            memo.padding_flops += layers.layers * work.padding_flops
        memo.seconds += hand_over_s
        self._dense_memo[tokens] = memo
        return memo

    def _layer(self, layers: _Layers, tokens: int) -> _Work:
        """Return the cost of one layer of a kind."""
        kernels = self.gpu.kernels
        seconds = flops = bytes_moved = padding = 0.0
        works = [self._linear(op, tokens) for op in layers.ops]
        if layers.experts:
            works.append(self._experts(tokens))
        for work in works:
            seconds += work.seconds
            flops += work.flops
            bytes_moved += work.hbm_bytes
            padding += work.padding_flops
        elementwise = layers.elementwise_bytes * tokens
        fixed_s = layers.parts / 2 * kernels.t0e_us * 1e-6
        seconds += fixed_s + elementwise / (self._peak_bytes_per_s * kernels.e_el)
        if self._reduce:
            activations = BYTES_PER_VALUE * tokens * self.model.hidden_size
            seconds += layers.parts * self._all_reduce_s(self._reduce, activations)
        return _Work(seconds, flops, bytes_moved + elementwise, padding)

    def _more(self, chunks: Sequence[tuple[int, int]], decode_batch: int) -> _Work:
        """Return the cost of states, and of expanding compressed tokens again for a chunk."""
        work = _Work(0.0, 0.0, 0.0)
        if self._expansion_flops:
            before = sum(before for _, before in chunks)
            work.flops += self._attending * self._expansion_flops * before
            work.seconds += work.flops / (self._flops_per_s * self.gpu.kernels.e_flop)
        state = self.model.state
        if state is not None:
            kernels, width = self.gpu.kernels, self.tensor_parallel
            sequences = len(chunks) + decode_batch
            new_tokens = sum(new for new, _ in chunks)
            moved = 2 * state.bytes_per_sequence / width * sequences  # read and written
            flops = STATE_FLOPS * state.state_values / width
            seconds = self._attention_s(sequences) + moved / (self._peak_bytes_per_s * kernels.e_kv)
            seconds += flops * new_tokens / (self._flops_per_s * kernels.e_prefill)
            work.seconds += self._state_layers * seconds
            work.flops += self._state_layers * flops * (new_tokens + decode_batch)
            work.hbm_bytes += self._state_layers * moved
        return work

    def _all_reduce_s(self, link: Link, bytes_moved: float) -> float:
        fixed_s = self.engine.all_reduce_latency_factor * link.fixed_s()
        seconds = link.seconds(bytes_moved)
        if link.sums_in_switch and self.engine.sums_in_switch:
            seconds /= 2 * (self.tensor_parallel - 1) / self.tensor_parallel
        return fixed_s + seconds

    def _attention_s(self, sequences: int) -> float:
        """Return the time of a layer's decode attention beside that of its KV cache [s]."""
        kernels = self.gpu.kernels
        return (kernels.t0a_us + kernels.t0s_us * sequences) * 1e-6

    def _linear(self, op: LinearOp, tokens: int) -> _Work:
        """Return the cost of one matrix product."""
        kernels = self.gpu.kernels
        own = self.gpu.products.get(op.precision)
        coefficients: KernelCoefficients | ProductCoefficients = own or kernels
        speed, activation_bytes, quantizing = 1.0, float(BYTES_PER_VALUE), 0.0
        if own is not None:
            speed = self.gpu.precision_speed.get(op.precision, 1.0)
            activation_bytes = QUANTIZED_BYTES.get(op.precision, activation_bytes)
            if op.precision in QUANTIZED_BYTES:
                quantizing = (BYTES_PER_VALUE + activation_bytes) * tokens * op.inputs
        weights = op.inputs * op.outputs
        activations = tokens * (activation_bytes * op.inputs + BYTES_PER_VALUE * op.outputs)
        moved = weights * op.bytes_per_weight + activations
        computed = tokens
        if tokens > kernels.tile_tokens > 1:
            computed = -(-tokens // kernels.tile_tokens) * kernels.tile_tokens
        seconds = self._joined_s(
            moved, 2 * weights * computed / speed,
            coefficients.e_bw, coefficients.e_flop, coefficients.p,
        )  # fmt: skip
        seconds += coefficients.t0_us * 1e-6
        if quantizing:
            seconds += quantizing / (self._peak_bytes_per_s * kernels.e_el)
        flops = 2 * weights * tokens
        return _Work(seconds, flops, moved + quantizing, flops / speed - flops)

    def _experts(self, tokens: int) -> _Work:
        """Return the cost of the experts of one layer, one GPU's share of it."""
        model, kernels = self.model, self.gpu.kernels
        experts = model.experts
        assert experts is not None  # noqa: S101
        weights = model.expert_parameters / self.tensor_parallel  # of an expert, in the mean
        pairs = tokens * experts.per_token  # of a token and an expert
        touched = experts.touched(tokens)
        if self.engine.pads_experts(model):
            return self._padded_experts(tokens, touched)
        precision, bytes_per_weight = astuple(model.weights_of("experts"))
        own = self.gpu.precise_experts.get(precision)
        coefficients = own or self.gpu.experts
        speed = self.gpu.precision_speed.get(precision, 1.0) if own else 1.0
        rows = touched * tile_rows(tokens, experts.count // self.expert_parallel, pairs / touched)
        moved = touched * weights * bytes_per_weight
        size = experts.latent_size or model.hidden_size
        moved += BYTES_PER_VALUE * pairs * 2 * size / self.tensor_parallel
        flops = 2 * weights * pairs
        computed = 2 * weights * rows / speed
        seconds = coefficients.t0_us * 1e-6 + self._joined_s(
            moved, computed, coefficients.e_bw,
            coefficients.e_flop or kernels.e_flop, coefficients.p or kernels.p,
        )  # fmt: skip
        sorting = coefficients.passes * BYTES_PER_VALUE * pairs * size
        seconds += sorting / self._peak_bytes_per_s
        return _Work(seconds, flops, moved + sorting, computed - flops)

    def _padded_experts(self, tokens: int, touched: float) -> _Work:
        """Return the cost of fp8 experts of which each has whole tiles to itself."""
        model, engine, kernels = self.model, self.engine, self.gpu.kernels
        experts = model.experts
        assert experts is not None  # noqa: S101
        pairs = tokens * experts.per_token / self.tensor_parallel
        shards = self.tensor_parallel // self.expert_parallel  # GPUs that share each expert
        rows = padded_rows(experts, self.expert_parallel, tokens, engine.fp8_expert_tile_tokens)
        precision, bytes_per_weight = astuple(model.weights_of("experts"))
        speed = self.gpu.precision_speed.get(precision, 1.0)
        computed = 2 * model.expert_parameters / shards * rows / speed
        moved = touched * model.expert_parameters * bytes_per_weight
        moved = moved / self.tensor_parallel + BYTES_PER_VALUE * pairs * 2 * model.hidden_size
        seconds = engine.fp8_expert_s_per_layer + computed / (
            self._flops_per_s * engine.fp8_expert_efficiency
        )
        seconds = max(seconds, moved / (self._peak_bytes_per_s * kernels.e_bw))
        flops = 2 * model.expert_parameters * pairs
        return _Work(seconds, flops, moved, computed - flops)

    def _joined_s(
        self, bytes_moved: float, flops: float, e_bw: float, e_flop: float, p: float
    ) -> float:
        """Return memory and compute time, joined smoothly [s]."""
        memory_s = bytes_moved / (self._peak_bytes_per_s * e_bw)
        compute_s = flops / (self._flops_per_s * e_flop)
        return float((memory_s**p + compute_s**p) ** (1 / p))

    def _lm_head(self, sequences: int) -> _Work:
        memo = self._head_memo.get(sequences)
        if memo is None:
            memo = _Work(0.0, 0.0, 0.0)
            if sequences and self.stage.last:
                memo = self._linear(self._head, sequences)
            self._head_memo[sequences] = memo
        return memo

    def _sampling_s(self, sequences: int) -> float:
        if not (sequences and self.stage.last):
            return 0.0
        seconds = self.engine.sampling_s + self._sequence_sampling_s * sequences
        return seconds / self.clock_fraction

    def _host_s(self, sequences: int) -> float:
        return self.engine.host_s + self.engine.host_s_per_sequence * sequences

    def _serial_s(self, sequences: int, prompts: int = 0) -> float:
        engine = self.engine
        per_layer = engine.serial_s_per_layer + engine.serial_s_per_layer_and_doubling * math.log2(
            self.tensor_parallel
        )
        seconds = self.stage.layers * per_layer
        if sequences and self.stage.last:
            seconds += engine.serial_s + engine.serial_s_per_sequence * sequences
            seconds += engine.serial_s_per_prompt * prompts
        return seconds


def _windowed_pairs(new: float, before: float, window: float) -> float:
    """Return the number of tokens that `new` tokens after `before` see in a window, causally."""
    growing = min(max(window - before, 0.0), new)
    return growing * (before + growing / 2) + (new - growing) * window


def _chunked_pairs(new: float, before: float, chunk: float) -> float:
    """Return the number of tokens that `new` tokens after `before` see in chunks, causally."""

    def up_to(tokens: float) -> float:
        rest = tokens % chunk
        return (tokens - rest) * chunk / 2 + rest * rest / 2

    return up_to(before + new) - up_to(before)
