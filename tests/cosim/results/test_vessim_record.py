"""Vessim reads every run as one of its own, and its figures are ours."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import vessim
from vessim._experiment import ExperimentResult

from tests.conftest import Runs
from tests.cosim.builders import BASE, SCENARIOS
from tests.cosim.report.folders import NO_BATTERY, PLAIN, ran
from tests.warm import run_warm

CASES = {"cluster": BASE, "plain load": PLAIN, "no battery": NO_BATTERY}


@pytest.mark.parametrize("text", CASES.values(), ids=list(CASES))
def test_vessim_loads_it_and_its_metrics_are_the_summary(tmp_path: Path, text: str) -> None:
    folder = ran(text, tmp_path / "run")
    summary = json.loads((folder / "summary.json").read_bytes())
    result = ExperimentResult.load(folder)
    energy = summary["energy_kwh"]
    grid = result.metrics["microgrids"]["dc"]
    assert grid["grid_import"] == pytest.approx(energy["import"] * 1000)
    assert grid["grid_export"] == pytest.approx(energy["export"] * 1000)
    assert grid["energy_produced"] == pytest.approx(energy["solar"] * 1000)
    assert grid["energy_consumed"] == pytest.approx(energy["facility"] * 1000)
    assert grid["import_emissions"] == pytest.approx(summary["carbon_g"]["import"] / 1000)
    consumer = "load" if text is PLAIN else "cluster"
    actors = {one["name"]: one["type"] for one in result.config["microgrids"]["dc"]["actors"]}
    assert actors == {"solar": "Producer", consumer: "Consumer"}
    assert result.execution["status"] == "completed"
    assert result.metrics["actors"]["dc"][consumer]["energy_consumed"] == pytest.approx(
        energy["facility"] * 1000
    )


@pytest.mark.parametrize("text", CASES.values(), ids=list(CASES))
def test_the_series_are_what_vessim_would_have_written(tmp_path: Path, text: str) -> None:
    """Beside Vessim's own recorder, for a microgrid of the same powers, battery and grid."""
    folder = ran(text, tmp_path / "run", "time.duration=3h")  # until the battery is empty
    ours = pd.read_csv(folder / "timeseries.csv", parse_dates=["time"])
    steps = pd.read_parquet(folder / "steps.parquet")
    times = steps["time_s"]

    def signal(column: str) -> vessim.Trace:
        return vessim.Trace(pd.Series(steps[column].to_numpy(), index=times.to_numpy()))

    consumer = "load" if text is PLAIN else "cluster"
    battery = vessim.ClcBattery(
        "battery", number_of_cells=5, initial_soc=0.8, min_soc=0.2, v_2=100 / 5
    )
    environment = vessim.Environment(
        sim_start="2022-06-08 00:00:00", step_size=60, backend="native"
    )
    environment.add_microgrid(
        name="dc",
        actors=[
            vessim.Producer("solar", signal("solar_w")),
            vessim.Consumer(consumer, signal("facility_power_w")),
        ],
        dispatchables=[
            *([] if text is NO_BATTERY else [battery]),
            vessim.GridConnection("grid"),
        ],
    )
    recorder = vessim.Recorder(output=tmp_path / "theirs")
    environment.add_controller(recorder)
    environment.run(until=len(steps) * 60)
    theirs = pd.read_csv(tmp_path / "theirs" / "timeseries.csv", parse_dates=["time"])
    assert (ours["time"] == theirs["time"]).all()
    shared = [name for name in theirs.columns if name in ours.columns and "." in name]
    assert ours["p_grid"].min() < 0
    assert f"actor_states.{consumer}.power" in shared
    assert "dispatch_states.grid.current_power" in shared
    assert ("dispatch_states.battery.soc" in shared) == (text is not NO_BATTERY)
    for name in ["p_delta", "p_grid", *shared]:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-9, atol=1e-9, err_msg=name)


def test_several_sites_stand_in_order_of_time(runs: Runs) -> None:
    run = runs(SCENARIOS / "two_sites.yaml", "time.duration=30min", "coupling=native")
    series = pd.read_csv(run.folder / "timeseries.csv")
    assert series["microgrid"].tolist() == ["california", "oregon"] * 6
    assert series["time"].is_monotonic_increasing
    assert series.loc[series["microgrid"] == "oregon", "dispatch_states.battery.soc"].isna().all()
    steps = run.steps.sort_values(["step", "site"])
    np.testing.assert_array_equal(
        -series["actor_states.cluster.power"], steps["facility_power_w"].to_numpy()
    )


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (ran(BASE, tmp_path / name) for name in ("a", "b"))
    for name in ("experiment.json", "timeseries.csv", "report.html"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_vessim_exports_it(tmp_path: Path) -> None:
    folder = ran(BASE, tmp_path / "run")
    done = run_warm("-m", "vessim", "view", folder, "--export", tmp_path / "view")
    assert done.returncode == 0, done.stderr
    catalog = json.loads((tmp_path / "view" / "catalog.json").read_bytes())
    assert catalog["errors"] == []
    exported = tmp_path / "view" / "data" / "0" / "trajectory"
    assert exported.read_bytes() == (folder / "timeseries.csv").read_bytes()
