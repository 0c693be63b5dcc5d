"""Calibrating on runs of the simulator itself, request by request: an engine that is measured.

Nothing of the steady states that the fit is made with goes into these runs: batches fill and drain,
output lengths differ, and prompts are chunked as vLLM does.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from cosim.calibrate.latency import fit_latency
from cosim.calibrate.power import NAMES, fit_power
from inference_sim.cluster import Cluster
from inference_sim.hardware import TwoResourceCoefficients
from inference_sim.models import find_model
from inference_sim.power import TwoResource
from inference_sim.workload import Arrival
from tests.cosim.calibrate.builders import ENGINE, H100, LLAMA, QWEN, write
from tests.deployments import one_pool

TRUE_POWER = (85.0, 420.0, 510.0, 380.0)
TRUE_ENGINE = ENGINE.with_numbers({"serial_s": 1.5e-3, "sampling_s_per_sequence": 60e-6})
HEADER = "model,batch,prompt_tokens,output_tokens,output_cv2,tokens_per_s,power_w"
STEPS, WINDOW = 40, slice(8, 32)  # the batch is full from the start, until the last wave


def measured(name: str, batch: int, prompt: int, output: int) -> list[object]:
    """A row of telemetry from a run: means over its middle."""
    rng = np.random.default_rng(batch + prompt)
    outputs = rng.integers(output // 2, output + output // 2, 14 * batch)
    gpu = replace(H100, two_resource=TwoResourceCoefficients(*TRUE_POWER))
    deployment = one_pool(
        model=find_model(name),
        gpu=gpu,
        engine=TRUE_ENGINE,
        power=TwoResource.of(gpu),
        scheduler="vllm_v1",
        batch_cap=batch,
    )
    stream = [Arrival(0.0, prompt, int(tokens), 0) for tokens in outputs]
    whole = Cluster(deployment, stream)
    while not whole.drained:
        whole.step(whole.env.now + 1e4)
    end_s = max(one.finish_s for one in whole.take_ended())

    cluster = Cluster(deployment, stream)
    steps = [cluster.step((k + 1) * end_s / STEPS) for k in range(STEPS)]
    cluster.step(2 * end_s)
    since_s, until_s = WINDOW.start * end_s / STEPS, WINDOW.stop * end_s / STEPS
    tokens = 0.0
    for one in cluster.take_ended():
        inside_s = min(until_s, one.finish_s) - max(since_s, one.first_token_s)
        tokens += since_s <= one.first_token_s < until_s
        if inside_s > 0:
            decoding_s = one.finish_s - one.first_token_s
            tokens += (one.output_tokens - 1) * inside_s / decoding_s
    return [
        name,
        float(np.mean([step.batch_mean for step in steps[WINDOW]])),
        prompt,
        float(outputs.mean()),
        float(outputs.var() / outputs.mean() ** 2),
        tokens / (until_s - since_s),
        float(np.mean([step.gpu_power_w for step in steps[WINDOW]])),
    ]


@cache
def runs() -> tuple[list[object], ...]:
    return tuple(
        measured(name, batch, prompt, output)
        for name in (LLAMA, QWEN)
        for batch in (4, 16, 48, 96)
        for prompt, output in ((200, 400), (1000, 200), (2000, 60))
    )


def test_power_comes_back_within_2_percent(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", HEADER, runs())
    found = fit_power(path, H100, TRUE_ENGINE, keep={"base_w": TRUE_POWER[0]})
    assert [found.coefficients[name] for name in NAMES] == pytest.approx(TRUE_POWER, rel=0.02)


def test_the_engine_comes_back_within_2_percent(tmp_path: Path) -> None:
    """Of loads in which most iterations carry no prompt: batch below half the output length."""
    rows = [row for row in runs() if float(str(row[1])) < float(str(row[3])) / 2]
    path = write(tmp_path / "t.csv", HEADER, rows)
    found = fit_latency(path, H100, ENGINE, ["sampling"])
    assert found.numbers["serial_s"] == pytest.approx(TRUE_ENGINE.serial_s, rel=0.02)
    assert found.numbers["sampling_s_per_sequence"] == pytest.approx(
        TRUE_ENGINE.sampling_s_per_sequence, rel=0.02
    )
