"""Served latencies: closed-loop runs of the simulator beside published ones of vLLM.

Usage: ``python -m calibration.served WHEEL [--write]`` with the wheel of
:mod:`calibration.kernel_tables`, which holds ``silicon_sample.csv``: times to first token (TTFT)
and per output token (TPOT) of engines under a number of clients that send their next request when
they have an answer. Only the rows of vLLM, of dense Llama and Qwen models on H100 and H200, are
read: the others are kept to judge by.

With ``--kernels`` kernel times are those of tables as ``cosim kernels build`` makes them for the
wheel's vLLM, in place of the roofline's; it needs ``pip install '.[kernels]'``.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from calibration.page import bias, mape, table, write_section
from cosim.calibrate.kernels.build import build_table
from cosim.calibrate.kernels.package import Subject
from cosim.errors import CosimError
from inference_sim.clients import Clients
from inference_sim.cluster import Cluster
from inference_sim.deployment import ClusterConfig
from inference_sim.errors import InferenceSimError
from inference_sim.execution import EngineProfile, ExecutionModel, Roofline, Stage, find_engine
from inference_sim.execution.kernel_table import KernelTable, TableModel
from inference_sim.execution.kernels import KernelExecution
from inference_sim.hardware import GpuSpec, find_gpu
from inference_sim.models import ModelSpec, find_model
from inference_sim.pool_config import PoolConfig
from inference_sim.power import TwoResource
from inference_sim.workload import FixedLengths, Sessions, SpreadLengths, client_starts

GPUS = {"h100_sxm": "h100-sxm-80gb", "h200_sxm": "h200-sxm-141gb"}
MODELS = {
    "Qwen/Qwen3-32B": "Qwen/Qwen3-32B",
    "nvidia/Llama-3.1-8B-Instruct-FP8": "meta-llama/Llama-3.1-8B-Instruct",
    "meta-llama/Llama-3.1-70B": "meta-llama/Llama-3.1-70B-Instruct",
}
"""Dense models of the rows that are read."""
ENGINE = "vllm-0.11"
INFERENCE_MAX = "meta-llama/Llama-3.1-70B"
"""Rows of InferenceMAX, whose settings are published (github.com/jyothisambolu/InferenceMAX,
README): ten requests for each client, lengths uniform from 0.8 of those given, no sampling; 8,192
tokens an iteration, weights and KV cache of nvidia/Llama-3.1-70B-Instruct-FP8. Nothing is published
of the others: lengths as given, top-p (the default of vLLM's server for these models), and 2,048
tokens an iteration, which explain the TTFT of prompts of 1,024 tokens better than 8,192 do."""
REQUESTS = 10  # for each client
TPOT_TARGET, TTFT_TARGET = 8.0, 20.0  # %
_STEP_S, _STEPS = 20.0, 4000


@dataclass(frozen=True, slots=True)
class Served:
    """A published run: `clients` with prompts and answers of so many tokens, and its latencies."""

    model: str
    gpu: str
    precision: str
    source: str
    gpus: int
    clients: int
    prompt_tokens: int
    output_tokens: int
    ttft_s: float
    tpot_s: float

    @property
    def regime(self) -> str:
        """Model, precision, GPU and source, to print."""
        name = self.model.split("/")[-1]
        return f"{name} in {self.precision}, {self.gpu.split('-')[0].upper()}{self.source}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run and the errors of its simulation, as fractions."""

    run: Served
    ttft: float
    tpot: float


def read(wheel: Path) -> list[Served]:
    """Return the rows that may be read.

    Raises:
        InferenceSimError: If the wheel cannot be read.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read("aiconfigurator_core/systems/silicon_sample.csv")
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise InferenceSimError(f"{wheel}: cannot be read: {error}") from None
    return list(_rows(csv.DictReader(io.StringIO(data.decode("utf-8")))))


def _rows(lines: Iterable[dict[str, str]]) -> Iterator[Served]:
    for line in lines:
        may_be_read = line["backend"] == "vllm" and line["system"] in GPUS
        if not (may_be_read and line["model_path"] in MODELS and line["mode"] == "agg"):
            continue
        yield Served(
            model=line["model_path"],
            gpu=GPUS[line["system"]],
            precision=line["precision"] or "bf16",
            source=" (Dynamo)" if "dynamo" in line["silicon_data_source"] else "",
            gpus=int(float(line["tp_size"])),
            clients=int(float(line["batch_size"])),
            prompt_tokens=int(line["isl"]),
            output_tokens=int(line["osl"]),
            ttft_s=float(line["silicon_ttft_ms"]) * 1e-3,
            tpot_s=float(line["silicon_tpot_ms"]) * 1e-3,
        )


@cache
def _kernel_table(model: TableModel, gpu: str, width: int) -> KernelTable:
    return build_table(Subject(model, gpu, "vllm", width))


def _kernel_stages(
    model: ModelSpec, gpu: GpuSpec, width: int, engine: EngineProfile
) -> Callable[[Stage], ExecutionModel]:
    """Return what makes the execution model of a whole model from a kernel table.

    Raises:
        CosimError: If no table can be built.
    """
    kernels = _kernel_table(TableModel.of(model), gpu.name, width)
    return lambda stage: KernelExecution(kernels, Roofline(model, gpu, engine, width))


def simulate(run: Served, *, kernels: bool = False) -> Outcome:
    """Return the errors of a run: all of its requests, those that start at once included.

    Args:
        run: The run.
        kernels: Whether kernel times are those of a table, not the roofline's.

    Raises:
        InferenceSimError: If the deployment cannot be simulated.
        CosimError: If no kernel table can be built.
    """
    model, gpu, engine = find_model(MODELS[run.model]), find_gpu(run.gpu), find_engine(ENGINE)
    published = run.model == INFERENCE_MAX
    if run.precision == "fp8":
        model = model.with_precision("fp8")
        if run.model != "Qwen/Qwen3-32B":  # NVIDIA's checkpoints have the KV cache in fp8, too
            model = replace(model, kv_bytes_per_value=1.0)
    if published:
        engine = engine.greedy
    pool = PoolConfig(
        model=model,
        gpu=gpu,
        power=TwoResource.of(gpu),
        engine=engine,
        stages=_kernel_stages(model, gpu, run.gpus, engine) if kernels else None,
        tensor_parallel=run.gpus,
        scheduler="vllm_v1",
        batch_cap=1024,
        max_batch_tokens=8192 if published else 2048,
    )
    lengths: FixedLengths | SpreadLengths = FixedLengths(run.prompt_tokens, run.output_tokens)
    if published:
        lengths = SpreadLengths(
            round(0.9 * run.prompt_tokens), round(0.9 * run.output_tokens), 1 / 9
        )
    sessions = Sessions(lengths, seed=1, clients=run.clients)
    count = REQUESTS * run.clients
    clients = Clients(sessions, requests=count)
    cluster = Cluster(ClusterConfig(pools=(pool,)), client_starts(sessions, 0.0), clients=clients)
    ended = []
    for step in range(_STEPS):
        cluster.step((step + 1) * _STEP_S)
        ended += cluster.take_ended()
        if len(ended) >= count:
            break
    ttft_s = np.mean([request.first_token_s - request.arrival_s for request in ended])
    tpot_s = np.mean(
        [
            (request.finish_s - request.first_token_s) / (request.output_tokens - 1)
            for request in ended
        ]
    )
    return Outcome(run, float(ttft_s) / run.ttft_s - 1, float(tpot_s) / run.tpot_s - 1)


def _regime_table(outcomes: Sequence[Outcome]) -> str:
    rows = []
    for regime in sorted({outcome.run.regime for outcome in outcomes}):
        group = [outcome for outcome in outcomes if outcome.run.regime == regime]
        ttft, tpot = [o.ttft for o in group], [o.tpot for o in group]
        rows.append([regime, len(group), mape(tpot), bias(tpot), mape(ttft), bias(ttft)])
    header = ("regime", "runs", "TPOT MAPE %", "bias %", "TTFT MAPE %", "bias %")
    return table(header, rows)


def _width_table(outcomes: Sequence[Outcome]) -> str:
    rows = []
    for key in sorted({(outcome.run.regime, outcome.run.gpus) for outcome in outcomes}):
        group = [o for o in outcomes if (o.run.regime, o.run.gpus) == key]
        ttft, tpot = [o.ttft for o in group], [o.tpot for o in group]
        rows.append([*key, len(group), mape(tpot), bias(tpot), mape(ttft), bias(ttft)])
    header = ("regime", "GPUs", "runs", "TPOT MAPE %", "bias %", "TTFT MAPE %", "bias %")
    return table(header, rows)


def _worst_table(outcomes: Sequence[Outcome]) -> str:
    rows: list[list[object]] = []
    for regime in sorted({outcome.run.regime for outcome in outcomes}):
        group = [outcome for outcome in outcomes if outcome.run.regime == regime]
        for outcome in sorted(group, key=lambda o: -max(abs(o.ttft), abs(o.tpot)))[:3]:
            run = outcome.run
            rows.append(
                [
                    regime,
                    run.gpus,
                    run.clients,
                    f"{run.prompt_tokens} + {run.output_tokens}",
                    f"{100 * outcome.tpot:+.0f}",
                    f"{100 * outcome.ttft:+.0f}",
                ]
            )
    return table(("regime", "GPUs", "clients", "tokens", "TPOT %", "TTFT %"), rows)


def report(wheel: Path, *, kernels: bool = False) -> str:
    """Return the tables of the page.

    Raises:
        InferenceSimError: If the wheel cannot be read.
        CosimError: If no kernel table can be built.
    """
    outcomes, apart = [], []
    for run in read(wheel):
        try:
            outcomes.append(simulate(run, kernels=kernels))
        except InferenceSimError as error:
            apart.append([run.regime, run.gpus, run.clients, str(error)])
    parts = [
        "### By model",
        _regime_table(outcomes),
        "### By number of GPUs",
        _width_table(outcomes),
        "### Worst runs",
        _worst_table(outcomes),
    ]
    if apart:
        parts += ["### Not simulated", table(("regime", "GPUs", "clients", "why"), apart)]
    return "\n\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the errors; with ``--write``, put them on the page."""
    parser = argparse.ArgumentParser(prog="python -m calibration.served")
    parser.add_argument("wheel", type=Path)
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--write", action="store_true", help="put the errors on the page")
    either.add_argument("--kernels", action="store_true", help="take kernel times from tables")
    options = parser.parse_args(arguments)
    try:
        text = report(options.wheel, kernels=options.kernels)
    except (InferenceSimError, CosimError) as error:
        print(error, file=sys.stderr)
        return 2
    print(text)
    if options.write:
        write_section("served", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
