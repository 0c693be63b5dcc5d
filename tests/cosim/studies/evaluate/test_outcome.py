"""``cosim report`` of an evaluation: the same page from what its folder holds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cosim.errors import CosimError
from cosim.studies.evaluate.evaluation import Evaluation
from cosim.studies.evaluate.outcome import EVALUATION, folder_page
from tests.conftest import Cli
from tests.cosim.builders import controlled, write
from tests.cosim.studies.evaluate.figures import RUN, bound, evaluation, many

SCENARIO = (
    controlled()
    + """evaluation:
  seeds: 2
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
    for said in ("<td>seeds</td><td>1, 2</td>", "<td>simpy</td>", "high_g_per_kwh: 250"):
        assert said in html


@pytest.mark.parametrize(
    "found",
    [
        many(),
        evaluation([RUN], {0: bound(500.1)}),
        evaluation(
            [RUN, replace(RUN, policy="idle", output_tokens=0, failure="no disk")],
            {0: bound(0.0)},
        ),
        evaluation([replace(RUN, ttft_p99_s=None, cost=1 / 3)], {0: bound(1e-17)}),
    ],
    ids=["many", "one", "failed", "unknown"],
)
def test_what_was_written_is_read_again(found: Evaluation, tmp_path: Path) -> None:
    EVALUATION.write(found, tmp_path)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    again = EVALUATION.read(tmp_path)
    assert (again.policies, again.bounds, again.seeds) == (
        found.policies,
        found.bounds,
        found.seeds,
    )
    folder_page(tmp_path).write(tmp_path)
    assert (tmp_path / "report.html").read_bytes() == first["report.html"]
    EVALUATION.write(again, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


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
        (lambda content: content["runs"].pop(), "was not run with the seeds [0, 1]"),
        (lambda content: content["runs"][3].pop("import_g"), "runs.3.import_g: Field required"),
        (lambda content: content["runs"][3].update(import_g="much"), "runs.3.import_g: "),
        (lambda content: content.update(oracle=[]), "oracle: "),
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


def test_a_file_is_no_folder(cosim: Cli) -> None:
    answer = cosim("evaluate", write("s.yaml", SCENARIO), "-o", write("out", "mine"))
    assert answer.code == 2
    assert "'out' is a file; choose another folder with -o" in answer.err
    assert Path("out").read_text() == "mine"
