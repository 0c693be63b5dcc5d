"""The latencies of the requests that must be served at once, and the waiting of the others."""

from __future__ import annotations

import numpy as np

from cosim.loop.observer import RunObserver
from cosim.world.plan import Plan
from inference_sim.latencies import tpot_s, ttft_s
from inference_sim.request import Outcome, Request


class Latencies(RunObserver):
    """Latencies of the completed requests that may not be deferred, noted as a run goes.

    Attributes:
        ttft_s: Times to the first token [s].
        tpot_s: Times per further token, of the requests that have any [s].
        deferrable_classes: Names of the classes whose requests may be deferred.
    """

    def __init__(self, plan: Plan) -> None:
        self._interactive = {
            site.name: {
                number
                for number, request_class in enumerate(site.workload.config.classes)
                if not request_class.deferrable
            }
            for site in plan.sites
            if site.workload is not None
        }
        self.deferrable_classes = {
            request_class.name
            for site in plan.sites
            if site.workload is not None
            for request_class in site.workload.config.classes
            if request_class.deferrable
        }
        self.ttft_s: list[float] = []
        self.tpot_s: list[float] = []
        self._waited_s = 0.0
        self._waited = 0

    def on_requests(self, site: str, requests: list[Request]) -> None:
        """Add requests that have ended."""
        interactive = self._interactive[site]
        for request in requests:
            if request.outcome is not Outcome.COMPLETED:
                continue
            if request.class_id not in interactive:
                self._waited_s += request.scheduled_s - request.arrival_s
                self._waited += 1
                continue
            self.ttft_s.append(ttft_s(request))
            if request.output_tokens > 1:
                self.tpot_s.append(tpot_s(request))

    @property
    def mean_wait_s(self) -> float | None:
        """Mean time from arrival to the first prefill of deferrable requests [s]; None of none."""
        return self._waited_s / self._waited if self._waited else None


def percentile(values: list[float], percent: float) -> float | None:
    """Return a percentile; None without values."""
    return float(np.percentile(values, percent)) if values else None
