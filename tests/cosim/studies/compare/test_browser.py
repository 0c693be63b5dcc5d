"""The page of a comparison as a browser shows it: whole, and what one can do with it."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pandas as pd
import pytest

from cosim.studies.compare.compare import compare_folders
from tests.browser import CHROMIUM, WHY_NOT, Browser, chromium
from tests.cosim.report.pages import LOOKS, check_whole, hover
from tests.cosim.studies.compare.runs import three_runs

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=WHY_NOT)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compare")
    file = folder / "comparison.html"
    file.write_text(compare_folders(three_runs(folder)).page().html(), encoding="utf-8")
    return file


DIFFERENCES = "[...document.querySelectorAll('#figures-table small')].map((one) => one.textContent)"


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_the_page_is_whole(
    browser: Browser, page: Path, width: int, dark: bool, tmp_path: Path
) -> None:
    keys = re.findall(r'<figure id="chart-([^"]+)">', page.read_text(encoding="utf-8"))
    assert len(keys) > 15
    check_whole(browser, page.as_uri(), width, dark, keys)
    bar = "document.querySelector('.runs>div')"
    # the last line of the bar is whole
    assert browser.evaluate(f"{bar}.scrollHeight <= {bar}.clientHeight")
    shots = Path(os.environ.get("COSIM_SCREENSHOTS", tmp_path))
    browser.screenshot(shots / f"comparison-{width}-{'dark' if dark else 'light'}.png")


def test_a_hidden_run_is_nowhere(browser: Browser, page: Path) -> None:
    """In no chart, not in the table, and not under the pointer; and comes back."""
    browser.open(page.as_uri(), width=1280)
    seen = (
        "[...document.querySelectorAll('figure svg.wide .vermilion, [data-color=vermilion]')]"
        ".filter((one) => one.getClientRects().length).length"
    )
    shown = browser.evaluate(seen)
    assert shown > 30
    assert "windows" in hover(browser, "load", 0.5)["text"]
    browser.evaluate("document.getElementById('show-vermilion').click()")
    assert browser.evaluate(seen) == 0
    assert "windows" not in hover(browser, "load", 0.5)["text"]
    browser.evaluate("document.getElementById('show-vermilion').click()")
    browser.move(2, 2)
    assert browser.evaluate(seen) >= shown


def test_another_baseline(browser: Browser, page: Path) -> None:
    """The script writes the differences just as the page has them, then those against another."""
    written = re.findall(r"<small>(.*?)</small>", page.read_text(encoding="utf-8"))
    browser.open(page.as_uri(), width=1280)
    assert browser.evaluate(DIFFERENCES) == [unescape(text) for text in written]
    browser.evaluate(
        "(() => { const s = document.getElementById('baseline'); s.value = '2';"
        " s.dispatchEvent(new Event('change')); })()"
    )
    folders = [page.parent / name for name in ("plain", "windows", "large")]
    other = compare_folders(folders, folders[2])
    expected = [row.difference(run, other.baseline) for row in other.measures for run in range(3)]
    assert browser.evaluate(DIFFERENCES) == expected
    text = browser.evaluate("document.querySelector('header').innerText")
    assert "plain against large" in text
    assert "windows against plain" not in text


def test_the_data_as_files(browser: Browser, page: Path) -> None:
    browser.open(page.as_uri(), width=1280)
    save = """(async () => {
        let made;
        const make = URL.createObjectURL;
        URL.createObjectURL = (blob) => { made = blob; return make(blob); };
        document.querySelector('SELECTOR').click();
        return await made.text();
    })()"""
    text = browser.evaluate(save.replace("SELECTOR", "#chart-load button.csv"))
    rows = list(csv.reader(text.splitlines()))
    assert rows[0][0] == "time"
    assert rows[1][0] == "2022-06-08T00:00:00Z"
    steps = pd.read_parquet(page.parent / "windows" / "steps.parquet")
    assert len(rows) - 1 == len(steps)
    watts = {"windows [W]": 1.0, "windows [kW]": 1000.0}[rows[0][2]]
    assert float(rows[5][2]) * watts == pytest.approx(steps["facility_power_w"][4], rel=1e-6)
    table = list(
        csv.DictReader(
            browser.evaluate(save.replace("SELECTOR", "#figures button.csv")).splitlines()
        )
    )
    assert [row["run"] for row in table] == ["plain", "windows", "large"]
    assert float(table[0]["requests_completed"]) > 0
    assert browser.messages == []
