"""A summary that was never run, to be shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cosim.accounting.energy import Energy
from cosim.results.summary import ScenarioName, SimulatedTime, Summary, WallTime
from cosim.results.totals import (
    EnergyAttribution,
    EnergyPerWork,
    EnergyShare,
    GpuUse,
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
    energy_per_work=EnergyPerWork(wh_per_request=20.0, j_per_output_token=720.0),
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
