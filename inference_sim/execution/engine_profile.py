"""Engine profiles: the share of an iteration that belongs to the engine, not to the GPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path

from inference_sim.files.catalogue import Catalogue, FileEntry, NonNegative, Positive, Whole
from inference_sim.models import ModelSpec


@dataclass(frozen=True, slots=True)
class EngineProfile(FileEntry):
    """Sampling and host time of a serving engine.

    An iteration takes ``max(gpu time, host time) + sampling time + serial time``, where

    - host time, which overlaps with the GPU's, is ``host_s + host_s_per_sequence * batch``;
    - sampling time, on the GPU, is ``sampling_s + sampled sequences * (sampling_s_per_sequence +
      sampling_s_per_logit * vocabulary)``: top-p sampling sorts the vocabulary, greedy does not;
    - serial time, in which the GPU waits for the host, is ``serial_s + serial_s_per_sequence *
      sampled sequences + serial_s_per_prompt * finished prompts + layers * (serial_s_per_layer +
      serial_s_per_layer_and_doubling * log2(tensor_parallel))``. An engine that schedules ahead has
      little of it: only the work that needs the last tokens.

    A request takes ``front_end_s`` from its arrival to the scheduler: HTTP, tokenizer, and the
    hand-over between processes. It is part of the time to first token, not of the GPU's.

    Some engines give fp8 experts tiles of their own (see ``execution/roofline.py``).

    Attributes:
        fp8_expert_tile_tokens: Rows to a multiple of which each expert's tokens are padded; 0
            for none.
        fp8_expert_s_per_layer: Time of a layer's experts beside that of its rows.
        fp8_expert_efficiency: Share of the fp8 peak at which rows are computed.
        fp8_experts_not_of: Beginnings of the names of models whose experts run by other kernels.
        all_reduce_latency_factor: Factor on launch and latency of an all-reduce: CUDA graphs and
            one-shot kernels make it less than 1.
        sums_in_switch: Whether it lets the switch between GPUs add tensors up, where that can
            (symmetric memory of vLLM 0.11 and later): each GPU then sends a tensor once, instead of
            2 (n - 1) / n times in a ring of n.
        fitted_on: The GPUs on which it was fitted; None where it holds for all.
        time_factors: Factors on the GPU's time, from measurements of a model, by model name.
    """

    name: str
    sampling_s: NonNegative
    sampling_s_per_sequence: NonNegative
    host_s: NonNegative
    host_s_per_sequence: NonNegative
    sources: str
    sampling_s_per_logit: NonNegative = 0.0
    serial_s: NonNegative = 0.0
    serial_s_per_sequence: NonNegative = 0.0
    serial_s_per_prompt: NonNegative = 0.0
    serial_s_per_layer: NonNegative = 0.0
    serial_s_per_layer_and_doubling: NonNegative = 0.0
    front_end_s: NonNegative = 0.0
    fp8_expert_tile_tokens: Whole = 0
    fp8_expert_s_per_layer: NonNegative = 0.0
    fp8_expert_efficiency: Positive = 1.0
    fp8_experts_not_of: tuple[str, ...] = ()
    all_reduce_latency_factor: NonNegative = 1.0
    sums_in_switch: bool = False
    fitted_on: tuple[str, ...] | None = None
    time_factors: Mapping[str, Positive] = field(default_factory=dict, hash=False)

    def sequence_sampling_s(self, vocab_size: int) -> float:
        """Return the time of sampling one sequence from a vocabulary [s]."""
        return self.sampling_s_per_sequence + self.sampling_s_per_logit * vocab_size

    @property
    def greedy(self) -> EngineProfile:
        """The same profile for greedy sampling, which sorts no vocabulary."""
        return self.with_numbers({"sampling_s_per_sequence": 0.0, "sampling_s_per_logit": 0.0})

    def pads_experts(self, model: ModelSpec) -> bool:
        """Return whether the experts of a model are computed in the profile's tiles."""
        return (
            self.fp8_expert_tile_tokens > 0
            and model.weights_of("experts").precision.startswith("fp8")
            and not model.name.startswith(self.fp8_experts_not_of)
        )

    def with_numbers(self, numbers: Mapping[str, float]) -> EngineProfile:
        """Return the same profile with some of its numbers changed, by field name."""
        values = {field_.name: getattr(self, field_.name) for field_ in fields(self)}
        return EngineProfile(**{**values, **numbers})


ENGINES = Catalogue("engine profile", __package__, "engines.yaml", EngineProfile)


def engine_names() -> tuple[str, ...]:
    """Return the names of all known engine profiles."""
    return ENGINES.names


@cache
def find_engine(name: str) -> EngineProfile:
    """Return the engine profile called `name`, or the one that the file `name` describes.

    A file (``.yaml`` or ``.yml``) has the fields of :class:`EngineProfile`. With ``base: <known
    profile>`` it names only the fields that differ from that one::

        base: vllm-0.11
        sampling_s: 0.9e-3
        fitted_on: [h100-sxm-80gb]

    Raises:
        UnknownName: If the catalogue has no such profile.
        FileError: If the file is missing, lacks or misspells a field, or has a value that is not a
            time or a factor.
    """
    if name.endswith((".yaml", ".yml")):
        return ENGINES.read(Path(name), defaults={"sources": name})
    return ENGINES.find(name)
