"""The page of a sweep: its charts, what it says, and how it looks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cosim.errors import CosimError, ScenarioError
from cosim.report.charts import BarChart, ScatterChart
from cosim.report.lines import LineChart
from cosim.studies.sweep.charts import measure_charts, pareto_chart
from cosim.studies.sweep.measures import MEASURES
from cosim.studies.sweep.outcome import SWEEPS, folder_page
from cosim.studies.sweep.page import sweep_page
from cosim.studies.sweep.rows import choose, rows
from cosim.studies.sweep.sweep import Sweep
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
    assert "not filled" in chart.note


def test_an_axis_that_changes_nothing_is_left_out_and_what_never_changes_too() -> None:
    found = made_up(
        [SIZE, GPU], [emitting(100, 0.2), emitting(100, 0.2), emitting(90), emitting(90)]
    )
    charts = measure_charts(found.axes, rows(found), list(MEASURES.values()))
    assert [chart.key for chart in charts] == ["total_g", "per_1k_tokens_g", "embodied_g"]
    assert charts[0].note == "The same for every gpu."
    page = sweep_page(found).html()
    same = page.partition('id="same"')[2].partition("</section>")[0]
    assert "time to the first token, p99</td><td>0.2 s" in same


@pytest.mark.parametrize(
    ("axes", "categories", "groups"),
    [
        ([GPU], ["gpu h100", "gpu a100"], ["total carbon"]),
        ([axis("case", ["as it is", "more sun"])], ["as it is", "more sun"], ["total carbon"]),
        ([axis("k", ["x", "y"]), GPU], ["k x", "k y"], ["gpu h100", "gpu a100"]),
        (
            [axis("k", ["x", "y"]), axis("many", list("abcdefghi"))],
            [f"k {k}, many {n}" for k in "xy" for n in "abcdefghi"],
            ["total carbon"],
        ),
    ],
)
def test_bars_where_nothing_is_a_number(
    axes: list[object], categories: list[str], groups: list[str]
) -> None:
    count = len(categories) * len(groups)
    found = made_up(axes, [emitting(2000.0 + k) for k in range(count)])  # type: ignore[arg-type]
    (chart,) = measure_charts(found.axes, rows(found), [CARBON])
    assert isinstance(chart, BarChart)
    assert list(chart.categories) == categories
    assert [one.name for one in chart.groups] == groups
    values = np.array([one.values for one in chart.groups]).T.ravel()
    assert values == pytest.approx([2 + k / 1000 for k in range(count)])


def test_bars_leave_out_what_left_work_behind() -> None:
    found = made_up([GPU], [emitting(5), emitting(1, load_state="overloaded")])
    (chart,) = measure_charts(found.axes, rows(found), [CARBON])
    assert isinstance(chart, BarChart)
    assert np.isnan(chart.groups[0].values).tolist() == [False, True]
    assert "left work behind are not shown" in chart.note


def test_the_front_is_named() -> None:
    found = many()
    every = rows(found)
    chart = pareto_chart(found.axes, every, choose(every))
    assert isinstance(chart, ScatterChart)
    assert len(chart.points) == sum(row.whole for row in every) == 10
    named = [one.name for one in chart.points if one.label is None]
    assert named == [
        f"solar 1200 W, gpu {gpu}, GPUs {n}" for gpu in ("h100", "a100") for n in (1, 2)
    ]
    assert "left work behind" in chart.note


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
        "embodied_g",
        "import_kwh",
        "self_sufficiency",
        "ttft_p99_s",
    ]
    assert "Not every case did its work" in page
    assert "<b>3.975 kg</b>" in page  # 9000 * 0.7 - 2400 + 75
    assert "solar 1200 W, gpu a100, GPUs 1" in page
    assert page.count('<td class="number">0 !</td>') == 2
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
    assert {chart.key for chart in folder_page(tmp_path).charts} >= {"total_g", "ttft_p99_s"}


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
