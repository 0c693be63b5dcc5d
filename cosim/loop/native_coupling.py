"""The coupling without mosaik: the loop itself asks the controllers and runs the clusters."""

from __future__ import annotations

from collections.abc import Mapping

import vessim

from controllers import ControllerHost
from cosim.loop.coupling import Coupling
from cosim.world.microgrid import LOAD, MicrogridState
from cosim.world.observe import microgrid_report, site_report
from inference_sim.cluster import Cluster


class NativeCoupling(Coupling):
    """A coupling by plain calls.

    Each cluster stands in its microgrid as a consumer of a constant power, which is set anew before
    every step that Vessim dispatches.
    """

    def __init__(self, host: ControllerHost, clusters: Mapping[str, Cluster], step_s: int) -> None:
        super().__init__(host, clusters, step_s)
        self._power_w = {name: vessim.StaticSignal(0.0) for name in clusters}
        self.loads = {name: vessim.Consumer(LOAD, signal) for name, signal in self._power_w.items()}

    def connect(self, environment: vessim.Environment) -> None:
        """Reset the controllers; nothing is to be connected."""
        self._host.reset()

    def advance(self, step: int, microgrids: Mapping[str, MicrogridState]) -> None:
        """Ask the controllers, run the clusters over the step, and set the power they drew."""
        settings = self._host.step(
            step,
            {name: site_report(telemetry) for name, telemetry in self.telemetry.items()},
            {
                name: microgrid_report(state["dispatch_states"], state["p_grid"])
                for name, state in microgrids.items()
            },
        )
        end_s = float((step + 1) * self._step_s)
        for name, cluster in self._clusters.items():
            cluster.apply(settings[name])
            self.telemetry[name] = cluster.step(end_s)
            self._power_w[name].set_value(self.telemetry[name].facility_power_w)
