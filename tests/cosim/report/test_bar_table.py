"""Tables with bars: where bars begin, their intervals, and the order by a click."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from cosim.report.bar_table import (
    BarCell,
    BarColumn,
    BarScale,
    NameColumn,
    bar_table,
    script,
    style,
)
from cosim.report.page import Page, Section
from tests.browser import CHROMIUM, WHY_NOT, chromium


def column(*values: float, baseline: int | None = 0, half: float = math.nan) -> BarColumn:
    cells = [BarCell(f"{value:g}", value, half) for value in values]
    return BarColumn("carbon [kg]", cells, baseline)


def test_bars_begin_at_zero_where_they_tell_the_cases_apart() -> None:
    scale = BarScale.of(column(1.0, 4.0, math.nan))
    assert (scale.origin, scale.low, scale.high) == (0.0, 0.0, 4.0)
    assert scale.share(1.0) == 25.0
    mixed = BarScale.of(column(-1.0, 3.0))
    assert (mixed.origin, mixed.share(0.0)) == (0.0, 25.0)


def test_bars_of_near_values_begin_at_the_baseline() -> None:
    scale = BarScale.of(column(100.0, 80.0, 110.0))
    assert (scale.origin, scale.low, scale.high) == (100.0, 80.0, 120.0)
    below = BarScale.of(column(100.0, 80.0))
    assert (below.low, below.high) == (80.0, 100.0)


def test_a_difference_of_nothing_does_not_fill_the_cell() -> None:
    scale = BarScale.of(column(711.0, 712.0))
    assert scale.share(712.0) < 5.0


def test_scales_of_little() -> None:
    for values in ([], [math.nan], [0.0], [0.0, 0.0]):
        scale = BarScale.of(column(*values, baseline=0 if values else None))
        assert math.isfinite(scale.share(0.0))
    assert BarScale.of(column(5.0, 5.1, baseline=None)).origin == 0.0


def test_all_rows_are_in_sight_or_it_says_that_they_are_not() -> None:
    many = bar_table([NameColumn("case", ["a"] * 61)], [column(*range(61))])
    assert 'class="wide-table bars long short"' in many
    assert "61 rows: scroll within the table." in many
    some = bar_table([NameColumn("case", ["a"] * 60)], [column(*range(60))])
    assert 'class="wide-table bars short"' in some
    assert "scroll" not in some


def test_intervals_lie_within_the_scale() -> None:
    scale = BarScale.of(column(1.0, 4.0, half=2.0))
    assert (scale.low, scale.high) == (-1.0, 6.0)
    html = bar_table([NameColumn("case", ["a", "b"])], [column(1.0, 4.0, half=2.0)])
    assert html.count('class="interval"') == 2
    assert 'class="interval"' not in bar_table([NameColumn("n", ["a"])], [column(1.0)])


def test_text_cannot_break_the_table() -> None:
    cells = [BarCell("<b>", math.nan), BarCell("1", 1.0, remark="<i>")]
    html = bar_table([NameColumn("<h>", ["<x>", "y"])], [BarColumn("<c>", cells)], kinds=["", ""])
    assert not re.search("<[bixhc]>", html)


NAMES = NameColumn("size", ["2", "10", "1"], [2.0, 10.0, 1.0])
SORTED = [NAMES, NameColumn("gpu", ["b", "a", "c"])]


@pytest.mark.skipif(CHROMIUM is None, reason=WHY_NOT)
def test_a_click_on_a_head_sorts(tmp_path: Path) -> None:
    block = bar_table(SORTED, [column(3.0, math.nan, 1.0)])
    page = Page("t", [Section("s", "S", [block])], style=style(), script=script())
    path = page.write(tmp_path)
    shown = "[...document.querySelectorAll('.sortable tbody th')].map((th) => th.textContent)"
    with chromium(tmp_path / "profile") as browser:
        browser.open(path.as_uri(), width=800)

        def click(head: int) -> list[str]:
            button = f"document.querySelectorAll('.sortable thead button')[{head}]"
            browser.evaluate(f"{button}.click()")
            names: list[str] = browser.evaluate(shown)
            return names

        assert browser.evaluate(shown) == ["2", "10", "1"]
        assert click(0) == ["1", "2", "10"]
        assert click(0) == ["10", "2", "1"]
        assert click(1) == ["10", "2", "1"]
        assert click(2) == ["1", "2", "10"]  # the one without a figure is last
        assert click(2) == ["2", "1", "10"]
        assert browser.messages == []
