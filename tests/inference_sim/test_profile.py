"""Execution from profile files: Vidur's own where they are at hand, and small hand-written ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from inference_sim.errors import InferenceSimError
from inference_sim.execution import Stage, find_engine
from inference_sim.execution.profile import ProfiledTimes, ProfileFiles, profile_execution
from inference_sim.execution.vidur_fit import vidur_execution
from inference_sim.hardware import find_gpu, find_node
from inference_sim.models import ModelSpec, find_model

DATA = Path(__file__).parents[3] / "shared" / "data" / "vidur_profiles"
A100, DGX = find_gpu("a100-sxm-80gb"), find_node("dgx")
LLAMA3_8B = find_model("meta-llama/Meta-Llama-3-8B")
TINY = ModelSpec(
    "tiny",
    layers=4,
    hidden_size=256,
    query_heads=8,
    kv_heads=4,
    ffn_size=1024,
    vocab_size=1000,
    max_context_tokens=4096,
)
SHAPE = {"n_embd": 256, "n_kv_head": 4, "num_tensor_parallel_workers": 1}
MLP_SHAPE = {**SHAPE, "n_head": 8, "n_expanded_embd": 1024}
OPERATIONS = ("attn_pre_proj", "attn_rope", "attn_post_proj", "mlp_up_proj", "mlp_act")


def write(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    rows = list(rows)
    lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def mlp_row(tokens: int, **changes: Any) -> dict[str, Any]:
    """All operations take 1 us, the down projection 10 us and 0.1 us a token."""
    medians = {f"time_stats.{name}.median": 0.001 for name in OPERATIONS}
    down = {"time_stats.mlp_down_proj.median": 0.01 + 1e-4 * tokens}
    return {"num_tokens": tokens, **MLP_SHAPE, **medians, **down, **changes}


def attention_row(batch: int, chunk: int, kv: int, **changes: Any) -> dict[str, Any]:
    """Prefill 10 ns a pair; decode 2 us and 10 ns a token, at least 5 us; KV save 1 us."""
    return {
        **SHAPE,
        "n_q_head": 8,
        "batch_size": batch,
        "prefill_chunk_size": chunk,
        "kv_cache_size": kv,
        "time_stats.attn_prefill.median": 1e-5 * chunk * (chunk + 2 * kv),
        "time_stats.attn_decode.median": 0.0 if chunk else max(0.002 + 1e-5 * batch * kv, 0.005),
        "time_stats.attn_kv_cache_save.median": 0.001,
        **changes,
    }


@pytest.fixture
def mlp(tmp_path: Path) -> Path:
    return write(tmp_path / "mlp.csv", [mlp_row(tokens) for tokens in (8, 64, 128, 256)])


@pytest.fixture
def attention(tmp_path: Path) -> Path:
    prompts = [attention_row(1, chunk, kv) for kv in (0, 64, 256) for chunk in (16, 32, 64, 128)]
    decodes = [attention_row(batch, 0, kv) for kv in (64, 256, 512) for batch in (1, 4, 16)]
    return write(tmp_path / "attention.csv", prompts + decodes)


def times(model: ModelSpec, tensor_parallel: int = 1, **files: Any) -> ProfiledTimes:
    return ProfiledTimes(model, A100, ProfileFiles(**files), tensor_parallel, DGX)


class TestHandWritten:
    def test_interpolated_over_tokens(self, mlp: Path) -> None:
        got = times(TINY, mlp=mlp)
        for tokens in (8, 32, 100, 256):
            assert got.dense_ms(tokens) == pytest.approx(0.015 + 1e-4 * tokens)
        assert got.extrapolated == {}

    def test_extrapolated_along_the_trend_and_flagged(self, mlp: Path) -> None:
        got = times(TINY, mlp=mlp)
        assert got.dense_ms(1000) == pytest.approx(0.015 + 0.1)
        assert got.dense_ms(300) == pytest.approx(0.015 + 0.03)
        assert got.extrapolated == {"mlp.csv: tokens": 1000}

    def test_operations_that_a_model_lacks(self, tmp_path: Path) -> None:
        """Norms and the residual count where they are given."""
        norm = {"time_stats.input_layernorm.median": 0.5}
        path = write(tmp_path / "mlp.csv", [mlp_row(tokens, **norm) for tokens in (8, 16)])
        assert times(TINY, mlp=path).dense_ms(8) == pytest.approx(0.5158)

    def test_repeated_measurements_are_averaged(self, tmp_path: Path) -> None:
        slow = {"time_stats.attn_rope.median": 0.003}
        path = write(tmp_path / "mlp.csv", [mlp_row(8), mlp_row(8, **slow), mlp_row(16)])
        assert times(TINY, mlp=path).dense_ms(8) == pytest.approx(0.0168)

    def test_prefill_attention(self, mlp: Path, attention: Path) -> None:
        got = times(TINY, mlp=mlp, attention=attention)
        assert got.prefill_attention_ms(64, 0) == pytest.approx(1e-5 * 64 * 64)
        assert got.prefill_attention_ms(64, 160) == pytest.approx(1e-5 * 64 * (64 + 320))
        assert got.extrapolated == {}
        assert got.prefill_attention_ms(64, 512) == pytest.approx(1e-5 * 64 * (64 + 1024))
        assert got.extrapolated == {"attention.csv: kv_cache_size": 512}

    def test_decode_attention_is_a_floor_and_a_line(self, mlp: Path, attention: Path) -> None:
        got = times(TINY, mlp=mlp, attention=attention).decode_attention(4)
        assert got.floor_ms == pytest.approx(0.005)
        assert got.ms == pytest.approx(0.002)
        assert got.ms_per_context == pytest.approx(1e-5)

    def test_kv_save(self, mlp: Path, attention: Path) -> None:
        assert times(TINY, mlp=mlp, attention=attention).kv_save_ms(5, prefill=True) == 0.001

    def test_without_attention_it_is_the_rooflines(self, mlp: Path) -> None:
        got, kernels = times(TINY, mlp=mlp), A100.kernels
        pairs_s = 2 * 256 * 100 * 100 / (A100.peak_flops * kernels.e_prefill)
        assert got.prefill_attention_ms(100, 0) == pytest.approx(pairs_s * 1e3)
        read_s = TINY.kv_bytes_per_token_per_layer() / (A100.peak_bytes_per_s * kernels.e_kv)
        assert got.decode_attention(3).ms_per_context == pytest.approx(read_s * 1e3)

    def test_links(self, mlp: Path, tmp_path: Path) -> None:
        def link_rows(name: str, workers: int) -> list[dict[str, Any]]:
            key = f"time_stats.{name}.median"
            each = {"num_workers": workers, "devices_per_node": workers}
            return [{"size": size, key: size * 1e-6, **each} for size in (2**11, 2**20)]

        rows = [mlp_row(n, num_tensor_parallel_workers=2) for n in (8, 256)]
        two = write(tmp_path / "mlp2.csv", rows)
        reduce = write(tmp_path / "all_reduce.csv", link_rows("all_reduce", 2))
        send = write(tmp_path / "send_recv.csv", link_rows("send_recv", 2))
        got = times(TINY, 2, mlp=two, all_reduce=reduce, send_recv=send)
        assert got.all_reduce_ms(100) == pytest.approx(0.02 + 2 * 256 * 100 * 1e-6)
        assert got.hand_over_ms(100) == pytest.approx(2 * 256 * 100 * 1e-6)
        without = times(TINY, 2, mlp=two)
        assert (
            without.all_reduce_ms(100) > 0.02 + DGX.all_reduce_link(A100.name, 2).latency_us / 1e3
        )

    def test_execution(self, mlp: Path, attention: Path) -> None:
        """The parts come together; FLOPs are causal, the engine's own time is added."""
        files, engine = ProfileFiles(mlp=mlp, attention=attention), find_engine("vllm-0.11")
        execution = profile_execution(TINY, A100, files, engine=engine)
        assert execution.peak_flops == A100.peak_flops
        cost = execution.iteration([(64, 0)], 1)
        layer_ms = 0.015 + 0.0064 + 1e-5 * 64 * 64 + 0.001
        assert cost.gpu_s == pytest.approx(4e-3 * layer_ms)
        assert cost.sampling_s == engine.sequence_sampling_s(TINY.vocab_size)
        parameters = 256 * (256 + 256 + 256) + 3 * 256 * 1024
        assert cost.flops == pytest.approx(4 * (2 * 64 * parameters + 4 * 256 * 64 * 32))
        first = profile_execution(TINY, A100, files, stage=Stage(2, last=False), engine=engine)
        assert first.iteration([(64, 0)], 1).sampling_s == 0.0


class TestBadFiles:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"n_embd": 4096}, r"mlp\.csv: has no rows with n_embd 256 \(it has 4096\)"),
            ({"n_expanded_embd": 7}, r"no rows with n_expanded_embd 1024 \(it has 7\)"),
            (
                {"num_tensor_parallel_workers": 4},
                r"no rows with num_tensor_parallel_workers 1 \(it has 4\)",
            ),
            (
                {"time_stats.mlp_act.median": "fast"},
                r"mlp\.csv:2: column time_stats\.mlp_act\.median is not a number from 0 "
                r"\(got 'fast'\)",
            ),
            ({"time_stats.mlp_act.median": -1.0}, r"mlp\.csv:2: .* is not a number from 0"),
            ({"num_tokens": 8}, r"has a single num_tokens \(8\)"),
        ],
    )
    def test_rows(self, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
        path = write(tmp_path / "mlp.csv", [mlp_row(n, **changes) for n in (8, 16)])
        with pytest.raises(InferenceSimError, match=message):
            times(TINY, mlp=path)

    def test_a_missing_column(self, tmp_path: Path) -> None:
        rows = [mlp_row(tokens) for tokens in (8, 16)]
        for row in rows:
            del row["time_stats.attn_rope.median"], row["n_head"]
        path = write(tmp_path / "mlp.csv", rows)
        message = r"mlp\.csv:1: the header lacks n_head, time_stats\.attn_rope\.median"
        with pytest.raises(InferenceSimError, match=message):
            times(TINY, mlp=path)

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(InferenceSimError, match=r"gone\.csv: cannot be read as CSV"):
            times(TINY, mlp=tmp_path / "gone.csv")

    def test_an_attention_file_without_decodes(self, mlp: Path, tmp_path: Path) -> None:
        path = write(tmp_path / "attention.csv", [attention_row(1, n, 0) for n in (16, 32)])
        with pytest.raises(InferenceSimError, match=r"has no rows of time_stats\.attn_decode"):
            times(TINY, mlp=mlp, attention=path)

    def test_a_network_file_without_that_width(self, tmp_path: Path) -> None:
        rows = [mlp_row(n, num_tensor_parallel_workers=2) for n in (8, 16)]
        key = "time_stats.all_reduce.median"
        wide = [{"size": n, key: 0.1, "num_workers": 4, "devices_per_node": 4} for n in (1, 2)]
        with pytest.raises(InferenceSimError, match=r"no rows with num_workers 2 \(it has 4\)"):
            times(
                TINY,
                2,
                mlp=write(tmp_path / "mlp.csv", rows),
                all_reduce=write(tmp_path / "all_reduce.csv", wide),
            )


def vidur_file(name: str) -> Path:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"the profile {name} is not here")
    return path


class TestVidursOwn:
    @pytest.mark.parametrize("model", ["Meta-Llama-3-8B", "Llama-2-7b-hf"])
    @pytest.mark.parametrize("tensor_parallel", [1, 2, 4])
    def test_the_shipped_coefficients_are_the_profile(
        self, model: str, tensor_parallel: int
    ) -> None:
        """Within 2 % at every profiled token count up to 4096."""
        spec = find_model(f"meta-llama/{model}")
        path = vidur_file(f"compute/a100/meta-llama/{model}/mlp.csv")
        profiled = times(spec, tensor_parallel, mlp=path)
        fitted = vidur_execution(spec, A100, tensor_parallel, node=DGX).times
        counts = [*range(8, 1024, 8), *range(1024, 2048, 16), *range(2048, 4097, 32)]
        ratios = [fitted.dense_ms(n) / profiled.dense_ms(n) for n in counts]
        assert max(ratios) < 1.021
        assert min(ratios) > 0.979
        assert sum(ratios) / len(ratios) == pytest.approx(1, abs=0.002)

    def test_links(self) -> None:
        """Within a third of the straight lines that the node types have: they are rough."""
        files = {
            name: vidur_file(f"network/a100_dgx/{name}.csv") for name in ("all_reduce", "send_recv")
        }
        mlp = vidur_file("compute/a100/meta-llama/Meta-Llama-3-8B/mlp.csv")
        profiled = times(LLAMA3_8B, 4, mlp=mlp, **files)
        straight = times(LLAMA3_8B, 4, mlp=mlp)
        for tokens in (1024, 2048, 4096):
            got, line = profiled.all_reduce_ms(tokens), straight.all_reduce_ms(tokens)
            assert got == pytest.approx(line, rel=0.34)
            got, line = profiled.hand_over_ms(tokens), straight.hand_over_ms(tokens)
            assert got == pytest.approx(line, rel=0.34)

    def test_a_width_that_was_not_profiled(self) -> None:
        mlp = vidur_file("compute/a100/meta-llama/Meta-Llama-3-8B/mlp.csv")
        message = r"no rows with num_tensor_parallel_workers 16 \(it has 1, 2, 4, 8\)"
        with pytest.raises(InferenceSimError, match=message):
            times(LLAMA3_8B, 16, mlp=mlp)

    def test_a_model_that_was_not_profiled(self) -> None:
        mlp = vidur_file("compute/a100/meta-llama/Meta-Llama-3-8B/mlp.csv")
        with pytest.raises(InferenceSimError, match=r"no rows with n_kv_head 32 \(it has 8\)"):
            times(find_model("meta-llama/Llama-2-7b-hf"), mlp=mlp)

    def test_beyond_the_profile(self) -> None:
        mlp = vidur_file("compute/a100/meta-llama/Llama-2-7b-hf/mlp.csv")
        got = times(find_model("meta-llama/Llama-2-7b-hf"), mlp=mlp)
        assert got.dense_ms(8192) == pytest.approx(2 * got.dense_ms(4096), rel=0.05)
        assert got.extrapolated == {"mlp.csv: tokens": 8192}
