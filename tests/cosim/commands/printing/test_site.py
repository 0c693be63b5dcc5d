"""The rows of a site in the summary on the terminal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cosim.accounting.energy import BatteryUse, GridUse
from cosim.commands.printing.site import energy_balance, site_rows
from cosim.results.totals import RunTotals
from tests.cosim.summaries import CARBON, ENERGY, TOTALS

BATTERY = BatteryUse(soc_mean=0.5, soc_min=0.2, soc_max=1.0, cycles=0.5)
GRID = GridUse(
    ci_mean_g_per_kwh=300.0,
    ci_p10=-0.2,
    ci_p90=400.0,
    peak_import_w=999.9,
    self_sufficiency=-0.001,
    self_consumption=1.0,
)


def row(totals: RunTotals, title: str) -> str:
    return dict(site_rows(totals))[title]


def test_carbon_stands_beside_that_of_the_grid_alone() -> None:
    """Where there is anything else."""
    assert row(TOTALS, "Carbon") == (
        "300 g from grid imports (average intensity); would be 600 g with no solar or battery; "
        "100 g embodied; total 400 g = 4 g per request, 40 g per 1,000 output tokens"
    )
    bare = replace(TOTALS, energy_kwh=replace(ENERGY, solar=0.0, solar_used=0.0))
    assert row(bare, "Carbon").startswith("300 g from grid imports (average intensity); 100 g")


def test_no_carbon_per_token_without_a_token() -> None:
    carbon = replace(CARBON, per_1k_output_tokens=None)
    assert row(replace(TOTALS, carbon_g=carbon), "Carbon").endswith("= 4 g per request")


@pytest.mark.parametrize("loss_kwh", [-1e-9, -0.0, 0.0])
def test_what_rounds_to_zero_has_no_sign(loss_kwh: float) -> None:
    """A battery that gave back all but a rounding error, and was charged from the grid."""
    energy = replace(ENERGY, battery_charge=0.5, battery_discharge=0.5, battery_loss=loss_kwh)
    totals = replace(TOTALS, energy_kwh=energy, battery=BATTERY, grid=GRID)
    assert row(totals, "Battery") == (
        "state of charge 50 % on average (20 % to 100 %), 0.50 full cycles, 0.0 Wh lost"
    )
    assert row(totals, "Grid") == (
        "300 g/kWh on average (10th to 90th percentile 0 to 400), at most 1.00 kW drawn, "
        "0 % self-sufficient"
    )


def test_a_share_below_zero_is_not_printed() -> None:
    totals = replace(TOTALS, grid=replace(GRID, self_sufficiency=-0.26))
    assert row(totals, "Grid").endswith(
        "1.00 kW drawn; more imported than used, since the battery was charged from the grid"
    )


def test_the_balance_of_energy() -> None:
    assert energy_balance(ENERGY) == "2.00 kWh used = 1.00 from the grid + 1.00 of solar"
    stored = replace(ENERGY, facility=0.5, import_=-0.0, battery_discharge=0.25, export=0.1)
    assert energy_balance(stored) == (
        "500.00 Wh used = 0.00 from the grid + 1,000.00 of solar + 250.00 from the battery; "
        "100.00 of solar exported"
    )
    year = replace(ENERGY, facility=438_000.0, import_=437_000.0, solar_used=1_000.0)
    assert energy_balance(year) == "438.00 MWh used = 437.00 from the grid + 1.00 of solar"


def test_slos_are_all_met_only_if_they_are() -> None:
    slo = replace(TOTALS.slo, attainment=1 - 1e-6, by_class={"chat": 1.0})
    assert row(replace(TOTALS, slo=slo), "SLO") == ("met by over 99.9 % of requests (chat 100.0 %)")
