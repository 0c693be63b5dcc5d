"""From telemetry to a scenario: what the command prints and writes, and that a run uses it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from cosim.results.folder import file_hash, input_files, scenario_hash
from cosim.world.plan import load_plan
from inference_sim.execution import Roofline, Stage, find_engine
from inference_sim.hardware import find_gpu
from inference_sim.models import find_model
from inference_sim.power import TwoResource
from tests.conftest import Cli
from tests.cosim.builders import REPOSITORY
from tests.cosim.calibrate.builders import ENGINE, LLAMA, QWEN, deployments, measured_use, served

TRUE = (85.0, 420.0, 510.0, 380.0)
SCENARIO = """
extends: {quickstart}
sites:
  - name: california
    location: {{latitude: 37.87, longitude: -122.27}}
    cluster:
      model: {model}
      gpu: ./my_gpu.yaml
      execution: {{type: roofline, engine: ./my_engine.yaml}}
    microgrid:
      carbon_intensity: {{type: constant, value_g_per_kwh: 300}}
controllers: []
"""


def test_help(cosim: Cli) -> None:
    answer = cosim("calibrate", "--help")
    assert answer.code == 0
    for command in ("power", "latency", "record"):
        assert re.search(rf"^  {command}  ", answer.out, re.M)
        assert cosim("calibrate", command, "-h").code == 0


def test_from_telemetry_to_a_scenario(cosim: Cli, tmp_path: Path) -> None:
    true = ENGINE.with_numbers(
        {"serial_s": 2e-3, "sampling_s_per_sequence": 7e-5, "time_factors": {LLAMA: 1.2}}
    )
    measured_use(tmp_path / "power.csv", TRUE, rows=40)
    served(tmp_path / "pace.csv", deployments((2, 8, 24, 64, 96)), true)

    gpu = ("--gpu", "h100-sxm-80gb")
    limits = ("--idle-w", 118, "--max-w", 650)
    answer = cosim("calibrate", "power", "power.csv", *gpu, *limits, "-o", "my_gpu.yaml")
    assert (answer.code, answer.err) == (0, "")
    assert "names it with gpu: ./my_gpu.yaml" in answer.out
    answer = cosim(
        "calibrate", "latency", "pace.csv", *gpu, "--fit", "sampling", "--fit", "time_factor",
        "-o", "my_engine.yaml",
    )  # fmt: skip
    assert (answer.code, answer.err) == (0, "")
    assert "names it with execution: {type: roofline, engine: ./my_engine.yaml}" in answer.out

    quickstart = REPOSITORY / "scenarios" / "quickstart.yaml"
    scenario = tmp_path / "s.yaml"
    scenario.write_text(SCENARIO.format(quickstart=quickstart, model=LLAMA))
    plan = load_plan(scenario)
    cluster = plan.sites[0].cluster
    assert cluster is not None
    deployed = cluster.pool
    assert deployed.stages is not None
    power = deployed.power
    assert isinstance(power, TwoResource)
    fitted = (power.base_w, power.compute_w, power.memory_w, power.sampling_w)
    assert fitted == pytest.approx(TRUE, rel=1e-5)
    assert (power.idle_w, power.max_w) == (118, 650)
    execution = deployed.stages(Stage(deployed.model.layers))
    assert isinstance(execution, Roofline)
    assert execution.time_factor == pytest.approx(1.2, rel=1e-5)
    expected = Roofline(deployed.model, find_gpu("h100-sxm-80gb"), true).decode(16, 16000)
    assert execution.decode(16, 16000).at(16000).duration_s == pytest.approx(
        expected.at(16000).duration_s, rel=1e-5
    )
    # A file that changes is another scenario, wherever it stands.
    files = input_files(plan)
    assert {path.name for path in files.values()} == {"my_gpu.yaml", "my_engine.yaml"}
    hashes = {place: file_hash(path) for place, path in files.items()}
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("s.yaml", "my_gpu.yaml", "my_engine.yaml"):
        (moved / name).write_text((tmp_path / name).read_text())
    other = load_plan(moved / "s.yaml")
    same = {place: file_hash(path) for place, path in input_files(other).items()}
    assert scenario_hash(other, same) == scenario_hash(plan, hashes)
    (moved / "my_engine.yaml").write_text("base: vllm-0.11\n")
    changed = {place: file_hash(path) for place, path in input_files(other).items()}
    assert scenario_hash(other, changed) != scenario_hash(plan, hashes)

    # The other model's factor is there too, and a model without one has none.
    assert find_engine(str(tmp_path / "my_engine.yaml")).time_factors[QWEN] == pytest.approx(1.0)


def test_the_file_says_where_its_numbers_come_from(cosim: Cli, tmp_path: Path) -> None:
    measured_use(tmp_path / "power.csv", TRUE, rows=40, noise=0.01)
    printed = cosim("calibrate", "power", "power.csv", "--gpu", "h100-sxm-80gb").out
    text = printed[printed.index("# Fitted by cosim") :]
    assert re.search(r"^# Fitted by cosim [\d.]+ on \d{4}-\d\d-\d\d\.$", text, re.M)
    assert re.search(r"^# Measurements: power.csv, 40 rows, SHA-256 [0-9a-f]{16}\.$", text, re.M)
    assert re.search(
        r"^# MAPE \d\.\d %, bias .* in the fit; MAPE \d\.\d %, bias .* in 5 parts", text, re.M
    )
    content = yaml.safe_load(text)
    assert content["base"] == "h100-sxm-80gb"
    assert set(content) == {"base", "two_resource", "sources"}
    assert not [one.name for one in tmp_path.iterdir() if one.name != "power.csv"]


def test_a_calibrated_gpu_can_be_calibrated_again(cosim: Cli, tmp_path: Path) -> None:
    """Its own file is the base: what else it says stays."""
    (tmp_path / "nvl.yaml").write_text("base: h100-sxm-80gb\nname: nvl\nmemory_gib: 94\n")
    measured_use(tmp_path / "power.csv", TRUE, rows=40)
    answer = cosim("calibrate", "power", "power.csv", "--gpu", "nvl.yaml", "-o", "new.yaml")
    assert answer.code == 0
    gpu = find_gpu(str(tmp_path / "new.yaml"))
    assert (gpu.name, gpu.memory_gib) == ("new", 94)
    assert gpu.two_resource.memory_w == pytest.approx(510)
    assert "not measured" in gpu.uncalibrated


def test_only_power_was_changed_so_that_times_stay_calibrated(tmp_path: Path) -> None:
    path = tmp_path / "my_b200.yaml"
    path.write_text("base: b200-sxm-180gb\ntwo_resource: {base_w: 200}\n")
    gpu = find_gpu(str(path))
    assert gpu.uncalibrated == ""

    assert gpu.default_engine == "vllm-0.11-b200"
    assert Roofline(find_model(LLAMA), gpu, find_engine(gpu.default_engine)).calibrated


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("power", "t.csv", "--gpu", "h100"), "--gpu: unknown GPU (got 'h100'); did you mean"),
        (("power", "t.csv", "--gpu", "a40", "--keep", "base"), "--keep: expected one of base_w"),
        (
            ("power", "t.csv", "--gpu", "a40", "--keep", "base_w=-1"),
            "--keep: expected a power in W",
        ),
        (("power", "t.csv", "--gpu", "a40", "--idle-w", "400"), "--idle-w: expected less than 300"),
        (("power", "t.csv", "--gpu", "a40", "--max-w", "nan"), "--max-w: expected a power above 0"),
        (("latency", "t.csv", "--gpu", "a40", "--fit", "hosts"), "did you mean 'host'?"),
        (
            ("latency", "t.csv", "--gpu", "a40", "--fit", "sampling", "--fit", "serial"),
            "choose one",
        ),
        (("latency", "t.csv", "--gpu", "a40", "--engine", "vllm"), "--engine: unknown engine"),
        (("latency", "missing.csv", "--gpu", "a40"), "'missing.csv' cannot be read: No such file"),
        (("latency", ".", "--gpu", "a40"), "cannot be read: Is a directory"),
    ],
)
def test_mistakes_are_messages(cosim: Cli, args: tuple[str, ...], message: str) -> None:
    answer = cosim("calibrate", *args)
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err
    assert "Traceback" not in answer.err


def test_all_options_that_are_wrong_are_told(cosim: Cli) -> None:
    answer = cosim("calibrate", "latency", "t.csv", "--gpu", "x", "--engine", "y", "--fit", "z")
    assert len(answer.err.splitlines()) == 3


def test_nothing_is_left_where_it_cannot_be_written(cosim: Cli, tmp_path: Path) -> None:
    measured_use(tmp_path / "power.csv", TRUE, rows=40)
    options = ("--gpu", "h100-sxm-80gb", "-o", "no/such/folder.yaml")
    answer = cosim("calibrate", "power", "power.csv", *options)
    assert answer.code == 2
    assert "'no/such/folder.yaml' cannot be written: No such file or directory" in answer.err
