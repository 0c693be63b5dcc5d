"""The words of the answer fit the figures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cosim.accounting.energy import Energy
from cosim.report.answer import answer, change, energy, mass, percent
from cosim.results.summary import ScenarioName, SimulatedTime, Summary, WallTime
from cosim.results.totals import (
    EnergyAttribution,
    EnergyShare,
    GpuUse,
    LoadTotals,
    Percentiles,
    RequestCounts,
    RequestLatencies,
    ServingCarbon,
    ServingTotals,
    SloAttainment,
    TokenCounts,
)

CARBON = ServingCarbon(
    kind="average",
    gross=600.0,
    import_=300.0,
    export_credit=0.0,
    embodied=100.0,
    total=400.0,
    per_request=4.0,
    per_1k_output_tokens=40.0,
)
ENERGY = Energy(
    gpu=1.5,
    host=0.2,
    facility=2.0,
    solar=1.0,
    solar_used=1.0,
    import_=1.0,
    export=0.0,
    battery_charge=0.0,
    battery_discharge=0.0,
    battery_loss=0.0,
)
NOTHING = EnergyShare(energy_kwh=0.0, carbon_g=0.0)
TOTALS = ServingTotals(
    requests=RequestCounts(
        arrived=110,
        admitted=106,
        completed=100,
        rejected=4,
        waiting=6,
        running=0,
        preemptions=0,
    ),
    rejections={"admission_rate": 4},
    tokens=TokenCounts(prompt=1000, output=10_000),
    latency_s=RequestLatencies(
        ttft=Percentiles(mean=1.0, p50=0.25, p90=1.0, p95=2.0, p99=150.0),
        tpot=None,
        e2e=None,
        queue=None,
        quantiles="exact",
    ),
    slo=SloAttainment(attainment=0.9, by_class={"chat": 0.8, "batch": None}),
    load_state="stable",
    batch=None,
    gpu=GpuUse(count=1, mfu_mean=0.1, busy_fraction=0.5, power_mean_w=300.0),
    energy_kwh=ENERGY,
    carbon_g=CARBON,
    attribution=EnergyAttribution(requests=NOTHING, idle=NOTHING, by_class={}),
    battery=None,
    grid=None,
)
SUMMARY = Summary(
    status="completed",
    scenario=ScenarioName(name="one", seed=1, hash="0"),
    time=SimulatedTime(start="2022-06-08T00:00:00Z", duration_s=60, step_s=60, steps=1),
    totals=TOTALS,
    controllers=[],
    sites={"dc": TOTALS},
    wall=WallTime(run_s=1.0, x_real_time=60.0, requests_per_s=110.0),
)


def with_(**changes: Any) -> Summary:
    """The same run with other totals."""
    return replace(SUMMARY, totals=replace(TOTALS, **changes))


@pytest.mark.parametrize(
    ("new", "old", "text"),
    [
        (90, 100, "10.0 % less"),
        (110, 100, "10.0 % more"),
        (100, 100, "the same"),
        (100.01, 100, "the same within 0.05 %"),
        (0, 0, "as before"),
        (1, 0, "was 0"),
        (-50, -100, "50.0 % more"),
    ],
)
def test_changes(new: float, old: float, text: str) -> None:
    assert change(new, old) == text


def test_a_share_is_whole_only_if_it_is() -> None:
    assert [percent(share) for share in (0, 1e-9, 0.5, 1 - 1e-9, 1)] == [
        "0.0 %",
        "under 0.1 %",
        "50.0 %",
        "over 99.9 %",
        "100.0 %",
    ]


def test_units_suit() -> None:
    masses = [mass(grams) for grams in (0, 0.0123, 5, 1500, 2.5e6)]
    assert masses == ["0.0 g", "12.3 mg", "5.0 g", "1.50 kg", "2.50 t"]
    assert [energy(kwh) for kwh in (0.01, 5, 25_000)] == ["10.0 Wh", "5.00 kWh", "25.0 MWh"]


def test_what_it_says() -> None:
    said = answer(SUMMARY)
    assert said.sentences == [
        "The run used 2.00 kWh and caused 400.0 g CO2e: 300.0 g for the 1.00 kWh drawn from the "
        "grid (average intensity), and 100.0 g of the hardware. Had all of it come from the grid "
        "as it was used, that would have caused 600.0 g; solar and battery made it 300.0 g less.",
        "100 of 110 requests completed (4 rejected, 6 waiting); first token after 250 ms at the "
        "median, 2.5 min at the 99th percentile. 90.0 % of requests met their objectives (chat "
        "80.0 %). A completed request stands for 4.0 g CO2e.",
        "No controller acted.",
    ]
    assert said.warnings == []
    assert [card[:2] for card in said.cards] == [
        ("Carbon (CO2e)", "400.0 g"),
        ("Energy used", "2.00 kWh"),
        ("SLO attainment", "90.0 %"),
        ("Requests completed", "100"),
    ]


def test_against_a_baseline() -> None:
    carbon = replace(CARBON, total=500.0, import_=400.0)
    slo = SloAttainment(attainment=0.95, by_class={})
    said = answer(SUMMARY, with_(carbon_g=carbon, slo=slo), "base")
    assert said.sentences[0] == (
        "Against base: carbon 20.0 % lower (400.0 g against 500.0 g; the grid's share 25.0 % "
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
    warnings = answer(SUMMARY, other, "base").warnings
    for word in ("failed", "begin", "simulated time", "seed", "100 requests completed here, 90 in"):
        assert any(word in text for text in warnings), word
    load = LoadTotals(energy_kwh=ENERGY, carbon_g=CARBON, battery=None, grid=None)
    plain = replace(SUMMARY, totals=load)
    assert "Only one of the two runs serves requests." in answer(SUMMARY, plain, "base").warnings


@pytest.mark.parametrize(("state", "word"), [("overloaded", "Overloaded"), ("backlogged", "still")])
def test_an_overload_is_told(state: str, word: str) -> None:
    assert word in answer(with_(load_state=state)).warnings[0]
