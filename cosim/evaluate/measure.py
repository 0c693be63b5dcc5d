"""One run of an evaluation: a policy with a seed, and the figures that are kept of it."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import cosim
from cosim.evaluate.variants import Comparison, Variant, variant_plan
from cosim.execute import execute
from cosim.plan import Plan
from cosim.results.folder import file_hash, input_files, scenario_hash
from cosim.results.summary import battery_of, flows_of
from inference_sim.request import Outcome, Request
from inference_sim.telemetry import tpot_s, ttft_s

_WIDE = frozenset({"active_replicas", "clock_fraction", "power_cap"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFigures:
    """What is kept of a run.

    Attributes:
        policy: Name of the policy.
        twin: Whether it was its carbon-agnostic twin.
        seed: The seed.
        import_g: Emissions of the import [g].
        stored_g: Energy that the batteries lost over the run, valued at the mean intensity of
            their site [g]: what it would cause to fill them up again; negative for a gain.
        embodied_g: Embodied emissions [g].
        facility_kwh, import_kwh: Energies [kWh].
        cost: Price of the import, in the currency of the scenario; None without a price.
        attainment: Share of the requests with objectives that met them; None without any.
        ttft_p99_s, tpot_p99_s: 99th percentiles of the requests that may not be deferred [s].
        arrived, completed, backlog: Requests that came, were served, and were left at the end.
        late: Deferrable requests completed after their deadline.
        output_tokens: Tokens given out.
        guard_s: Time for which the guard of the objectives held [s].
        changes: Changes of actuators.
        is_wide: Whether it may put replicas to sleep or slow their clocks down.
        load_state: stable, backlogged or overloaded.
        failure: Why the run broke off; empty if it did not.
    """

    policy: str
    twin: bool
    seed: int
    import_g: float
    stored_g: float
    embodied_g: float
    facility_kwh: float
    import_kwh: float
    cost: float | None
    attainment: float | None
    ttft_p99_s: float | None
    tpot_p99_s: float | None
    arrived: int
    completed: int
    backlog: int
    late: int
    output_tokens: int
    guard_s: float
    changes: int
    is_wide: bool
    load_state: str
    failure: str = ""

    @property
    def carbon_g(self) -> float:
        """Emissions of the import, with the batteries as full at the end as at the start [g]."""
        return self.import_g + self.stored_g


class _Latencies:
    """Latencies of the requests that may not be deferred."""

    def __init__(self, plan: Plan) -> None:
        self._served = {
            site.name: {
                number
                for number, one in enumerate(site.workload.config.classes)
                if not one.deferrable
            }
            for site in plan.sites
            if site.workload is not None
        }
        self.ttft_s: list[float] = []
        self.tpot_s: list[float] = []

    def take(self, site: str, requests: list[Request]) -> None:
        wanted = self._served[site]
        for request in requests:
            if request.class_id in wanted and request.outcome is Outcome.COMPLETED:
                self.ttft_s.append(ttft_s(request))
                if request.output_tokens > 1:
                    self.tpot_s.append(tpot_s(request))


def measure(plan: Plan, variant: Variant) -> RunFigures:
    """Run a plan and return its figures.

    Args:
        plan: The scenario with the policy's controllers.
        variant: The policy.
    """
    latencies = _Latencies(plan)
    result = execute(plan, on_requests=latencies.take)
    run, summary = result.run, result.summary
    recorder, step_s = run.recorder, plan.scenario.time.step_s
    stored_g = 0.0
    for record in recorder.sites.values():
        battery = battery_of(record)
        if battery is not None:
            mean = float(flows_of(record, step_s).carbon_intensity_g_per_kwh.mean())
            stored_g -= battery.stored_kwh * mean
    requests, carbon = summary["requests"], summary["carbon_g"]
    costs = [part["cost"]["import"] for part in summary["sites"].values() if "cost" in part]
    by_class = summary["attribution"]["by_class"]
    return RunFigures(
        policy=variant.name,
        twin=variant.twin,
        seed=plan.scenario.seed,
        import_g=carbon["import"],
        stored_g=stored_g,
        embodied_g=carbon["embodied"],
        facility_kwh=summary["energy_kwh"]["facility"],
        import_kwh=summary["energy_kwh"]["import"],
        cost=sum(costs) if costs else None,
        attainment=summary["slo"]["attainment"],
        ttft_p99_s=_p99(latencies.ttft_s),
        tpot_p99_s=_p99(latencies.tpot_s),
        arrived=requests["arrived"],
        completed=requests["completed"],
        backlog=requests["waiting"] + requests["running"],
        late=sum(one["late"] for one in by_class.values()),
        output_tokens=summary["tokens"]["output"],
        guard_s=sum(one.active_s for one in run.host.guards.values()),
        changes=len(run.host.changes),
        is_wide=any(_WIDE & frozenset(one.controller.actuators) for one in plan.controllers),
        load_state=summary["load_state"],
        failure="" if run.failure is None else str(run.failure),
    )


def measure_kept(compared: Comparison, variant: Variant, seed: int, folder: Path) -> RunFigures:
    """Return the figures of a run: those kept in `folder` if nothing has changed since, or new.

    Raises:
        ScenarioError: If the scenario cannot be run.
    """
    plan = variant_plan(compared, variant, seed)
    key = _key(plan, variant)
    path = folder / f"{variant.key}--{seed}.json"
    kept = _kept(path, key)
    if kept is not None:
        return kept
    figures = measure(plan, variant)
    _write(path, {"key": key, "figures": asdict(figures)})
    return figures


def _p99(values: list[float]) -> float | None:
    return float(np.percentile(values, 99)) if values else None


def _key(plan: Plan, variant: Variant) -> str:
    """Return a hash of all that the figures depend on: scenario, files, version."""
    hashes = {place: file_hash(path) for place, path in input_files(plan).items()}
    parts = (scenario_hash(plan, hashes), variant.key, cosim.__version__)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _kept(path: Path, key: str) -> RunFigures | None:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content["key"] != key or content["figures"]["failure"]:
            return None
        return RunFigures(**content["figures"])
    except (OSError, ValueError, KeyError, TypeError):  # none, or of another version
        return None


def _write(path: Path, content: dict[str, Any]) -> None:
    """Write a file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
