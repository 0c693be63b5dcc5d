"""The words of the headline fit the figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cosim.report.headline import headline
from cosim.results.summary import ScenarioName, SimulatedTime
from cosim.results.totals import LoadTotals, SloAttainment
from tests.cosim.summaries import CARBON, ENERGY, SUMMARY, TOTALS, with_


def test_what_it_says() -> None:
    said = headline(SUMMARY)
    assert said.sentences == [
        "The run used 2.00 kWh and caused 400 g CO2e: 300 g for the 1.00 kWh drawn from the grid "
        "(average intensity), and 100 g embodied in the hardware. With no solar or battery the "
        "grid would have caused 600 g, 300 g more.",
        "100 of 110 requests completed (4 rejected, 6 waiting); first token after 250 ms at the "
        "median, 2.5 min at the 99th percentile. 90.0 % of requests met their SLOs (chat "
        "80.0 %). A completed request stands for 4 g CO2e and 20 Wh of the facility's energy.",
        "No controller acted.",
    ]
    assert said.warnings == []
    assert [card[:2] for card in said.cards] == [
        ("Carbon (CO2e)", "400 g"),
        ("Energy used", "2.00 kWh"),
        ("SLO attainment", "90.0 %"),
        ("Requests completed", "100"),
    ]


def test_against_a_baseline() -> None:
    carbon = replace(CARBON, total=500.0, import_=400.0)
    slo = SloAttainment(attainment=0.95, by_class={})
    said = headline(SUMMARY, with_(carbon_g=carbon, slo=slo), "base")
    assert said.sentences[0] == (
        "Against base: carbon 20.0 % lower (400 g against 500 g; from grid imports 25.0 % "
        "lower); energy the same; SLO attainment 90.0 % against 95.0 %."
    )
    remarks = [card[2] for card in said.cards]
    assert remarks == [
        "20.0 % less than base",
        "the same as base",
        "of requests; 5.0 points below base",
        "the same as base",
    ]
    assert said.warnings == []


def test_unlike_runs_are_not_compared_in_silence() -> None:
    other = replace(
        with_(requests=replace(TOTALS.requests, completed=90)),
        status="failed",
        scenario=ScenarioName(name="two", seed=2, hash="0"),
        time=SimulatedTime(start="2022-06-09T00:00:00Z", duration_s=120, step_s=60, steps=2),
    )
    warnings = headline(SUMMARY, other, "base").warnings
    for word in ("failed", "start", "simulated time", "seed", "100 requests completed here, 90 in"):
        assert any(word in text for text in warnings), word
    load = LoadTotals(energy_kwh=ENERGY, carbon_g=CARBON, battery=None, grid=None)
    plain = replace(SUMMARY, totals=load)
    assert "Only one of the two runs serves requests." in headline(SUMMARY, plain, "base").warnings


@pytest.mark.parametrize(("state", "word"), [("overloaded", "Overloaded"), ("backlogged", "still")])
def test_an_overload_is_told(state: str, word: str) -> None:
    assert word in headline(with_(load_state=state)).warnings[0]
