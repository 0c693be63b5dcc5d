"""Any file that a scenario names is taken, or refused in words that say where."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference_sim.models import find_model
from tests.cosim.builders import edited, write
from tests.cosim.signals.formats.examples import EXAMPLES, Example
from tests.fuzz.calls import called, check_answer
from tests.fuzz.mutations import damaged, mutated
from tests.inference_sim.test_models import LLAMA
from tests.inference_sim.test_trace_formats import GOOD
from tests.samples import by_profile

DAILY, NIGHTLY = 40, 5_000

QUICK = settings(
    max_examples=by_profile(DAILY, NIGHTLY), suppress_health_check=list(HealthCheck), database=None
)
QUANTIZED = [
    LLAMA,
    LLAMA | {"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128}},
    LLAMA | {"rope_scaling": {"type": "yarn", "factor": 4.0}},
    LLAMA
    | {"num_hidden_layers": 8, "num_local_experts": 8, "num_experts_per_tok": 2}
    | {"torch_dtype": "bfloat16"},
]
CARBON = "{type: typical_day, area: CISO}"


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("fuzz"))
    yield
    os.chdir(before)


def of_signal(example: Example) -> str:
    """A scenario of a few steps that reads an example, with the keys that it needs."""
    options = example.options
    keys: dict[str, object] = {"type": "file", "path": "./f.txt", "area": options.area}
    keys |= {"column": options.column, "timezone": options.timezone, "lead": options.lead_s or None}
    keys |= {"factors": dict(options.factors), "leave_out": list(options.leave_out)}
    keys |= {"blank_fuels": options.blank_fuels, "fill": options.fill and options.fill.method}
    signal = json.dumps({key: value for key, value in keys.items() if value})
    carbon, solar = CARBON, "{type: clear_sky, peak_power_w: 600}"
    if example.format == "entsoe_prices":
        change = (carbon, f"{carbon}\n      price: {signal}")
    elif example.format == "solcast":
        change = (solar, "{type: solcast, path: ./f.txt, peak_power_w: 600}")
    else:
        change = (carbon, signal)
    start = f"{example.first.replace(' ', 'T')}Z"
    return edited(("2022-06-08T00:00:00Z", start), ("20min", "120s"), change)


SIGNALS = st.sampled_from(list(EXAMPLES.values())).flatmap(
    lambda one: st.tuples(st.just(of_signal(one)), damaged(one.text))
)
TRACE = edited(
    ("  arrivals: {type: poisson, rate_per_s: 0.5}\n", "  trace: {path: ./f.txt}\n"),
    ("  lengths: {type: fixed, prompt_tokens: 200, output_tokens: 40}\n", ""),
)
TRACES = st.tuples(st.just(TRACE), st.sampled_from(list(GOOD.values())).flatmap(damaged))
MODEL = edited(("meta-llama/Meta-Llama-3-8B", "./f.json"))
MODELS = st.tuples(
    st.just(MODEL),
    st.sampled_from(QUANTIZED).flatmap(lambda one: mutated(one, {}).map(json.dumps))
    | st.sampled_from(QUANTIZED).map(lambda one: json.dumps(one, indent=1)).flatmap(damaged),
)


@QUICK
@given(SIGNALS | TRACES | MODELS)
def test_any_file_is_taken_or_refused_with_its_place(files: tuple[str, str]) -> None:
    scenario, content = files
    write("s.yaml", scenario)
    for name in ("f.txt", "f.json"):
        Path(name).write_bytes(content.encode("utf-8", "surrogatepass"))
    find_model.cache_clear()  # a model is read once in a process
    check_answer(called("validate", "s.yaml"))


def test_the_examples_are_taken() -> None:
    """So that the damage is what the other test is about."""
    taken = [(of_signal(example), example.text) for example in EXAMPLES.values()]
    taken += [(TRACE, text) for text in GOOD.values()]
    taken += [(MODEL, json.dumps(config)) for config in QUANTIZED]
    for scenario, content in taken:
        write("s.yaml", scenario)
        write("f.txt", content)
        write("f.json", content)
        find_model.cache_clear()
        answer = called("validate", "s.yaml")
        assert answer.code == 0, answer.err
