"""The page of the paper's experiments says what their rows do."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from html import unescape
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cosim.errors import CosimError, ScenarioError
from cosim.report.charts import BarChart
from cosim.report.draw_pdf import write_pdf
from cosim.report.lines import LineChart
from cosim.studies.kinds import KINDS, Kind
from cosim.studies.reproduce.case_study_charts import case_study_charts
from cosim.studies.reproduce.cases import sweep
from cosim.studies.reproduce.comparison import agreement, tables
from cosim.studies.reproduce.outcome import REPRODUCTION, check_folder, folder_page, versions
from cosim.studies.reproduce.rows import VALUES, Reproduction, Row, row_of
from cosim.studies.reproduce.runner import run_cases
from cosim.studies.reproduce.table2 import CaseStudy, run_table2
from tests.browser import CHROMIUM, WHY_NOT, Browser, chromium
from tests.conftest import Cli
from tests.cosim.report.pages import LOOKS, check_whole, hover

LLAMA3_8B = "meta-llama/Meta-Llama-3-8B"
CHARTS = (
    *("fig6", "fig7-charge", "fig7-spread", "fig7-emissions", "fig2-power", "fig2-energy"),
    *("fig3-length-power", "fig3-length-energy", "fig3-ratio-power", "fig3-ratio-energy"),
    *("fig4", "fig1", "fig5", "exp5-power", "exp5-energy"),
)
SIZES = {"exp1": 512, "exp2": 8, "exp3": 8, "exp4": 8, "exp5": 8}


@pytest.fixture(scope="module")
def study() -> CaseStudy:
    return run_table2()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, study: CaseStudy) -> Path:
    """Everything, with few requests: of experiment 1, two cases were published so."""
    cases = [case for exp, most in SIZES.items() for case in sweep(exp, most)]
    rows = [row_of(case, one) for case, one in zip(cases, run_cases(cases, 1), strict=True)]
    out = tmp_path_factory.mktemp("reproduced") / "out"
    outcome = Reproduction([*study.rows, *rows], ["<Few> requests."], versions(), study.modes)
    REPRODUCTION.write(outcome, out)
    return out


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[Row]:
    return list(REPRODUCTION.read(folder).rows)


@pytest.fixture(scope="module")
def html(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def values(html: str) -> dict[str, Any]:
    found = re.search(r'id="chart-data">(.*?)</script>', html)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def cells(html: str) -> list[list[str]]:
    return [
        [unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", line)]
        for line in re.findall(r"<tr>(.*?)</tr>", html)
    ]


def test_the_page_has_every_experiment_and_figure(html: str) -> None:
    assert tuple(re.findall(r'<figure id="chart-([^"]+)"', html)) == CHARTS
    sections = re.findall(r'<section id="([^"]+)"', html)
    assert sections == ["table2", *SIZES, "versions"]
    assert "&lt;Few&gt; requests." in html
    assert len(html) < 2_500_000


def test_charts_have_the_values_of_the_rows(html: str, rows: list[Row]) -> None:
    data = values(html)
    by_rate = {row.case["qps"]: row for row in rows if row.exp == "exp4"}
    for key, quantities in {"fig1": ["mfu_percent"], "fig5": ["power_w", "energy_kwh"]}.items():
        chart = data[key]
        assert chart["at"] == sorted(by_rate)
        lines = [one for one in chart["series"] if one["name"] in ("paper mode", "corrected")]
        assert len(lines) == 2 * len(quantities)
        for k, one in enumerate(lines):
            mode = one["name"].replace(" ", "_")
            expected = [getattr(by_rate[x], mode)[quantities[k // 2]] for x in chart["at"]]
            assert one["mean"] == expected


def test_what_was_published_stands_beside_ours(html: str, rows: list[Row]) -> None:
    """Circles in the charts, and lines of the table with the differences."""
    known = {row.case["requests"]: row for row in rows if row.exp == "exp1" and _known(row)}
    assert set(known) == {256, 512}
    series = values(html)["fig2-power"]["series"]
    circles = [one for one in series if one["name"] == "published, Meta-Llama-3-8B"]
    assert len(circles) == 2  # beside paper mode, and beside the corrected values
    for one in circles:
        assert one["mean"] == [known[x].published["power_w"] for x in (256, 512)]
    wide = re.search(r'id="chart-fig2-power".*?(<svg class="chart wide".*?</svg>)', html, re.DOTALL)
    assert wide is not None
    assert len(re.findall(r'<circle[^>]* class="line green"', wide[1])) == 2 * (2 + 1)  # legend
    row = known[256]
    paper, right = row.paper_mode["power_w"], row.corrected["power_w"]
    assert paper is not None
    assert right is not None
    line = [
        "",
        "",
        "power [W]",
        "152.1",
        f"{paper:.1f}",
        f"{(paper / 152.108917 - 1) * 100:+.1f} %",
    ]
    line += [f"{right:.1f}", f"{(right / 152.108917 - 1) * 100:+.1f} %"]
    assert line in cells(html)


def _known(row: Row) -> bool:
    return row.published["power_w"] is not None


def test_table_2_has_all_its_rows(html: str, study: CaseStudy) -> None:
    lines = {line[0]: line for line in cells(html) if line}
    for row in study.rows:
        line = lines[str(row.case["row"])]
        assert len(line) == 6
        if row.published["value"] is None:
            assert (line[1], line[3], line[5]) == ("-", "", "")
        else:
            assert re.fullmatch(r"[+-][\d.]+ %", line[3])
    grams = next(row for row in study.rows if row.case["row"] == "net_g").corrected["value"]
    assert f"is {grams:,.1f} g." in html


def test_the_case_study_is_drawn_from_its_steps(study: CaseStudy) -> None:
    charts = {chart.key: chart for chart in case_study_charts(study.modes)}
    spread = charts["fig7-spread"]
    assert isinstance(spread, BarChart)
    hours = len(study.steps) / 60
    assert [one.values.sum() for one in spread.groups] == pytest.approx([hours, hours])
    emissions = charts["fig7-emissions"]
    assert isinstance(emissions, LineChart)
    imported = emissions.panels[0].series[-1]
    assert imported.high is not None
    grams = next(row for row in study.rows if row.case["row"] == "import_g").corrected["value"]
    assert np.nanmax(imported.high) == pytest.approx(grams, rel=1e-9)


def test_agreement() -> None:
    def row(published: float | None, paper: float, right: float) -> Row:
        known = dict.fromkeys(VALUES, published)
        return Row(
            "exp3",
            {"batch_cap": 1},
            known,
            dict.fromkeys(VALUES, paper),
            dict.fromkeys(VALUES, right),
        )

    found = agreement([row(10.0, 9.0, 4.5), row(10.0, 10.5, 10.5), row(None, 1.0, 0.25)])
    assert (found.cases, found.published) == (3, 2)
    assert found.largest_percent["power_w"] == pytest.approx(10)
    assert found.energy_ratio == (0.25, 1.0)
    unknown = agreement([row(None, 1.0, 0.25)])
    assert unknown.largest_percent == {}
    (title, table) = tables([row(None, 1.0, 0.25)])
    assert "All cases" in title
    assert "published" not in table


def test_a_single_case_can_be_drawn(tmp_path: Path, cosim: Cli) -> None:
    args = ("--case", "batch_cap=4", "--max-requests", "8", "--no-figures", "-o", "one")
    assert cosim("reproduce", "exp3", *args).code == 0
    assert [chart.key for chart in folder_page(tmp_path / "one").charts] == ["fig4"]
    assert "Experiment 3: batch cap" in (tmp_path / "one" / "report.html").read_text()


def test_leftovers_of_a_killed_process_are_removed(tmp_path: Path, cosim: Cli) -> None:
    (tmp_path / f".one.partial-{socket.gethostname()}-999999999").mkdir()  # no such process
    args = ("--case", "batch_cap=4", "--max-requests", "8", "--no-figures", "-o", "one")
    assert cosim("reproduce", "exp3", *args).code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


@pytest.mark.parametrize("key", ["fig2-energy", "fig4"])
def test_charts_as_pdf(tmp_path: Path, folder: Path, key: str) -> None:
    """With more lines than fit above a panel, circles, guides and a logarithmic axis."""
    (chart,) = [one for one in folder_page(folder).charts if one.key == key]
    write_pdf(chart, tmp_path / "chart.pdf")
    assert (tmp_path / "chart.pdf").read_bytes().startswith(b"%PDF")


class TestCommand:
    def test_the_page_is_the_same_again(self, folder: Path, html: str, cosim: Cli) -> None:
        answer = cosim("report", folder)
        assert (answer.code, answer.out) == (0, f"{folder}/report.html\n")
        assert (folder / "report.html").read_text(encoding="utf-8") == html

    def test_figures(self, tmp_path: Path, folder: Path, cosim: Cli) -> None:
        copy = shutil.copytree(folder, tmp_path / "copy")
        answer = cosim("report", copy, "--figures", "svg")
        assert answer.code == 0, answer.err
        files = [Path(line) for line in answer.out.splitlines()[1:]]
        assert tuple(path.stem for path in files) == CHARTS
        assert all(path.read_bytes().startswith(b"<svg") for path in files)
        check_folder(copy)  # may be replaced
        (copy / "figures" / "mine.txt").write_text("mine", encoding="utf-8")
        with pytest.raises(ScenarioError, match="choose another"):
            check_folder(copy)

    def test_it_is_compared_with_the_paper_alone(self, folder: Path, cosim: Cli) -> None:
        answer = cosim("report", folder, "--baseline", folder)
        assert answer.code == 2
        assert answer.err.startswith("error: --baseline goes with the report of a run")


@pytest.mark.parametrize("name", ["rows.json", "manifest.json", "table2_steps.parquet"])
def test_a_damaged_folder_is_named(tmp_path: Path, folder: Path, name: str) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / name).write_bytes(b'{"a": 1}')
    with pytest.raises(CosimError, match=f"{name}' cannot be read"):
        folder_page(copy)


def test_without_the_case_study(tmp_path: Path, folder: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "table2_steps.parquet").unlink()
    assert not [one for one in folder_page(copy).charts if one.key in ("fig6", "fig7-charge")]


def test_kinds_are_told_apart() -> None:
    assert len({kind.marker for kind in KINDS}) == len(KINDS)
    for kind in KINDS:
        module = import_module(kind.module)
        assert callable(module.folder_page)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.compares])
def test_what_compares_already_takes_no_baseline(kind: Kind) -> None:
    with pytest.raises(ScenarioError, match=f"of {kind.command}, whose {kind.compares}"):
        kind.check_baseline()


in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason=WHY_NOT)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@in_a_browser
@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_the_page_is_whole_and_asks_for_nothing(
    browser: Browser, folder: Path, width: int, dark: bool, tmp_path: Path
) -> None:
    check_whole(browser, (folder / "report.html").as_uri(), width, dark, CHARTS)
    shots = Path(os.environ.get("COSIM_SCREENSHOTS", tmp_path))
    picture = shots / f"reproduce-{width}-{'dark' if dark else 'light'}.png"
    browser.screenshot(picture)
    assert picture.stat().st_size > 50_000


@in_a_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_values_under_the_pointer_are_those_of_the_rows(
    browser: Browser, folder: Path, rows: list[Row], width: int
) -> None:
    browser.open((folder / "report.html").as_uri(), width=width)
    caps = [row for row in rows if row.exp == "exp3"]
    for index, row in enumerate(caps):
        shown = hover(browser, "fig4", (index + 0.1) / (len(caps) - 0.8))
        assert shown["index"] == index
        assert f"batch cap, sequences: {row.case['batch_cap']}\n" in shown["text"]
        ours = float(shown["values"]["ours, ± standard deviation"])
        assert ours == row.paper_mode["batch_mean"]
        assert float(shown["values"]["corrected"]) == row.corrected["energy_kwh"]
        assert 0 <= shown["left"] <= shown["right"] <= width


@in_a_browser
def test_the_steps_under_the_pointer(browser: Browser, folder: Path, study: CaseStudy) -> None:
    browser.open((folder / "report.html").as_uri(), width=1280)
    shown = hover(browser, "fig7-charge", 0.5)
    size = 3  # minutes of a bucket, which the chart says
    first = shown["index"] * size
    soc: pd.Series[float] = study.steps["battery_soc"][first : first + size]
    mean = float(shown["values"]["battery of 516.8 Wh, as in the paper's code"])
    assert mean == pytest.approx(soc.mean(), rel=1e-12)
