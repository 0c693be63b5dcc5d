"""``cosim report`` of an evaluation: the same page from what its folder holds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from math import isnan, nan
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from controllers import Decoy
from cosim.errors import CosimError
from cosim.studies.evaluate.evaluation import Evaluation
from cosim.studies.evaluate.outcome import EVALUATION, folder_page
from cosim.studies.kinds import EVALUATE, SWEEP, check_place
from tests.conftest import Cli
from tests.cosim.builders import controlled, write
from tests.cosim.studies.evaluate.figures import POLICY, RUN, bound, decoy_of, evaluation, many

SCENARIO = (
    controlled()
    + """evaluation:
  seeds: 2
  decoys: [6h]
  policies:
    - name: eager
      controllers: [{type: carbon_threshold, high_g_per_kwh: 250, low_g_per_kwh: 200}]
      twin: true
"""
)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an evaluation that was never made."""
    folder = tmp_path_factory.mktemp("written")
    EVALUATION.write(many(), folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path, written: Path) -> Path:
    return shutil.copytree(written, tmp_path / "out")


@pytest.mark.usefixtures("quick_bounds")
def test_the_page_is_the_same_again(cosim: Cli) -> None:
    made = cosim("evaluate", write("s.yaml", SCENARIO), "-o", "out", "--quiet", "--workers", "1")
    assert made.code == 0, made.err
    page = Path("out/report.html")
    first = page.read_bytes()
    shutil.rmtree("out/runs")  # nothing of it is needed
    page.unlink()
    answer = cosim("report", "out")
    assert (answer.code, answer.out) == (0, "out/report.html\n"), answer.err
    assert page.read_bytes() == first
    html = first.decode()
    assert "Decoys" in html
    for said in ("<td>seeds</td><td>1, 2</td>", "<td>simpy</td>", "high_g_per_kwh: 250"):
        assert said in html


BY_WEEK = evaluation(
    [
        replace(run, seed=seed, marginal_g=2000.0 + seed, cost=1 / 3)
        for run in (
            RUN,
            POLICY,
            decoy_of(POLICY, Decoy("moved", by_s=21600.0), 990.0),
            decoy_of(POLICY, Decoy("other_days", draw=2), 980.0),
            replace(POLICY, kind="twin"),
        )
        for seed in range(4)
    ],
    [bound(500.1), None, bound(1e-17), bound(0.0)],
    weeks=("2022-03-01", "2022-09-01"),
    bulk_hour_utc=9,
)


@pytest.mark.parametrize(
    "found",
    [
        many(),
        BY_WEEK,
        evaluation([RUN], [bound(500.1)]),
        evaluation(
            [RUN, replace(POLICY, policy="idle", output_tokens=0, failure="no disk")], [bound(0.0)]
        ),
        evaluation(
            [
                replace(
                    RUN,
                    ttft_p99_s=None,
                    wait_s=None,
                    attainment=None,
                    attainment_by_class={"chat": None},
                    left_by_class={},
                )
            ],
            [None],
        ),
    ],
    ids=["many", "weeks", "one", "failed", "unknown"],
)
def test_what_was_written_is_read_again(found: Evaluation, tmp_path: Path) -> None:
    EVALUATION.write(found, tmp_path)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    again = EVALUATION.read(tmp_path)
    assert again.units == found.units
    for name in ("policies", "bounds", "seeds", "weeks", "bulk_hour_utc", "scenario", "versions"):
        assert getattr(again, name) == getattr(found, name), name
    folder_page(tmp_path).write(tmp_path)
    assert (tmp_path / "report.html").read_bytes() == first["report.html"]
    EVALUATION.write(again, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


def test_tables_of_runs_and_policies(tmp_path: Path) -> None:
    """For other programs: a column for each class, each bound, and each interval's half."""
    EVALUATION.write(BY_WEEK, tmp_path)
    runs = pd.read_parquet(tmp_path / "runs.parquet")
    assert len(runs) == 20
    assert list(runs["week"][:5]) == [0, 0, 1, 1, 0]
    assert list(runs["decoy"].unique()) == ["", "moved 21600", "other_days 2"]
    assert list(runs["kind"].unique()) == ["baseline", "policy", "decoy", "twin"]
    assert list(runs["bound_sleep_g"][:4]) == pytest.approx(
        [500.1 / 4, nan, 1e-17 / 4, 0], nan_ok=True
    )
    assert (runs["left_by_class.batch"] == 0).all()
    assert (runs["attainment_by_class.chat"] == 1).all()
    assert not {"left_by_class", "attainment_by_class"} & set(runs.columns)
    policies = pd.read_parquet(tmp_path / "policies.parquet")
    assert list(policies["policy"]) == ["noop"] * 5
    policy = policies[policies["kind"] == "policy"].iloc[0]
    assert policy["timing"] == pytest.approx(-0.01)
    assert policy["by_day"] == pytest.approx(-0.02)
    assert policy["timing_half_width"] == pytest.approx(0)
    assert policy["attainment_by_class.chat"] == 1
    assert isnan(policies["timing"].iloc[0])
    content = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    assert content["runs"][8]["decoy"] == {"kind": "moved", "by_s": 21600.0, "draw": 1}
    assert content["runs"][0]["left_by_class"] == {"chat": 0.0, "batch": 0.0}
    assert content["policies"][0]["timing"] is None


def test_figures(folder: Path, cosim: Cli) -> None:
    answer = cosim("report", folder, "--figures", "svg")
    assert answer.code == 0, answer.err
    files = [folder / "figures" / f"{name}.svg" for name in ("pareto", "savings")]
    assert answer.out.splitlines() == [str(folder / "report.html"), *map(str, files)]
    assert all(path.read_bytes().startswith(b"<svg") for path in files)


def test_figures_as_pdf(folder: Path, cosim: Cli) -> None:
    answer = cosim("report", folder, "--figures", "pdf")
    assert answer.code == 0, answer.err
    for name in ("pareto", "savings"):
        assert (folder / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_there_is_no_other_baseline(folder: Path, cosim: Cli) -> None:
    before = (folder / "report.html").read_bytes()
    answer = cosim("report", folder, "--baseline", folder)
    assert answer.code == 2
    assert answer.err == (
        "error: --baseline goes with the report of a run; this folder is of cosim evaluate, whose "
        "policies are compared with doing nothing\n"
    )
    assert (folder / "report.html").read_bytes() == before


def dropped(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda content: content.pop(key)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (dropped("runs"), "runs: Field required"),  # what earlier versions wrote
        (dropped("versions"), "versions: Field required"),
        (lambda content: content["runs"].clear(), "runs: expected at least one (got 0)"),
        (lambda content: content["runs"].pop(), "one for each week and seed (got 1)"),
        (lambda content: content["bounds"].pop(), "bounds: expected 2 (got 1)"),
        (lambda content: content.update(seeds=[1]), "runs: expected 1 of 'noop'"),
        (lambda content: content["runs"][3].pop("import_g"), "runs.3.import_g: Field required"),
        (lambda content: content["runs"][3].update(import_g="much"), "runs.3.import_g: "),
        (lambda content: content["runs"][3].update(kind="foe"), "kind: "),
        (lambda content: content["runs"][3]["left_by_class"].update(chat="x"), "runs.3.left_by_"),
        (lambda content: content.update(bounds=[1]), "bounds.0: "),
        (dropped("weeks"), "weeks: Field required"),
    ],
)
def test_a_damaged_file_is_told(
    folder: Path, damage: Callable[[dict[str, Any]], object], reason: str
) -> None:
    path = folder / "evaluation.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    damage(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(CosimError) as raised:
        folder_page(folder)
    text = str(raised.value)
    assert text.startswith(f"'{path}' cannot be read: ")
    assert reason in text
    assert "run cosim evaluate again" in text


@pytest.mark.parametrize("content", [b"", b"[]", b'{"scenario": "we', b"\xff\xfe"])
def test_what_is_no_evaluation_is_told(folder: Path, content: bytes, cosim: Cli) -> None:
    (folder / "evaluation.json").write_bytes(content)
    answer = cosim("report", folder)
    assert answer.code in (1, 2)
    assert "evaluation.json' cannot be read" in answer.err
    assert len(answer.err.splitlines()) == 1


@pytest.mark.parametrize("name", ["summary.json", "rows.json"])
def test_results_of_something_else_are_left_alone(cosim: Cli, name: str) -> None:
    Path("other").mkdir()
    write(f"other/{name}", "{}")
    answer = cosim("evaluate", write("s.yaml", SCENARIO), "-o", "other")
    assert answer.code == 2
    assert "'other' holds results of cosim r" in answer.err
    assert [one.name for one in Path("other").iterdir()] == [name]


def test_results_of_another_scenario_are_left_alone(cosim: Cli, folder: Path) -> None:
    """A run of the same one goes on there."""
    before = (folder / "evaluation.json").read_bytes()
    name = json.loads(before)["scenario"]
    answer = cosim("evaluate", write("s.yaml", SCENARIO), "-o", folder, "--set", "name=another")
    assert answer.code == 2
    assert (
        f"holds results of cosim evaluate for '{name}', not for 'another'; choose another folder "
        "with -o" in answer.err
    )
    assert (folder / "evaluation.json").read_bytes() == before
    check_place(folder, EVALUATE, [name])


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"name": "a"}'])
def test_a_folder_whose_study_is_not_known_can_be_made_anew(tmp_path: Path, content: str) -> None:
    write(tmp_path / "sweep.json", content)
    check_place(tmp_path, SWEEP, ["a"])


def test_a_file_is_no_folder(cosim: Cli) -> None:
    answer = cosim("evaluate", write("s.yaml", SCENARIO), "-o", write("out", "mine"))
    assert answer.code == 2
    assert "'out' is a file; choose another folder with -o" in answer.err
    assert Path("out").read_text() == "mine"
