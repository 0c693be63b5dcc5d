"""Sessions, turns and prefixes of traces."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference_sim.errors import TraceError
from inference_sim.workload import Replay, open_trace, text_blocks
from inference_sim.workload.trace_arrow import parsed_at_once
from inference_sim.workload.trace_columns import mapped_format
from inference_sim.workload.trace_lines import Columns, LineParser
from inference_sim.workload.trace_opening import open_as
from inference_sim.workload.trace_talk import Prefixes, Talk
from tests.inference_sim.test_trace_formats import BURSTGPT_3, GOOD, written
from tests.samples import examples


def chat(request: int, parent: int, **more: Any) -> str:
    values = {
        "chat_id": request,
        "parent_chat_id": parent,
        "timestamp": 0.5,
        "input_length": 30,
        "output_length": 8,
        "turn": 1 if parent == -1 else 2,
        "hash_ids": [request, 77],
    }
    return json.dumps(values | more) + "\n"


def talk_of(path: Path, in_memory_bytes: int = 10**9, **more: Any) -> Talk:
    trace = open_trace(path, talk=True, in_memory_bytes=in_memory_bytes, **more)
    parts = [part.talk for part in trace.parts() if part.talk is not None]
    return Talk.joined(parts)


class TestPrefixes:
    LISTS = [[1, 2, 3], [], [4], [5, 6]]

    @given(st.lists(st.lists(st.integers(-5, 5), max_size=4), max_size=8), st.data())
    def test_picked_as_lists_are(self, lists: list[list[int]], data: st.DataObject) -> None:
        prefixes = Prefixes.of_lists(lists, 16)
        first, last = sorted(data.draw(st.tuples(*[st.integers(0, len(lists))] * 2)))
        mask = np.array([data.draw(st.booleans()) for _ in lists], dtype=bool)
        order = np.array(data.draw(st.permutations(range(len(lists)))), dtype=np.int64)
        for rows in (slice(first, last), mask, order):
            numbers = np.arange(len(lists))[rows].tolist()
            picked = prefixes.picked(rows)
            assert [picked.of(row) for row in range(len(picked))] == [
                tuple(lists[number]) for number in numbers
            ]

    def test_joined(self) -> None:
        parts = [Prefixes.of_lists(self.LISTS[:2], 16), Prefixes.of_lists(self.LISTS[2:], 16)]
        joined = Prefixes.joined(parts)
        assert [list(joined.of(row)) for row in range(4)] == self.LISTS
        assert len(joined) == 4


class TestBailian:
    TURNS = chat(11, -1) + chat(12, -1) + chat(13, 11) + chat(14, 13, turn=3) + chat(15, 99)

    @pytest.mark.parametrize("in_memory_bytes", [0, 10**9])
    @pytest.mark.parametrize("block_bytes", [1, 1 << 20])
    def test_turns_are_followed(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        in_memory_bytes: int,
        block_bytes: int,
    ) -> None:
        """To the first request of the session, or to the parent that is not in the trace."""
        monkeypatch.setattr(text_blocks, "BLOCK_BYTES", block_bytes)
        talk = talk_of(written(tmp_path, self.TURNS), in_memory_bytes)
        assert talk.sessions is not None
        assert talk.parents is not None
        assert talk.turns is not None
        assert talk.prefixes is not None
        assert talk.sessions.tolist() == ["11", "12", "11", "11", "99"]
        assert talk.parents.tolist() == [-1, -1, 0, 2, -2]
        assert talk.turns.tolist() == [1, 1, 2, 3, 2]
        assert talk.prefixes.block_tokens == 16
        assert talk.prefixes.of(2) == (13, 77)

    def test_parents_are_counted_over_the_served(self, tmp_path: Path) -> None:
        text = chat(11, -1) + chat(12, -1, input_length=0) + chat(13, 11) + chat(14, 12)
        talk = talk_of(written(tmp_path, text), skip_invalid=True)
        assert talk.parents is not None
        assert talk.sessions is not None
        assert talk.parents.tolist() == [-1, 0, -2]
        assert talk.sessions.tolist() == ["11", "11", "12"]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (chat(1, -1) + chat(5, 5), ":2: a cycle of turns: '5' continues itself"),
            (chat(5, 7) + chat(7, 7), ":2: a cycle of turns: '7' continues itself"),
            (
                chat(5, 7) + chat(6, 5, turn=3) + chat(7, 6, turn=4),
                ":3: a cycle of turns: '7' continues a session that begins with '5' of line 1",
            ),
            (
                chat(1, -1) + chat(5, 7) + chat(7, 1),
                ":3: '7' comes after '5' of line 2, which continues it",
            ),
            (
                chat(1, -1) + chat(5, 1) + chat(6, 5),
                ":3: is turn 2, but continues '5' of line 2, which is turn 2 (the turns of",
            ),
            (
                chat(1, -1) + chat(5, 1, turn=None) + chat(6, 5, turn=0),
                ":3: is turn 0, but continues '5' of line 2, which is turn 1 (the turns of",
            ),
            (chat(1, -1) + chat(5, 1, hash_ids=[1.5]), ":2: column hash_ids is not a list"),
            (chat(1, -1) + chat(5, 1, turn="first"), ":2: column turn is not the number"),
            (chat(1, -1) + chat(5, 1, parent_chat_id=[1]), ":2: column parent_chat_id is not a"),
            (
                chat(1, -1) + chat(5, 1) + chat(5, 1),
                ":3: '5' is the name of the request of line 2 already",
            ),
            (
                chat(1, -1) + chat(5, 1, input_length=64),
                ":2: column hash_ids has 2 ids, where 64 prompt tokens need 4 for blocks of 16",
            ),
            (
                chat(1, -1) + chat(5, 1, input_length=16),
                ":2: column hash_ids has 2 ids, where 16 prompt tokens need 1 for blocks of 16",
            ),
            (chat(1, -1) + chat(5, 1, hash_ids=[4, 4]), ":2: column hash_ids has an id twice, wh"),
        ],
    )
    def test_refused(self, tmp_path: Path, text: str, message: str) -> None:
        path = written(tmp_path, text)
        with pytest.raises(TraceError) as error:
            talk_of(path)
        assert str(error.value).startswith(f"{path}{message}")


class TestOrderOfTurns:
    """Of traces with sessions, requests and parents in columns of their own."""

    HEADER = "ts,in,out,s,n,id,after\n"

    def read(
        self,
        tmp_path: Path,
        *rows: str,
        in_memory_bytes: int = 10**9,
        parents: bool = True,
        **more: Any,
    ) -> Talk:
        columns = {"time": "ts", "prompt": "in", "output": "out", "session": "s", "turn": "n"}
        columns |= {"request": "id", "parent": "after"} if parents else {}
        text = self.HEADER + "".join(f"{at},9,1,{row}\n" for at, row in enumerate(rows))
        described = mapped_format("csv", columns, "s")
        return talk_of(written(tmp_path, text), in_memory_bytes, trace_format=described, **more)

    @pytest.mark.parametrize("in_memory_bytes", [0, 10**9])
    @pytest.mark.parametrize("block_bytes", [1, 1 << 20])
    @pytest.mark.parametrize("parents", [False, True])
    @pytest.mark.parametrize("turns", [(2, 2, 0), (2, 0, 3), (0, 3, 3)])
    def test_turns_of_a_session(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        turns: tuple[int, ...],
        in_memory_bytes: int,
        block_bytes: int,
        *,
        parents: bool,
    ) -> None:
        monkeypatch.setattr(text_blocks, "BLOCK_BYTES", block_bytes)
        rows = [f"ann,{turn},r{turn}{at}," for at, turn in enumerate(turns)]
        bad = 1 if turns[1] <= turns[0] else 2
        others = ["bob,7,x,", "ann,,y,", ",0,z,"]  # of another session, without number, or session
        with pytest.raises(TraceError) as error:
            self.read(
                tmp_path,
                *others,
                *rows,
                in_memory_bytes=in_memory_bytes,
                parents=parents,
            )
        assert str(error.value).endswith(
            f"trace.txt:{bad + 5}: turn {turns[bad]} of session 'ann' comes after turn "
            f"{turns[bad - 1]} of line {bad + 4} (the turns of a session must rise)"
        )

    def test_turns_that_rise(self, tmp_path: Path) -> None:
        rows = ("ann,0,a,", "bob,0,b,", "ann,2,c,", "ann,,d,", ",0,e,", ",0,f,", "ann,3,g,")
        talk = self.read(tmp_path, *rows, parents=False)
        assert talk.turns is not None
        assert talk.turns.tolist() == [0, 0, 2, -1, 0, 0, 3]

    def test_branches_may_have_the_same_turn(self, tmp_path: Path) -> None:
        """A question that was put again; but a later turn without a parent is later than both."""
        rows = ("ann,1,a,", "ann,2,b,a", "ann,2,c,a", "ann,3,d,c", "ann,3,e,b")
        talk = self.read(tmp_path, *rows)
        assert talk.parents is not None
        assert talk.parents.tolist() == [-1, 0, 0, 2, 1]
        with pytest.raises(TraceError, match=":7: turn 3 of session 'ann' comes after turn 3"):
            self.read(tmp_path, *rows, "ann,3,f,")

    def test_a_turn_that_failed_may_be_there_again(self, tmp_path: Path) -> None:
        header = "ts,in,out,s,n\n"
        path = written(tmp_path, f"{header}0,9,1,a,1\n1,9,0,a,2\n2,9,1,a,2\n")
        columns = {"time": "ts", "prompt": "in", "output": "out", "session": "s", "turn": "n"}
        described = replace(mapped_format("csv", columns, "s"), fails_at_zero=True)
        talk = talk_of(path, trace_format=described)
        assert talk.turns is not None
        assert talk.turns.tolist() == [1, 2]

    @pytest.mark.parametrize(
        "rows",
        [
            ("ann,1,a,", "bob,2,b,a"),
            ("ann,1,a,", ",2,b,a", "bob,3,c,b"),
        ],
    )
    @pytest.mark.parametrize("block_bytes", [1, 1 << 20])
    def test_a_parent_of_another_session(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        rows: tuple[str, ...],
        block_bytes: int,
    ) -> None:
        monkeypatch.setattr(text_blocks, "BLOCK_BYTES", block_bytes)
        last = len(rows)
        parent = rows[-1][-1]
        with pytest.raises(TraceError) as error:
            self.read(tmp_path, *rows)
        assert str(error.value).endswith(
            f"trace.txt:{last + 1}: is of session 'bob', but continues '{parent}' of line {last}, "
            "which is of session 'ann'"
        )


class TestOthers:
    def test_mooncake(self, tmp_path: Path) -> None:
        talk = talk_of(written(tmp_path, GOOD["mooncake"]))
        assert talk.prefixes is not None
        assert [talk.prefixes.of(row) for row in range(3)] == [(46, 47, 2353), (46, 2366), ()]
        assert talk.prefixes.block_tokens == 512
        assert talk.sessions is None

    def test_a_first_line_without_hash_ids(self, tmp_path: Path) -> None:
        first = '{"timestamp": 1, "input_length": 1255, "output_length": 52}\n'
        talk = talk_of(written(tmp_path, first + GOOD["mooncake"]))
        assert talk.prefixes is not None
        assert talk.prefixes.of(0) == ()
        assert talk.prefixes.of(1) == (46, 47, 2353)

    def test_burstgpt(self, tmp_path: Path) -> None:
        """Sessions of its later files, of the requests that are served."""
        rows = "0,,1.5,m,1,0,0,x\n7.25,,,m,10,2,12,x\n9.25,3,1,m,5,0,5,x\n10,3,1,m,5,1,6,x\n"
        talk = talk_of(written(tmp_path, BURSTGPT_3 + rows))
        assert talk.sessions is not None
        assert talk.sessions.tolist() == [None, "3"]
        assert talk_of(written(tmp_path, GOOD["burstgpt"])).sessions is None

    def test_columns_of_ones_own(self, tmp_path: Path) -> None:
        """In CSV, ids of blocks are text; a comma in a quoted field is no column."""
        text = 'ts,in,out,id,after,blocks\n0,9,1,a,,"1,2"\n1,9,1,b,a,1 2 3\n2,4,1,c,b,[4]\n'
        columns = {"time": "ts", "prompt": "in", "output": "out"}
        more = {"request": "id", "parent": "after", "prefix": "blocks"}
        described = mapped_format("csv", columns | more, "s", block_tokens=4)
        talk = talk_of(written(tmp_path, text), trace_format=described)
        assert talk.prefixes is not None
        assert talk.sessions is not None
        assert [talk.prefixes.of(row) for row in range(3)] == [(1, 2), (1, 2, 3), (4,)]
        assert talk.sessions.tolist() == ["a", "a", "a"]

    IDS = mapped_format(
        "csv",
        {"time": "ts", "prompt": "in", "output": "out", "prefix": "blocks"},
        "s",
        block_tokens=16,
    )

    @pytest.mark.parametrize("empty", [0, 1, 2])
    def test_csv_without_quotes(self, tmp_path: Path, empty: int) -> None:
        """Ids as text, of which some are missing, or all."""
        ids = ["17 18 40", "-17 18 41 42"][empty:] + [""] * empty
        prompts = [40, 60][empty:] + [10] * empty
        rows = zip(prompts, ids, strict=True)
        text = "ts,in,out,blocks\n" + "".join(f"0,{prompt},10,{text}\n" for prompt, text in rows)
        talk = talk_of(written(tmp_path, text), trace_format=self.IDS)
        assert talk.prefixes is not None
        every = [(17, 18, 40), (-17, 18, 41, 42)][empty:] + [()] * empty
        assert [talk.prefixes.of(row) for row in range(2)] == every

    @pytest.mark.parametrize("ids", ["x y", "17 y", "--5", "1.5", "5-", "9" * 5000, str(2**63)])
    def test_text_that_is_not_ids(self, tmp_path: Path, ids: str) -> None:
        path = written(tmp_path, f"ts,in,out,blocks\n0,16,1,17\n1,16,1,{ids}\n")
        with pytest.raises(TraceError) as error:
            talk_of(path, trace_format=self.IDS)
        assert str(error.value).startswith(
            f"{path}:3: column blocks is not a list of hash ids, which are whole numbers (got "
        )

    def test_a_replay_keeps_it(self, tmp_path: Path) -> None:
        path = written(tmp_path, GOOD["mooncake"])
        replay = Replay(trace=open_trace(path, talk=True), rate_scale=2.0)
        (part,) = replay.parts()
        assert part.times_s.tolist() == pytest.approx([0, 1.5265, 1.527])
        assert part.talk is not None
        assert part.talk.prefixes is not None
        assert part.talk.prefixes.of(0) == (46, 47, 2353)

    def test_left_out_unless_asked_for(self, tmp_path: Path) -> None:
        (part,) = open_trace(written(tmp_path, GOOD["mooncake"])).parts()
        assert part.talk is None


NAMES = st.one_of(st.none(), st.integers(-2, 30), st.sampled_from(["", "a", "-1", "é", '"']))
BLOCKS = st.one_of(
    st.none(), st.lists(st.integers(0, 9), max_size=3), st.sampled_from([[None], [1.5], "1 2"])
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "chat_id": NAMES,
            "timestamp": st.just(1.5),
            "input_length": st.sampled_from([1, 15, 16, 17, 32, 40, 50]),
            "output_length": st.integers(1, 9),
        },
        optional={
            "parent_chat_id": NAMES,
            "turn": st.one_of(st.none(), st.integers(-2, 3), st.just(1.5)),
            "hash_ids": BLOCKS,
        },
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS)
def test_both_parsers_agree(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    """Arrow gives nothing, or what the lines give, which then are without error."""
    path = written(tmp_path, "".join(json.dumps(row) + "\n" for row in rows))
    with closing(open_as(path, "bailian")) as trace:
        more = trace.format.talk.names
        (block,) = trace.rows()
        at_once = parsed_at_once(trace, block, LineParser(path, trace, more=more))
        if at_once is None:
            return
        by_line = LineParser(path, trace, more=more).parsed(block)
    assert at_once.more.keys() == by_line.more.keys() == more.keys()
    assert_same(at_once, by_line)


FIELDS = st.sampled_from(["", "a", "-1", "é", '"', '"x"', " b", "1 2", "[3]", "1.5", "\\"])
TURNS = st.sampled_from(["", "1", "-1", "07", "+2", "2.0", "x"])


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(*[FIELDS] * 4, TURNS), min_size=1, max_size=5))
def test_both_parsers_agree_on_csv(tmp_path: Path, rows: list[tuple[str, ...]]) -> None:
    text = "ts,in,out,s,c,p,b,n\n" + "".join(f"1,2,3,{','.join(row)}\n" for row in rows)
    path = written(tmp_path, text)
    columns = {"time": "ts", "prompt": "in", "output": "out", "class": "c"}
    others = {"session": "s", "turn": "n", "request": "b", "parent": "p"}
    with closing(open_as(path, mapped_format("csv", columns | others, "s"))) as trace:
        more = trace.format.talk.names
        (block,) = trace.rows()
        at_once = parsed_at_once(trace, block, LineParser(path, trace, more=more))
        if at_once is not None:
            assert_same(at_once, LineParser(path, trace, more=more).parsed(block))


def assert_same(at_once: Columns, by_line: Columns) -> None:
    for kind, column in at_once.more.items():
        plain = by_line.more[kind]
        if isinstance(column, Prefixes):
            assert isinstance(plain, Prefixes)
            assert (column.ids.tolist(), column.offsets.tolist()) == (
                plain.ids.tolist(),
                plain.offsets.tolist(),
            )
        else:
            assert not isinstance(plain, Prefixes)
            assert column.tolist() == plain.tolist(), kind
