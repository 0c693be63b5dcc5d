"""A run of a comparison: what its folder holds, and the figures that studies judge runs by."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cosim.accounting.quantiles import Quantiles
from cosim.errors import ScenarioError
from cosim.report.run_data import LATENCIES, RunData
from cosim.results.pool_totals import mean_quality
from cosim.results.totals import RunTotals, ServingTotals
from cosim.studies.runs.figures import RunFigures
from cosim.studies.runs.undone import undone


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """A run beside others.

    Attributes:
        name: Its name.
        data: Content of its result folder.
        totals: Its totals over all sites.
        figures: Those that a saving is judged by: carbon at equal work, batteries, work left.
        latencies: Of the completed requests of all sites, by class and key of the latency.
    """

    name: str
    data: RunData
    totals: RunTotals
    figures: RunFigures
    latencies: Mapping[str, Mapping[str, Quantiles]]

    @classmethod
    def of(cls, name: str, data: RunData) -> ComparedRun:
        """Return a run with its figures.

        Raises:
            ScenarioError: If it took no step, so that it has none.
            CosimError: If a file of its folder is damaged.
        """
        totals = data.summary.totals
        if totals is None:
            raise ScenarioError(f"'{name}' cannot be compared: it failed before the first step")
        return cls(name, data, totals, _figures(data, totals), _by_class(data))

    @property
    def serving(self) -> ServingTotals | None:
        """Its totals if it serves requests; None if its load is a plain one."""
        return self.totals if isinstance(self.totals, ServingTotals) else None

    @property
    def stored_kwh(self) -> float | None:
        """Change of what its batteries hold over the run [kWh]; None without a battery."""
        sites = self.data.summary.sites.values()
        if not any(site.battery for site in sites):
            return None
        return math.fsum(_stored_kwh(site) for site in sites)

    @property
    def battery_cycles(self) -> float | None:
        """Full cycles of its batteries, each counted by its capacity; None without one."""
        capacities_wh = {
            str(site["name"]): float(battery["capacity_wh"])
            for site in self.data.scenario["sites"]
            if (battery := site.get("microgrid", {}).get("battery"))
        }
        used = {name: site.battery for name, site in self.data.summary.sites.items()}
        pairs = [
            (use.cycles, capacities_wh[name])
            for name, use in used.items()
            if use is not None and name in capacities_wh
        ]
        if not pairs:
            return None
        return math.fsum(cycles * size for cycles, size in pairs) / math.fsum(
            size for _, size in pairs
        )

    @property
    def replicas(self) -> float | None:
        """Mean number of replicas that are awake, over all sites; None where nothing serves."""
        awake = [
            float(columns["awake_replicas"].mean())
            for columns in self.data.steps.values()
            if "awake_replicas" in columns
        ]
        return math.fsum(awake) if awake else None

    @property
    def cost(self) -> float | None:
        """Price of its import, if all sites have one in the same currency."""
        costs = [site.cost for site in self.data.summary.sites.values() if site.cost is not None]
        return math.fsum(cost.import_ for cost in costs) if self.currency else None

    @property
    def currency(self) -> str:
        """Currency of its costs; empty without any, or if there are several."""
        known = {site.cost.currency for site in self.data.summary.sites.values() if site.cost}
        return known.pop() if len(known) == 1 else ""


def _figures(data: RunData, totals: RunTotals) -> RunFigures:
    """Return the figures that a saving is judged by."""
    serving = totals if isinstance(totals, ServingTotals) else None
    left = undone(serving, _deferrable(data.scenario))
    failure = data.summary.failure
    return RunFigures(
        seed=data.summary.scenario.seed,
        import_g=totals.carbon_g.import_,
        stored_g=_stored_g(data),
        left_g=left.left_g,
        embodied_g=totals.carbon_g.embodied,
        attainment=serving.slo.attainment if serving else None,
        attainment_by_class=dict(serving.slo.by_class) if serving else {},
        quality_by_benchmark=mean_quality(serving) if serving else {},
        arrived=serving.requests.arrived if serving else 0,
        completed=serving.requests.completed if serving else 0,
        left_by_class=left.left_by_class,
        late=left.late,
        late_by_class=left.late_by_class,
        output_tokens=serving.tokens.output if serving else 0,
        load_state=serving.load_state if serving else "",
        failure="" if failure is None else failure.message,
    )


def _stored_g(data: RunData) -> float:
    """Return what the batteries lost over a run, at the mean intensity of their site [g]."""
    return math.fsum(
        -_stored_kwh(site) * float(data.steps[name]["carbon_intensity_g_per_kwh"].mean())
        for name, site in data.summary.sites.items()
        if site.battery is not None
    )


def _stored_kwh(site: RunTotals) -> float:
    energy = site.energy_kwh
    return energy.battery_charge - energy.battery_discharge - energy.battery_loss


def _deferrable(scenario: Mapping[str, Any]) -> set[str]:
    """Return the names of the classes whose requests may be deferred."""
    return {str(entry["name"]) for entry in _classes(scenario) if entry.get("deferrable")}


def _classes(scenario: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for owner in (scenario, *scenario["sites"]):
        yield from (owner.get("workload") or {}).get("classes", ())


def _by_class(data: RunData) -> dict[str, dict[str, Quantiles]]:
    parts: dict[str, list[Mapping[str, Quantiles]]] = {}
    for classes in data.latencies().values():
        for name, by_kind in classes.items():
            parts.setdefault(name, []).append(by_kind)
    return {
        name: {key: Quantiles.pooled(part[key] for part in of_class) for key in LATENCIES}
        for name, of_class in parts.items()
    }
