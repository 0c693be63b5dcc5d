"""The words of the headline fit the figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cosim.report.headline import figure_cards, headline
from cosim.results.totals import SloAttainment
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


@pytest.mark.parametrize(("state", "word"), [("overloaded", "Overloaded"), ("backlogged", "still")])
def test_an_overload_is_told(state: str, word: str) -> None:
    assert word in headline(with_(load_state=state)).warnings[0]
