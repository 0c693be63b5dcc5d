"""The result folder: what is in it, that it adds up, and that it can be made again."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from cosim.accounting import quantiles
from cosim.errors import ScenarioError
from cosim.results.folder import file_hash, input_files, scenario_hash
from cosim.world.plan import load_plan
from tests.conftest import Cli, Runs
from tests.cosim.builders import (
    BASE,
    SCENARIOS,
    Ran,
    controlled,
    edited,
    run_scenario,
    run_text,
    write,
    write_controller,
)

FILES = {
    "actions.parquet",
    "experiment.json",
    "manifest.json",
    "report.html",
    "requests.parquet",
    "scenario.resolved.yaml",
    "steps.parquet",
    "summary.json",
    "timeseries.csv",
}
CASES: dict[str, tuple[str, ...]] = {
    "azure_trace": (),
    "own_controller": ("time.duration=3h",),
    "paper_case_study": ("time.duration=10min",),
    "paper_table2": (),
    "quickstart": ("time.duration=3h",),
    "two_sites": ("time.duration=30min",),
}
SERVING = [name for name in CASES if name != "paper_table2"]
PERCENTILES = {"mean", "p50", "p90", "p95", "p99"}


def case(runs: Runs, name: str) -> Ran:
    return runs(SCENARIOS / f"{name}.yaml", *CASES[name], "coupling=native")


# What is in it


@pytest.mark.parametrize("name", CASES)
def test_the_files(runs: Runs, name: str) -> None:
    ran = case(runs, name)
    assert {path.name for path in ran.folder.iterdir()} == FILES
    assert [path.name for path in ran.folder.parent.iterdir()] == ["out"]  # nothing hidden beside


def serving_keys(section: dict[str, Any], *, whole: bool, caching: bool) -> None:
    assert set(section["requests"]) == {
        "arrived",
        "admitted",
        "completed",
        "rejected",
        "waiting",
        "running",
        "preemptions",
    }
    caches = {"prefilled", "cached"} if caching else set()
    assert set(section["tokens"]) == {"prompt", "output"} | caches
    latency = dict(section["latency_s"])
    assert latency.pop("quantiles") == "exact"
    assert set(latency) == {"ttft", "tpot", "e2e", "queue"}
    assert all(set(values) == PERCENTILES for values in latency.values())
    assert set(section["slo"]) == {"attainment", "by_class"}
    assert section["load_state"] in ("stable", "backlogged", "overloaded")
    assert section["gpu"]["count"] >= 1
    assert {"per_request", "per_1k_output_tokens"} <= set(section["carbon_g"])
    assert {"gpu", "host"} <= set(section["energy_kwh"])
    if whole:
        assert set(section["batch"]) == {"mean", "std", "max"}
        assert set(section["gpu"]) == {"count", "mfu_mean", "busy_fraction", "power_mean_w"}


def energy_keys(section: dict[str, Any], *, whole: bool) -> None:
    assert {
        "facility",
        "solar",
        "solar_used",
        "import",
        "export",
        "battery_charge",
        "battery_discharge",
        "battery_loss",
    } <= set(section["energy_kwh"])
    assert {"kind", "gross", "import", "export_credit", "embodied", "total"} <= set(
        section["carbon_g"]
    )
    if whole:
        assert {"ci_mean_g_per_kwh", "ci_p10", "ci_p90", "peak_import_w"} <= set(section["grid"])
        battery = section["battery"]
        assert battery is None or set(battery) == {"soc_mean", "soc_min", "soc_max", "cycles"}


@pytest.mark.parametrize("name", CASES)
def test_the_keys_of_the_summary(runs: Runs, name: str) -> None:
    ran = case(runs, name)
    summary = ran.summary
    assert set(summary["scenario"]) == {"name", "seed", "hash"}
    assert set(summary["time"]) == {"start", "duration_s", "step_s", "steps"}
    assert set(summary["wall"]) == {"run_s", "x_real_time", "requests_per_s"}
    assert summary["status"] == "completed"
    assert len(summary["scenario"]["hash"]) == 16
    plan = ran.result.run.plan
    assert list(summary["sites"]) == [site.name for site in plan.sites]
    single = len(plan.sites) == 1
    for section, whole in [(summary, single), *((one, True) for one in summary["sites"].values())]:
        energy_keys(section, whole=whole)
        if name in SERVING:
            caching = any(site.cluster and site.cluster.pool.prefix_caching for site in plan.sites)
            serving_keys(section, whole=whole, caching=caching)
    assert ("paper" in summary) == (plan.scenario.accounting == "paper")
    for entry in summary["controllers"]:
        assert set(entry) == {"type", "site", "actions", "guard_seconds", "settings"}
    if single:  # the totals are those of the only site
        (only,) = summary["sites"].values()
        assert {key: summary[key] for key in only} == only


def test_the_summary_is_what_the_run_returned(runs: Runs) -> None:
    ran = case(runs, "quickstart")
    assert ran.summary == json.loads(json.dumps(ran.result.summary.to_dict()))


def test_the_steps(runs: Runs) -> None:
    ran = case(runs, "two_sites")
    steps = ran.steps
    assert list(steps.columns[:4]) == ["site", "step", "time_s", "time"]
    for site in ("california", "oregon"):
        mine = steps[steps["site"] == site]
        assert mine["step"].tolist() == list(range(6))
        assert mine["time_s"].tolist() == [step * 300 for step in range(6)]
        assert str(mine["time"].iloc[1]) == "2022-06-08 00:05:00+00:00"
    assert steps["site"].tolist() == ["california"] * 6 + ["oregon"] * 6


@pytest.mark.parametrize("name", SERVING)
def test_the_requests(runs: Runs, name: str) -> None:
    ran = case(runs, name)
    schema = pq.read_schema(ran.folder / "requests.parquet")
    assert {field.name: str(field.type).partition("<")[0] for field in schema} == {
        "site": "dictionary",
        "request_id": "int64",
        "class": "dictionary",
        "outcome": "dictionary",
        "reason": "dictionary",
        "arrival_s": "double",
        "admitted_s": "double",
        "scheduled_s": "double",
        "first_token_s": "double",
        "finish_s": "double",
        "prompt_tokens": "int64",
        "output_tokens": "int64",
        "generated_tokens": "int64",
        "preemptions": "int32",
        "replica": "int32",
        "gpu_energy_j": "double",
        "carbon_g": "double",
    }
    requests, counts = ran.requests, ran.summary["requests"]
    assert len(requests) == counts["arrived"] > 0
    for outcome in ("completed", "rejected", "waiting", "running"):
        assert (requests["outcome"] == outcome).sum() == counts[outcome], outcome
    assert requests["preemptions"].sum() <= counts["preemptions"]
    for _, mine in requests.groupby("site", observed=True):
        assert sorted(mine["request_id"]) == list(range(len(mine)))
    never = requests["outcome"] == "waiting"
    assert requests.loc[never, ["first_token_s", "finish_s"]].isna().all(axis=None)
    assert requests.loc[~never, "admitted_s"].notna().all()


@pytest.mark.parametrize("name", SERVING)
def test_the_energy_of_the_requests_and_of_idling_is_the_metered_energy(
    runs: Runs, name: str
) -> None:
    ran = case(runs, name)
    step_s = ran.summary["time"]["step_s"]
    for site, section in ran.summary["sites"].items():
        steps = ran.steps[ran.steps["site"] == site]
        requests_j = ran.requests.loc[ran.requests["site"] == site, "gpu_energy_j"].sum()
        idle_j = (steps["gpu_power_w"] - steps["attributed_power_w"]).sum() * step_s
        assert requests_j > 0
        assert idle_j >= 0
        metered_j = section["energy_kwh"]["gpu"] * 3.6e6
        assert requests_j + idle_j == pytest.approx(metered_j, rel=1e-9)


def test_latencies_are_those_of_the_completed_requests(runs: Runs) -> None:
    ran = case(runs, "quickstart")
    done = ran.requests[ran.requests["outcome"] == "completed"]
    found = {
        "ttft": done["first_token_s"] - done["arrival_s"],
        "e2e": done["finish_s"] - done["arrival_s"],
        "queue": done["scheduled_s"] - done["arrival_s"],
        "tpot": (done["finish_s"] - done["first_token_s"]) / (done["output_tokens"] - 1),
    }
    for name, values in found.items():
        latency = ran.summary["latency_s"][name]
        values = values[done["output_tokens"] > 1] if name == "tpot" else values
        assert latency["mean"] == pytest.approx(values.mean(), rel=1e-9)
        for mark in (50, 90, 95, 99):
            assert latency[f"p{mark}"] == pytest.approx(values.quantile(mark / 100), rel=1e-9)


def test_many_latencies_are_sketched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the summary says so: percentiles within the error, the mean as before."""
    text = controlled()
    exact = run_text(tmp_path, text).summary["latency_s"]
    monkeypatch.setattr(quantiles, "EXACT_VALUES", 100)
    sketched = run_text(tmp_path, text).summary["latency_s"]
    assert exact.pop("quantiles") == "exact"
    assert sketched.pop("quantiles") == "sketch, relative error at most 0.001"
    for name, values in exact.items():
        assert sketched[name].pop("mean") == pytest.approx(values.pop("mean"), rel=1e-12)
        assert sketched[name] == pytest.approx(values, rel=0.001, abs=1e-9)
        assert name == "queue" or sketched[name] != values


def test_objectives_are_counted_by_class(tmp_path: Path) -> None:
    classes = (
        "workload.classes=[{name: strict, share: 0.5, slo: {e2e_s: 0.1}},"
        " {name: loose, share: 0.25, slo: {e2e_s: 100, ttft_s: 50}}, {name: none, share: 0.25}]"
    )
    ran = run_text(tmp_path, BASE, classes)
    slo, requests = ran.summary["slo"], ran.requests
    assert slo["by_class"] == {"strict": 0, "loose": 1}
    promised = requests[requests["class"] != "none"]
    ended = promised[promised["outcome"] == "completed"]
    assert slo["attainment"] == pytest.approx((ended["class"] == "loose").sum() / len(promised))


def test_nothing_that_is_no_number_gets_into_the_summary(tmp_path: Path) -> None:
    """A run in which nothing happens: no requests, no sun, no battery, and JSON all the same."""
    text = edited(
        ("rate_per_s: 0.5", "rate_per_s: 1.0e-9"),
        ("      solar: {type: clear_sky, peak_power_w: 600}\n", ""),
        ("      battery: {type: clc, capacity_wh: 100, initial_soc: 0.8, min_soc: 0.2}\n", ""),
    )
    summary = run_text(tmp_path, text).summary
    assert summary["requests"]["arrived"] == 0
    nothing = dict.fromkeys(("ttft", "tpot", "e2e", "queue"))
    assert summary["latency_s"] == {**nothing, "quantiles": "exact"}
    assert summary["carbon_g"]["per_request"] is None
    assert summary["battery"] is None
    assert summary["slo"]["attainment"] is None


# Making it again


@pytest.mark.parametrize("name", CASES)
def test_the_resolved_scenario_gives_the_same_results(
    runs: Runs, name: str, tmp_path: Path
) -> None:
    first = case(runs, name)
    moved = shutil.copy(first.folder / "scenario.resolved.yaml", tmp_path / "elsewhere.yaml")
    second = run_scenario(Path(moved), tmp_path / "out")
    one, other = first.without_wall(), second.without_wall()
    if name == "own_controller":  # whose file now has its full path
        (mine,), (again,) = one.pop("controllers"), other.pop("controllers")
        assert again.pop("type") == f"{SCENARIOS}/{mine.pop('type').removeprefix('./')}"
        assert mine == again
    assert one == other
    for file in ("steps.parquet", "requests.parquet"):
        assert (first.folder / file).read_bytes() == (second.folder / file).read_bytes()


def test_the_resolved_scenario_has_all_defaults(runs: Runs) -> None:
    text = (case(runs, "quickstart").folder / "scenario.resolved.yaml").read_text()
    resolved = yaml.safe_load(text)
    assert resolved["sites"][0]["cluster"]["scheduler"]["batch_cap"] == 128
    assert resolved["sites"][0]["microgrid"]["solar"]["tilt_deg"] == 30
    assert resolved["time"]["duration"] == 3 * 3600
    assert resolved["coupling"] == "native"
    assert "extends" not in resolved


@pytest.mark.parametrize("name", ["azure_trace", "own_controller", "paper_table2"])
def test_the_manifest_names_what_was_read(runs: Runs, name: str) -> None:
    manifest = json.loads((case(runs, name).folder / "manifest.json").read_text())
    inputs = {
        "azure_trace": {"workload.trace.path": "data/azure_sample.csv"},
        "own_controller": {"controllers.0.type": "own_controller.py"},
        "paper_table2": {
            "sites.0.microgrid.carbon_intensity.path": "data/stand_in_carbon_intensity.csv",
            "sites.0.microgrid.solar.path": "data/stand_in_solar.csv",
        },
    }[name]
    assert manifest["inputs"] == {
        place: {
            "path": str(SCENARIOS / file),
            "sha256": hashlib.sha256((SCENARIOS / file).read_bytes()).hexdigest(),
        }
        for place, file in inputs.items()
    }


def test_the_manifest_has_versions_and_seed(runs: Runs) -> None:
    ran = case(runs, "quickstart")
    manifest = json.loads((ran.folder / "manifest.json").read_text())
    assert manifest["seed"] == 42
    assert {"mosaik", "vessim", "simpy", "numpy"} <= set(manifest["libraries"])
    assert all(manifest["libraries"].values())
    assert manifest["wall"] == ran.summary["wall"]


# Where it goes


def test_earlier_results_are_replaced(tmp_path: Path) -> None:
    path = write(tmp_path / "s.yaml", controlled(write_controller(tmp_path, "1 / 0")))
    broken = run_scenario(path, tmp_path / "out")
    assert (broken.folder / "FAILED").is_file()
    (broken.folder / "notes.txt").write_text("of the first run")
    write(path, BASE)
    with pytest.raises(ScenarioError, match=r"it holds notes\.txt"):
        run_scenario(path, tmp_path / "out")
    (broken.folder / "notes.txt").unlink()
    whole = run_scenario(path, tmp_path / "out")
    assert {file.name for file in whole.folder.iterdir()} == FILES
    assert whole.summary["status"] == "completed"
    assert sorted(file.name for file in tmp_path.iterdir() if file.name.startswith(".")) == []


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert run_scenario(write(tmp_path / "s.yaml", BASE), tmp_path / "out").steps is not None


def test_a_folder_that_is_left_over_does_not_stand_in_the_way(cosim: Cli) -> None:
    stale = hidden("partial", gone())
    other = hidden("partial", 1)  # a process that is alive
    for folder in (stale, other):
        folder.mkdir()
        write(folder / "requests.parquet", "half")
    assert cosim("run", write("s.yaml", BASE), "--quiet", "-o", "out").code == 0
    assert not stale.exists()
    assert other.exists()


def test_results_whose_replacement_was_killed_are_restored(cosim: Cli) -> None:
    """A kill between the two renames leaves nothing under the name; the next run begins with it."""
    scenario = write("s.yaml", BASE)
    assert cosim("run", scenario, "--quiet", "-o", "out").code == 0
    whole = Path("out/summary.json").read_text()
    Path("out").rename(hidden("old", gone()))
    assert cosim("run", scenario, "--set", "seed=x", "-o", "out").code == 2  # not even begun
    entry = write_controller(Path(), "raise RuntimeError('boom')")
    failing = write("failing.yaml", controlled(entry))
    assert cosim("run", failing, "--quiet", "-o", "out").code == 1
    assert Path("out/summary.json").read_text() == whole
    assert sorted(str(path) for path in Path().glob(".*")) == []


def test_a_run_that_fails_does_not_cost_earlier_results(cosim: Cli) -> None:
    assert cosim("run", write("s.yaml", BASE), "--quiet", "-o", "out").code == 0
    whole = {path.name: path.read_bytes() for path in Path("out").iterdir()}
    entry = write_controller(Path(), "raise RuntimeError('boom')")
    failing = write("failing.yaml", controlled(entry))
    for _ in range(2):  # the second takes the place of the first
        answer = cosim("run", failing, "--quiet", "-o", "out")
        assert answer.code == 1
        assert "The results until then are in out.failed, marked as failed." in answer.err
    assert {path.name: path.read_bytes() for path in Path("out").iterdir()} == whole
    assert Path("out.failed/FAILED").exists()
    assert cosim("run", failing, "--quiet", "-o", "out.failed").code == 1  # failed for failed
    assert sorted(str(path) for path in Path().iterdir() if path.is_dir()) == ["out", "out.failed"]


def test_a_file_that_is_put_in_during_a_run_stays(cosim: Cli) -> None:
    scenario = write("s.yaml", BASE)
    assert cosim("run", scenario, "--quiet", "-o", "out").code == 0
    entry = write_controller(Path(), "open('out/notes.txt', 'w').close()")
    noting = write("noting.yaml", controlled(entry))
    answer = cosim("run", noting, "-o", "out")
    assert answer.code == 0
    assert "Results  out.new" in answer.out
    assert Path("out/notes.txt").exists()
    assert Path("out.new/summary.json").exists()


def test_the_folder_of_a_run_is_removed_under_way(cosim: Cli) -> None:
    code = "import glob, shutil; [shutil.rmtree(path) for path in glob.glob('.out.partial*')]"
    answer = cosim("run", write("s.yaml", controlled(write_controller(Path(), code))), "-o", "out")
    assert answer.code == 1
    assert "'requests.parquet' was removed during the run; those that could are in" in answer.err
    assert Path("out/FAILED").exists()
    assert Path("out/summary.json").exists()


@pytest.mark.parametrize("earlier", [False, True])
def test_a_full_disk_costs_what_could_not_be_written(
    cosim: Cli, monkeypatch: pytest.MonkeyPatch, earlier: bool
) -> None:
    import cosim.results.folder as folder

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    path = write("s.yaml", BASE)
    if earlier:
        assert cosim("run", path, "--quiet", "-o", "out").code == 0
    monkeypatch.setattr(folder, "_write_json", full)
    answer = cosim("run", path, "-o", "out")
    kept = "out.failed" if earlier else "out"
    assert answer.code == 1
    assert answer.err == (
        "error: the results could not all be written: [Errno 28] No space left on device; those "
        f"that could are in '{kept}', marked as failed\n"
    )
    left = {path.name for path in Path(kept).iterdir()}
    assert {"FAILED", "requests.parquet", "steps.parquet"} <= left
    assert Path("out/summary.json").exists() is earlier
    assert cosim("report", kept).code == 2


def hidden(state: str, pid: int) -> Path:
    return Path(f".out.{state}-{socket.gethostname()}-{pid}")


def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


# The hash


def hash_of(path: Path, *overrides: str) -> str:
    plan = load_plan(path, overrides)
    return scenario_hash(
        plan, {place: file_hash(file) for place, file in input_files(plan).items()}
    )


def in_folder(folder: Path, ci: str = "1", code: str = "return None", name: str = "ci.csv") -> Path:
    folder.mkdir(exist_ok=True)
    rows = "".join(f"2022-06-08T0{hour}:00:00Z,{ci}\n" for hour in range(3))
    write(folder / name, f"time,g\n{rows}")
    text = controlled(write_controller(folder, code))
    area = "{type: typical_day, area: CISO}"
    return write(folder / "s.yaml", text.replace(area, f"{{type: csv, path: {name}}}"))


def test_the_hash_does_not_depend_on_where_files_stand(tmp_path: Path) -> None:
    first = hash_of(in_folder(tmp_path / "a"))
    assert hash_of(in_folder(tmp_path / "b")) == first
    assert hash_of(in_folder(tmp_path / "c", name="other.csv")) == first
    absolute = tmp_path / "a" / "ci.csv"
    override = f"sites.0.microgrid.carbon_intensity.path={absolute}"
    assert hash_of(tmp_path / "b" / "s.yaml", override) == first


def test_the_hash_depends_on_what_is_in_them(tmp_path: Path) -> None:
    path = in_folder(tmp_path / "a")
    hashes = [
        hash_of(path),
        hash_of(path, "seed=2"),
        hash_of(path, "controllers=[]"),
        hash_of(in_folder(tmp_path / "b", ci="2")),
        hash_of(in_folder(tmp_path / "c", code="return SiteAction(batch_cap=9)")),
    ]
    assert len(set(hashes)) == len(hashes)


def test_the_hash_depends_on_the_class_of_a_controller(tmp_path: Path) -> None:
    path = in_folder(tmp_path / "a")
    mine = tmp_path / "a" / "mine.py"
    write(mine, mine.read_text() + "\n\nclass Other(Mine):\n    pass\n")
    override = f"controllers.0.type={mine}:"
    assert hash_of(path, override + "Other") != hash_of(path, override + "Mine")


def test_the_hash_does_not_depend_on_how_the_scenario_is_written(tmp_path: Path) -> None:
    plain = hash_of(write(tmp_path / "a.yaml", BASE))
    spelled = edited(("20min", "1200s"), ("seed: 1\n", "seed: 1 # one\nschema_version: 1\n"))
    assert hash_of(write(tmp_path / "b.yaml", spelled)) == plain
    assert hash_of(write(tmp_path / "c.yaml", "extends: a.yaml\n")) == plain
