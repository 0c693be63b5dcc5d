"""Building kernel tables: a made-up package with the real one's interface, and the real one."""

from __future__ import annotations

import enum
import importlib.util
import json
import math
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from cosim.calibrate.kernels.build import build_table, points
from cosim.calibrate.kernels.package import PACKAGE, VERSION, Subject
from cosim.errors import CosimError, ScenarioError
from inference_sim.execution import Roofline, find_engine
from inference_sim.execution.kernel_table import KernelTable, TableModel, read_kernel_table
from inference_sim.execution.kernels import KernelExecution
from inference_sim.hardware import find_gpu
from inference_sim.models import find_model
from tests.conftest import Cli

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
H100 = "h100-sxm-80gb"
CONTEXTS = {1: 4096, 4: 2048, 16: 512}


class Precision(enum.Enum):
    bfloat16, fp8, fp8_block, half = range(4)


class Handle:
    """Iterations: linear in tokens, prompts in their pairs, decodes in their context [ms]."""

    def __init__(self, package: Package, engine: str, config: dict[str, Any], options: Any) -> None:
        self.package, self.engine, self.config, self.options = package, engine, config, options

    def run_static_per_op(
        self, *, batch_size: int, isl: int, osl: int, mode: str, prefix: int = 0
    ) -> Any:
        self.package.calls += 1
        each = (
            100.0
            if self.engine == "vllm" and self.options["gemm_quant_mode"] == "fp8_block"
            else 1.0
        )
        if mode == "static_gen":
            context = isl + osl - 1
            assert context <= CONTEXTS[min(b for b in CONTEXTS if b >= batch_size)]
            attention = 0.2 + 0.001 * batch_size + 2e-5 * batch_size * context
            tokens = sampled = batch_size
        else:
            new = isl - prefix
            tokens, sampled = new, 1
            attention = 0.3 + 1e-6 * new * (new + 2 * prefix)
            if isl > 2048:
                attention = math.nan  # beyond its measurements: not to be used
            if 0 < prefix < 200:
                attention /= 2  # the launch as a share
        rows = [
            ("x_norm", 0.25, 0.0, "empirical"),
            ("x_qkv_gemm", each * (0.5 + 0.01 * tokens), 0.0, "silicon"),
            ("x_attention", attention, 0.0, "mixed"),
            ("x_logits_gemm", 0.1 + 0.001 * sampled, 0.0, "silicon"),
            ("x_ar", 0.25, 0.0, self.package.reduce_source),
        ]
        return (None, rows) if mode == "static_gen" else (rows, None)


class Package:
    """As much of aiconfigurator_core.sdk as is used."""

    def __init__(self) -> None:
        self.calls, self.reduce_source, self.handles = 0, "silicon", []
        self.engines = ("sglang", "vllm")
        self.engine = SimpleNamespace(EngineHandle=SimpleNamespace(compile=self.compile))
        self.perf_database = SimpleNamespace(get_database=self.get_database)
        loads = SimpleNamespace(load_data=lambda database: None)
        names = ("GEMM", "CustomAllReduce", "ContextAttention", "GenerationAttention", "MoE")
        self.operations = SimpleNamespace(**dict.fromkeys(names, loads))

    def compile(self, folder: str, system: str, engine: str, **options: Any) -> Handle:
        assert system == "h100_sxm"
        config = json.loads(Path(folder, "config.json").read_text(encoding="utf-8"))
        handle = Handle(self, engine, config, options)
        self.handles.append(handle)
        return handle

    def get_database(self, system: str, engine: str, version: str) -> Any:
        assert (system, version) == ("h100_sxm", "current")
        if engine not in self.engines:
            return None
        one, cache = Precision.bfloat16, Precision.bfloat16
        lengths = {16: {1: 0.0}, 2048: {1: 0.0}}
        contexts = {batch: {2: 0.0, most: 0.0} for batch, most in CONTEXTS.items()}
        by_heads = {
            8: {128: {0: {16: lengths, 40: lengths}}},
            2: {128: {0: {8: lengths, 16: lengths}}},
        }
        decodes = {8: {128: {0: {32: contexts}}}, 2: {128: {0: {8: contexts, 16: contexts}}}}
        reduces = {"AUTO": {128: {}, 2 * 4096 * 1000: {}}}
        experts = {8: {128: {2048: {768: {1: {2: {9: {}, 512: {}}}}}}}}
        sizes = {1: {65536: {}}, 4096: {128: {}, 65536: {}}}
        return SimpleNamespace(
            version=f"{engine} 1",
            _gemm_data={one: sizes, Precision.fp8_block: sizes},
            _custom_allreduce_data={Precision.half: dict.fromkeys((2, 4), reduces)},
            _context_attention_data={one: {cache: by_heads}},
            _generation_attention_data={cache: decodes},
            _moe_data={one: {"power_law_1.2": experts}},
        )


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Package:
    made_up, sdk = Package(), ModuleType("aiconfigurator_core.sdk")
    monkeypatch.setitem(sys.modules, "aiconfigurator_core", ModuleType("aiconfigurator_core"))
    monkeypatch.setitem(sys.modules, "aiconfigurator_core.sdk", sdk)
    for name in ("engine", "perf_database", "operations"):
        setattr(sdk, name, getattr(made_up, name))
        monkeypatch.setitem(sys.modules, f"aiconfigurator_core.sdk.{name}", ModuleType(name))
    monkeypatch.setattr("cosim.calibrate.kernels.package.version", lambda name: "0.12.7")
    return made_up


def build(model: str = LLAMA, engine: str = "sglang", width: int = 1, **more: Any) -> KernelTable:
    precision, groups = more.pop("precision", None), more.pop("groups", 1)
    shape = TableModel.of(find_model(model, precision))
    return build_table(Subject(shape, more.pop("gpu", H100), engine, width, groups))


def test_points_are_close_where_they_are_few() -> None:
    assert points(10, 1) == (1, 2, 4, 8, 10)
    assert points(16, 8)[:8] == (1, 2, 3, 4, 5, 6, 7, 8)
    assert points(1, 4) == (1,)


def test_a_table_gives_back_what_the_package_says(package: Package) -> None:
    table = build()
    assert (table.engine_version, table.most_prompt_tokens) == ("sglang 1", 2048)
    assert table.sources == "aiconfigurator-core 0.12.7: sglang sglang 1 on h100-sxm-80gb"
    assert "Apache License, Version 2.0" in table.notice
    assert (table.layers.most, table.decode_attention.batch[-1]) == (4096, 16)
    for tokens in (1, 100, 3000):
        assert table.layers(tokens) == pytest.approx(1e-3 + tokens * 1e-5)
    assert table.head(7) == pytest.approx(0.107e-3, rel=1e-4)
    for new, before in ((64, 0), (1024, 0), (500, 512), (1000, 1000)):
        expected_s = (0.3 + 1e-6 * new * (new + 2 * before)) * 1e-3
        assert table.prompt_attention_s(new, before) == pytest.approx(expected_s, rel=0.01)
    decode = table.decode_attention
    assert decode.worst_error == pytest.approx(0.0, abs=1e-6)
    assert decode.seconds_per_context == pytest.approx([2e-8] * len(decode.batch))
    assert decode.seconds[-1] == pytest.approx(0.216e-3)
    assert dict(zip(decode.batch, decode.most_context, strict=True))[3] == 2048
    assert table.extrapolated == ("the LM head (wider than any measured product)",)
    assert 300 < package.calls < 1500


def test_a_chunk_is_not_faster_with_tokens_before_it(package: Package) -> None:
    table = build()
    for new in (1, 64, 512):
        assert table.prompt_attention_s(new, 128) >= table.prompt_attention_s(new, 0)


def test_the_package_is_given_a_file_and_never_a_name(package: Package) -> None:
    build(width=4)
    (handle,) = package.handles
    assert handle.config["architectures"] == ["LlamaForCausalLM"]
    assert (handle.config["num_hidden_layers"], handle.config["vocab_size"]) == (32, 128256)
    assert handle.options["tp_size"] == 4
    assert "moe_quant_mode" not in handle.options


def test_all_reduces_end_earlier(package: Package) -> None:
    assert build(width=4).layers.most == 1000


def test_experts_of_just_this_shape(package: Package) -> None:
    table = build("Qwen/Qwen3-30B-A3B", width=2, groups=2)
    assert table.layers.most == 512
    assert table.expert_parallel == 2
    (handle,) = package.handles
    assert handle.config["architectures"] == ["Qwen3MoeForCausalLM"]  # normalizes its queries
    assert (handle.config["num_experts"], handle.config["moe_intermediate_size"]) == (128, 768)
    assert (handle.options["moe_tp_size"], handle.options["moe_ep_size"]) == (1, 2)
    for model, groups in (("Qwen/Qwen3-30B-A3B", 1), ("mistralai/Mixtral-8x7B-Instruct-v0.1", 2)):
        with pytest.raises(ScenarioError, match="no measurements of experts of this shape in bf"):
            build(model, width=4 if "Mixtral" in model else 2, groups=groups)


def test_products_in_fp8_block_are_sglangs(package: Package) -> None:
    """The made-up vLLM takes a hundred times as long, as the real one does for small batches."""
    table = build(engine="vllm", precision="fp8_block")
    assert table.layers(100) == pytest.approx(2e-3)
    assert any("fp8_block from SGLang's table" in note for note in table.notes)
    assert [handle.engine for handle in package.handles] == ["vllm", "sglang"]


def test_what_is_not_measured_is_refused(package: Package) -> None:
    with pytest.raises(ScenarioError, match=r"no measurements of h20-sxm-96gb \(it has a100"):
        build(gpu="h20-sxm-96gb")
    with pytest.raises(ScenarioError, match="has no measurements of trtllm on h100-sxm-80gb"):
        build(engine="trtllm")
    with pytest.raises(ScenarioError, match="no measurements of products in int4_wo"):
        build(precision="int4")
    with pytest.raises(ScenarioError, match="no measurements of products in int8"):
        build(precision="int8")
    package.reduce_source = "empirical"
    with pytest.raises(ScenarioError, match=r"x_ar, only an estimate \(empirical\)"):
        build()


def test_another_series_of_the_package_is_refused(
    package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cosim.calibrate.kernels.package.version", lambda name: "0.13.0")
    with pytest.raises(CosimError, match=r"aiconfigurator-core 0\.12: pip .* \(found 0\.13\.0\)"):
        build()
    pinned = (Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8")
    assert f'"{PACKAGE}=={VERSION}.*"' in pinned


class TestCommand:
    ARGUMENTS = ("kernels", "build", "--model", LLAMA, "--gpu", H100, "--engine", "sglang")

    def test_it_writes_a_table_that_a_scenario_can_name(
        self, cosim: Cli, package: Package, tmp_path: Path
    ) -> None:
        out = tmp_path / "t.json"
        answer = cosim(*self.ARGUMENTS, "-o", out)
        assert answer.code == 0
        assert (
            "contexts of decodes     up to 4,096 at a batch of 1, 512 at a batch of 16"
            in answer.out
        )
        assert "execution: {type: kernels, table: ./t.json}" in answer.out
        assert read_kernel_table(out) == build()
        assert [each.name for each in tmp_path.iterdir()] == ["t.json"]

    def test_without_the_package_it_names_the_extra(
        self, cosim: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setitem(sys.modules, "aiconfigurator_core.sdk.engine", None)
        answer = cosim(*self.ARGUMENTS, "-o", tmp_path / "t.json")
        assert answer.code == 1
        assert "pip install 'carbon-cosim[kernels]'" in answer.err
        assert not list(tmp_path.iterdir())

    def test_a_model_that_no_table_holds(self, cosim: Cli, tmp_path: Path) -> None:
        arguments = [*self.ARGUMENTS]
        arguments[3] = "deepseek-ai/DeepSeek-V3"
        answer = cosim(*arguments, "--tp", "8", "-o", tmp_path / "t.json")
        assert answer.code == 2
        assert "kernel tables do not hold latent attention" in answer.err


@pytest.mark.skipif(
    importlib.util.find_spec("aiconfigurator_core") is None,
    reason="needs NVIDIA's package: pip install '.[kernels]'",
)
def test_the_real_package_and_the_roofline_are_not_far_apart() -> None:
    """Two accounts of the same kernels: an unlike unit or a lost operation would be far off."""
    gpu, model = find_gpu(H100), find_model(LLAMA)
    roofline = Roofline(model, gpu, find_engine("none"))
    for engine in ("vllm", "sglang", "trtllm"):
        execution = KernelExecution(build(engine=engine), roofline)
        for batch in (1, 32, 128):
            one, other = (each.decode(batch).at(batch * 1000) for each in (execution, roofline))
            assert one.gpu_s == pytest.approx(other.gpu_s, rel=0.1)
        for tokens in (512, 4096):
            one, other = (each.iteration([(tokens, 0)], 1) for each in (execution, roofline))
            assert one.gpu_s == pytest.approx(other.gpu_s, rel=0.1)
    with pytest.raises(CosimError, match="all-reduces of 16 GPUs"):
        build("meta-llama/Llama-3.1-70B-Instruct", width=16)
