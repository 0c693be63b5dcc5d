"""The texts of traces: shared as far as hash ids and turns tell, and no further."""

from __future__ import annotations

import tracemalloc
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inference_sim.workload import (
    Arrival,
    Replay,
    RequestTrace,
    thinned,
    trace_requests,
    trace_stream,
    trace_texts,
)
from inference_sim.workload.trace_talk import ORPHAN, Prefixes, Talk

BLOCK = 4
PROMPTS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=30)
"""Prompts as paths of a tree: each step is one of three blocks that may follow."""


def chained(path: list[int]) -> list[int]:
    """Ids of the blocks of a path, each for all up to it."""
    return [int("1" + "".join(map(str, path[: depth + 1]))) for depth in range(len(path))]


def trace_of(
    lists: list[list[int]] | None,
    prompts: list[int],
    outputs: list[int] | None = None,
    **talk: Any,
) -> RequestTrace:
    """Requests a second apart."""
    count = len(prompts)
    if lists is not None:
        talk["prefixes"] = Prefixes.of_lists(lists, BLOCK)
    if "parents" in talk:
        talk["parents"] = np.array(talk["parents"], dtype=np.int64)
    if "sessions" in talk:
        talk["sessions"] = np.array(talk["sessions"], dtype=object)
    return RequestTrace(
        np.arange(count, dtype=np.float64),
        np.array(prompts, dtype=np.int64),
        np.array(outputs or [1] * count, dtype=np.int64),
        talk=Talk(**talk),
    )


def shared(one: Arrival, other: Arrival, answer: bool = False) -> int:
    """Tokens that a prompt has in common with another one, whose answer may count too."""
    tokens = 0
    runs = other.content or ()
    if answer:
        runs = (*runs, (other.answer_stream, other.output_tokens))
    for (stream, length), (its_stream, its_length) in zip(one.content or (), runs, strict=False):
        if stream != its_stream:
            break
        tokens += min(length, its_length)
        if length != its_length:
            break
    return tokens


def alike(some: list[int], others: list[int]) -> int:
    """Ids that two prompts have in common from the beginning on."""
    same = [a == b for a, b in zip(some, others, strict=False)]
    return same.index(False) if False in same else len(same)


class TestHashIds:
    @example([[0]] * 9 + [[1]] + [[0]] * 5 + [[1]], 0, 6, 5)
    @given(PROMPTS, st.integers(0, BLOCK - 1), st.integers(1, 20), st.integers(1, 5))
    def test_prompts_share_their_common_blocks(
        self, paths: list[list[int]], short: int, remembered: int, part_rows: int
    ) -> None:
        """Each with each, also where older texts are forgotten, which then are new."""
        lists = [chained(path) for path in paths]
        prompts = [len(ids) * BLOCK - short for ids in lists]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(trace_texts, "REMEMBERED_REQUESTS", remembered)
            patch.setattr(trace_requests, "_PART_ROWS", part_rows)
            stream = list(trace_stream(trace_of(lists, prompts), 0))
        for number, arrival in enumerate(stream):
            assert arrival.content is not None
            assert sum(tokens for _, tokens in arrival.content) == prompts[number]
            assert all(stream >= 0 and tokens > 0 for stream, tokens in arrival.content)
            for before in range(max(0, number - remembered), number):
                common = alike(lists[number], lists[before]) * BLOCK
                common = min(common, prompts[number], prompts[before])
                assert shared(arrival, stream[before]) == common

    def test_by_hand(self) -> None:
        """A block less, another end, a longer prompt; the runs are as few as can be."""
        lists = [[1, 2, 3], [1, 2], [1, 2, 4, 5], [1, 2, 4, 5, 6], [9]]
        stream = list(trace_stream(trace_of(lists, [12, 7, 16, 19, 4]), 0))
        assert [arrival.content for arrival in stream] == [
            ((0, 12),),
            ((0, 7),),
            ((0, 8), (4, 8)),
            ((0, 8), (4, 8), (6, 3)),
            ((8, 4),),
        ]
        assert len({arrival.answer_stream for arrival in stream}) == 5

    def test_a_prompt_without_ids_shares_nothing(self) -> None:
        stream = list(trace_stream(trace_of([[1], [], [1]], [4, 4, 4]), 0))
        assert [arrival.content for arrival in stream] == [((0, 4),), None, ((0, 4),)]

    def test_the_end_of_a_prompt_may_lack_an_id(self) -> None:
        stream = list(trace_stream(trace_of([[1], [1]], [6, 7]), 0))
        assert [arrival.content for arrival in stream] == [
            ((0, 6),),
            ((0, 4), (2, 3)),
        ]


class TestTurns:
    IDS = [[1, 2], [1, 3, 4, 5], [1, 3, 4, 6, 7]]

    def test_a_next_turn_has_the_answer_too(self) -> None:
        """The first prompt ends within its second block; the answer follows it."""
        trace = trace_of(self.IDS, [6, 16, 20], [5, 2, 1], parents=[-1, 0, 0])
        first, second, third = trace_stream(trace, 0)
        assert second.content == ((0, 6), (first.answer_stream, 5), (2, 5))
        assert shared(second, first, answer=True) == 11
        assert third.content == ((0, 6), (first.answer_stream, 5), (2, 1), (4, 8))

    @pytest.mark.parametrize(
        ("ids", "prompts", "parents"),
        [
            ([[1, 2], [9, 3, 4, 5]], [8, 16], [-1, 0]),  # it begins otherwise
            ([[1, 2], [1, 2, 4]], [8, 12], [-1, 0]),  # too short for the answer
            ([[1, 2], [1, 2, 4, 5]], [8, 16], [-1, ORPHAN]),
            ([[1, 2], [1, 2, 4, 5]], [8, 16], [-1, -1]),
        ],
    )
    def test_no_answer_otherwise(
        self, ids: list[list[int]], prompts: list[int], parents: list[int]
    ) -> None:
        first, second = trace_stream(trace_of(ids, prompts, [5, 1], parents=parents), 0)
        assert shared(second, first, answer=True) == alike(*ids) * BLOCK

    def test_sessions_have_numbers(self) -> None:
        trace = trace_of(None, [4] * 4, sessions=["a", None, "b", "a"])
        stream = list(trace_stream(trace, 0))
        assert [arrival.session for arrival in stream] == [0, -1, 1, 0]
        assert [arrival.content for arrival in stream] == [None] * 4

    def test_by_turns(self) -> None:
        """A prompt that is too short, and one without a session, are new."""
        trace = trace_of(
            None, [4, 9, 20, 30, 8], [2, 3, 1, 1, 1], sessions=["a", "b", "a", "b", "b"]
        )
        stream = list(trace_stream(trace, 0, sharing="turns"))
        assert [arrival.content for arrival in stream] == [
            ((0, 4),),
            ((2, 9),),
            ((0, 4), (1, 2), (4, 14)),
            ((2, 9), (3, 3), (6, 18)),
            ((8, 8),),
        ]

    def test_by_recorded_parents(self) -> None:
        trace = trace_of([[7], [7, 8], [7, 8]], [4, 8, 8], [2, 1, 1], parents=[-1, -1, 0])
        stream = list(trace_stream(trace, 0, sharing="turns"))
        assert [arrival.content for arrival in stream] == [
            ((0, 4),),
            ((2, 8),),
            ((0, 4), (1, 2), (4, 2)),
        ]


class TestRepetition:
    TRACE = trace_of(
        [[1], [1, 2], [1, 3]], [4, 8, 8], parents=[-1, 0, -1], sessions=["a", "a", "c"]
    )

    def test_is_new_text(self) -> None:
        """Within itself it shares what the first pass did."""
        replay = Replay(trace=self.TRACE, loop=True, rate_scale=3.0, shift_s=5.0)
        stream = list(islice(trace_stream(replay, 0), 9))
        laps = [stream[:3], stream[3:6], stream[6:]]
        plain = list(trace_stream(self.TRACE, 0))
        for lap in laps:
            assert [[shared(a, b, True) for b in lap] for a in lap] == [
                [shared(a, b, True) for b in plain] for a in plain
            ]
            assert lap[0].session == lap[1].session != lap[2].session
        for one, other in ((0, 1), (0, 2), (1, 2)):
            assert all(shared(a, b, True) == 0 for a in laps[one] for b in laps[other])
            assert not {a.session for a in laps[one]} & {b.session for b in laps[other]}

    def test_is_the_same_in_every_run(self) -> None:
        replay = Replay(trace=self.TRACE, loop=True)
        assert list(islice(trace_stream(replay, 1), 50)) == list(
            islice(trace_stream(replay, 2), 50)
        )


class TestSites:
    NAMES = [f"{number % 900}" for number in range(9000)]

    def test_a_session_stays_at_one_site(self) -> None:
        trace = trace_of(None, [4] * 9000, sessions=self.NAMES)
        sites = [
            list(thinned(trace_stream(trace, 3), 3, low, high, by_session=True))
            for low, high in ((0.0, 0.3), (0.3, 1.0))
        ]
        assert sum(map(len, sites)) == 9000
        sessions = [{arrival.session for arrival in site} for site in sites]
        assert not sessions[0] & sessions[1]
        assert len(sessions[0]) / 900 == pytest.approx(0.3, abs=0.05)

    def test_requests_without_one_are_drawn_each(self) -> None:
        """As they are without sessions; each keeps the text that it has in the whole."""
        lists = [[number % 7, 100 + number] for number in range(900)]
        trace = trace_of(lists, [8] * 900)
        whole = list(trace_stream(trace, 3))
        kept = list(thinned(whole, 3, 0.2, 0.6, by_session=True))
        assert kept == list(thinned(whole, 3, 0.2, 0.6))
        assert set(kept) <= set(whole)


def test_memory_does_not_grow_with_the_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times the requests, of which each has a text, a parent and a session of its own."""
    monkeypatch.setattr(trace_texts, "REMEMBERED_REQUESTS", 100)

    class Endless:
        def __init__(self, parts: int) -> None:
            self.count = parts

        def parts(self) -> Any:
            for part in range(self.count):
                numbers = range(part * 50, part * 50 + 50)
                yield trace_of(
                    [[number, number + 10**6] for number in numbers],
                    [8] * 50,
                    parents=[-1] * 50,
                    sessions=[str(number) for number in numbers],
                )

    peaks = []
    for parts in (10, 100):
        tracemalloc.start()
        assert sum(1 for _ in trace_stream(Endless(parts), 0)) == parts * 50
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]
