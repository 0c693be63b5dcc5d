"""``cosim sweep``: what it runs, keeps and writes."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from cosim.accounting.energy import J_PER_KWH
from cosim.studies.frame import cases as frame_cases
from cosim.studies.frame.cases import run_cases
from cosim.studies.runs.execute import execute
from cosim.studies.runs.figures import RunFigures
from cosim.studies.runs.measure import run_figures
from cosim.studies.runs.processes import Processes
from cosim.studies.sweep.cases import cases
from cosim.studies.sweep.outcome import SWEEPS
from cosim.studies.sweep.study import read_study
from cosim.studies.sweep.sweep import needed_runs, sweep_of
from cosim.world.plan import Plan
from tests.conftest import Cli
from tests.cosim.builders import write, write_controller
from tests.cosim.studies.sweep.studies import STUDY, case_plan, study_file

FILES = ("sweep.json", "sweep.md", "report.html", "runs.parquet", "cases.parquet")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return study_file(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def one_go(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the study in one go, by one worker."""
    return swept(study, tmp_path_factory.mktemp("one") / "out")


def swept(path: Path, out: Path, workers: int = 1) -> Path:
    read = read_study(path)
    runs = run_cases(needed_runs(read), out / "runs", pool=Processes(workers))
    SWEEPS.write(sweep_of(read, runs), out)
    return out


def bytes_of(folder: Path) -> dict[str, bytes]:
    runs = {f"runs/{one.name}" for one in (folder / "runs").iterdir()}
    return {name: (folder / name).read_bytes() for name in {*FILES, *runs}}


def test_two_workers_write_the_same_bytes(study: Path, one_go: Path, tmp_path: Path) -> None:
    assert bytes_of(swept(study, tmp_path / "out", workers=2)) == bytes_of(one_go)
    assert len(list((one_go / "runs").iterdir())) == 8


def test_what_was_stopped_goes_on_and_makes_no_run_twice(
    study: Path, one_go: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def counted(plan: Plan) -> RunFigures:
        if len(made) == stop_after:
            raise KeyboardInterrupt
        made.append(1)
        return run_figures(plan)

    monkeypatch.setattr(frame_cases, "run_figures", counted)
    out, stop_after = tmp_path / "out", 3
    with pytest.raises(KeyboardInterrupt):
        swept(study, out)
    assert len(list((out / "runs").iterdir())) == 3
    assert not any((out / name).exists() for name in FILES)
    stop_after = -1
    swept(study, out)
    assert len(made) == 8
    assert bytes_of(out) == bytes_of(one_go)
    swept(study, out)
    assert len(made) == 8


def test_more_values_need_only_their_own_runs(study: Path, one_go: Path, tmp_path: Path) -> None:
    path = study_file(tmp_path, STUDY.replace("[0, 600]", "[600, 300, 0]").replace("s: 2", "s: 1"))
    read = read_study(path)
    runs = [json.loads(one.read_text())["key"] for one in (one_go / "runs").iterdir()]
    ended: list[tuple[str, bool]] = []
    run_cases(
        needed_runs(read),
        one_go / "runs",
        pool=Processes(1),
        on_run=lambda run: ended.append((run.case, run.made)),
    )
    assert sorted(ended) == [
        (f"solar {watts} W, gpu {gpu}", watts == 300)
        for watts in (0, 300, 600)
        for gpu in ("a100-sxm-80gb", "h100-sxm-80gb")
    ]
    for extra in {one.stem for one in (one_go / "runs").iterdir()} - set(runs):
        (one_go / "runs" / f"{extra}.json").unlink()  # as the other tests expect it


def test_figures_are_those_of_the_run(study: Path, one_go: Path) -> None:
    """Against the summary, and sums over the steps."""
    read = read_study(study)
    case = cases(read.axes)[2]
    result = execute(case_plan(read, case, 2))
    totals, record = result.summary.totals, result.run.recorder.sites["dc"]
    frame = pd.read_parquet(one_go / "runs.parquet")
    (row,) = frame[(frame["case_number"] == 2) & (frame["seed"] == 2)].to_dict("records")
    assert row["solar [W]"] == 600.0
    assert row["gpu"] == "h100-sxm-80gb"
    assert row["completed"] == totals.requests.completed > 80
    assert row["ttft_p99_s"] == pytest.approx(totals.latency_s.ttft.p99)
    assert row["tpot_p50_s"] == pytest.approx(totals.latency_s.tpot.p50)
    assert row["self_sufficiency"] == pytest.approx(totals.grid.self_sufficiency)
    assert row["battery_cycles"] == totals.battery.cycles > 0
    assert row["mfu"] == totals.gpu.mfu_mean
    joules = float(record.column("facility_power_w").sum()) * 60.0
    assert row["j_per_token"] == pytest.approx(joules / row["output_tokens"], rel=1e-9)
    step_s = 60.0
    intensity = record.column("carbon_intensity_g_per_kwh")
    import_g = float(record.column("import_w") @ intensity) * step_s / J_PER_KWH
    stored_wh = (record.final_soc - 0.8) * 100
    total_g = import_g - stored_wh / 1000 * intensity.mean() + totals.carbon_g.embodied
    assert row["total_g"] == pytest.approx(total_g, rel=1e-9)
    assert row["per_1k_tokens_g"] == pytest.approx(total_g / row["output_tokens"] * 1000)
    assert row["facility_power_w"] == pytest.approx(record.column("facility_power_w").mean())


def test_the_cases_are_means_over_the_seeds(one_go: Path) -> None:
    runs, found = (pd.read_parquet(one_go / f"{name}.parquet") for name in ("runs", "cases"))
    assert len(found) == 4
    for name in ("total_g", "ttft_p99_s", "import_kwh", "completed"):
        pairs = runs.groupby("case_number")[name].apply(list)
        for (one, two), mean, half in zip(
            pairs, found[name], found[f"{name}_half_width"], strict=True
        ):
            assert mean == pytest.approx((one + two) / 2)
            assert half == pytest.approx(12.7062 * abs(one - two) / 2, rel=1e-4)  # t with 1 degree


def test_what_was_written_is_read_again(one_go: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    SWEEPS.write(SWEEPS.read(one_go), tmp_path)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (one_go / name).read_bytes(), name


@pytest.fixture
def failing(tmp_path: Path) -> Path:
    entry = write_controller(
        tmp_path, "if step == 3: raise OSError('no disk')\n        return SiteAction()"
    )
    (tmp_path / "bad.yaml").write_text(
        STUDY.partition("grid")[0].replace("s: 2", "s: 1")
        + f"grid: {{controllers: [[], [{entry}]]}}\n"
    )
    study_file(tmp_path)
    return tmp_path / "bad.yaml"


def test_a_case_that_breaks_off_is_said(cosim: Cli, failing: Path) -> None:
    answer = cosim("sweep", failing, "-o", "out", "--workers", "1")
    assert answer.code == 1
    assert "error: some runs failed" in answer.err
    assert "0, 1 failed" not in answer.out.splitlines()[1]
    assert "Failed runs: controllers" in answer.out
    assert "Least carbon: controllers []" in answer.out
    kept = [json.loads(one.read_text()) for one in Path("out/runs").iterdir()]
    assert sum("no disk" in one["figures"]["failure"] for one in kept) == 1


class TestCommand:
    def test_it_prints_a_table_and_the_answer(self, cosim: Cli, study: Path, one_go: Path) -> None:
        out = one_go
        answer = cosim("sweep", study, "-o", out, "--workers", "1")
        assert answer.code == 0
        assert answer.err == (
            "small: 4 cases x 2 seeds = 8 runs\n8 of them were reused from before\n"
        )
        lines = answer.out.splitlines()
        assert max(map(len, lines[:6])) <= 80
        assert [line.split()[:2] for line in lines[2:6]] == [
            ["0", "h100-sxm-80gb"],
            ["0", "a100-sxm-80gb"],
            ["600", "h100-sxm-80gb"],
            ["600", "a100-sxm-80gb"],
        ]
        totals = pd.read_parquet(out / "cases.parquet")["per_1k_tokens_g"]
        starred = [k for k, line in enumerate(lines[2:6]) if "*" in line]
        assert starred == [int(totals.idxmin())]
        assert answer.out.endswith(f"Results  {out}\n")

    def test_as_json(self, cosim: Cli, study: Path, one_go: Path) -> None:
        answer = cosim("sweep", study, "-o", one_go, "--json", "--quiet", "--workers", "1")
        assert answer.out == (one_go / "sweep.json").read_text()
        assert answer.err == ""

    def test_settings_and_seeds(self, cosim: Cli, study: Path) -> None:
        setting = "time.duration=3min"
        answer = cosim(
            "sweep", study, "--seeds", "1", "--set", setting, "--json", "--quiet", "--workers", "1"
        )
        found = json.loads(answer.out)
        assert found["seeds"] == [1]
        assert found["set"] == [setting]
        assert all(case["runs"][0]["arrived"] < 70 for case in found["cases"])
        assert Path("results/small-sweep/report.html").is_file()

    def test_results_of_something_else_are_left_alone(self, cosim: Cli, study: Path) -> None:
        Path("other").mkdir()
        write("other/summary.json", "{}")
        answer = cosim("sweep", study, "-o", "other")
        assert answer.code == 2
        assert "'other' holds results of cosim run; choose another folder with -o" in answer.err
        assert [one.name for one in Path("other").iterdir()] == ["summary.json"]
