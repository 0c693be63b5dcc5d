"""Table 2 of the paper from its own data, which may not be shipped, and what is right beside it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Runs
from tests.cosim.builders import SCENARIOS, Ran, data_file

# The values of the paper, recomputed exactly from its data; the paper rounds them.
QUANTITIES = {
    "demand_kwh": 5.898,
    "solar_kwh": 4.148,
    "grid_kwh": 1.809,
    "total_emissions_kg": 2.467,
    "offset_kg": 1.708,
    "net_g": 759.19,
}
SHARES = {
    "renewable_share": 0.7032,
    "grid_dependency": 0.3067,
    "carbon_offset": 0.6923,
    "soc_mean": 0.4718,
    "charging": 0.2130,
    "discharging": 0.1389,
    "idle": 0.6482,
}
OTHERS = {
    "high_ci_h": (24.80, 0.01),
    "ci_mean_g_per_kwh": (418.25, 0.01),
    "soc_below_50_h": (15.67, 0.01),
    "soc_above_80_h": (6.68, 0.01),
    "cycles": (0.756, 0.001),
}


def real_run(runs: Runs, *overrides: str) -> Ran:
    solar = data_file("case_study/solar_san_francisco_2022.csv")
    carbon = data_file("case_study/carbon_intensity_caiso_north_2023.csv")
    return runs(
        SCENARIOS / "paper_table2.yaml",
        f"sites.0.microgrid.solar.path={solar}",
        f"sites.0.microgrid.carbon_intensity.path={carbon}",
        "coupling=native",
        *overrides,
    )


@pytest.fixture(scope="module")
def summary(runs: Runs) -> dict[str, Any]:
    return real_run(runs).summary


def test_all_rows_are_checked(summary: dict[str, Any]) -> None:
    assert set(summary["paper"]) == {*QUANTITIES, *SHARES, *OTHERS}


@pytest.mark.parametrize("row", QUANTITIES)
def test_energies_and_emissions(summary: dict[str, Any], row: str) -> None:
    assert summary["paper"][row] == pytest.approx(QUANTITIES[row], rel=1e-3)


@pytest.mark.parametrize("row", SHARES)
def test_shares(summary: dict[str, Any], row: str) -> None:
    assert summary["paper"][row] == pytest.approx(SHARES[row], abs=0.0015)


@pytest.mark.parametrize("row", OTHERS)
def test_hours_and_means(summary: dict[str, Any], row: str) -> None:
    value, tolerance = OTHERS[row]
    assert summary["paper"][row] == pytest.approx(value, abs=tolerance)


def test_correct_accounting_of_the_same_run(summary: dict[str, Any]) -> None:
    energy, carbon = summary["energy_kwh"], summary["carbon_g"]
    assert energy["import"] == pytest.approx(2.918, rel=1e-3)
    assert energy["export"] == pytest.approx(1.108, rel=1e-3)
    assert summary["grid"]["self_sufficiency"] == pytest.approx(0.505, abs=0.0015)
    assert carbon["import"] == pytest.approx(1220, rel=5e-3)
    assert carbon["export_credit"] == pytest.approx(460, rel=5e-3)
    assert carbon["kind"] == "marginal"
    assert carbon["total"] == carbon["import"]


def test_a_battery_that_really_holds_100_wh(runs: Runs, summary: dict[str, Any]) -> None:
    true = real_run(runs, "sites.0.microgrid.battery.capacity_wh=100").summary
    assert true["energy_kwh"]["import"] == pytest.approx(3.16, rel=5e-3)
    assert true["energy_kwh"]["export"] == pytest.approx(1.45, rel=5e-3)
    assert true["carbon_g"]["import"] == pytest.approx(1329, rel=5e-3)
    assert true["paper"]["net_g"] == summary["paper"]["net_g"]  # it does not see the battery


def test_holding_the_rows_makes_no_difference_to_the_energies(
    runs: Runs, summary: dict[str, Any]
) -> None:
    held = real_run(
        runs,
        "sites.0.microgrid.solar.resample=",
        "sites.0.microgrid.carbon_intensity.resample=",
    ).summary
    for row, exact in QUANTITIES.items():
        assert held["paper"][row] == pytest.approx(exact, rel=2e-3)
    assert held["carbon_g"]["import"] == pytest.approx(summary["carbon_g"]["import"], rel=5e-3)


def test_mosaik_gives_the_same_table(runs: Runs, summary: dict[str, Any]) -> None:
    coupled = real_run(runs, "coupling=mosaik").summary
    assert coupled["paper"] == summary["paper"]
    assert coupled["carbon_g"] == summary["carbon_g"]
