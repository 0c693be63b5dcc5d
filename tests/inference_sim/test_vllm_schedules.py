"""Schedules of vLLM's own scheduler, and vLLM's rules written out plainly, by iteration."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from calibration.schedules import (
    LinearTimes,
    compare,
    engine_of,
    main,
    replay,
    requests_of,
    serve_requests,
)
from inference_sim.prefix_cache import PrefixCache
from inference_sim.request import Outcome, Request
from inference_sim.scheduling.releases import RELEASES
from tests.inference_sim.plain_vllm import PlainVllm
from tests.samples import examples

SCHEDULES = Path(__file__).parents[3] / "shared" / "reference" / "vllm_schedules"
FILES = sorted(SCHEDULES.glob("*.json"))
TIMES = {
    "constant": 8e-3,
    "per_prompt_token": 4e-5,
    "per_decode": 2e-5,
    "per_decode_context_token": 1e-8,
    "per_prompt_attention": 1e-10,
}


@pytest.mark.skipif(not FILES, reason=f"the schedules of vLLM are not in {SCHEDULES}")
@pytest.mark.parametrize("stepwise", [False, True], ids=["segments", "stepwise"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_same_as_vllm(path: Path, stepwise: bool) -> None:
    comparison = compare(path, stepwise=stepwise)
    assert comparison.first_difference() == ""
    assert comparison.same


@pytest.mark.skipif(not FILES, reason=f"the schedules of vLLM are not in {SCHEDULES}")
@pytest.mark.parametrize(
    "path",
    [
        pytest.param(
            one,
            marks=()
            if "turns_scarce" in one.stem
            else pytest.mark.nightly("the plain rules on all cached schedules; every day on two"),
            id=one.stem,
        )
        for one in FILES
        if "cached" in one.stem
    ],
)
def test_the_plain_rules_are_vllms(path: Path) -> None:
    schedule = json.loads(path.read_text(encoding="utf-8"))
    recorded = compare(path).recorded
    iterations, _ = serve_plainly(schedule)
    assert len(iterations) == len(recorded)
    assert all(one.equals(other) for one, other in zip(iterations, recorded, strict=True))


def serve_plainly(schedule: dict[str, Any]) -> Any:
    release = RELEASES[".".join(schedule["engine"].split()[-1].split(".")[:2])]
    plain = PlainVllm(
        schedule["usable_kv_blocks"],
        schedule["max_num_seqs"],
        schedule["max_num_batched_tokens"],
        release,
        LinearTimes(**schedule["iteration_s"]),
        caching=schedule["prefix_caching"],
    )
    return plain.serve(drawn_requests(schedule))


def drawn_requests(schedule: dict[str, Any]) -> list[Request]:
    """The requests of a schedule; vLLM's records have answers that are all alike."""
    requests = requests_of(schedule)
    for request, entry in zip(requests, schedule["requests"], strict=True):
        request.answer_stream = entry.get("answer", request.answer_stream)
    return requests


@st.composite
def schedules(draw: st.DrawFn, *, hasty: bool = False) -> dict[str, Any]:
    """A small engine with little memory, and prompts that share beginnings.

    Each answer is a text of its own. If `hasty`, all are alike, and one may be continued before it
    has ended.
    """
    rng = random.Random(draw(st.integers(0, 2**32)))  # noqa: S311
    requests: list[dict[str, Any]] = []
    talks: list[list[list[int]]] = []  # with their answers: none is continued before it has ended
    pace = draw(st.sampled_from([2.0, 10.0, 40.0]))
    stream = 100
    rounds = draw(st.integers(1, 3))
    for start_s in [0.0, 0.2, 0.4][:rounds] if hasty else [0.0, 100.0, 200.0][:rounds]:
        time_s, begun = start_s, []
        for _ in range(draw(st.integers(1, 15))):
            time_s += rng.choice([0.0, rng.expovariate(pace)])
            if talks and rng.random() < 0.5:  # a later turn, or the beginning of one
                prompt = [list(run) for run in rng.choice(talks)]
                if rng.random() < 0.3:
                    prompt = prompt[: rng.randint(1, len(prompt))]
                    prompt[-1][1] = rng.randint(1, prompt[-1][1])
            else:
                prompt = [[rng.randint(0, 2), rng.choice([16, 32, 40, 100])]]
            if rng.random() < 0.7:
                prompt.append([stream, rng.choice([1, 15, 16, 17, rng.randint(1, 80)])])
            answer = 7 if hasty else 1000 + stream
            stream += 1
            output = rng.choice([1, 2, 16, rng.randint(1, 60)])
            requests.append(
                {"arrival_s": time_s, "prompt": prompt, "output_tokens": output, "answer": answer}
            )
            begun.append([*prompt, [answer, output]])
        talks += begun
    requests.sort(key=lambda one: one["arrival_s"])
    longest = max(
        sum(tokens for _, tokens in one["prompt"]) + one["output_tokens"] for one in requests
    )
    return {
        "engine": "vLLM " + draw(st.sampled_from(["0.11.0", "0.33.0"])),
        "usable_kv_blocks": -(-longest // 16) + draw(st.integers(0, 40)),
        "max_num_seqs": draw(st.integers(1, 12)),
        "max_num_batched_tokens": draw(st.sampled_from([32, 64, 300, 8192])),
        "prefix_caching": draw(st.booleans()),
        "iteration_s": TIMES,
        "requests": requests,
    }


@settings(max_examples=examples(150))
@given(schedule=schedules())
def test_same_as_the_plain_rules(schedule: dict[str, Any]) -> None:
    expected, _ = serve_plainly(schedule)
    requests = drawn_requests(schedule)
    iterations = replay(schedule, requests)
    for number, (here, plain) in enumerate(zip(iterations, expected, strict=False)):
        assert here.equals(plain), f"iteration {number}: {here} instead of {plain}"
    assert len(iterations) == len(expected)
    evictions = sum(request.preemptions for request in requests)
    event(f"evictions: {'some' if evictions else 'none'}")


@settings(max_examples=examples(100))
@given(schedule=schedules(hasty=True))
def test_blocks_are_conserved_whatever_prompts_hold(schedule: dict[str, Any]) -> None:
    """Even where a prompt quotes an answer that has not ended, as recorded turns may."""
    schedule["prefix_caching"] = True
    requests = drawn_requests(schedule)
    engine = engine_of(schedule)
    serve_requests(engine, requests)
    cache = engine.kv
    assert isinstance(cache, PrefixCache)
    assert cache.free == cache.blocks == cache.count_free()
    assert all(request.outcome is Outcome.COMPLETED for request in requests)
    assert all(not request.kv_copies for request in requests)


def test_the_command_refuses_other_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in (("page.md", "# A page"), ("other.json", "{}"), ("list.json", "[1]")):
        path = tmp_path / name
        path.write_text(text)
        assert main([str(path)]) == 2
        assert capsys.readouterr().err.startswith(f"error: {path}: not a schedule")
    assert main([str(tmp_path / "missing.json")]) == 2


def test_the_command_says_what_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schedule = {
        "engine": "vLLM v1 scheduler 0.11.0",
        "usable_kv_blocks": 10,
        "max_num_seqs": 4,
        "max_num_batched_tokens": 64,
        "prefix_caching": False,
        "iteration_s": TIMES,
        "requests": [{"arrival_s": 0.5, "prompt": [[1, 40]], "output_tokens": 2}],
        "iterations": [[0.5, [[0, 40, 0]], 0, []], [0.50960008, [], 1, []]],
        "results": [[0.50960008, 0.51762049, 0]],
    }
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(schedule))
    assert main([str(good)]) == 0
    assert capsys.readouterr().out == "good: 2 of 2 iterations equal\n"
    schedule["iterations"] = [[0.5, [[0, 32, 0]], 0, []], [0.50960008, [], 1, []]]
    bad.write_text(json.dumps(schedule))
    assert main([str(good), str(bad)]) == 1
    assert "bad: 1 of 2 iterations equal; iteration 0: vLLM" in capsys.readouterr().out
