"""The linear modules of a checkpoint by name, and the patterns by which its files name them.

Files leave modules in 16 bits, or give them a precision, by whole names, parts of names, globs
(ModelOpt) and regular expressions (compressed-tensors). A family may call the same module otherwise
than another; each has all the names that it has anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import translate
from typing import NamedTuple

from inference_sim.models.layer_order import LayerOrder
from inference_sim.models.spec import ModelSpec

_PREFIXES = ("model.", "model.language_model.", "language_model.model.", "backbone.")
_MIXERS = ("self_attn", "attn", "mixer")
_STATES = ("linear_attn", "mixer")
_MLPS = ("mlp", "feed_forward", "mixer")
_SHARED = ("shared_experts", "shared_expert")
_EXPERTS = ("mlp.experts", "block_sparse_moe.experts", "feed_forward.experts", "mixer.experts")


class Module(NamedTuple):
    """A linear module.

    Attributes:
        part: The part that it belongs to (``precision.PARTS``).
        names: Its names, without what stands before the layers.
        weights: Its weights.
    """

    part: str
    names: tuple[str, ...]
    weights: int


def modules_of(model: ModelSpec, order: LayerOrder) -> Iterator[Module]:
    """Yield the linear modules of a model; all experts of a layer count as one of three."""
    for layer, (mixer, mlp) in enumerate(zip(order.mixers, order.mlps, strict=True)):
        if mixer == "attention":
            yield from _attention(model, layer)
        elif mixer == "state":
            yield from _state(model, layer)
        if mlp:
            yield from _mlp(model, layer, with_experts=mlp == "experts")
    if not model.tied_embeddings:
        yield Module("head", ("lm_head",), model.vocab_size * model.hidden_size)


def _names(layer: int, blocks: Iterable[str], *leaves: str) -> tuple[str, ...]:
    return tuple(f"layers.{layer}.{block}.{leaf}" for block in blocks for leaf in leaves)


def _attention(model: ModelSpec, layer: int) -> Iterator[Module]:
    h, heads, latent = model.hidden_size, model.query_heads, model.latent
    if latent is None:
        queries = h * heads * model.head_dim
        keys = h * model.kv_heads * model.head_dim
        sizes = [
            (("q_proj", "qkv_proj"), queries * (2 if model.gated_attention else 1)),
            (("k_proj", "qkv_proj"), keys),
            (("v_proj", "qkv_proj"), keys),
            (("o_proj",), queries),
        ]
    else:
        query = heads * latent.key_dim
        sizes = [(("q_proj",), h * query)]
        if latent.query_rank:
            sizes = [
                (("q_a_proj",), h * latent.query_rank),
                (("q_b_proj",), latent.query_rank * query),
            ]
        sizes += [
            (("kv_a_proj_with_mqa",), h * latent.cached_values),
            (("kv_b_proj",), latent.kv_rank * heads * latent.expanded_dim),
            (("o_proj",), heads * latent.value_dim * h),
        ]
    for leaves, weights in sizes:
        yield Module("attention", _names(layer, _MIXERS, *leaves), weights)


def _state(model: ModelSpec, layer: int) -> Iterator[Module]:
    state, h = model.state, model.hidden_size
    assert state is not None  # noqa: S101
    inputs = ("in_proj", "in_proj_qkvz", "in_proj_qkv")
    yield Module("state", _names(layer, _STATES, *inputs), h * state.in_size)
    yield Module("state", _names(layer, _STATES, "out_proj"), h * state.inner_size)


def _mlp(model: ModelSpec, layer: int, *, with_experts: bool) -> Iterator[Module]:
    h, experts = model.hidden_size, model.experts
    if experts is None or not with_experts:
        size = model.dense_ffn_size if experts else model.ffn_size
        yield from _of_mlp("mlp", layer, _MLPS, h * size, gated=model.gated_mlp)
        return
    shared = [f"{block}.{name}" for block in _MLPS for name in _SHARED]
    yield from _of_mlp("mlp", layer, shared, h * model.ffn_size, gated=model.gated_mlp)
    each = (experts.latent_size or h) * experts.ffn_size * experts.count
    # Experts have numbers, except where a checkpoint has all of them in one tensor.
    names = [f"{block}{number}" for block in _EXPERTS for number in (".0", "")]
    yield from _of_mlp("experts", layer, names, each, gated=experts.gated)


def _of_mlp(
    part: str, layer: int, blocks: Iterable[str], weights: int, *, gated: bool
) -> Iterator[Module]:
    blocks = list(blocks)
    leaves = [("up_proj", "gate_up_proj", "w3"), ("down_proj", "w2")]
    leaves += [("gate_proj", "gate_up_proj", "w1")] if gated else []
    for names in leaves:
        yield Module(part, _names(layer, blocks, *names), weights)


class Patterns:
    """Names and patterns of modules, as a checkpoint lists them.

    Raises:
        ValueError: If a regular expression among them is not one.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        names, globs, expressions = set[str](), list[str](), list[str]()
        for pattern in patterns:
            if pattern.startswith("re:"):
                expressions.append(pattern[3:])
            elif "*" in pattern:
                glob = _without_prefix(pattern)
                globs += [translate(glob), translate(f"{glob}.*")]
            else:
                names.add(_without_prefix(pattern.removesuffix(".weight")))
        self._names, self._globs = names, _any_of(globs)
        self._expressions = _any_of(expressions)

    def match(self, module: Module) -> bool:
        """Return whether one of them means a module, or something that it is part of."""
        return any(self._match(name) for name in module.names)

    def _match(self, name: str) -> bool:
        if self._names and not self._names.isdisjoint(_parts_of(name)):
            return True
        if self._globs is not None and self._globs.match(name):
            return True
        if self._expressions is None:
            return False
        full = [f"{prefix}{name}" for prefix in _PREFIXES] if "." in name else [name]
        return any(self._expressions.match(text) for text in full)


def _without_prefix(pattern: str) -> str:
    fitting = [prefix for prefix in _PREFIXES if pattern.startswith(prefix)]
    return pattern.removeprefix(max(fitting, key=len, default=""))


def _any_of(expressions: list[str]) -> re.Pattern[str] | None:
    if not expressions:
        return None
    try:
        return re.compile("|".join(f"(?:{expression})" for expression in expressions))
    except re.error as error:
        raise ValueError(str(error)) from None


def _parts_of(name: str) -> Iterator[str]:
    """Yield all runs of the words between the dots of a name."""
    words = name.split(".")
    for first in range(len(words)):
        for end in range(first + 1, len(words) + 1):
            yield ".".join(words[first:end])
