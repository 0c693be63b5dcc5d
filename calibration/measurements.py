"""The measurements that engines are fitted on, and the choice of those that count.

ML.ENERGY leaderboards v2 and v3 (Chung et al., NeurIPS Datasets and Benchmarks 2025): steady,
saturated vLLM runs. Prompt lengths are not published; the assumptions on the workloads stand here.

A table of one's own has the same columns, of which ``model``, ``engine``, ``gpu_model``,
``num_gpus``, ``workload``, ``avg_batch_size``, ``avg_output_len``, ``output_tokens_per_s``,
``avg_power_per_gpu_w`` and one of ``median_itl_s`` and ``mean_itl_s`` are needed. A column
``avg_prompt_len`` holds the mean length of the prompts, which a workload outside `PROMPT_TOKENS`
needs, and ``num_request_repeats`` how often each of them was sent to an engine that caches
prefixes. Engines, GPUs and models may be those of the catalogs, too.
"""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cosim.calibrate.steady_state import Load
from inference_sim.errors import InferenceSimError
from inference_sim.execution.engine_profile import engine_names
from inference_sim.files.catalogue import read_data
from inference_sim.hardware import gpu_names
from inference_sim.models import PRECISIONS, ModelSpec, find_model, model_names

GPUS = {
    "A100-SXM4-40GB": "a100-sxm-40gb",
    "A100-SXM4-80GB": "a100-sxm-80gb",
    "H100-SXM5-80GB": "h100-sxm-80gb",
    "H100": "h100-sxm-80gb",
    "H200": "h200-sxm-141gb",
    "B200": "b200-sxm-180gb",
    "L40S": "l40s",
}
_RELEASES = ((17, "vllm-0.17"), (10, "vllm-0.11"), (5, "vllm-0.5.4"))
"""Profiles by the release of vLLM from which they are taken, as 0.x, the latest first."""
_PRECISIONS = {"bfloat16": "bf16", "float16": "bf16"}
MODELS = {  # measured under another name than the catalogue's, same shapes
    "codellama/CodeLlama-34b-hf": "codellama/CodeLlama-34b-Instruct-hf",
    "meta-llama/Meta-Llama-3.1-8B-Instruct": "meta-llama/Llama-3.1-8B-Instruct",
    "meta-llama/Meta-Llama-3.1-70B-Instruct": "meta-llama/Llama-3.1-70B-Instruct",
    "meta-llama/Meta-Llama-3.1-405B-Instruct": "meta-llama/Llama-3.1-405B-Instruct",
    "Qwen/Qwen3-30B-A3B-Thinking-2507": "Qwen/Qwen3-30B-A3B",
    "Qwen/Qwen3-Coder-30B-A3B-Instruct": "Qwen/Qwen3-30B-A3B",
    "Qwen/Qwen3-30B-A3B-Instruct-2507": "Qwen/Qwen3-30B-A3B",
    "Qwen/Qwen3-235B-A22B-Instruct-2507": "Qwen/Qwen3-235B-A22B",
    "Qwen/Qwen3-235B-A22B-Thinking-2507": "Qwen/Qwen3-235B-A22B",
    "Qwen/Qwen3-235B-A22B-Instruct-2507-FP8": "Qwen/Qwen3-235B-A22B-FP8",
    "Qwen/Qwen3-235B-A22B-Thinking-2507-FP8": "Qwen/Qwen3-235B-A22B-FP8",
    "meta-llama/Llama-3.3-70B-Instruct": "meta-llama/Llama-3.1-70B-Instruct",
}
HYBRIDS = ("nvidia/NVIDIA-Nemotron-Nano-9B-v2", "nvidia/NVIDIA-Nemotron-Nano-12B-v2")
SPARSE_ATTENTION = ("microsoft/Phi-3-small-8k-instruct",)
STALLED = 1.6  # batch / (inter-token latency * throughput) above which a run waits for other things

BATCHES = ((0, 33), (33, 130), (130, 260), (260, 520), (520, 5000))
CHAT_PROMPTS = (0.0, 150.0, 450.0, 800.0)
"""Mean prompt lengths of chats to try, beside the assumed one [tokens]."""

PROMPT_TOKENS = {
    "lm-arena-chat": 300,
    "gpqa": 300,
    "sourcegraph-fim": 2000,
    "sharegpt-chat": 85,
    "evalplus-code": 150,
}
"""Mean prompt length by workload [tokens]: guesses. That of lm-arena-chat is the one that fits
the H100's throughput best; the B200 was left out. The v3 client sends large batches several times
over (``request_repeats.yaml``): of such a prompt only the first use is computed, and the prefix
cache holds the others. The stalls in the data, batch / (ITL * throughput), fall exactly where
repeats begin."""

OUTPUT_CV2 = {
    "lm-arena-chat": 0.7,
    "gpqa": 0.0,
    "sourcegraph-fim": 0.9,
    "sharegpt-chat": 0.7,
    "evalplus-code": 0.7,
}
"""Squared coefficient of variation of the output lengths. gpqa runs serve a few waves of requests
that start together, so the length bias of a steady state does not build up: 0."""

GREEDY = frozenset({"evalplus-code"})
"""Workloads that take the likeliest token. The others sample with top-p 0.95 at temperature 0.8,
which sorts the vocabulary, as the clients of both leaderboards do (benchmark_client.py of
github.com/ml-energy/leaderboard, mlenergy/llm/benchmark.py of github.com/ml-energy/benchmark)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One measured run of one replica.

    Attributes:
        engine: Engine version, or the name of an engine profile.
        cap: Most sequences that may run (max_num_seqs).
        itl_s: Median over gaps (vllm-0.11) or an iteration mean [s].
        expert_parallel: Groups of GPUs that hold different experts.
        prompt_tokens: Mean length of the prompts; None where it is not published.
        repeats: How often each prompt was sent; all but the first find it in the prefix cache.
    """

    engine: str
    label: str
    model: ModelSpec
    gpu: str
    gpus: int
    workload: str
    cap: int
    batch: float
    output_tokens: float
    tokens_per_s: float
    itl_s: float
    power_w: float
    expert_parallel: int = 1
    prompt_tokens: float | None = None
    repeats: int = 1

    @property
    def kind(self) -> str:
        """Dense, or a mixture of experts."""
        return "MoE" if self.model.experts else "dense"

    @property
    def name(self) -> str:
        """Model, width and workload, to print."""
        return f"{self.label.split('/')[-1]}, {self.gpus} GPU, {self.workload}"

    @property
    def batch_range(self) -> str:
        """The range of batches that it is counted in."""
        low, high = next(edges for edges in BATCHES if edges[0] <= self.batch < edges[1])
        return f"{low} to {high - 1}" if high < BATCHES[-1][1] else f"{low} and more"

    @property
    def greedy(self) -> bool:
        """Whether it took the likeliest token, with no sampling of the vocabulary."""
        return self.workload in GREEDY

    @property
    def stall(self) -> float:
        """batch / (inter-token latency * throughput); 1 if the engine only decodes."""
        return self.batch / (self.itl_s * self.tokens_per_s)

    @property
    def itl_counts(self) -> bool:
        """Whether most iterations carry no prompt, so that the gap is comparable."""
        return self.batch < self.output_tokens / 2

    def load(self, chat_prompt_tokens: float | None = None) -> Load:
        """Return the load of the run; `chat_prompt_tokens` replaces the guess for chats."""
        prompt = self.prompt_tokens
        if prompt is None:
            prompt = float(PROMPT_TOKENS[self.workload])
        if chat_prompt_tokens is not None and self.workload.endswith("chat"):
            prompt = chat_prompt_tokens
        return Load(
            self.batch,
            prompt,
            self.output_tokens,
            OUTPUT_CV2.get(self.workload, 0.7),
            cached_tokens=prompt * (1 - 1 / self.repeats),
        )


class _LeftOut(Exception):
    """Reason why a row is not compared."""


def read(path: Path) -> tuple[list[Row], Counter[str]]:
    """Return the rows to compare the simulator with, and the counts of others by reason.

    Rows that are shown apart (see ``engines``) are among those returned.

    Raises:
        InferenceSimError: If the file cannot be read, or a cell is missing or not a number.
    """
    rows, left_out = [], Counter[str]()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            for cells in reader:
                try:
                    rows.append(_row(_Cells(cells, f"{path}:{reader.line_num}")))
                except _LeftOut as reason:
                    left_out[str(reason)] += 1
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InferenceSimError(f"{path}: cannot be read as CSV: {error}") from None
    return rows, left_out


@dataclass(frozen=True, slots=True)
class _Cells:
    """Cells of a line by column."""

    cells: Mapping[str, str | None]
    place: str

    def text(self, column: str, default: str | None = None) -> str:
        value = (self.cells.get(column) or "").strip() or default
        if value is None:
            raise InferenceSimError(f"{self.place}: '{column}' is missing")
        return value

    def number(self, column: str, default: str | None = None) -> float:
        text = self.text(column, default)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 < value < math.inf:
            raise InferenceSimError(
                f"{self.place}: '{column}' must be a number above 0 (got {text!r})"
            )
        return value

    def count(self, column: str, default: str | None = None) -> int:
        value = self.number(column, default)
        if value != int(value):
            raise InferenceSimError(
                f"{self.place}: '{column}' must be a whole number (got {value:g})"
            )
        return int(value)


def _row(line: _Cells) -> Row:
    name = line.text("model")
    if name in HYBRIDS:
        raise _LeftOut("Mamba-transformer hybrids (Nemotron Nano 9B and 12B v2)")
    if name in SPARSE_ATTENTION:
        raise _LeftOut("block-sparse attention (Phi-3-small-8k)")
    if line.count("pp", "1") > 1:
        raise _LeftOut("pipelines over 2 nodes, whose network is not described")
    if line.text("flag_throughput_below_smaller_batch", "False") == "True":
        raise _LeftOut("flagged in the data: slower than a smaller batch (host-bound)")
    replicas, expert_parallel = line.count("dp", "1"), line.count("ep", "1")
    if replicas > 1 and expert_parallel > 1:
        raise _LeftOut("attention split by sequences beside experts (dp with ep)")
    gpu = GPUS.get(line.text("gpu_model"), line.text("gpu_model"))
    model = _known_model(name, line)
    if gpu not in gpu_names():
        raise _LeftOut(f"the catalog has no GPU '{gpu}'")
    workload = line.text("workload")
    prompt_tokens = None
    if line.text("avg_prompt_len", ""):
        prompt_tokens = line.number("avg_prompt_len")
    elif workload not in PROMPT_TOKENS:
        raise _LeftOut(f"no 'avg_prompt_len', and no length is assumed for workload '{workload}'")
    cap = line.count("max_num_seqs", str(math.ceil(line.number("avg_batch_size"))))
    row = Row(
        engine=_engine(line.text("engine")),
        label=name,
        model=model,
        gpu=gpu,
        gpus=line.count("num_gpus") // replicas,
        workload=workload,
        cap=cap,
        batch=line.number("avg_batch_size") / replicas,
        output_tokens=line.number("avg_output_len"),
        tokens_per_s=line.number("output_tokens_per_s") / replicas,
        itl_s=line.number("median_itl_s" if line.text("median_itl_s", "") else "mean_itl_s"),
        power_w=line.number("avg_power_per_gpu_w"),
        expert_parallel=expert_parallel,
        prompt_tokens=prompt_tokens,
        repeats=line.count("num_request_repeats", str(repeats_of(workload, name, gpu, cap))),
    )
    if row.engine == "vllm-0.11" and row.stall > STALLED:
        raise _LeftOut(f"stalled: batch / (ITL * throughput) above {STALLED}")
    return row


def repeats_of(workload: str, model: str, gpu: str, cap: int) -> int:
    """Return how often the clients of ML.ENERGY v3 sent each prompt."""
    of_workload = read_data(__package__, "request_repeats.yaml").get(workload, {"*": {}})
    by_gpu = of_workload.get(model, of_workload["*"])
    steps: list[list[int]] = next((by_gpu[name] for name in by_gpu if GPUS[name] == gpu), [])
    return max((times for from_cap, times in steps if cap >= from_cap), default=1)


def _known_model(name: str, line: _Cells) -> ModelSpec:
    """Return the model in the row's precision."""
    precision = line.text("precision", "")
    precision = _PRECISIONS.get(precision, precision)
    known = MODELS.get(name, name)
    if known not in model_names():
        raise _LeftOut(f"the catalog has no model '{name}'")
    if precision and precision not in PRECISIONS:
        raise _LeftOut(f"{precision} weights are not modelled")
    model = find_model(known)
    return model.with_precision(precision) if precision else model


def _engine(text: str) -> str:
    """Return the engine version that a text like "vLLM 0.11.1" names, or a profile's name."""
    release = re.match(r"vLLM v?0\.(\d+)", text)
    for since, profile in _RELEASES:
        if release and int(release[1]) >= since:
            return profile
    if text not in engine_names():
        raise _LeftOut(f"no engine profile for '{text}'")
    return text


def same(rows: Iterable[Row], row: Row) -> list[Row]:
    """Return the rows of the same deployment and workload as `row`, by batch."""
    key = (row.engine, row.label, row.gpu, row.gpus, row.workload)
    alike = [r for r in rows if (r.engine, r.label, r.gpu, r.gpus, r.workload) == key]
    return sorted(alike, key=lambda other: other.batch)
