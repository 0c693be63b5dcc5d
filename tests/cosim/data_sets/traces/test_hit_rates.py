"""Hit rates of prefix caches: exact, against a plain list, and those of a published trace."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.data_sets.traces.hit_rates import HitCounter
from inference_sim.workload.trace_requests import RequestTrace
from inference_sim.workload.trace_talk import Prefixes, Talk
from tests.conftest import Cli
from tests.cosim.builders import data_file, write

BLOCK = 4


def trace_of(prompts: list[list[int]], short: int = 0) -> RequestTrace:
    """Requests a second apart, whose last blocks lack some tokens."""
    count = len(prompts)
    return RequestTrace(
        np.arange(count, dtype=np.float64),
        np.array([len(ids) * BLOCK - short for ids in prompts], dtype=np.int64),
        np.ones(count, dtype=np.int64),
        talk=Talk(prefixes=Prefixes.of_lists(prompts, BLOCK)),
    )


def plain_hits(prompts: list[list[int]], short: int, size_blocks: int | None) -> int:
    """Tokens that are found, with a list in order of use, the latest last."""
    used: list[int] = []
    tokens = 0
    for ids in prompts:
        run = next((n for n, block in enumerate(ids) if block not in used), len(ids))
        tokens += min(run * BLOCK, len(ids) * BLOCK - short)
        for block in ids[::-1]:
            if block in used:
                used.remove(block)
            used.append(block)
        if size_blocks is not None:
            used = used[max(0, len(used) - size_blocks) :]
    return tokens


@given(
    st.lists(
        st.lists(st.integers(0, 8), min_size=1, max_size=5, unique=True), min_size=1, max_size=25
    ),
    st.integers(0, BLOCK - 1),
    st.integers(1, 7),
    st.integers(0, 25),
)
def test_as_a_plain_list_has_it(
    prompts: list[list[int]], short: int, size_blocks: int, cut: int
) -> None:
    counter = HitCounter([size_blocks * BLOCK, size_blocks * BLOCK])
    for part in (prompts[:cut], prompts[cut:]):
        if part:
            counter.add(trace_of(part, short))
    rates = counter.rates
    assert rates is not None
    total = sum(len(ids) * BLOCK - short for ids in prompts)
    assert rates.unbounded == plain_hits(prompts, short, None) / total
    assert rates.by_size == {size_blocks * BLOCK: plain_hits(prompts, short, size_blocks) / total}
    assert rates.by_size[size_blocks * BLOCK] <= rates.unbounded


def test_by_hand() -> None:
    """Two blocks of three are found again; a hole ends the run."""
    counter = HitCounter([2 * BLOCK])
    counter.add(trace_of([[1, 2, 3], [1, 2, 4], [9, 2, 3]]))
    rates = counter.rates
    assert rates is not None
    assert rates.unbounded == 2 / 9
    assert rates.by_size == {2 * BLOCK: 2 / 9}  # the last block of a prompt goes first


def test_none_without_prefixes() -> None:
    counter = HitCounter([4])
    counter.add(RequestTrace(np.zeros(1), np.ones(1, np.int64), np.ones(1, np.int64)))
    assert counter.rates is None


class TestShown:
    ROW = '{{"timestamp": {}, "input_length": {}, "output_length": 5, "hash_ids": {}}}\n'

    def test_printed(self, cosim: Cli) -> None:
        rows = [(0, 1024, [1, 2]), (5, 1536, [1, 2, 3]), (9, 1024, [8, 9])]
        write("t.jsonl", "".join(self.ROW.format(*row) for row in rows))
        text = " ".join(cosim("traces", "show", "t.jsonl", "--cache", "1024").out.split())
        assert "Prefix hits 28.6 % of the prompt tokens without bounds; 28.6 % in" in text
        assert "0.001024 M tokens (LRU, blocks of 512)" in text
        shown = json.loads(cosim("traces", "show", "t.jsonl", "--cache=512", "--json").out)
        assert shown["prefix_hits"] == {
            "block_tokens": 512,
            "unbounded": 1024 / 3584,
            "lru_by_tokens": {"512": 512 / 3584},
        }

    def test_of_ids_in_csv(self, cosim: Cli) -> None:
        """Two blocks of 16 tokens of the second prompt; its 100 tokens are those of both."""
        write("t.csv", "t,i,o,h\n0,40,10,17 18 40\n1,60,10,17 18 41 42\n")
        names = ("time=t", "prompt=i", "output=o", "prefix=h")
        columns = [word for name in names for word in ("--column", name)]
        form = ("--format", "csv", "--time-unit", "s", "--prefix-block-tokens", "16")
        answer = cosim("traces", "show", "t.csv", *form, *columns, "--cache", "1e3", "--json")
        assert json.loads(answer.out)["prefix_hits"] == {
            "block_tokens": 16,
            "unbounded": 0.32,
            "lru_by_tokens": {"1000": 0.32},
        }

    @pytest.mark.parametrize("size", ["nan", "inf", "0", "-5", "1e16", "many"])
    def test_sizes_that_are_none(self, cosim: Cli, size: str) -> None:
        answer = cosim("traces", "show", "t.csv", f"--cache={size}")
        assert (answer.code, answer.out) == (2, "")
        assert f"'--cache': expected from 1 to 1e15 tokens (got '{size}')" in answer.err

    def test_only_where_there_are_any(self, cosim: Cli) -> None:
        write("t.csv", "arrived_at,num_prefill_tokens,num_decode_tokens\n5,3,4\n")
        assert "prefix_hits" not in json.loads(cosim("traces", "show", "t.csv", "--json").out)

    def test_the_conversations_of_mooncake(self, cosim: Cli) -> None:
        path = data_file("traces/mooncake_conversation_trace.jsonl")
        hits = json.loads(cosim("traces", "show", path, "--json").out)["prefix_hits"]
        assert hits["unbounded"] == pytest.approx(0.374, abs=0.003)
        by_size = hits["lru_by_tokens"]
        assert [*by_size] == ["1000000", "3000000", "10000000"]
        assert [*by_size.values()] == pytest.approx([0.054, 0.138, 0.291], abs=0.003)
