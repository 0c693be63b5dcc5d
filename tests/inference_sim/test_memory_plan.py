"""The KV cache as vLLM plans it: what it logged, where it does not start, and its defaults."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from inference_sim.errors import InferenceSimError, ModelDoesNotFit
from inference_sim.hardware import find_gpu
from inference_sim.kv_groups import KvGroups
from inference_sim.memory_plan import GIB
from inference_sim.models import find_model
from inference_sim.pool_config import PoolConfig
from inference_sim.pool_limits import check_pool
from inference_sim.power import TwoResource
from inference_sim.scheduling.defaults import release_defaults
from inference_sim.scheduling.releases import RELEASES

H100 = "h100-sxm-80gb"
LLAMA_70B = {"model": "meta-llama/Llama-3.1-70B-Instruct", "precision": "fp8"}


def pool(
    model: str, precision: str | None = None, gpu: str = H100, release: str = "0.11", **keys: Any
) -> PoolConfig:
    """A pool with the defaults of a release."""
    board = find_gpu(gpu)
    defaults = release_defaults(release)
    batch = defaults.batch(board)
    values: dict[str, Any] = {
        "model": find_model(model, precision),
        "gpu": board,
        "power": TwoResource.of(board),
        "release": release,
        "batch_cap": batch.batch_cap,
        "max_batch_tokens": batch.max_batch_tokens,
        "memory_utilisation": defaults.memory_utilisation,
        "prefix_caching": defaults.prefix_caching,
    }
    return PoolConfig(**values | keys)


LOGGED = [
    ({"model": "meta-llama/Llama-3.1-8B-Instruct"}, 51.38),
    ({"model": "Qwen/Qwen3-32B"}, 4.45),
    ({"model": "openai/gpt-oss-20b"}, 50.28),
    ({"model": "openai/gpt-oss-120b", "memory_utilisation": 0.95}, 3.33),
    ({**LLAMA_70B, "tensor_parallel": 2}, 32.0),
    ({"model": "Qwen/Qwen3-235B-A22B-FP8", "tensor_parallel": 4}, 8.11),
    ({"model": "openai/gpt-oss-20b", "gpu": "a100-sxm-80gb", "memory_utilisation": 0.65}, 36.56),
]


@pytest.mark.parametrize(("keys", "gib"), LOGGED, ids=[keys["model"] for keys, _ in LOGGED])
def test_available_kv_cache_memory_as_vllm_logs_it(keys: dict[str, Any], gib: float) -> None:
    plan = pool(**keys).memory_plan
    assert plan is not None
    assert plan.kv_bytes / GIB == pytest.approx(gib, rel=0.03)


@pytest.mark.parametrize(
    ("model", "gib"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", 4.76),
        ("Qwen/Qwen3-32B", 5.64),
        ("meta-llama/Llama-3.1-70B-Instruct", 4.84),
        ("openai/gpt-oss-20b", 7.38),
        ("openai/gpt-oss-120b", 7.38),
    ],
)
def test_peak_of_the_profiling_run_as_vllm_logs_it(model: str, gib: float) -> None:
    plan = pool(model).memory_plan
    assert plan is not None
    assert plan.peak_bytes / GIB == pytest.approx(gib, rel=0.03)
    assert plan.sampler_bytes > plan.forward_bytes


def test_the_forward_pass_is_the_peak_where_few_are_sampled() -> None:
    """By hand, Llama-3.1-8B: 2 x 4096 values of the residual and 3 x 14336 of the MLP a token."""
    plan = pool(
        "meta-llama/Llama-3.1-8B-Instruct", batch_cap=16, max_batch_tokens=32768
    ).memory_plan
    assert plan is not None
    assert plan.forward_bytes == 32768 * 2 * (2 * 4096 + 3 * 14336)
    assert plan.peak_bytes == plan.forward_bytes > plan.sampler_bytes


@pytest.mark.parametrize(
    ("keys", "missing"),
    [(LLAMA_70B, 1.44), ({"model": "openai/gpt-oss-120b"}, 0.65)],
)
def test_vllm_does_not_start(keys: dict[str, Any], missing: float) -> None:
    """It logged -1.44 GiB for the first; the second runs at 95 % of the memory, not at 90 %."""
    with pytest.raises(ModelDoesNotFit) as caught:
        check_pool(pool(**keys))
    text = str(caught.value)
    assert "does not start with" in text
    assert "lower batch_cap, raise memory_utilisation (gpu_memory_utilization)" in text
    gib = float(text.split(" GiB are missing")[0].rsplit(" ", 1)[1])
    assert gib == pytest.approx(missing, abs=0.2)
    check_pool(pool(**keys, batch_cap=64, max_model_len=4096))  # fewer logits to sort


def test_gpt_oss_120b_starts_on_one_h100_with_fewer_sequences_or_a_shorter_context() -> None:
    gpt = pool("openai/gpt-oss-120b", batch_cap=256)
    check_pool(gpt)
    more = pool("openai/gpt-oss-120b", memory_utilisation=0.95, max_model_len=87_472)
    check_pool(more)
    with pytest.raises(ModelDoesNotFit, match="set max_model_len to 87,472 or less"):
        check_pool(replace(more, max_model_len=None))


def test_a_request_of_the_longest_length_must_fit() -> None:
    """vLLM refuses Qwen3-32B on one H100 with its whole context, and names the length that fits."""
    qwen = pool("Qwen/Qwen3-32B")
    with pytest.raises(ModelDoesNotFit, match="set max_model_len to 18,432 or less"):
        check_pool(qwen)
    check_pool(replace(qwen, max_model_len=18_432))
    with pytest.raises(ModelDoesNotFit):
        check_pool(replace(qwen, max_model_len=18_433))
    check_pool(replace(qwen, memory_utilisation=0.99, max_model_len=40_000))


@pytest.mark.parametrize("release", ["0.11", "0.33"])
def test_windows_count_for_the_longest_length(release: str) -> None:
    """Full layers hold all of it, windowed ones their window and what is computed at once."""
    gpt = pool("openai/gpt-oss-20b", release=release)
    size = gpt.kv_cache_size()
    in_flight = 8192 * (2 if release == "0.33" else 1)
    most = 131_072 // 16 + -(-(127 + in_flight) // 16) + 1
    assert size.sequences == gpt.blocks() / most
    assert size.tokens == gpt.blocks() // 2 * 16
    assert gpt.block_bytes == 12 * 2 * 8 * 64 * 2 * 16


def test_windows_hold_more_sequences() -> None:
    """gemma-3-27b at 8k: one full group of 512 blocks and six of a window; whole, seven of 512."""
    gemma = pool("google/gemma-3-27b-it", max_model_len=32_768)
    assert gemma.kv_groups == KvGroups(1, 6, 1024, 10)
    windowed = gemma.sequences_held(8192)
    whole = gemma.blocks() / (7 * 512)
    assert windowed / whole == pytest.approx(7 * 512 / (512 + 6 * 64.5))
    for name in ("openai/gpt-oss-20b", "openai/gpt-oss-120b"):
        gpt = pool(name, memory_utilisation=0.95)
        whole = gpt.blocks() / (2 * 2048 / 16)
        fewer = 1 - whole / gpt.sequences_held(2048)
        assert 0.4 < fewer < 0.5


def test_fp8_halves_the_cache_of_a_token() -> None:
    llama = pool("meta-llama/Llama-3.1-8B-Instruct")
    small = replace(llama, model=replace(llama.model, kv_bytes_per_value=1.0))
    assert small.block_bytes == llama.block_bytes / 2
    assert small.kv_cache_size().tokens == pytest.approx(2 * llama.kv_cache_size().tokens, rel=1e-4)
    gib = llama.kv_cache_size().gib_per_gpu
    assert small.kv_cache_size().gib_per_gpu == pytest.approx(gib, rel=1e-4)


def test_blocks_of_other_sizes_hold_the_same_memory() -> None:
    llama = pool("meta-llama/Llama-3.1-8B-Instruct")
    for size in (1, 32, 128):
        other = replace(llama, block_size=size).kv_cache_size()
        assert other.tokens == pytest.approx(llama.kv_cache_size().tokens, rel=1e-3)
        assert other.gib_per_gpu == pytest.approx(llama.kv_cache_size().gib_per_gpu, rel=1e-3)
    plain = replace(llama, release=None, prefix_caching=False)
    assert replace(plain, block_size=32).blocks() == pytest.approx(plain.blocks() / 2, abs=1)


def test_without_a_release_memory_is_a_plain_share() -> None:
    gpt = replace(pool("openai/gpt-oss-120b"), release=None, prefix_caching=False)
    assert gpt.memory_plan is None
    assert gpt.kv_groups == KvGroups(1, 0, 0, 36)
    size = gpt.kv_cache_size()
    assert size.gib_per_gpu == pytest.approx(72 - gpt.model.weight_bytes / GIB, rel=1e-3)
    assert size.tokens == gpt.blocks() * 16
    assert size.sequences == gpt.blocks() * 16 / 131_072


@pytest.mark.parametrize(
    ("release", "gpu", "batch"),
    [
        ("0.11", H100, (1024, 8192)),
        ("0.11", "h200-sxm-141gb", (1024, 8192)),
        ("0.11", "b200-sxm-180gb", (1024, 8192)),
        ("0.11", "a100-sxm-80gb", (256, 2048)),
        ("0.11", "a100-sxm-40gb", (256, 2048)),
        ("0.11", "l40s", (256, 2048)),
        ("0.33", H100, (1024, 8192)),
        ("0.33", "h200-sxm-141gb", (1024, 8192)),
        ("0.33", "b200-sxm-180gb", (1024, 16384)),
        ("0.33", "a100-sxm-80gb", (256, 2048)),
        ("0.33", "a40", (256, 2048)),
    ],
)
def test_default_caps(release: str, gpu: str, batch: tuple[int, int]) -> None:
    found = release_defaults(release).batch(find_gpu(gpu))
    assert (found.batch_cap, found.max_batch_tokens) == batch


def test_every_release_has_defaults() -> None:
    for name in RELEASES:
        defaults = release_defaults(name)
        assert defaults.prefix_caching
        assert defaults.memory_utilisation == {"0.11": 0.9, "0.33": 0.92}[name]


def test_memory_outside_torch_grows_with_the_gpus_of_a_layer() -> None:
    defaults = release_defaults("0.11")
    widths = [defaults.non_torch_bytes(width) / GIB for width in (1, 2, 3, 4, 8)]
    assert widths == [0.13, 0.55, 0.55, 2.47, 2.47]


def test_weights_as_loaded_belong_to_a_precision() -> None:
    gpt = find_model("openai/gpt-oss-20b")
    assert gpt.loaded_bytes / GIB == 13.72
    assert gpt.with_precision("mxfp4") == gpt
    assert gpt.with_precision("bf16").loaded_bytes == gpt.with_precision("bf16").weight_bytes


def test_a_board_of_ones_own_has_its_own_memory(tmp_path: Any) -> None:
    path = tmp_path / "nvl.yaml"
    path.write_text(f"base: {H100}\nmemory_gib: 94\n")
    assert find_gpu(str(path)).usable_memory_gib == 94
    path = tmp_path / "slow.yaml"
    path.write_text(f"base: {H100}\nmax_w: 500\n")
    assert find_gpu(str(path)).usable_memory_gib == 79.18


def test_of_pipeline_stages_the_last_one_decides() -> None:
    """By hand, Llama-3.1-8B on two H100: the last stage has the LM head, and samples."""
    llama = pool("meta-llama/Llama-3.1-8B-Instruct", pipeline_parallel=2)
    model, plan = llama.model, llama.memory_plan
    assert plan is not None
    assert (plan.stage.layers, plan.stage.first, plan.stage.last) == (16, False, True)
    head = 128_256 * 4096 * 2
    assert plan.weight_bytes == (model.weight_bytes - 2 * head) / 2 + head
    free = 0.9 * 79.18 * GIB - 0.13 * GIB - plan.peak_bytes - plan.weight_bytes
    assert llama.blocks() == int(free // (16 * 2 * 8 * 128 * 2 * 16)) - 1
    few = replace(llama, batch_cap=16).memory_plan  # it samples few, and is as full as the first
    assert few is not None
    assert few.peak_bytes == few.forward_bytes
    tied = pool("google/gemma-2-2b-it", pipeline_parallel=2)
    assert tied.memory_plan is not None
    head = tied.model.vocab_size * tied.model.hidden_size * 2
    assert tied.memory_plan.weight_bytes == (tied.model.weight_bytes - head) / 2 + head


def test_more_stages_than_layers_are_refused() -> None:
    with pytest.raises(InferenceSimError, match="too few for 64 pipeline stages"):
        check_pool(pool("meta-llama/Llama-3.1-8B-Instruct", pipeline_parallel=64))


def test_blocks_that_are_set_have_to_fit() -> None:
    """A board of 79.18 GiB keeps 64.22 beside weights of 14.96: 32,882 blocks of 2 MiB."""
    llama = "meta-llama/Llama-3.1-8B-Instruct"
    check_pool(pool(llama, kv_blocks=32_882))
    message = "100,000 kv_blocks take 195.31 GiB of each .* at most 32,882 fit"
    with pytest.raises(ModelDoesNotFit, match=message):
        check_pool(pool(llama, kv_blocks=100_000))
    check_pool(pool(llama, kv_blocks=100_000, tensor_parallel=8))
