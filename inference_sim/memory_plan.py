"""The size of the KV cache that fits beside the weights: a plain share, or as a release of vLLM."""

from __future__ import annotations

from dataclasses import dataclass

from inference_sim.errors import ModelDoesNotFit
from inference_sim.execution import Stage
from inference_sim.hardware import GpuSpec
from inference_sim.kv_cache import BLOCK_SIZE
from inference_sim.models import BYTES_PER_VALUE, ModelSpec
from inference_sim.scheduling.defaults import ReleaseDefaults

GIB = 1024**3


def plan_blocks(
    model: ModelSpec,
    gpu: GpuSpec,
    tensor_parallel: int,
    memory_utilisation: float,
    pipeline_parallel: int = 1,
    block_size: int = BLOCK_SIZE,
) -> int:
    """Return the number of KV blocks that fit beside the weights on each GPU of a replica.

    Memory is ``memory_gib * memory_utilisation - weights``: activations are taken to fit into the
    share that ``memory_utilisation`` leaves (:class:`MemoryPlan` counts them). Layers with
    an attention window are counted with the whole context, as by engines without a cache of their
    own for them. Pipeline stages share layers, weights and cache evenly.

    Raises:
        ModelDoesNotFit: If not one request of the shortest useful length fits.
    """
    gpus = tensor_parallel * pipeline_parallel
    available = gpu.memory_gib * GIB * memory_utilisation
    weights = model.weight_bytes / gpus
    layers = model.layers / pipeline_parallel
    block_bytes = layers * model.kv_bytes_per_token_per_layer(tensor_parallel) * block_size
    # One request of the model's context, but no more than 2048 tokens: below that a replica
    # cannot serve real requests.
    smallest = min(model.max_context_tokens, 2048) / block_size * block_bytes
    missing = weights + smallest - available
    if missing > 0:
        raise ModelDoesNotFit(
            f"'{model.name}' does not fit on {gpus} x {gpu.name}: each GPU needs "
            f"{weights / GIB:.1f} GiB for weights and {smallest / GIB:.1f} GiB for one request of "
            f"{int(smallest / block_bytes * block_size)} tokens, and has {available / GIB:.1f} GiB "
            f"({memory_utilisation:.0%} of {gpu.memory_gib:g}): {missing / GIB:.1f} GiB are "
            "missing; raise tensor_parallel or take a larger GPU"
        )
    return int((available - weights) // block_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPlan:
    """Memory of a GPU as a release of vLLM divides it when it starts.

    The KV cache gets the share of the memory that CUDA reports, less the weights, the memory
    outside PyTorch's and the peak of a profiling run. That computes `batch_tokens` tokens and then
    samples for `batch_cap` sequences; the larger of both is its peak, and at vLLM's defaults it is
    the sampler's, which sorts the logits. The first stage of a pipeline has the embedding, and the
    last one the LM head, and samples. All get as many blocks as the stage that has room for fewest.

    Example:
        >>> from inference_sim.execution import Stage
        >>> from inference_sim.hardware import find_gpu
        >>> from inference_sim.models import find_model
        >>> from inference_sim.scheduling.defaults import release_defaults
        >>> plan = MemoryPlan(
        ...     model=find_model("Qwen/Qwen3-32B"),
        ...     gpu=find_gpu("h100-sxm-80gb"),
        ...     release=release_defaults("0.11"),
        ...     memory_utilisation=0.9,
        ...     batch_cap=1024,
        ...     batch_tokens=8192,
        ...     stage=Stage(layers=64, first=True, last=True),
        ... )
        >>> f"{plan.kv_bytes / 1024**3:.2f} GiB"
        '4.50 GiB'
    """

    model: ModelSpec
    gpu: GpuSpec
    release: ReleaseDefaults
    memory_utilisation: float
    batch_cap: int
    batch_tokens: int
    stage: Stage
    tensor_parallel: int = 1
    pipeline_parallel: int = 1

    @property
    def share_bytes(self) -> float:
        """Memory that the engine may take [B]."""
        return self.memory_utilisation * self.gpu.usable_memory_gib * GIB

    @property
    def weight_bytes(self) -> float:
        """Memory of the weights [B]."""
        model, stage = self.model, self.stage
        if stage.first and stage.last:
            return model.loaded_bytes / self.tensor_parallel
        layers = model.loaded_bytes - model.embedding_bytes
        head = model.vocab_size * model.hidden_size * BYTES_PER_VALUE
        ends = stage.first + stage.last
        return (layers * stage.layers / model.layers + ends * head) / self.tensor_parallel

    @property
    def non_torch_bytes(self) -> float:
        """Memory outside PyTorch's [B]."""
        return self.release.non_torch_bytes(self.tensor_parallel)

    @property
    def sampler_bytes(self) -> float:
        """Peak of the sampler [B]."""
        if not self.stage.last:
            return 0.0
        sequences = min(self.batch_cap, self.batch_tokens)
        return self.release.bytes_per_logit * sequences * self.model.vocab_size

    @property
    def forward_bytes(self) -> float:
        """Peak of a forward pass [B]."""
        return self.batch_tokens * self.model.activation_bytes_per_token(self.tensor_parallel)

    @property
    def peak_bytes(self) -> float:
        """Peak of the profiling run [B]."""
        return max(self.sampler_bytes, self.forward_bytes)

    @property
    def kv_bytes(self) -> float:
        """Memory left for the KV cache [B]; not positive if the engine does not start."""
        return self.share_bytes - self.weight_bytes - self.non_torch_bytes - self.peak_bytes

    def check(self) -> None:
        """Check that memory is left for a KV cache.

        Raises:
            ModelDoesNotFit: If not, with what takes it and what to change.
        """
        if self.kv_bytes > 0:
            return
        gpus = self.tensor_parallel * self.pipeline_parallel
        sampler = self.sampler_bytes >= self.forward_bytes
        cause = (
            f"batch_cap (max_num_seqs) of {self.batch_cap:,}"
            if sampler
            else f"max_batch_tokens (max_num_batched_tokens) of {self.batch_tokens:,}"
        )
        other = f"lower {cause.split()[0]}, raise memory_utilisation (gpu_memory_utilization) or"
        if self.weight_bytes > self.share_bytes:
            other = "raise"
        raise ModelDoesNotFit(
            f"vLLM {self.release.name} does not start with '{self.model.name}' on {gpus} x "
            f"{self.gpu.name}: of {self.share_bytes / GIB:.2f} GiB on each GPU "
            f"({self.memory_utilisation:.0%} of {self.gpu.usable_memory_gib:g}) weights take "
            f"{self.weight_bytes / GIB:.2f}, the profiling run {self.peak_bytes / GIB:.2f} for a "
            f"{cause}, and {self.non_torch_bytes / GIB:.2f} are outside PyTorch's; "
            f"{-self.kv_bytes / GIB:.2f} GiB are missing, and the KV cache has none: {other} "
            "tensor_parallel, or take a larger GPU"
        )
