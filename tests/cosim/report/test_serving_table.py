"""The table of the KV cache, of prompts found, and of the requests that did not go smoothly."""

from __future__ import annotations

import re
from dataclasses import replace

from cosim.report.serving_table import serving_table
from cosim.results.kv_cache import KvCache
from cosim.results.totals import Deployment, ServingTotals, TokenCounts
from tests.cosim.summaries import TOTALS

CACHE = KvCache(gib_per_gpu=51.4375, tokens=421_376, sequences=12.859, sequence_tokens=32_768)
DEPLOYMENT = Deployment(model="m", gpu="g", uncalibrated="", power_uncalibrated="", kv_cache=CACHE)
FOUND = TokenCounts(prompt=1000, output=10, prefilled=1_000_000, cached=2_750_000)


def rows(totals: ServingTotals) -> dict[str, str]:
    return dict(re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td></tr>", serving_table(totals)))


def test_nothing_is_said_where_there_is_nothing() -> None:
    """Of an old summary too, which has no size of the cache."""
    assert serving_table(TOTALS) == ""
    old = replace(DEPLOYMENT, kv_cache=None)
    assert serving_table(replace(TOTALS, deployment=old)) == ""
    none_found = TokenCounts(prompt=1000, output=10, prefilled=1000, cached=0)
    assert serving_table(replace(TOTALS, tokens=none_found)) == ""
    quiet = replace(TOTALS.requests, timed_out=0, retried=0, given_up=0, cut_sessions=0)
    assert serving_table(replace(TOTALS, requests=quiet)) == ""


def test_the_size_of_the_cache() -> None:
    size = "421,376 tokens, 12.86 requests of 32,768; 51.44 GiB on each GPU"
    assert rows(replace(TOTALS, deployment=DEPLOYMENT)) == {"KV cache of a replica": size}
    offload = replace(DEPLOYMENT, kv_cache=replace(CACHE, host_gib=64.0, host_tokens=524_288))
    assert rows(replace(TOTALS, deployment=offload)) == {
        "KV cache of a replica": size,
        "host memory behind it": "524,288 tokens; 64 GiB",
    }


def test_where_prompts_came_from() -> None:
    assert rows(replace(TOTALS, tokens=FOUND)) == {
        "prompt tokens computed": "1,000,000 (26.7 %)",
        "prompt tokens found in KV caches": "2,750,000 (73.3 %)",
    }
    assert rows(replace(TOTALS, tokens=replace(FOUND, cached=0, loaded=3_000_000))) == {
        "prompt tokens computed": "1,000,000 (25.0 %)",
        "prompt tokens found in KV caches": "0 (0.0 %)",
        "prompt tokens loaded from host memory": "3,000,000 (75.0 %)",
    }


def test_requests_that_did_not_go_smoothly() -> None:
    requests = replace(
        TOTALS.requests, preemptions=1234, timed_out=5, retried=4, given_up=1, cut_sessions=12
    )
    assert rows(replace(TOTALS, requests=requests)) == {
        "preemptions": "1,234",
        "requests timed out": "5",
        "requests sent again": "4",
        "requests failed for good": "1",
        "sessions cut at max_model_len": "12",
    }
