"""The words of the headline fit the figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cosim.report.headline import figure_cards, headline
from cosim.results.summary import Summary
from cosim.results.totals import SloAttainment, TokenCounts
from tests.cosim.summaries import CARBON, SUMMARY, with_


def test_what_it_says() -> None:
    said = headline(SUMMARY)
    assert said.sentences == [
        "The run used 2.00 kWh and caused 400 g CO2e: 300 g for the 1.00 kWh drawn from the grid "
        "(average intensity), and 100 g embodied in the hardware. With no solar or battery the "
        "grid would have caused 600 g, 300 g more.",
        "100 of 110 requests completed (4 rejected, 6 waiting); first token after 250 ms at the "
        "median, 2.5 min at the 99th percentile. 90.0 % of requests met their SLOs (chat "
        "80.0 %). A completed request accounts for 4 g CO2e and 20 Wh of the facility's energy.",
        "No controller acted.",
    ]
    assert said.warnings == []
    assert [card[:2] for card in said.cards] == [
        ("Carbon (CO2e)", "400 g"),
        ("Energy used", "2.00 kWh"),
        ("SLO attainment", "90.0 %"),
        ("Requests completed", "100"),
    ]


def test_a_run_without_grid_is_not_compared_with_itself() -> None:
    carbon = replace(CARBON, import_=0.0, gross=25.8)
    assert "the grid would have caused 25.8 g." in headline(with_(carbon_g=carbon)).sentences[0]


def test_cards_against_a_baseline() -> None:
    slo = SloAttainment(attainment=0.95, by_class={})
    shown = figure_cards(SUMMARY, with_(slo=slo), "base")
    assert [card[2] for card in shown] == [
        "the same as base",
        "of requests; 5.0 points below base",
        "the same as base",
    ]


def test_a_card_of_prompts_that_were_found() -> None:
    """Where any was; one found none of them, and one loaded some from host memory."""
    found = TokenCounts(prompt=9, output=9, prefilled=1_000_000, cached=3_000_000)
    none = with_(tokens=TokenCounts(prompt=9, output=9, prefilled=4_000_000, cached=0))
    off = with_(tokens=TokenCounts(prompt=9, output=9))
    loaded = with_(tokens=TokenCounts(prompt=9, output=9, prefilled=0, cached=3, loaded=1))

    def card(summary: Summary, baseline: Summary | None = None) -> list[tuple[str, str]]:
        shown = figure_cards(summary, baseline, "base")
        return [(value, remark) for name, value, remark in shown if name == "Found in KV caches"]

    assert card(with_(tokens=found)) == [("75.0 %", "of 4.0 M prompt tokens")]
    assert card(loaded) == [("75.0 %", "of 4 prompt tokens; 25.0 % loaded from host memory")]
    assert card(none) == card(off) == []
    assert card(with_(tokens=found), none) == [
        ("75.0 %", "of prompt tokens; 75.0 points above base")
    ]
    assert card(with_(tokens=found), off) == card(with_(tokens=found))


@pytest.mark.parametrize(("state", "word"), [("overloaded", "Overloaded"), ("backlogged", "still")])
def test_an_overload_is_told(state: str, word: str) -> None:
    assert word in headline(with_(load_state=state)).warnings[0]
