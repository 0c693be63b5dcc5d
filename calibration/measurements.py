"""The measurements that engines are fitted on, and the choice of those that count.

ML.ENERGY leaderboards v2 and v3 (Chung et al., NeurIPS Datasets and Benchmarks 2025): steady,
saturated vLLM runs. Prompt lengths are not published; the assumptions on the workloads stand here.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cosim.calibrate.steady_state import Load
from inference_sim.models import ModelSpec, find_model

GPUS = {
    "A100-SXM4-40GB": "a100-sxm-40gb",
    "H100-SXM5-80GB": "h100-sxm-80gb",
    "B200": "b200-sxm-180gb",
}
ENGINES = {"vLLM 0.5.4 (ML.ENERGY image)": "vllm-0.5.4", "vLLM 0.11.1": "vllm-0.11"}
MODELS = {  # measured under another name than the catalogue's, same shapes
    "codellama/CodeLlama-34b-hf": "codellama/CodeLlama-34b-Instruct-hf",
    "meta-llama/Meta-Llama-3.1-8B-Instruct": "meta-llama/Llama-3.1-8B-Instruct",
    "meta-llama/Meta-Llama-3.1-70B-Instruct": "meta-llama/Llama-3.1-70B-Instruct",
    "meta-llama/Meta-Llama-3.1-405B-Instruct": "meta-llama/Llama-3.1-405B-Instruct",
    "Qwen/Qwen3-30B-A3B-Thinking-2507": "Qwen/Qwen3-30B-A3B",
    "Qwen/Qwen3-Coder-30B-A3B-Instruct": "Qwen/Qwen3-30B-A3B",
    "Qwen/Qwen3-30B-A3B-Instruct-2507": "Qwen/Qwen3-30B-A3B",
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
the H100's throughput best; the B200 was left out. All prompts are computed: the v3 client sends
1,024 of them, up to 6 times over (num_request_repeats in github.com/ml-energy/benchmark), but
between two uses of one the others fill more of the KV cache than there is beside the batch."""

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
    """One measured run. `itl_s` is a median over gaps (vllm-0.11) or an iteration mean."""

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
        prompt = float(PROMPT_TOKENS[self.workload])
        if chat_prompt_tokens is not None and self.workload.endswith("chat"):
            prompt = chat_prompt_tokens
        return Load(self.batch, prompt, self.output_tokens, OUTPUT_CV2[self.workload])


def read(path: Path) -> tuple[list[Row], Counter[str]]:
    """Return the rows to compare the simulator with, and the counts of others by reason.

    Rows that are shown apart (see ``engines``) are among those returned.
    """
    rows, left_out = [], Counter[str]()
    with path.open(encoding="utf-8") as file:
        for raw in csv.DictReader(file):
            name = raw["model"]
            if name in HYBRIDS:
                left_out["Mamba-transformer hybrids (Nemotron Nano 9B and 12B v2)"] += 1
                continue
            if name in SPARSE_ATTENTION:
                left_out["block-sparse attention (Phi-3-small-8k)"] += 1
                continue
            if int(raw["pp"]) > 1:
                left_out["pipelines over 2 nodes, whose network is not described"] += 1
                continue
            if raw["flag_throughput_below_smaller_batch"] == "True":
                left_out["flagged in the data: slower than a smaller batch (host-bound)"] += 1
                continue
            row = Row(
                engine=ENGINES[raw["engine"]],
                label=name,
                model=find_model(MODELS.get(name, name)),
                gpu=GPUS[raw["gpu_model"]],
                gpus=int(raw["num_gpus"]),
                workload=raw["workload"],
                cap=int(raw["max_num_seqs"]),
                batch=float(raw["avg_batch_size"]),
                output_tokens=float(raw["avg_output_len"]),
                tokens_per_s=float(raw["output_tokens_per_s"]),
                itl_s=float(raw["median_itl_s"] or raw["mean_itl_s"]),
                power_w=float(raw["avg_power_per_gpu_w"]),
            )
            if row.engine == "vllm-0.11" and row.stall > STALLED:
                left_out[f"stalled: batch / (ITL * throughput) above {STALLED}"] += 1
                continue
            rows.append(row)
    return rows, left_out


def same(rows: Iterable[Row], row: Row) -> list[Row]:
    """Return the rows of the same deployment and workload as `row`, by batch."""
    key = (row.engine, row.label, row.gpu, row.gpus, row.workload)
    alike = [r for r in rows if (r.engine, r.label, r.gpu, r.gpus, r.workload) == key]
    return sorted(alike, key=lambda other: other.batch)
