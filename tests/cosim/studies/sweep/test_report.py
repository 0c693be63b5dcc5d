"""The page of a sweep: its charts, what it says, and how it looks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from cosim.errors import CosimError, ScenarioError
from cosim.report.charts import ScatterChart
from cosim.report.lines import LineChart
from cosim.report.scales import x_scale
from cosim.studies.sweep.bars import SHOWN, case_table
from cosim.studies.sweep.charts import measure_charts, pareto_chart
from cosim.studies.sweep.measures import MEASURES
from cosim.studies.sweep.outcome import SWEEPS, folder_page
from cosim.studies.sweep.page import sweep_page
from cosim.studies.sweep.rows import choose, rows
from cosim.studies.sweep.sweep import Sweep
from cosim.studies.sweep.table import full_table
from tests.browser import CHROMIUM, WHY_NOT, Browser, chromium
from tests.conftest import Cli
from tests.cosim.report.pages import LOOKS, check_whole
from tests.cosim.studies.sweep.studies import RUN, axis, emitting, made_up

SOLAR = axis("solar", [1200, 400, 800], "W")
GPU = axis("gpu", ["h100", "a100"])
SIZE = axis("GPUs", [1, 2])
CARBON = MEASURES["total_g"]


def many() -> Sweep:
    """Three axes and two seeds; four GPUs and little sun leave work behind."""
    runs = []
    for solar in (1200, 400, 800):
        for gpu in (1.0, 0.7):
            for size in (1, 2):
                grams, ttft_s = 9000 * gpu * size - 2 * solar, 0.3 / gpu / size
                behind = {"load_state": "overloaded"} if (solar, size) == (400, 1) else {}
                runs.append(
                    [
                        emitting(grams + 50 * k, ttft_s, seed=k, import_kwh=grams / 300, **behind)
                        for k in (1, 2)
                    ]
                )
    return made_up([SOLAR, GPU, SIZE], runs)


def test_lines_over_the_first_axis_of_numbers_by_the_next_with_panels_for_the_rest() -> None:
    found = many()
    (chart,) = measure_charts(found.axes, rows(found), [CARBON])
    assert isinstance(chart, LineChart)
    assert chart.axis.label == "solar [W]"
    assert chart.at.tolist() == [400, 800, 1200]
    assert [panel.title for panel in chart.panels] == [
        "total carbon, GPUs 1 [kg]",
        "total carbon, GPUs 2 [kg]",
    ]
    names = [one.name for one in chart.panels[1].series]
    assert names == ["gpu h100", "gpu a100"]
    h100 = chart.panels[1].series[0]
    assert h100.y == pytest.approx([(18000 - 2 * solar + 75) / 1000 for solar in (400, 800, 1200)])
    assert h100.low is not None
    assert h100.y - h100.low == pytest.approx([12.7062 * 0.025] * 3, rel=1e-4)


def test_what_left_work_behind_is_a_hollow_circle_beside_the_line() -> None:
    found = many()
    (chart,) = measure_charts(found.axes, rows(found), [CARBON])
    assert isinstance(chart, LineChart)
    line, circles, *_ = chart.panels[0].series
    assert circles.shape == "points"
    assert circles.name == "gpu h100, left work"
    assert np.isnan(line.y).tolist() == [True, False, False]
    assert np.isnan(circles.y).tolist() == [False, True, True]
    assert "Open circles" in chart.note


def test_an_axis_that_changes_nothing_is_left_out_and_what_never_changes_too() -> None:
    found = made_up(
        [SIZE, GPU], [emitting(100, 0.2), emitting(100, 0.2), emitting(90), emitting(90)]
    )
    charts = measure_charts(found.axes, rows(found), list(MEASURES.values()))
    assert [chart.key for chart in charts] == ["total_g", "per_1k_tokens_g", "embodied_g"]
    assert charts[0].note == "The same for every gpu."
    page = sweep_page(found).html()
    same = page.partition('id="same"')[2].partition("</section>")[0]
    assert "time to the first token, p99</td><td>200 ms" in same
    assert "The same in every case<" in same


def test_cases_without_numbers_have_their_table_and_no_chart() -> None:
    found = made_up([GPU], [emitting(2000.0), emitting(3000.0)])
    assert measure_charts(found.axes, rows(found), [CARBON]) == []
    cells = table_of(found)
    assert [line[:2] for line in cells] == [
        ["gpu", "total carbon [kg]"],
        ["h100", "2.000* baseline"],
        ["a100", "3.000 +50 %"],
    ]


def table_of(found: Sweep) -> list[list[str]]:
    """Return the texts of the table with bars."""
    every = rows(found)
    html = case_table(found, every, choose(every, found.baseline))
    return [
        [unescape(re.sub(r"<[^>]+>", "", cell)) for cell in re.split(r"</t[hd]>", row)[:-1]]
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", html)
    ]


def test_the_table_of_cases_has_only_what_differs() -> None:
    """Axes of one value have no column, nor figures that differ by 711 against 712 ms."""
    runs = [emitting(1000, 0.711), emitting(900, 0.712), emitting(800, 0.8, attainment=0.9)]
    found = made_up([axis("gpu", ["h100"]), axis("battery", [0, 500, 2000], "Wh")], runs)
    head, *lines = table_of(found)
    assert head == [
        "battery [Wh]", "total carbon [kg]", "time to the first token, p99 [ms]",
        "SLO attainment [%]",
    ]  # fmt: skip
    assert lines == [
        ["0", "1.000 baseline", "711.0 baseline", "100.00 baseline"],
        ["500", "0.900 -10 %", "712.0 +0.1 %", "100.00"],
        ["2000", "0.800* -20 %", "800.0 +13 %", "90.00 -10.0 points"],
    ]
    head, *lines = table_of(replace(found, baseline=2))
    assert [line[1] for line in lines] == ["1.000 +25 %", "0.900 +12 %", "0.800* baseline"]


def test_a_case_that_left_work_has_no_bar_of_its_carbon() -> None:
    found = made_up([GPU], [emitting(5), emitting(1, load_state="overloaded", backlog=40)])
    every = rows(found)
    html = case_table(found, every, choose(every))
    pale = html.partition('<tr class="pale">')[2]
    assert '<td class="number">1.000</td>' in pale
    assert table_of(found)[2] == ["a100", "1.000", "40 !"]


def test_figures_that_hardly_differ_stand_below_with_their_range() -> None:
    found = made_up([SIZE], [emitting(100, 0.711), emitting(90, 0.712)])
    same = sweep_page(found).html().partition('id="same"')[2].partition("</section>")[0]
    assert "time to the first token, p99</td><td>711 to 712 ms" in same
    assert "The same in every case, within 0.5 %" in same


def test_the_front_is_named() -> None:
    found = many()
    every = rows(found)
    chart = pareto_chart(found.axes, every, choose(every))
    assert isinstance(chart, ScatterChart)
    assert len(chart.points) == sum(row.whole for row in every) == 10
    red = [one.name for one in chart.points if one.color == "vermilion"]
    assert red == [f"solar 1200 W, gpu {gpu}, GPUs {n}" for gpu in ("h100", "a100") for n in (1, 2)]
    assert all(one.label for one in chart.points)  # there is room for all
    assert "left work behind" in chart.note


def test_the_note_names_the_colors_that_are_drawn() -> None:
    found = many()
    every = rows(found)
    for baseline in range(len(every)):
        chart = pareto_chart(found.axes, every, choose(every, baseline))
        assert isinstance(chart, ScatterChart)
        assert "In orange: the Pareto front" in chart.note
        assert ("In blue" in chart.note) == any(one.color == "blue" for one in chart.points)


def test_tables_and_charts_of_a_figure_have_one_unit() -> None:
    """By itself a chart would write grams as mg, kWh as Wh and watts as kW."""
    runs = [emitting(0.06 * n, 0.9 / n, import_kwh=0.04 * n) for n in (1, 2, 3)]
    found = made_up([axis("peak", [1000, 2000, 4000], "W")], runs)
    every = rows(found)
    head = full_table(found, every, choose(every)).head
    assert set(table_of(found)[0]) < set(head)
    charts = measure_charts(found.axes, every, [MEASURES[name] for name in SHOWN])
    assert len(charts) > 2
    for chart in charts:
        assert isinstance(chart, LineChart)
        assert chart.panels[0].title in head
        assert chart.axis.shown.name == "W"
    front = pareto_chart(found.axes, every, choose(every))
    assert isinstance(front, ScatterChart)
    assert (front.shown.name, front.axis.label) == ("g", "time to the first token, p99 [ms]")
    page = sweep_page(found).html()
    assert "<b>0.06 g</b>" in page


def test_whole_numbers_have_whole_ticks() -> None:
    found = made_up([axis("replicas", [1, 2, 3])], [emitting(100 * n) for n in (1, 2, 3)])
    (chart,) = measure_charts(found.axes, rows(found), [CARBON])
    assert isinstance(chart, LineChart)
    assert [tick.label for tick in x_scale(chart.axis, 9).ticks] == ["1", "2", "3"]
    found = made_up([axis("share", [1, 1.5, 2])], [emitting(100 * n) for n in (1, 2, 3)])
    (chart,) = measure_charts(found.axes, rows(found), [CARBON])
    assert isinstance(chart, LineChart)
    assert "1.2" in [tick.label for tick in x_scale(chart.axis, 9).ticks]


def test_the_page_says_the_answer_and_has_every_chart(tmp_path: Path) -> None:
    found = many()
    SWEEPS.write(found, tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    keys = re.findall(r'<figure id="chart-([^"]+)"', page)
    charts = folder_page(tmp_path).charts
    assert keys == [chart.key for chart in charts]
    assert keys == [
        "pareto",
        "total_g",
        "import_kwh",
        "self_sufficiency",
        "ttft_p99_s",
    ]
    assert "Not every case completed its work" in page
    assert "<b>3.975 kg</b>" in page  # 9000 * 0.7 - 2400 + 75
    assert "solar 1200 W, gpu a100, GPUs 1" in page
    assert page.count('<td class="number">0 !</td>') == 2 * 2  # with bars, and of all figures
    for key in ("choice", "carbon", "energy", "service", "cases", "same", "study", "versions"):
        assert f'<section id="{key}">' in page
    assert (
        "nan"
        not in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL).partition("<body>")[2]
    )


def test_text_of_the_study_cannot_break_the_page() -> None:
    found = made_up([axis("<b>", ["<i>", "</table>"])], [RUN, emitting(5)])
    page = sweep_page(found).html()
    assert "<i>" not in page.partition("<main>")[2]
    assert "&lt;/table&gt;" in page


def test_a_single_case_has_a_page_too(tmp_path: Path) -> None:
    SWEEPS.write(made_up([axis("a", [1])], [RUN]), tmp_path)
    assert "Least carbon: the only case" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "SLO attainment [%]</th>" in (tmp_path / "report.html").read_text(encoding="utf-8")


class TestCommand:
    def test_the_page_is_the_same_again_and_charts_are_files(
        self, tmp_path: Path, cosim: Cli
    ) -> None:
        SWEEPS.write(many(), tmp_path / "out")
        before = (tmp_path / "out" / "report.html").read_bytes()
        answer = cosim("report", "out", "--figures", "svg")
        assert answer.code == 0, answer.err
        assert (tmp_path / "out" / "report.html").read_bytes() == before
        names = [Path(line).stem for line in answer.out.splitlines()[1:]]
        assert names == [chart.key for chart in folder_page(tmp_path / "out").charts]

    def test_it_has_no_baseline(self, tmp_path: Path, cosim: Cli) -> None:
        SWEEPS.write(many(), tmp_path / "out")
        answer = cosim("report", "out", "--baseline", "out")
        assert answer.code == 2
        assert "cases are compared with each other" in answer.err


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"axes": 5}'])
def test_a_damaged_folder_is_named(tmp_path: Path, content: str) -> None:
    with pytest.raises(ScenarioError, match=r"it has no sweep\.json"):
        SWEEPS.read(tmp_path)
    (tmp_path / "sweep.json").write_text(content)
    with pytest.raises(CosimError, match=r"sweep\.json' cannot be read: .*run cosim sweep again"):
        folder_page(tmp_path)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip(WHY_NOT)
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_the_page_is_whole(browser: Browser, width: int, dark: bool, tmp_path: Path) -> None:
    SWEEPS.write(many(), tmp_path)
    keys = [chart.key for chart in folder_page(tmp_path).charts]
    check_whole(browser, (tmp_path / "report.html").as_uri(), width, dark, keys)
    shots = Path(os.environ.get("COSIM_SCREENSHOTS", tmp_path))
    browser.screenshot(shots / f"sweep-{width}-{'dark' if dark else 'light'}.png")
