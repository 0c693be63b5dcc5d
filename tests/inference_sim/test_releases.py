"""Releases of vLLM: what differs in their schedulers beside the replayed schedules."""

from __future__ import annotations

import pytest

from calibration.schedules import LinearTimes
from inference_sim.errors import InferenceSimError
from inference_sim.scheduling.releases import find_release
from inference_sim.workload import Arrival
from tests.inference_sim.builders import config, serve


@pytest.mark.parametrize(("release", "iterations"), [("0.11", 1), ("0.33", 2)])
def test_a_request_that_arrives_in_an_iteration(release: str, iterations: int) -> None:
    """0.33 has planned the next iteration by then: it starts in the second one after it."""
    deployment = config(scheduler="vllm_v1", release=release)
    alone, (first,) = serve(deployment, [Arrival(0.0, 64, 100, 0)])
    assert alone.completed == 1
    step_s = (first.finish_s - first.first_token_s) / 99
    arrives_s = first.first_token_s + 10.5 * step_s
    _, (_, second) = serve(deployment, [Arrival(0.0, 64, 100, 0), Arrival(arrives_s, 64, 1, 0)])
    begins = first.first_token_s + (10 + iterations) * step_s
    assert second.scheduled_s == pytest.approx(begins, abs=step_s / 10)


def test_an_idle_engine_takes_what_arrives_at_once() -> None:
    deployment = config(scheduler="vllm_v1", release="0.33")
    _, requests = serve(deployment, [Arrival(1.0, 64, 10, 0)] * 3 + [Arrival(9.0, 64, 10, 0)])
    assert [request.scheduled_s for request in requests] == [1.0, 1.0, 1.0, 9.0]


@pytest.mark.parametrize("stepwise", [False, True])
def test_what_arrives_behind_one_that_does_not_fit_is_seen_in_its_turn(stepwise: bool) -> None:
    """The first decodes until 0.21 s; the second has not fitted beside it, the third is new."""
    deployment = config(
        scheduler="vllm_v1",
        release="0.33",
        kv_blocks=10,
        max_model_len=150,
        stages=lambda stage: LinearTimes(0.01, 1e-4, 0.0, 0.0, 0.0),
        stepwise=stepwise,
    )
    stream = [Arrival(0.0, 100, 20, 0), Arrival(0.1, 60, 5, 0), Arrival(0.205, 16, 5, 0)]
    _, requests = serve(deployment, stream)
    starts_s = [request.scheduled_s for request in requests]
    assert starts_s == pytest.approx([0.0, 0.21, 0.21 + 0.01 + 60e-4], abs=1e-9)


def test_a_prompt_is_admitted_by_its_first_chunk_or_as_a_whole() -> None:
    """There is room for the first chunk of the second prompt, not for all of it."""
    stream = [Arrival(0.0, 480, 200, 0), Arrival(0.5, 480, 10, 0)]
    starts = {}
    for release in ("0.11", "0.33"):
        deployment = config(
            scheduler="vllm_v1", release=release, kv_blocks=50, max_batch_tokens=128
        )
        _, (first, second) = serve(deployment, stream)
        starts[release] = second.scheduled_s
        assert (second.scheduled_s >= first.finish_s) == (release == "0.33")
        assert (second.preemptions > 0) == (release == "0.11")  # again and again
    assert starts["0.11"] < starts["0.33"]


def test_unknown_release() -> None:
    with pytest.raises(InferenceSimError, match=r"release of vLLM '0\.12'; there are 0\.11, 0\.33"):
        find_release("0.12")


@pytest.mark.parametrize("key", [{"release": "0.33"}, {"prefix_caching": True}])
def test_only_v1_has_releases(key: dict[str, object]) -> None:
    with pytest.raises(InferenceSimError, match="goes with scheduler vllm_v1"):
        config(scheduler="sarathi", **key).check()
