"""Average and marginal intensity side by side: both emissions, never mixed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cosim.errors import ScenarioError
from cosim.world.plan import load_plan
from tests.conftest import Cli
from tests.cosim.builders import edited, run_text, write

GRID = "carbon_intensity: {type: typical_day, area: CISO}"
MARGINAL = "marginal_carbon_intensity: {type: csv, path: marginal.csv, unit: kg/MWh}"
RATES = "time,rate\n" + "".join(
    f"2022-06-08T00:{minute:02d}:00Z,{400 + 10 * minute}\n" for minute in range(0, 20, 5)
)
WH = 60 / 3600


def both(*changes: tuple[str, str]) -> str:
    return edited((GRID, f"{GRID}\n      {MARGINAL}"), *changes)


def test_emissions_by_both(tmp_path: Path) -> None:
    """Each is the integral of the same flows, by its own intensity."""
    write(tmp_path / "marginal.csv", RATES)
    ran = run_text(
        tmp_path, both(("peak_power_w: 600", "peak_power_w: 50"), ("soc: 0.8", "soc: 0.2"))
    )
    rates = ran.column("marginal_carbon_intensity_g_per_kwh")
    assert rates.tolist() == np.repeat([400.0, 450.0, 500.0, 550.0], 5).tolist()
    average, marginal = ran.summary["carbon_g"], ran.summary["marginal_carbon_g"]
    assert (average["kind"], marginal["kind"]) == ("average", "marginal")
    assert average.keys() == marginal.keys()
    for found, intensity in (
        (average, ran.column("carbon_intensity_g_per_kwh")),
        (marginal, rates),
    ):
        for key, flow in (
            ("gross", "facility_power_w"),
            ("import", "import_w"),
            ("export_credit", "export_w"),
        ):
            grams = float(ran.column(flow) @ intensity) * WH / 1000
            assert found[key] == pytest.approx(grams, rel=1e-12)
        assert found["total"] == pytest.approx(found["import"] + found["embodied"], rel=1e-12)
        per_request = found["total"] / ran.summary["requests"]["completed"]
        assert found["per_request"] == pytest.approx(per_request, rel=1e-12)
    assert marginal["import"] > 1.2 * average["import"] > 0
    assert ran.summary["grid"]["marginal_ci_mean_g_per_kwh"] == pytest.approx(475)


def test_controllers_and_attribution_go_by_the_average(tmp_path: Path) -> None:
    write(tmp_path / "marginal.csv", RATES)
    ran = run_text(tmp_path, both())
    alone = run_text(tmp_path, edited())
    changed = {"marginal_carbon_g", "grid", "scenario", "sites", "wall"}
    assert {k: v for k, v in ran.summary.items() if k not in changed} == {
        k: v for k, v in alone.summary.items() if k not in changed
    }
    assert ran.actions.equals(alone.actions)
    assert ran.requests.equals(alone.requests)
    assert np.isnan(alone.column("marginal_carbon_intensity_g_per_kwh")).all()


@pytest.mark.parametrize("of_both", [True, False])
def test_a_sum_over_sites_only_where_all_have_it(tmp_path: Path, of_both: bool) -> None:
    marginal = "\n      marginal_carbon_intensity: {type: constant, value_g_per_kwh: 600}"
    plant = f"""\
  - name: plant
    load: {{type: constant, power_w: 1000}}
    microgrid:
      carbon_intensity: {{type: constant, value_g_per_kwh: 400}}{marginal if of_both else ""}
controllers:"""
    write(tmp_path / "marginal.csv", RATES)
    summary = run_text(tmp_path, both(("controllers:", plant))).summary
    parts = [site.get("marginal_carbon_g") for site in summary["sites"].values()]
    assert parts[0] is not None
    if of_both:
        total = sum(part["import"] for part in parts)
        assert summary["marginal_carbon_g"]["import"] == pytest.approx(total, rel=1e-12)
    else:
        assert "marginal_carbon_g" not in summary


def test_both_are_printed(cosim: Cli) -> None:
    write("marginal.csv", RATES)
    write("s.yaml", both())
    answer = cosim("run", "s.yaml")
    assert answer.code == 0
    text = " ".join(answer.out.split())
    assert "from grid imports (average intensity)" in text
    assert "from grid imports (marginal intensity)" in text
    assert "marginal 475 g/kWh on average" in text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            GRID,
            "carbon_intensity: {type: constant, value_g_per_kwh: 9, kind: marginal}",
            "microgrid: beside `marginal_carbon_intensity`, `carbon_intensity` must be of kind "
            "average",
        ),
        (
            "unit: kg/MWh",
            "kind: average",
            "marginal_carbon_intensity.kind: expected 'marginal' (got 'average', a string)",
        ),
        (
            MARGINAL,
            f"marginal_{GRID}",
            "marginal_carbon_intensity.type: unknown type 'typical_day' (expected one of: "
            "constant, csv, hourly_2022)",
        ),
    ],
)
def test_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    """Two marginal ones, an average one in its place, and a built-in day, which is an average."""
    write(tmp_path / "marginal.csv", RATES)
    with pytest.raises(ScenarioError) as caught:
        load_plan(write(tmp_path / "s.yaml", both().replace(old, new, 1)))
    assert message in str(caught.value)


def test_a_file_that_does_not_cover_the_run(tmp_path: Path) -> None:
    write(tmp_path / "marginal.csv", RATES)
    path = write(tmp_path / "s.yaml", both(("duration: 20min", "duration: 30min")))
    with pytest.raises(ScenarioError, match=r"sites\.0\.microgrid\.marginal_carbon_intensity"):
        load_plan(path)
