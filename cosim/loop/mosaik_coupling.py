"""The coupling by mosaik: each part is a participant of a mosaik world, where others can join."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import vessim

from cosim.loop.coupling import Coupling
from cosim.loop.participants import SiteEntities, World
from cosim.world.microgrid import MicrogridState, initial_state
from cosim.world.observe import microgrid_report, site_report


class MosaikCoupling(Coupling):
    """A mosaik world: controllers -> clusters -> microgrids, and back one step later.

    Attributes:
        world: The world with all parts connected, once they are.
    """

    simulators: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "Cluster": {"python": "inference_sim.participant:ClusterSimulator"},
        "Controllers": {"python": "controllers.participant:ControllersSimulator"},
    }

    def connect(self, environment: vessim.Environment) -> None:
        """Start the simulators, one of which resets the controllers, and connect them."""
        environment.prepare()
        world = environment.world
        sites = {name: SiteEntities(grid) for name, grid in environment.entities.items()}
        self.world = World(world, self._step_s, sites)
        if not self._clusters:
            return
        serving = world.start(
            "Cluster", clusters=self._clusters, step_s=self._step_s, telemetry=self.telemetry
        )
        controlling = world.start(
            "Controllers",
            host=self._host,
            step_s=self._step_s,
            read_cluster=site_report,
            read_microgrid=microgrid_report,
        )
        for name, microgrid in environment.entities.items():
            control = controlling.SiteController(site=name)
            if name in self._clusters:
                cluster = serving.Cluster(name=name)
                sites[name] = SiteEntities(microgrid, cluster, control)
                world.connect(control, cluster, *self._host.actuators(name))
                world.connect(cluster, microgrid, "power")
                world.connect(
                    cluster,
                    control,
                    "telemetry",
                    time_shifted=True,
                    initial_data={"telemetry": {}},
                )
            world.connect(
                microgrid,
                control,
                "dispatch_states",
                "p_grid",
                time_shifted=True,
                initial_data=initial_state(environment.microgrids[name]),
            )

    def advance(self, step: int, microgrids: Mapping[str, MicrogridState]) -> None:
        """Do nothing: mosaik steps the controllers and clusters before the microgrids."""
