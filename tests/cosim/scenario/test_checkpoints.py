"""Checkpoints in a scenario: the precision that they are run in, and the key that overrides it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cosim.scenario.loading import read_document, validate_document
from cosim.scenario.scenario import Scenario
from inference_sim.models import find_model
from tests.conftest import Cli
from tests.cosim.builders import edited, run_scenario, write
from tests.inference_sim.test_models import LLAMA

CASES = Path(__file__).parents[4] / "shared" / "cases" / "models"
OWN = ("meta-llama/Meta-Llama-3-8B", "./config.json")


def write_model(**change: object) -> None:
    write("config.json", json.dumps(LLAMA | change))


def test_a_refused_quantization_points_at_the_key_that_overrides_it(cosim: Cli) -> None:
    write_model(quantization_config={"quant_method": "quark"})
    path = write("s.yaml", edited(OWN))
    answer = cosim("validate", path)
    assert answer.code == 2
    assert answer.err.startswith(
        "error: s.yaml:14:7 sites.0.cluster.precision: model file "
        f"'{Path.cwd()}/config.json': 'quantization_config.quant_method' is 'quark' (known: "
    )
    assert cosim("validate", path, "--set", "sites.0.cluster.precision=int4").code == 0


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_precisions_of_the_schema(cosim: Cli, precision: str) -> None:
    path = write("s.yaml", edited(("gpu:", f"precision: {precision}\n      gpu:")))
    scenario = validate_document(read_document(path), Scenario)
    assert scenario.sites[0].cluster is not None
    assert scenario.sites[0].cluster.config().pool.model.precision == precision


def test_modelopt_checkpoint_decodes_in_fp8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half the bytes of 70 B weights on two H100: 29.3 ms per output token become 19.1 ms."""
    if not CASES.is_dir():
        pytest.skip(f"{CASES} is not here")
    shutil.copytree(CASES, tmp_path / "models")
    sets = (
        "sites.0.cluster.model=./models/modelopt_fp8.json",
        "sites.0.cluster.tensor_parallel=2",
        "sites.0.cluster.scheduler.max_model_len=1024",  # of its 131,072 bf16 leaves 1,776
    )
    monkeypatch.chdir(tmp_path)

    def median_tpot_ms(out: str) -> float:
        ran = run_scenario(tmp_path / "models" / "base.yaml", tmp_path / out, *sets)
        return float(1000 * ran.summary["latency_s"]["tpot"]["p50"])

    fp8 = median_tpot_ms("fp8")
    (tmp_path / "models" / "hf_quant_config.json").unlink()
    find_model.cache_clear()
    assert (fp8, median_tpot_ms("bf16")) == pytest.approx((19.1, 29.3), abs=0.1)
