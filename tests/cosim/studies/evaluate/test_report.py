"""The page of an evaluation: what it says, and how it looks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from controllers import Decoy
from cosim.report.charts import BarChart, ScatterChart
from cosim.studies.evaluate.evaluation import Evaluation
from cosim.studies.evaluate.page import evaluation_page
from cosim.studies.evaluate.table import HEADER, TableUnits, cells
from tests.browser import CHROMIUM, WHY_NOT, Browser, chromium
from tests.cosim.report.pages import LOOKS, check_whole
from tests.cosim.studies.evaluate.figures import POLICY, RUN, bound, decoy_of, evaluation, many

BETTER = replace(POLICY, policy="better", import_g=700.0)
MOVED = Decoy("moved", by_s=6 * 3600.0)


def html_of(found: Evaluation) -> str:
    return evaluation_page(found).html()


def test_it_says_who_saves_what() -> None:
    moved = decoy_of(BETTER, MOVED, 800.0)
    blind = replace(RUN, policy="right_sized", import_g=875.0)
    page = html_of(evaluation([RUN, blind, BETTER, moved], [bound(500.0)]))
    assert "better emits less than doing nothing: 30.0 % less" in page
    assert "Against the best baseline that is blind to carbon it saves 20.0 %." in page
    assert "10.0 % of the emissions of doing nothing are due to timing" in page
    assert "<b>10.0 %</b><span>beyond the same at other hours" in page
    assert "<b>60 %</b><span>of the most that is possible" in page
    assert "1 policy against doing nothing, 1 seed" in page


def test_a_saving_of_several_seeds_is_said_to_be_sure() -> None:
    runs = [replace(run, seed=seed) for run in (RUN, BETTER) for seed in (0, 1)]
    assert "better emits significantly less than doing nothing" in html_of(evaluation(runs))
    page = html_of(evaluation(runs, weeks=("2022-01-03", "2022-07-04")))
    assert "2 parts of a year, 1 seed" in page
    assert "<td>parts of the year</td><td>2022-01-03, 2022-07-04</td>" in page


def test_a_baseline_may_be_the_best() -> None:
    blind = replace(RUN, policy="right_sized", import_g=500.0)
    page = html_of(evaluation([RUN, blind, BETTER]))
    assert "right_sized emits less than doing nothing: 50.0 % less" in page
    assert "It does not look at the carbon intensity: no policy that does emits less." in page


def test_decoys_are_never_the_best_and_have_a_table_of_their_own() -> None:
    moved = decoy_of(BETTER, MOVED, 100.0)
    page = html_of(evaluation([RUN, BETTER, moved]))
    assert "better emits less than doing nothing: 30.0 % less" in page
    assert '<th scope="row">better (moved by 6 h)</th>' in page
    assert "The same policies, shown a carbon signal that tells nothing of the grid" in page
    assert 'id="decoys"' not in html_of(evaluation([RUN, BETTER]))


def test_nobody_saves() -> None:
    page = html_of(evaluation([RUN, replace(BETTER, import_g=1100.0)]))
    assert "No policy emits less than doing nothing." in page
    page = html_of(evaluation([replace(RUN, import_g=0.0), replace(BETTER, import_g=0.0)]))
    assert "No policy emits less than doing nothing." in page
    assert "nan" not in page.partition("<script")[0].partition("<body>")[2]


def test_a_policy_that_broke_off_is_not_the_best() -> None:
    page = html_of(evaluation([RUN, replace(BETTER, failure="OSError: no disk")]))
    assert "No policy emits less than doing nothing." in page
    assert "1 failed" in page


def test_no_saving_with_work_left_or_only_in_the_battery() -> None:
    left = replace(BETTER, policy="leaves", left_by_class={"chat": 0.0, "batch": 0.5})
    filled = replace(POLICY, policy="fills", import_g=RUN.import_g + 50, stored_g=-250.0)
    found = evaluation([RUN, left, filled], [bound(500.0)])
    page = html_of(found)
    assert "No policy emits less than doing nothing." in page
    assert "Left work: leaves." in page
    assert "Battery: fills." in page
    units = TableUnits.of(found.rows)
    cells_of = {
        row.variant.label: dict(zip(HEADER, cells(row, units), strict=True)) for row in found.rows
    }
    for name, reason in (("leaves", "left work"), ("fills", "battery")):
        assert cells_of[name]["saving %"] == reason
        for beyond in ("against blind", "by timing", "by the day", "of bound", "marginal"):
            assert cells_of[name][f"{beyond} %"] == ""


def test_almost_all_is_not_all() -> None:
    page = html_of(evaluation([RUN, replace(BETTER, attainment=0.9996)]))
    assert "<b>99.96 %</b>" in page


def test_all_may_wait() -> None:
    """Nobody's latency is to be shown, and the rest is."""
    page = html_of(evaluation([replace(run, ttft_p99_s=None) for run in (RUN, BETTER)]))
    assert "chart-pareto" not in page
    assert "chart-savings" in page


def test_nothing_was_done_at_all() -> None:
    page = html_of(evaluation([replace(RUN, completed=0, output_tokens=0)]))
    assert "No policy emits less" in page


def test_every_policy_is_a_point_with_its_name_and_interval() -> None:
    found = many(policies=3)
    chart = next(chart for chart in evaluation_page(found).charts if chart.key == "pareto")
    assert isinstance(chart, ScatterChart)
    assert all(point.label is None for point in chart.points)
    for point in chart.points:
        (row,) = [row for row in found.rows if row.variant.label == point.name]
        low, high = point.y_interval or (0.0, 0.0)
        assert (low + high) / 2 == pytest.approx(row.carbon_g.mean / 1000)
        assert high - low == pytest.approx(2 * row.carbon_g.half_width / 1000)


def test_savings_have_intervals_where_there_are_several_runs() -> None:
    chart = next(chart for chart in evaluation_page(many()).charts if chart.key == "savings")
    assert isinstance(chart, BarChart)
    assert chart.groups[0].interval(1) is not None
    assert chart.groups[1].interval(1) is None
    assert "95 % intervals of the policies; those at other hours have none" in chart.note
    single = evaluation_page(evaluation([RUN, BETTER])).charts[-1]
    assert isinstance(single, BarChart)
    assert single.groups[0].low is None
    assert "95 %" not in single.note


def test_counts_of_several_runs_are_said_to_be_means() -> None:
    html = html_of(many())
    figures, _, rest = html.partition('id="figures"')[2].partition("</section>")
    assert ">late, mean of 2 runs</th>" in figures
    assert ">left, mean of 2 runs</th>" in figures
    assert ">left, mean of 2 runs</th>" in rest.partition('id="decoys"')[2]
    assert "mean of" not in html_of(evaluation([RUN, BETTER]))


def test_intervals_are_named_where_there_are_some() -> None:
    assert "Lines at the ends of bars: 95 % intervals" in html_of(many())
    assert "Lines at the ends of bars" not in html_of(evaluation([RUN, BETTER]))


def test_the_chart_has_the_units_of_the_table() -> None:
    large = [replace(run, import_g=run.import_g * 1e5) for run in (RUN, BETTER)]
    for found in (evaluation([RUN, BETTER]), evaluation(large)):
        chart = evaluation_page(found).charts[0]
        assert isinstance(chart, ScatterChart)
        assert f">carbon {chart.shown.name}</th>" in html_of(found)
        assert chart.axis.shown.name == "s"


def test_grey_is_named_where_a_point_is_grey() -> None:
    for found in (many(), evaluation([RUN, BETTER])):
        chart = evaluation_page(found).charts[0]
        assert isinstance(chart, ScatterChart)
        assert ("In grey" in chart.note) == any(point.color == "grey" for point in chart.points)


def test_the_table_of_policies_has_what_matters() -> None:
    html = html_of(many()).partition('id="policies"')[2].partition("</section>")[0]
    heads = re.findall(r'<th scope="col"[^>]*>([^<]+)', html)
    assert heads == [
        "policy", "carbon kg", "saving %", "by timing %", "of bound %", "SLO %", "wait h",
        "TTFT p99 s", "energy kWh",
    ]  # fmt: skip
    assert 'class="interval"' in html
    assert html.count("<small>baseline</small>") >= 1


def test_of_many_policies_close_ones_share_a_name() -> None:
    found = many()
    page = html_of(found)
    for row in found.rows:
        if row.variant.kind == "policy":
            title = f"<title>{row.variant.name}: time to the first token"
            assert page.count(title) == 2  # wide, narrow
    assert page.count(">noop + 4<") == 2  # three do nothing, and one nearly so


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip(WHY_NOT)
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def found() -> Evaluation:
    return many()


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_the_page_is_whole(
    browser: Browser, found: Evaluation, width: int, dark: bool, tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    file.write_text(evaluation_page(found).html(), encoding="utf-8")
    check_whole(browser, file.as_uri(), width, dark, ("pareto", "savings"))
    shots = Path(os.environ.get("COSIM_SCREENSHOTS", tmp_path))
    browser.screenshot(shots / f"evaluation-{width}-{'dark' if dark else 'light'}.png")

    # What is written in the chart is in its frame, and nothing on top of anything else.
    frame, *texts = browser.evaluate(
        """(() => { const svg = [...document.querySelectorAll('#chart-pareto svg')]
             .find((one) => one.getBoundingClientRect().width > 0);
           return [svg, ...svg.querySelectorAll('text')].map((one) => {
             const b = one.getBoundingClientRect();
             return [b.left, b.right, b.top + b.height / 2, one.textContent]; }); })()"""
    )
    assert len(texts) > 10
    for left, right, _, said in texts:
        assert frame[0] - 1 <= left < right <= frame[1] + 1, said
    for (a, b, y, one), (c, d, z, other) in combinations(texts, 2):
        assert b <= c or d <= a or abs(y - z) > 8, (one, other)

    # The policies' names stay in sight as the table is moved.
    moved = browser.evaluate(
        """(() => { const box = document.querySelector('.wide-table'); box.scrollLeft = 300;
           const left = (one) => one.getBoundingClientRect().left;
           return [box.scrollLeft, left(box.querySelector('tbody th')) - left(box),
             left(box.querySelector('thead th')) - left(box)]; })()"""
    )
    assert (moved[0] > 100) == (width < 600)  # a screen shows all columns at once
    assert moved[1:] == pytest.approx([1, 1], abs=1)
