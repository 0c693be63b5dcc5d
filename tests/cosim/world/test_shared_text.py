"""What requests share, as planners take it: by hand, and in a real trace."""

from __future__ import annotations

import pytest

from cosim.world.shared_text import shared_tokens
from inference_sim.workload import trace_stream
from inference_sim.workload.replay import Replay
from inference_sim.workload.stream import Arrival
from inference_sim.workload.traces import open_trace
from tests.cosim.builders import REPOSITORY

MOONCAKE = REPOSITORY.parent / "shared" / "data" / "traces" / "mooncake_conversation_trace.jsonl"


def arrival(prompt: tuple[tuple[int, int], ...] | None, answer: int = 99) -> Arrival:
    tokens = 100 if prompt is None else sum(part for _, part in prompt)
    return Arrival(0.0, tokens, 20, 0, prompt, answer)


def test_by_hand() -> None:
    assert shared_tokens([]) == 0
    assert shared_tokens([arrival(None), arrival(None)]) == 0
    alike = [arrival(((0, 50), (1, 30)), 7), arrival(((0, 50), (2, 30)))]
    assert shared_tokens(alike) == 50 / 2
    # part of a stream, and an answer that is continued
    shorter = arrival(((0, 40),))
    next_turn = arrival(((0, 50), (1, 30), (7, 20), (3, 10)))
    assert shared_tokens([*alike, shorter, next_turn]) == (50 + 40 + 100) / 4
    # the same stream after another text is another text
    assert shared_tokens([arrival(((0, 50), (1, 30))), arrival(((2, 50), (1, 30)))]) == 0


def test_a_prompt_is_found_to_its_end_at_most() -> None:
    whole = arrival(((0, 50),), 7)
    assert shared_tokens([whole, arrival(((0, 50), (7, 20)), 8), whole]) == (70 + 50 - 0) / 3


def test_as_much_as_an_unbounded_cache_finds_in_a_trace() -> None:
    if not MOONCAKE.is_file():
        pytest.skip(f"NOT CHECKED: the conversations of Mooncake are not at {MOONCAKE}")
    arrivals = list(trace_stream(Replay(trace=open_trace(MOONCAKE, talk=True)), 1))
    prompts = sum(arrival.prompt_tokens for arrival in arrivals)
    assert len(arrivals) * shared_tokens(arrivals) / prompts == pytest.approx(0.374, abs=0.003)
