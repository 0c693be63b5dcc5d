"""The size of the KV cache in a summary: that of the engine's blocks, and of host memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from cosim.results.kv_cache import KvCache
from cosim.results.totals import ServingTotals
from tests.cosim.builders import edited, run_text

TOKEN_BYTES = 32 * 2 * 8 * 128 * 2  # layers, keys and values, heads, their size, bfloat16
GIB = 2**30


@pytest.mark.parametrize("host_gib", [None, 64])
def test_it_follows_from_the_bytes_of_a_token(tmp_path: Path, host_gib: float | None) -> None:
    keys = "gpu: h100-sxm-80gb\n      scheduler: {kv_blocks: 700, max_model_len: 2048}\n"
    if host_gib is not None:
        keys += f"      kv_offload: {{host_gib: {host_gib}, host_gb_per_s: 50}}\n"
    ran = run_text(tmp_path, edited(("gpu: h100-sxm-80gb\n", keys)))
    site = ran.result.summary.sites["dc"]
    assert isinstance(site, ServingTotals)
    assert site.deployment is not None
    assert site.deployment.kv_cache == KvCache(
        gib_per_gpu=700 * 16 * TOKEN_BYTES / GIB,
        tokens=700 * 16,
        sequences=700 * 16 / 2048,
        sequence_tokens=2048,
        host_gib=host_gib,
        host_tokens=None if host_gib is None else host_gib * GIB // TOKEN_BYTES,
    )
