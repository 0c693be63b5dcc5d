"""The controllers as a mosaik participant.

One entity per site, named after it. Connect the cluster's ``telemetry`` and the microgrid's
``dispatch_states`` and ``p_grid`` to it with ``time_shifted=True`` and real initial data (``{}``,
``{}`` and ``0.0``): values that arrive at a step were reported for the step before it, which is all
that a controller may know. The actuators go to the cluster without a shift, so that they act on the
step that begins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import mosaik_api_v3

from controllers.actuators import ACTUATORS
from controllers.host import ControllerHost
from controllers.site_views import MicrogridReport, SiteReport

ReadCluster = Callable[[Any], SiteReport]
"""Reads what a cluster sends as its ``telemetry``; None before the first step."""
ReadMicrogrid = Callable[[Mapping[str, Any], float | None], MicrogridReport]
"""Reads the ``dispatch_states`` and ``p_grid`` of a Vessim microgrid."""

META = {
    "type": "time-based",
    "models": {
        "SiteController": {
            "public": True,
            "params": ["site"],
            "attrs": ["telemetry", "dispatch_states", "p_grid", *ACTUATORS],
        },
    },
}


class ControllersSimulator(mosaik_api_v3.Simulator):
    """Mosaik simulator that asks a `ControllerHost` once per step.

    Inputs of a site, all of the step before: ``telemetry`` of its cluster; ``dispatch_states`` and
    ``p_grid`` as Vessim reports them (import and discharge negative). The functions given to `init`
    read them. Outputs: the value in force of each actuator, under its name; only for actuators that
    the site has.

    A `ControllerError` is left in the host's ``failure`` before it goes to mosaik.
    """

    def __init__(self) -> None:
        super().__init__(META)  # type: ignore[no-untyped-call]

    def init(  # type: ignore[override] # its keywords are those that the world starts it with
        self,
        sid: str,
        time_resolution: float = 1.0,
        *,
        host: ControllerHost,
        step_s: int,
        read_cluster: ReadCluster,
        read_microgrid: ReadMicrogrid,
    ) -> mosaik_api_v3.Meta:
        """Take the host, and reset its controllers.

        Args:
            sid: Name that mosaik gave this simulator.
            time_resolution: Seconds per unit of mosaik's time; must be 1.
            host: The controllers.
            step_s: Length of a step [s].
            read_cluster: Reads the ``telemetry`` of a cluster.
            read_microgrid: Reads the ``dispatch_states`` and ``p_grid`` of a microgrid.

        Raises:
            ValueError: If mosaik's time is not in seconds.
            ControllerError: If a controller cannot be reset.
        """
        if time_resolution != 1.0:
            raise ValueError(f"time_resolution must be 1.0 s (got {time_resolution})")
        self._host = host
        self._step_s = step_s
        self._read_cluster, self._read_microgrid = read_cluster, read_microgrid
        self._sites: list[str] = []
        self._in_force: Mapping[str, Mapping[str, Any]] = {}
        host.reset()
        return self.meta

    def create(  # type: ignore[override]
        self, num: int, model: str, *, site: str
    ) -> list[mosaik_api_v3.CreateResult]:
        """Create the entity of a site.

        Raises:
            ValueError: If `num` is not 1, or the site has one already.
        """
        if num != 1 or site in self._sites:
            raise ValueError(f"expected one {model} per site (got {num} more for '{site}')")
        self._sites.append(site)
        return [{"eid": site, "type": model}]

    def step(
        self, time: int, inputs: Mapping[str, Mapping[str, Mapping[str, Any]]], max_advance: int
    ) -> int:
        """Ask the controllers for the step that begins at `time` [s]."""
        reports = {}
        microgrids = {}
        for site in self._sites:
            values = {name: _single(name, sent) for name, sent in inputs.get(site, {}).items()}
            reports[site] = self._read_cluster(values.get("telemetry") or None)
            microgrids[site] = self._read_microgrid(
                values.get("dispatch_states", {}), values.get("p_grid")
            )
        self._in_force = self._host.step(time // self._step_s, reports, microgrids)
        return time + self._step_s

    def get_data(self, outputs: Mapping[str, list[str]]) -> dict[str, dict[str, Any]]:
        """Return the actuator values in force."""
        return {
            site: {name: self._in_force[site][name] for name in names}
            for site, names in outputs.items()
        }


def _single(name: str, sent: Mapping[str, Any]) -> Any:
    """Return the one value that was sent to an input."""
    if len(sent) != 1:
        raise ValueError(f"expected one source of {name} (got {', '.join(sent)})")
    return next(iter(sent.values()))
