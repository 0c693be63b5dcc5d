"""Speculative decoding in a scenario: what the keys make, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from cosim.scenario.cluster import ClusterKeys
from inference_sim.models import find_model
from inference_sim.speculative import Speculative
from tests.conftest import Cli
from tests.cosim.builders import SCENARIOS

QUICKSTART = str(SCENARIOS / "quickstart.yaml")
LLAMA = {"model": "meta-llama/Llama-3.1-8B-Instruct", "gpu": "h100-sxm-80gb"}
SMALL = "meta-llama/Llama-3.2-1B-Instruct"


def drafts(keys: dict[str, Any], **scheduler: Any) -> Speculative | None:
    scheduler["speculative"] = {"draft_tokens": 3, "accepted_tokens": 1.5} | keys
    return ClusterKeys(**LLAMA, scheduler=scheduler).config().pool.speculative


def test_what_the_keys_make() -> None:
    assert drafts({}) == Speculative(draft_tokens=3, accepted_tokens=1.5)
    model = drafts({"draft_model": SMALL})
    assert model is not None
    assert (model.draft, model.shares_embeddings) == (find_model(SMALL), False)
    head = drafts({"draft_layers": 1}, kv_cache_dtype="fp8")
    assert head is not None
    assert head.draft is not None
    assert (head.draft.layers, head.draft.kv_bytes_per_value) == (1, 1.0)
    assert head.shares_embeddings


def test_no_drafts_are_none() -> None:
    assert drafts({"draft_tokens": 0, "accepted_tokens": 0}) is None
    assert ClusterKeys(**LLAMA).config().pool.speculative is None


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (
            ["scheduler.speculative={draft_tokens: 3}"],
            "missing key 'accepted_tokens' (Drafts of these that are accepted",
        ),
        (
            ["scheduler.speculative={draft_tokens: 3, accepted_tokens: 4}"],
            "accepted_tokens must be at most draft_tokens, 3 (got 4)",
        ),
        (
            ["scheduler.speculative={draft_tokens: 100, accepted_tokens: 4}"],
            "must be at most 64 (got 100); engines draft 1 to 10 tokens at a time",
        ),
        (
            ["scheduler.speculative={draft_tokens: 3, accepted_tokens: -1}"],
            "must be at least 0",
        ),
        (
            ["scheduler.speculative={draft_tokens: 3, accepted_tokens: 1, draft_layers: 40}"],
            "draft_layers must be at most 32",
        ),
        (
            [
                "scheduler.speculative={draft_tokens: 3, accepted_tokens: 1, draft_layers: 1, "
                f"draft_model: {SMALL}}}"
            ],
            "not from both",
        ),
        (
            [
                "scheduler.speculative={draft_tokens: 3, accepted_tokens: 1, "
                "draft_model: Qwen/Qwen3-0.6B}"
            ],
            "must have the vocabulary of the model",
        ),
        (
            ["scheduler.speculative={draft_tokens: 3, accepted_tokens: 1, draft_model: llama-1b}"],
            "unknown model",
        ),
        (
            ["scheduler.speculative={draft_tokens: 3, accepted_tokens: 1}", "pipeline_parallel=2"],
            "not modelled with pipeline stages",
        ),
        (
            ["scheduler.speculative={draft_tokens: 3, accepted_tokens: 1}", "scheduler.type=orca"],
            "speculative goes with scheduler vllm_v1",
        ),
        (
            [
                "scheduler.speculative={draft_tokens: 3, accepted_tokens: 1}",
                "execution={type: vidur}",
                "model=meta-llama/Llama-2-7b-hf",
                "gpu=a100-sxm-80gb",
                "scheduler.type=vllm_v1",
            ],
            "profiles and kernel tables give times of one token of each sequence only",
        ),
        (
            ["scheduler.speculative={num_speculative_tokens: 3, accepted_tokens: 1}"],
            "unknown key; vLLM's num_speculative_tokens is 'draft_tokens' here",
        ),
        (
            ["scheduler.speculative_config={draft_tokens: 3}"],
            "unknown key; vLLM's speculative_config is 'speculative' here",
        ),
    ],
)
def test_refused(cosim: Cli, settings: list[str], problem: str) -> None:
    options = [part for setting in settings for part in ("--set", f"sites.0.cluster.{setting}")]
    answer = cosim("validate", QUICKSTART, *options)
    assert answer.code == 2
    assert problem in " ".join(answer.err.split())
    assert "Traceback" not in answer.err
