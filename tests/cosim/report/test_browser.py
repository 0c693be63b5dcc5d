"""The page as a browser shows it, and the run in Vessim's viewer."""

from __future__ import annotations

import functools
import math
import os
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cosim.report.page import Page, Section, table
from tests.browser import CHROMIUM, WHY_NOT, Browser, chromium
from tests.cosim.report.folders import two_classes
from tests.cosim.report.pages import LOOKS, check_whole, hover
from tests.warm import run_warm

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=WHY_NOT)

LINE_CHARTS = ("power", "soc", "serving", "latency", "latency-class")
BAR_CHARTS = ("energy-use", "energy-source", "carbon")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_classes(tmp_path_factory.mktemp("report") / "run", "time.duration=3h")


@pytest.fixture
def page(browser: Browser, folder: Path) -> str:
    browser.requests.clear()
    browser.messages.clear()
    return (folder / "report.html").as_uri()


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_the_page_is_whole_and_asks_for_nothing(
    browser: Browser, page: str, width: int, dark: bool, tmp_path: Path
) -> None:
    check_whole(browser, page, width, dark, LINE_CHARTS + BAR_CHARTS)
    shots = Path(os.environ.get("COSIM_SCREENSHOTS", tmp_path))
    picture = shots / f"report-{width}-{'dark' if dark else 'light'}.png"
    browser.screenshot(picture)
    assert picture.stat().st_size > 50_000


@pytest.mark.parametrize("width", [1280, 390])
def test_the_values_under_the_pointer_are_those_of_the_steps(
    browser: Browser, page: str, folder: Path, width: int
) -> None:
    steps = pd.read_parquet(folder / "steps.parquet")
    names = {
        "power": {
            "load": "facility_power_w",
            "solar": "solar_w",
            "battery, charging positive": "battery_power_w",
            "grid import": "import_w",
            "carbon intensity": "carbon_intensity_g_per_kwh",
        },
        "soc": {"state of charge": "battery_soc"},
        "serving": {
            "queued at the gateway": "gateway_waiting",
            "running": "running",
            "mean batch": "batch_mean",
            "TTFT p99": "ttft_p99_s",
            "batch cap": "batch_cap",
            "admission rate": "admission_rate_per_s",
        },
    }
    browser.open(page, width=width)
    for chart, columns in names.items():
        for index in (0, 55, 90, len(steps) - 1):
            shown = hover(browser, chart, (index + 0.5) / len(steps))
            assert not shown["hidden"]
            step = steps.iloc[index]
            assert shown["index"] == index
            assert f"{step['time']:%H:%M} UTC" in shown["text"]
            for name, column in columns.items():
                value = step[column]
                if math.isinf(value):
                    assert f"{name} unlimited" in shown["text"]
                else:
                    assert float(shown["values"][name]) == value, (chart, index, name)
            assert 0 <= shown["left"] <= shown["right"] <= width


def test_latencies_under_the_pointer_are_quantiles(
    browser: Browser, page: str, folder: Path
) -> None:
    requests = pd.read_parquet(folder / "requests.parquet")
    done = requests[requests["outcome"] == "completed"]
    browser.open(page, width=1280)
    shown = hover(browser, "latency", 0.5)
    assert "50 % of requests within" in shown["text"]
    median = (done["first_token_s"] - done["arrival_s"]).median()
    assert float(shown["values"]["time to first token"]) == pytest.approx(median, rel=1e-9)


def test_a_mark_leads_to_its_row(browser: Browser, page: str) -> None:
    browser.open(page, width=1280)
    target = browser.evaluate(
        """(() => {
            const link = document.querySelector('#chart-serving svg.wide a');
            const address = link.getAttribute('href');
            link.dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}));
            return address;
        })()"""
    )
    assert target.startswith("#change-")
    assert browser.evaluate("document.querySelector('tr:target')?.id") == target[1:]


def test_the_pointer_away_hides_the_values(browser: Browser, page: str) -> None:
    browser.open(page, width=1280)
    assert not hover(browser, "power", 0.5)["hidden"]
    browser.move(2, 2)
    assert browser.evaluate("document.querySelector('#chart-power .tip').hidden")


def test_a_wide_and_long_table_on_screen_and_on_paper(browser: Browser, tmp_path: Path) -> None:
    """It takes the room beside the text, no more; in print what is left out is said."""
    head = [f"column {k}" for k in range(9)]
    rows = [[f"{n}.{k} with some words" for k in range(9)] for n in range(75)]
    file = tmp_path / "table.html"
    parts = [Section("t", "t", [table(head, rows)]), Section("v", "v", [table((), [("a", "b")])])]
    file.write_text(Page("t", parts).html(), encoding="utf-8")
    shown = """(() => { const box = document.querySelector('.wide-table');
        const seen = (one) => one.getClientRects().length > 0;
        const b = box.getBoundingClientRect();
        return [b.left, b.right, document.documentElement.scrollWidth,
          [...box.querySelectorAll('tbody tr')].filter(seen).length,
          seen(document.querySelector('.printed')), box.scrollHeight - box.clientHeight]; })()"""
    for width in (1280, 1000, 390):
        browser.open(file.as_uri(), width=width)
        left, right, page_width, count, told, below = browser.evaluate(shown)
        assert 0 <= left < right <= page_width <= width
        assert (right - left > 900) == (width >= 1000)
        assert (count, told) == (75, False)
        assert below > 100  # it is moved within its box
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        *_, count, told, below = browser.evaluate(shown)
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")
    assert (count, told) == (60, True)
    assert below <= 0


@pytest.fixture
def viewer(folder: Path, tmp_path: Path) -> Iterator[str]:
    """Vessim's export of the run, served on this machine."""
    done = run_warm("-m", "vessim", "view", folder, "--export", tmp_path / "view")
    assert done.returncode == 0, done.stderr

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None: ...

    handler = functools.partial(Quiet, directory=str(tmp_path / "view"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


WAIT = """new Promise((done, failed) => {
    const began = Date.now();
    const look = () => { const found = (() => CONDITION)(); if (found) done(found);
      else if (Date.now() - began > 20000) failed(new Error(document.body.innerText));
      else setTimeout(look, 50); };
    look();
})"""


def wait_for(browser: Browser, condition: str) -> Any:
    return browser.evaluate(WAIT.replace("CONDITION", condition))


def test_vessims_viewer_shows_load_battery_and_grid(browser: Browser, viewer: str) -> None:
    browser.messages.clear()
    browser.open(viewer, width=1280)
    button = (
        "[...document.querySelectorAll('button')]"
        ".find((one) => one.innerText.startsWith('Time series'))"
    )
    wait_for(browser, f"{button} && ({button}.click(), true)")
    shown = wait_for(
        browser, "document.querySelectorAll('canvas').length >= 2 && document.body.innerText"
    )
    assert "grid / Power" in shown
    assert "battery / State of charge" in shown
    offered = wait_for(
        browser,
        "document.body.textContent.includes('cluster / Power') && document.body.textContent",
    )
    assert "solar / Power" in offered
    assert browser.messages == []
