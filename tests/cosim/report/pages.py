"""What must hold of any page in a browser, and the values that it shows under the pointer."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tests.browser import Browser

LOOKS = [(1280, False), (1280, True), (390, False), (390, True)]
"""Widths, and whether the ground is dark."""


def check_whole(
    browser: Browser, page: str, width: int, dark: bool, charts: Collection[str]
) -> None:
    """Open a page: no error, no request but for itself, nothing too wide, each chart once."""
    browser.requests.clear()
    browser.messages.clear()
    browser.open(page, width=width, dark=dark)
    assert browser.messages == []
    fetched = [address for address in browser.requests if not address.startswith("data:")]
    assert fetched == [page]  # a picture in the page is an address that holds itself
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    sizes = browser.evaluate(
        """Object.fromEntries([...document.querySelectorAll('figure')].map((one) => [one.id,
           [...one.querySelectorAll('svg')].map((svg) => svg.getBoundingClientRect().width)
             .filter((width) => width > 0)]))"""
    )
    assert set(sizes) == {f"chart-{key}" for key in charts}
    for shown in sizes.values():
        assert len(shown) == 1  # the one that fits
        assert 0.5 * min(width, 900) < shown[0] <= width
    ground = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(20, 20, 20)" if dark else "rgb(255, 255, 255)")


def hover(browser: Browser, chart: str, share: float) -> dict[str, Any]:
    """Point at a share of the width of a chart's plot, and read what is shown."""
    x, y = browser.evaluate(
        f"""(() => {{
            const svg = [...document.querySelectorAll('#chart-{chart} svg')]
              .find((one) => one.getBoundingClientRect().width > 0);
            svg.scrollIntoView({{block: 'start'}});
            const box = svg.getBoundingClientRect();
            const scale = box.width / svg.viewBox.baseVal.width;
            const d = svg.dataset, panel = svg.querySelector('.panel').dataset;
            const x = +d.left + {share} * (d.right - d.left);
            const y = +panel.top + {share} * (panel.bottom - panel.top);
            return [box.left + x * scale, box.top + y * scale];
        }})()"""
    )
    browser.move(x, y)
    shown: dict[str, Any] = browser.evaluate(
        f"""(() => {{
            const tip = document.querySelector('#chart-{chart} .tip');
            const box = tip.getBoundingClientRect();
            return {{
              hidden: tip.hidden, index: +tip.dataset.index, text: tip.innerText,
              left: box.left, right: box.right,
              values: Object.fromEntries([...tip.querySelectorAll('[data-series]')]
                .map((row) => [row.dataset.series, row.dataset.mean])),
            }};
        }})()"""
    )
    return shown
