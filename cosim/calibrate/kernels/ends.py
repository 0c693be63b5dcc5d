"""The ends of NVIDIA's measurements, beyond which their package extrapolates without a word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cosim.calibrate.kernels.package import Subject, find_rows

_ATTENTION = ("bfloat16", "fp8")  # precisions of prompt attention: the first that was measured
ROUTING = "power_law_1.2"
"""Distribution of tokens over experts that the package takes."""


@dataclass(frozen=True, slots=True)
class Ends:
    """Ends of the measurements that a table is made from.

    Attributes:
        tokens: Most tokens in an iteration.
        prompt: Longest prompt [tokens].
        context: Longest context of a sequence [tokens], by decode batch.
        attention: Precision of prompt attention, in the package's words.
        wide_head: Whether the LM head has more columns than any product that was measured.
    """

    tokens: int
    prompt: int
    context: Mapping[int, int]
    attention: str
    wide_head: bool


def find_ends(subject: Subject, operations: Any, database: Any, of_products: Any) -> Ends:
    """Return the ends of the measurements.

    Args:
        subject: The model, GPU and width.
        operations: The package's operations, which load their tables.
        database: The package's tables.
        of_products: The same for matrix products.

    Raises:
        ScenarioError: If there are no measurements of one of the operations.
    """
    rows = _Rows(subject, operations)
    tokens, wide_head = rows.products(of_products)
    attention, prompt = rows.prompt_attention(database)
    if subject.tensor_parallel > 1:
        tokens = min(tokens, rows.all_reduce(database))
    if subject.model.experts is not None:
        tokens = min(tokens, rows.experts(database))
    return Ends(tokens, prompt, rows.decode_attention(database), attention, wide_head)


class _Rows:
    """Rows of the package's tables that concern a subject."""

    def __init__(self, subject: Subject, operations: Any) -> None:
        self._subject, self._model, self._operations = subject, subject.model, operations
        width = subject.tensor_parallel
        self._heads = self._model.query_heads // width
        kv_heads = max(self._model.kv_heads // width, 1)
        self._kv_heads = 0 if kv_heads == self._heads else kv_heads  # 0 stands for as many
        self._attention = (
            f"attention with {self._heads} query heads and {kv_heads} KV heads of "
            f"{self._model.head_dim} on a GPU, and a KV cache in {subject.cache}"
        )

    def products(self, database: Any) -> tuple[int, bool]:
        """Return the most tokens of a product, and whether the LM head is wider than any."""
        model, width = self._model, self._subject.tensor_parallel
        precision = self._subject.products
        rows = find_rows(self._table(database, "GEMM", "_gemm_data"), [precision])
        if not rows:
            raise self._subject.missing(f"products in {precision}")
        most = max(rows)
        widest = max(rows[most])
        columns = (self._heads + 2 * (self._kv_heads or self._heads)) * model.head_dim
        sizes = [model.hidden_size, columns, 2 * model.ffn_size // width]
        if max(sizes) > widest:
            raise self._subject.missing(f"products with {max(sizes):,} columns")
        return int(most), model.vocab_size / width > widest

    def all_reduce(self, database: Any) -> int:
        """Return the most tokens of an all-reduce."""
        width = self._subject.tensor_parallel
        table = self._table(database, "CustomAllReduce", "_custom_allreduce_data")
        sizes = find_rows(table, ["half", width, "AUTO"])
        if not sizes:
            raise self._subject.missing(f"all-reduces of {width} GPUs")
        return int(max(sizes)) // (2 * self._model.hidden_size)

    def experts(self, database: Any) -> int:
        """Return the most tokens of experts of just this shape."""
        subject, experts = self._subject, self._model.experts
        assert experts is not None  # noqa: S101
        keys = [
            subject.experts, ROUTING, experts.per_token, experts.count, self._model.hidden_size,
            experts.ffn_size, subject.expert_shards, subject.expert_parallel,
        ]  # fmt: skip
        rows = find_rows(self._table(database, "MoE", "_moe_data"), keys)
        if not rows:
            raise subject.missing(f"experts of this shape in {subject.experts}")
        return int(max(rows))

    def prompt_attention(self, database: Any) -> tuple[str, int]:
        """Return the precision of prompt attention, and the longest prompt [tokens]."""
        table = self._table(database, "ContextAttention", "_context_attention_data")
        for precision in _ATTENTION:
            around = self._of_heads(find_rows(table, [precision, *self._attention_keys()]))
            if around:
                return precision, int(min(max(rows) for rows in around))
        raise self._subject.missing(self._attention)

    def decode_attention(self, database: Any) -> dict[int, int]:
        """Return the longest context by decode batch [tokens]."""
        table = self._table(database, "GenerationAttention", "_generation_attention_data")
        around = self._of_heads(find_rows(table, self._attention_keys()))
        if not around:
            raise self._subject.missing(self._attention)
        batches = set.intersection(*({*rows} for rows in around))
        return {
            int(batch): int(min(max(rows[batch]) for rows in around)) for batch in sorted(batches)
        }

    def _table(self, database: Any, operation: str, table: str) -> Any:
        getattr(self._operations, operation).load_data(database)
        return getattr(database, table)

    def _attention_keys(self) -> list[Any]:
        no_window = 0
        return [self._subject.cache, self._kv_heads, self._model.head_dim, no_window]

    def _of_heads(self, by_heads: Any) -> list[Any]:
        """Return the rows of the numbers of heads next to that of a GPU; none if it is outside."""
        if not by_heads or not min(by_heads) <= self._heads <= max(by_heads):
            return []
        below = max(heads for heads in by_heads if heads <= self._heads)
        above = min(heads for heads in by_heads if heads >= self._heads)
        return [by_heads[heads] for heads in {below, above}]
