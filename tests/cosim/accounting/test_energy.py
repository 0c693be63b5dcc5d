"""Energy and carbon: identities on arbitrary flows, cases by hand, and the balance of real runs."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.accounting.energy import (
    Battery,
    Carbon,
    SiteFlows,
    battery_use,
    carbon_g,
    energy_kwh,
    grid_use,
)
from cosim.accounting.paper import paper_table2
from cosim.results.site_totals import battery_of, flows_of
from tests.conftest import Runs
from tests.cosim.builders import SCENARIOS, Ran, edited, run_text

CAPACITY_WH, ETA_CHARGE, ETA_DISCHARGE = 1e6, 0.9, 1.1


def flows(
    facility: object = 0.0,
    solar: object = 0.0,
    battery: object = 0.0,
    intensity: object = 100.0,
    step_s: float = 3600.0,
) -> SiteFlows:
    """Flows of a site, with the grid taking or giving what is left."""
    arrays = np.broadcast_arrays(
        *(np.asarray(x, float) for x in (facility, solar, battery, intensity))
    )
    facility_w, solar_w, battery_w, intensity_g = (np.atleast_1d(array) for array in arrays)
    grid_w = solar_w - facility_w - battery_w
    return SiteFlows(
        facility_w=facility_w,
        solar_w=solar_w,
        import_w=np.maximum(-grid_w, 0),
        export_w=np.maximum(grid_w, 0),
        battery_w=battery_w,
        carbon_intensity_g_per_kwh=intensity_g,
        step_s=step_s,
    )


def figures(of: Any) -> dict[str, Any]:
    """The numbers that there are, by name."""
    return {name: value for name, value in asdict(of).items() if isinstance(value, int | float)}


@st.composite
def dispatches(draw: st.DrawFn) -> tuple[SiteFlows, Battery]:
    """A site whose battery takes surplus and covers deficits, as far as a random limit lets it."""
    power, share = st.floats(0, 5000), st.floats(0, 1)
    steps = draw(
        st.lists(st.tuples(power, power, share, st.floats(0, 900)), min_size=1, max_size=40)
    )
    facility, solar, share_used, intensity = np.array(steps).T
    battery_w = (solar - facility) * share_used
    step_s = draw(st.sampled_from([1.0, 60.0, 300.0, 3600.0]))
    made = flows(facility, solar, battery_w, intensity, step_s)
    stored_w = made.charge_w * ETA_CHARGE - made.discharge_w * ETA_DISCHARGE
    soc = 0.5 + np.append(0, np.cumsum(stored_w)) * step_s / 3600 / CAPACITY_WH
    return made, Battery(capacity_wh=CAPACITY_WH, soc=soc)


# Identities


@given(dispatches())
def test_energy_is_conserved(site: tuple[SiteFlows, Battery]) -> None:
    made, battery = site
    assert np.abs(made.imbalance_w).max() <= 1e-9
    energy = energy_kwh(made, battery)
    supplied = energy.solar + energy.battery_discharge + energy.import_
    taken = energy.facility + energy.battery_charge + energy.export
    assert supplied == pytest.approx(taken, abs=1e-9)
    assert all(value >= -1e-9 for value in figures(energy).values())
    assert energy.solar_used <= energy.solar
    # The battery only ever takes solar here: all that is exported is solar.
    assert energy.solar_used == pytest.approx(energy.solar - energy.export, abs=1e-9)


@given(dispatches())
def test_what_a_battery_loses_is_what_its_efficiencies_say(site: tuple[SiteFlows, Battery]) -> None:
    made, battery = site
    energy = energy_kwh(made, battery)
    expected = energy.battery_charge * (1 - ETA_CHARGE)
    expected += energy.battery_discharge * (ETA_DISCHARGE - 1)
    assert energy.battery_loss == pytest.approx(expected, abs=1e-8)


@given(dispatches(), st.floats(0, 1e6))
def test_carbon_follows_the_energy(site: tuple[SiteFlows, Battery], embodied_g: float) -> None:
    made, _ = site
    carbon = carbon_g(made, embodied_g, "average")
    # The difference between all from the grid, and what was drawn less what was given, is what
    # sun and battery gave at each moment.
    given_g = made.grams(made.solar_w - made.battery_w)
    net_g = carbon.import_ - carbon.export_credit
    assert carbon.gross - net_g == pytest.approx(given_g, abs=1e-6)
    assert carbon.import_ <= carbon.gross + 1e-6
    assert carbon.total == carbon.import_ + embodied_g  # never the credit


@given(dispatches())
def test_a_site_of_its_own_sun_imports_no_carbon(site: tuple[SiteFlows, Battery]) -> None:
    made, battery = site
    grid = grid_use(made)
    low, high = made.carbon_intensity_g_per_kwh.min(), made.carbon_intensity_g_per_kwh.max()
    for name in ("ci_mean_g_per_kwh", "ci_p10", "ci_p90"):
        assert low - 1e-9 <= getattr(grid, name) <= high + 1e-9
    assert grid.peak_import_w == made.import_w.max()
    assert -1e-9 <= grid.self_sufficiency <= 1
    assert 0 <= grid.self_consumption <= 1 + 1e-9
    used = battery_use(made, battery)
    assert used.soc_min <= used.soc_mean <= used.soc_max
    whole = 2 * CAPACITY_WH / 1000
    charged = energy_kwh(made, battery)
    throughput = charged.battery_charge + charged.battery_discharge
    assert used.cycles == pytest.approx(throughput / whole)


@given(dispatches(), st.integers(1, 5))
def test_the_length_of_a_step_does_not_matter(site: tuple[SiteFlows, Battery], parts: int) -> None:
    made, _ = site
    names = ("facility_w", "solar_w", "import_w", "export_w", "battery_w")
    finer = SiteFlows(
        **{name: np.repeat(getattr(made, name), parts) for name in names},
        carbon_intensity_g_per_kwh=np.repeat(made.carbon_intensity_g_per_kwh, parts),
        step_s=made.step_s / parts,
    )
    assert figures(energy_kwh(finer, None)) == pytest.approx(
        figures(energy_kwh(made, None)), rel=1e-9, abs=1e-12
    )
    assert figures(carbon_g(finer, 0, "average")) == pytest.approx(
        figures(carbon_g(made, 0, "average")), rel=1e-9, abs=1e-12
    )


# By hand


def test_a_kilowatt_for_an_hour() -> None:
    made = flows(facility=1000, intensity=300)
    assert energy_kwh(made, None).import_ == energy_kwh(made, None).facility == 1
    assert carbon_g(made, 25, "average") == Carbon(
        kind="average", gross=300, import_=300, export_credit=0, embodied=25, total=325
    )
    assert grid_use(made).self_sufficiency == 0
    assert grid_use(made).self_consumption == 0


def test_a_day_with_sun_at_noon_and_a_battery() -> None:
    # Three hours of 1 kW. In the second there are 4 kW of sun: 1 is used, 2 are charged, 1 is
    # exported; in the third the battery covers the load.
    made = flows(
        facility=[1000, 1000, 1000],
        solar=[0, 4000, 0],
        battery=[0, 2000, -1000],
        intensity=[400, 100, 500],
    )
    battery = Battery(capacity_wh=4000, soc=np.array([0.25, 0.25, 0.7, 0.4]))
    assert figures(energy_kwh(made, battery)) == pytest.approx(
        {
            "facility": 3,
            "solar": 4,
            "solar_used": 3,
            "import_": 1,
            "export": 1,
            "battery_charge": 2,
            "battery_discharge": 1,
            "battery_loss": 2 - 1 - 0.15 * 4,
        }
    )
    assert carbon_g(made, 0, "marginal") == Carbon(
        kind="marginal", gross=1000, import_=400, export_credit=100, embodied=0, total=400
    )
    grid = grid_use(made)
    assert grid.self_sufficiency == pytest.approx(2 / 3)
    assert grid.self_consumption == pytest.approx(3 / 4)
    assert grid.ci_mean_g_per_kwh == pytest.approx(1000 / 3)
    assert grid.peak_import_w == 1000
    assert figures(battery_use(made, battery)) == pytest.approx(
        {"soc_mean": 0.4, "soc_min": 0.25, "soc_max": 0.7, "cycles": 3 / 8}
    )
    paper = paper_table2(made, battery)
    assert figures(paper) == pytest.approx(
        {
            "demand_kwh": 3,
            "solar_kwh": 4,
            "grid_kwh": 0,  # 1 kWh taken, 1 given
            "renewable_share": 4 / 3,
            "grid_dependency": 0,
            "total_emissions_kg": 1,
            "offset_kg": 0.4,
            "net_g": 600,
            "carbon_offset": 0.4,
            "high_ci_h": 2,
            "ci_mean_g_per_kwh": 1000 / 3,
            "soc_mean": 0.4,  # of the starts of the steps
            "soc_below_50_h": 2,
            "soc_above_80_h": 0,
            "charging": 1 / 3,
            "discharging": 0,  # the change of the last step is seen at no start
            "idle": 2 / 3,
            "cycles": 0.225,
        }
    )


def test_a_site_that_neither_draws_nor_gives() -> None:
    made = flows()
    assert set(figures(energy_kwh(made, None)).values()) == {0}
    assert grid_use(made).self_sufficiency == 0
    paper = paper_table2(made, None)
    assert paper.renewable_share == paper.carbon_offset == 0
    assert paper.soc_mean is None


# Runs


def balance_error_w(ran: Ran) -> float:
    steps = ran.steps
    supply = steps["solar_w"] + (-steps["battery_power_w"]).clip(lower=0) + steps["import_w"]
    use = steps["facility_power_w"] + steps["battery_power_w"].clip(lower=0) + steps["export_w"]
    return float((supply - use).abs().max())


CASES = {
    "two_sites": ("time.duration=6h", "workload.arrivals.rate_per_s=0.3"),
    "azure_trace": (),
    "paper_table2": (),
    "quickstart": (
        "time.start=2022-06-08T12:00:00Z",
        "time.duration=12h",
        "workload.requests=2000",
        "sites.0.microgrid.solar.peak_power_w=2000",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_every_step_balances(runs: Runs, name: str) -> None:
    ran = runs(SCENARIOS / f"{name}.yaml", *CASES[name], "coupling=native")
    assert balance_error_w(ran) <= 1e-6
    steps = ran.steps
    assert (steps[["facility_power_w", "solar_w", "import_w", "export_w"]] >= 0).all(axis=None)
    assert (steps[["import_w", "export_w"]].min(axis=1) == 0).all()  # never both
    for site in ran.result.run.plan.sites:
        config = site.config.microgrid.battery
        soc = np.append(ran.column("battery_soc", site.name), ran.final_soc(site.name))
        if config is None:
            assert np.isnan(soc).all()
        else:
            assert soc.min() >= config.min_soc - 1e-9
            assert soc.max() <= 1 + 1e-9
            assert soc[0] == config.initial_soc


@pytest.mark.parametrize("name", CASES)
def test_the_summary_integrates_the_steps(runs: Runs, name: str) -> None:
    ran = runs(SCENARIOS / f"{name}.yaml", *CASES[name], "coupling=native")
    hours = ran.summary["time"]["step_s"] / 3600
    for site, section in ran.summary["sites"].items():
        steps = ran.steps[ran.steps["site"] == site]
        energy, carbon = section["energy_kwh"], section["carbon_g"]
        integrals = {
            "facility": steps["facility_power_w"],
            "solar": steps["solar_w"],
            "import": steps["import_w"],
            "export": steps["export_w"],
            "battery_charge": steps["battery_power_w"].clip(lower=0),
            "battery_discharge": -steps["battery_power_w"].clip(upper=0),
        }
        for key, power_w in integrals.items():
            assert energy[key] == pytest.approx(power_w.sum() * hours / 1000, rel=1e-9, abs=1e-12)
        intensity = steps["carbon_intensity_g_per_kwh"]
        for key, name_w in (("gross", "facility_power_w"), ("import", "import_w")):
            mass_g = (steps[name_w] * intensity).sum() * hours / 1000
            assert carbon[key] == pytest.approx(mass_g, rel=1e-9)
        assert carbon["total"] == carbon["import"] + carbon["embodied"]


def test_totals_are_the_sums_of_the_sites(runs: Runs) -> None:
    ran = runs(SCENARIOS / "two_sites.yaml", *CASES["two_sites"], "coupling=native")
    summary, (first, second) = ran.summary, ran.summary["sites"].values()
    for part in ("energy_kwh", "requests", "tokens"):
        for key, value in summary[part].items():
            assert value == pytest.approx(first[part].get(key, 0) + second[part].get(key, 0))
    for key in ("gross", "import", "export_credit", "embodied", "total"):
        parts = [site["carbon_g"][key] for site in (first, second)]
        assert summary["carbon_g"][key] == pytest.approx(sum(parts))
    carbon, requests = summary["carbon_g"], summary["requests"]
    assert carbon["per_request"] == pytest.approx(carbon["total"] / requests["completed"])
    per_1k = carbon["total"] / summary["tokens"]["output"] * 1000
    assert carbon["per_1k_output_tokens"] == pytest.approx(per_1k)


# A site whose battery is both charged and discharged.
WAVES = (
    ("duration: 20min", "duration: 8h"),
    ("2022-06-08T00:00:00Z", "2022-06-08T10:00:00Z"),
    ("rate_per_s: 0.5", "rate_per_s: 0.05"),
    ("gpu: h100-sxm-80gb", "gpu: h100-sxm-80gb\n      host_power_w: 0"),
)


@pytest.mark.parametrize(("kind", "lossless"), [("simple", True), ("clc", False)])
def test_a_simple_battery_is_lossless(tmp_path: Path, kind: str, lossless: bool) -> None:
    ran = run_text(tmp_path, edited(*WAVES).replace("type: clc", f"type: {kind}"))
    energy = ran.summary["energy_kwh"]
    assert energy["battery_charge"] > 0.01
    assert energy["battery_discharge"] > 0.01
    if lossless:
        assert energy["battery_loss"] == pytest.approx(0, abs=1e-12)
    else:
        expected = 0.022 * energy["battery_charge"] + 0.014 * energy["battery_discharge"]
        assert energy["battery_loss"] == pytest.approx(expected, rel=1e-9)


def test_the_power_of_a_simple_battery_is_limited(tmp_path: Path) -> None:
    text = edited(*WAVES, ("min_soc: 0.2}", "min_soc: 0.2, c_rate: 0.5}"))
    ran = run_text(tmp_path, text.replace("type: clc", "type: simple"))
    power_w = ran.column("battery_power_w")
    assert (power_w.min(), power_w.max()) == pytest.approx((-50, 50))


def test_a_price_makes_a_bill(tmp_path: Path) -> None:
    price = "sites.0.microgrid.price={type: constant, value_per_kwh: 0.25, currency: EUR}"
    ran = run_text(tmp_path, edited(), price)
    cost = ran.summary["cost"]
    assert cost["currency"] == "EUR"
    assert cost["import"] == pytest.approx(0.25 * ran.summary["energy_kwh"]["import"])
    assert set(ran.column("price_per_kwh")) == {0.25}
    assert "cost" not in run_text(tmp_path, edited()).summary


def test_embodied_carbon_is_that_of_the_hardware(tmp_path: Path) -> None:
    own = run_text(tmp_path, edited(), "sites.0.cluster.embodied_g_per_gpu_hour=6")
    assert own.summary["carbon_g"]["embodied"] == pytest.approx(2)  # one GPU, 20 minutes
    two = run_text(tmp_path, edited(), "sites.0.cluster.replicas=2")
    one = run_text(tmp_path, edited())
    assert two.summary["carbon_g"]["embodied"] == 2 * one.summary["carbon_g"]["embodied"] > 0


def test_pue_and_host_power_are_in_the_facility(tmp_path: Path) -> None:
    overrides = ("sites.0.cluster.pue=1.5", "sites.0.cluster.host_power_w=100")
    ran, bare = run_text(tmp_path, edited(), *overrides), run_text(tmp_path, edited())
    energy = ran.summary["energy_kwh"]
    assert energy["host"] == pytest.approx(0.1 / 3)
    assert energy["gpu"] == pytest.approx(bare.summary["energy_kwh"]["gpu"], rel=1e-12)
    assert energy["facility"] == pytest.approx(1.5 * (energy["gpu"] + energy["host"]))


def test_flows_and_battery_are_read_from_the_record(tmp_path: Path) -> None:
    ran = run_text(tmp_path, edited())
    record = ran.result.run.recorder.sites["dc"]
    battery = battery_of(record)
    assert battery is not None
    assert len(battery.soc) == 21
    assert not math.isnan(battery.soc[-1])
    assert np.abs(flows_of(record, 60).imbalance_w).max() <= 1e-6
