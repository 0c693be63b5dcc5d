"""Clusters as a mosaik participant.

Each entity ``Cluster`` is one cluster. It takes one input per knob of its own and of its pools (a
number, or numbers by pool), runs from t to t + step, and gives its mean power over that step as
``power`` (W, negative, as Vessim counts consumption) and its ``telemetry``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mosaik_api_v3

from inference_sim.cluster import Cluster
from inference_sim.telemetry import StepTelemetry

META = {
    "type": "time-based",
    "models": {
        "Cluster": {
            "public": True,
            "params": ["name"],
            "any_inputs": True,  # the knobs of its clusters
            "attrs": ["power", "telemetry"],
        }
    },
}


class ClusterSimulator(mosaik_api_v3.Simulator):
    """Mosaik simulator that advances clusters in lockstep with the other participants."""

    def __init__(self) -> None:
        super().__init__(META)  # type: ignore[no-untyped-call]
        self._clusters: Mapping[str, Cluster] = {}
        self._step_s = 0
        self._telemetry: dict[str, StepTelemetry] = {}

    def init(  # type: ignore[override] # its keywords are those that the world starts it with
        self,
        sid: str,
        time_resolution: float = 1.0,
        *,
        clusters: Mapping[str, Cluster],
        step_s: int,
        telemetry: dict[str, StepTelemetry] | None = None,
    ) -> mosaik_api_v3.Meta:
        """Take the clusters to simulate.

        Args:
            sid: Name that mosaik gave this simulator.
            time_resolution: Seconds per unit of mosaik's time; must be 1.
            clusters: The clusters by name.
            step_s: Length of a step [s].
            telemetry: Kept up to date with each cluster's latest telemetry, for a recorder in the
                same process.

        Raises:
            ValueError: If mosaik's time is not in seconds.
        """
        if time_resolution != 1.0:
            raise ValueError(f"time_resolution must be 1.0 s (got {time_resolution!r})")
        self._clusters, self._step_s = clusters, step_s
        if telemetry is not None:
            self._telemetry = telemetry
        return self.meta

    def create(  # type: ignore[override]
        self, num: int, model: str, *, name: str
    ) -> list[mosaik_api_v3.CreateResult]:
        """Make the entity of the cluster called `name`."""
        if num != 1 or name not in self._clusters:
            raise ValueError(f"expected one cluster of {', '.join(self._clusters)} (got {name!r})")
        return [{"eid": name, "type": model}]

    def step(self, time: int, inputs: Mapping[str, Mapping[str, Any]], max_advance: int) -> int:
        """Set the knobs at `time` and run every cluster to the end of the step."""
        until_s = time + self._step_s
        for name, cluster in self._clusters.items():
            cluster.apply(
                {
                    knob: next(iter(sources.values()))
                    for knob, sources in inputs.get(name, {}).items()
                }
            )
            self._telemetry[name] = cluster.step(float(until_s))
        return until_s

    def get_data(self, outputs: Mapping[str, list[str]]) -> dict[str, dict[str, Any]]:
        """Return the attributes that the other participants ask for."""
        return {
            name: {
                attribute: -self._telemetry[name].facility_power_w
                if attribute == "power"
                else self._telemetry[name]
                for attribute in attributes
            }
            for name, attributes in outputs.items()
        }
