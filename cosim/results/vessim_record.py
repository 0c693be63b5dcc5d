"""The run as Vessim records its own: experiment.json and timeseries.csv, for ``vessim view``.

The cluster, or the plain load, is a consumer of its microgrid. Signs are Vessim's: consumption,
discharge and import are negative. Times of the wall are left out, so that a run gives the same
bytes again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from cosim.loop.record import Run, SiteRecord
from cosim.results.summary import Summary
from cosim.results.totals import RunTotals, ServingTotals
from cosim.world.microgrid import BATTERY, GRID, LOAD, SOLAR
from cosim.world.site_plan import SitePlan

EXPERIMENT, TIMESERIES = "experiment.json", "timeseries.csv"
CLUSTER = "cluster"

_ENERGY = {
    "energy_produced": ("Wh", "Positive actor power integrated over recorded intervals"),
    "energy_consumed": ("Wh", "Absolute negative actor power integrated over recorded intervals"),
}
_GRID = {
    **_ENERGY,
    "grid_import": ("Wh", "Imported grid energy over recorded intervals"),
    "grid_export": ("Wh", "Exported grid energy over recorded intervals"),
    "peak_grid_import": ("W", "Maximum sampled grid import power"),
    "peak_grid_export": ("W", "Maximum sampled grid export power"),
    "import_emissions": ("kgCO2e", "Emissions of imported electricity"),
}
_RUN = {
    "emissions": ("kgCO2e", "Emissions of imported electricity and of the hardware"),
    "slo_attainment": ("1", "Share of requests that met their SLOs"),
    "requests_completed": ("1", "Requests that got their last token"),
}


def write_vessim_record(folder: Path, run: Run, summary: Summary) -> None:
    """Write both files into a folder.

    Args:
        folder: Where to.
        run: The run.
        summary: Its summary.
    """
    record = experiment(run, summary)
    text = json.dumps(record, indent=2, allow_nan=False, ensure_ascii=False)
    (folder / EXPERIMENT).write_text(text + "\n", encoding="utf-8")
    pa_csv.write_csv(timeseries(run), folder / TIMESERIES)


def experiment(run: Run, summary: Summary) -> dict[str, Any]:
    """Return the content of experiment.json, of Vessim's schema version 1."""
    scenario, time = run.plan.scenario, run.plan.scenario.time
    sites = {site.name: site for site in run.plan.sites}
    grids, actors = {}, {}
    for name, site in sites.items():
        grids[name] = _grid_metrics(run.recorder.sites[name], time.step_s)
        actors[name] = _actor_metrics(run.recorder.sites[name], site, time.step_s)
    overall = _run_metrics(summary.totals)
    return {
        "format": "vessim.experiment",
        "schema_version": 1,
        "run_id": f"{scenario.name}-{summary.scenario.hash}",
        "config": {
            "environment": {
                "name": scenario.name,
                "sim_start": str(time.start.replace(tzinfo=None)),
                "step_size": time.step_s,
                "backend": scenario.coupling,
                "mode": "study",
            },
            "microgrids": {name: _config(site) for name, site in sites.items()},
        },
        "parameters": {"scenario": scenario.name, "seed": scenario.seed},
        "execution": {
            "status": summary.status,
            "start": None,
            "end": None,
            "wall_time": None,
            "steps": run.recorder.steps,
            "simulated_duration": float(run.recorder.steps * time.step_s),
            "until": float(time.horizon_s),
            "last_time": None,
        },
        "metrics": {"run": overall, "microgrids": grids, "actors": actors},
        "metric_definitions": {
            "run": _definitions(overall, _RUN),
            "microgrids": {name: _definitions(values, _GRID) for name, values in grids.items()},
            "actors": {
                name: {actor: _definitions(values, _ENERGY) for actor, values in by_actor.items()}
                for name, by_actor in actors.items()
            },
        },
        "timeseries": TIMESERIES,
    }


def timeseries(run: Run) -> pa.Table:
    """Return the content of timeseries.csv: a row per step and microgrid, in order of time."""
    step_s, steps = run.plan.scenario.time.step_s, run.recorder.steps
    start = np.datetime64(run.plan.scenario.time.start.replace(tzinfo=None), "s")
    times = pa.array(start + np.arange(steps) * np.timedelta64(step_s, "s"), pa.timestamp("s"))
    tables = []
    for site in run.plan.sites:
        columns = {"microgrid": pa.array([site.name] * steps, pa.string()), "time": times}
        tables.append(pa.table(columns | _states(run.recorder.sites[site.name], site)))
    joined = pa.concat_tables(tables, promote_options="default")
    count = len(tables)
    return joined.take(np.arange(steps * count).reshape(count, steps).T.ravel())


def consumer(site: SitePlan) -> str:
    """Return the name of a site's load."""
    return LOAD if site.cluster is None else CLUSTER


def _states(record: SiteRecord, site: SitePlan) -> dict[str, Any]:
    """Return the columns of a microgrid, named by the path in Vessim's state."""
    column = record.column
    exchange_w = column("export_w") - column("import_w")
    load_w = column("facility_power_w")
    states = {
        "p_delta": column("solar_w") - load_w,
        "p_grid": exchange_w,
        f"actor_states.{consumer(site)}.power": -load_w,
    }
    if site.config.microgrid.solar is not None:
        states[f"actor_states.{SOLAR}.power"] = column("solar_w")
    battery = site.config.microgrid.battery
    if battery is not None:
        states[f"dispatch_states.{BATTERY}.soc"] = column("battery_soc")
        states[f"dispatch_states.{BATTERY}.charge_level"] = (
            column("battery_soc") * battery.capacity_wh
        )
        states[f"dispatch_states.{BATTERY}.current_power"] = column("battery_power_w")
    states[f"dispatch_states.{GRID}.current_power"] = exchange_w
    states["grid_signals.carbon_intensity_g_per_kwh"] = column("carbon_intensity_g_per_kwh")
    if site.price_per_kwh is not None:
        states["grid_signals.price_per_kwh"] = column("price_per_kwh")
    return {name: values + 0.0 for name, values in states.items()}  # + 0.0: no negative zeros


def _config(site: SitePlan) -> dict[str, Any]:
    microgrid, location = site.config.microgrid, site.config.location
    actors = []
    if microgrid.solar is not None:
        actors.append(_actor(SOLAR, "Producer", microgrid.solar.type))
    if site.cluster is not None:
        served = ", ".join(
            f"{pool.model.name} on {pool.gpus} x {pool.gpu.name}" for pool in site.cluster.pools
        )
        actors.append(_actor(CLUSTER, "Consumer", served))
    else:
        load = site.config.load
        actors.append(_actor(LOAD, "Consumer", load.type if load is not None else "none"))
    dispatched: list[dict[str, Any]] = []
    if microgrid.battery is not None:
        kind = {"simple": "SimpleBattery", "clc": "ClcBattery"}[microgrid.battery.type]
        limits = microgrid.battery.model_dump(mode="json", exclude={"type", "capacity_wh"})
        battery = {"name": BATTERY, "type": kind, "capacity": microgrid.battery.capacity_wh}
        dispatched.append(battery | limits)
    dispatched.append({"name": GRID, "type": "GridConnection"})
    return {
        "actors": actors,
        "dispatchables": dispatched,
        "policy": {"type": "DefaultDispatchPolicy", "charge_power": None},
        "grid_signals": {"carbon_intensity_g_per_kwh": microgrid.carbon_intensity.type},
        "coords": [location.latitude, location.longitude] if location else None,
    }


def _actor(name: str, kind: str, signal: str) -> dict[str, Any]:
    return {"name": name, "type": kind, "signal": signal, "step_size": None}


def _grid_metrics(record: SiteRecord, step_s: int) -> dict[str, float]:
    hours = step_s / 3600
    column = record.column
    imported, exported = column("import_w"), column("export_w")
    return {
        "energy_produced": float(column("solar_w").sum()) * hours,
        "energy_consumed": float(column("facility_power_w").sum()) * hours,
        "grid_import": float(imported.sum()) * hours,
        "grid_export": float(exported.sum()) * hours,
        "peak_grid_import": float(imported.max(initial=0.0)),
        "peak_grid_export": float(exported.max(initial=0.0)),
        "import_emissions": float(imported @ column("carbon_intensity_g_per_kwh")) * hours / 1e6,
    }


def _actor_metrics(record: SiteRecord, site: SitePlan, step_s: int) -> dict[str, dict[str, float]]:
    hours = step_s / 3600
    used = float(record.column("facility_power_w").sum()) * hours
    metrics = {consumer(site): {"energy_produced": 0.0, "energy_consumed": used}}
    if site.config.microgrid.solar is not None:
        produced = float(record.column("solar_w").sum()) * hours
        metrics[SOLAR] = {"energy_produced": produced, "energy_consumed": 0.0}
    return metrics


def _run_metrics(totals: RunTotals | None) -> dict[str, float | None]:
    if totals is None:
        return {}
    metrics: dict[str, float | None] = {"emissions": totals.carbon_g.total / 1000}
    if isinstance(totals, ServingTotals):
        metrics["slo_attainment"] = totals.slo.attainment
        metrics["requests_completed"] = totals.requests.completed
    return metrics


def _definitions(
    values: Mapping[str, Any], known: Mapping[str, tuple[str, str]]
) -> dict[str, dict[str, str]]:
    return {name: {"unit": known[name][0], "description": known[name][1]} for name in values}
