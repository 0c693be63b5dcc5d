"""A run with what its summary does not tell: latencies of what may not wait, what was stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cosim.loop.observer import RunObserver
from cosim.results.site_totals import battery_of, flows_of
from cosim.studies.runs.execute import Result, execute
from cosim.world.plan import Plan
from inference_sim.latencies import tpot_s, ttft_s
from inference_sim.request import Outcome, Request


class Latencies(RunObserver):
    """Latencies of the completed requests that may not be deferred.

    Attributes:
        ttft_s: Times to the first token [s].
        tpot_s: Times per further token, of the requests that have any [s].
    """

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

    def on_requests(self, site: str, requests: list[Request]) -> None:
        """Take note of requests that have ended."""
        wanted = self._served[site]
        for request in requests:
            if request.class_id in wanted and request.outcome is Outcome.COMPLETED:
                self.ttft_s.append(ttft_s(request))
                if request.output_tokens > 1:
                    self.tpot_s.append(tpot_s(request))


@dataclass(frozen=True, slots=True)
class Measured:
    """A run that has ended.

    Attributes:
        result: The run and its summary.
        latencies: Of the requests that may not be deferred.
        stored_g: Energy that the batteries lost over the run, valued at the mean intensity of
            their site [g]: what it would cause to fill them up again; negative for a gain.
    """

    result: Result
    latencies: Latencies
    stored_g: float


def measured(plan: Plan) -> Measured:
    """Run a plan; a run that breaks off does not raise, its summary says so."""
    latencies = Latencies(plan)
    result = execute(plan, observers=[latencies])
    stored_g = 0.0
    for record in result.run.recorder.sites.values():
        battery = battery_of(record)
        if battery is not None:
            flows = flows_of(record, plan.scenario.time.step_s)
            stored_g -= battery.stored_kwh * float(flows.carbon_intensity_g_per_kwh.mean())
    return Measured(result, latencies, stored_g)


def percentile(values: list[float], percent: float) -> float | None:
    """Return a percentile; None of nothing."""
    return float(np.percentile(values, percent)) if values else None
