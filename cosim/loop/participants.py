"""Further participants of a run by mosaik: simulators that others write, connected to its parts.

Every value holds over a step of the run. Within a step the controllers come first, then the
clusters, then the microgrids; a value may go from an earlier to a later one of these in the same
step, and to an earlier one with ``time_shifted=True``, that is, one step later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import mosaik
import mosaik_api_v3
from mosaik.async_scenario import Entity
from mosaik.starters import PythonStarter

from cosim.errors import CosimError

Connect: TypeAlias = "Callable[[World], object]"
"""Connects further simulators to a world, before the first step."""


@dataclass(frozen=True, slots=True)
class SiteEntities:
    """The entities of a site, to connect others to.

    Attributes:
        microgrid: Its microgrid. Takes ``power`` [W] of further loads and generators at its bus,
            consumption negative, and adds them up. Gives ``p_delta``, the power left over before
            battery and grid [W], ``p_grid``, the exchange with the grid [W], export positive, and
            ``actor_states``, ``dispatch_states`` and ``grid_signals`` as Vessim has them.
    """

    microgrid: Entity
    _cluster: Entity | None = None
    _controller: Entity | None = None

    @property
    def has_cluster(self) -> bool:
        """Whether it has a cluster, and not a plain load."""
        return self._cluster is not None

    @property
    def cluster(self) -> Entity:
        """Its cluster.

        Gives ``power`` of the facility [W], negative, and ``telemetry``, the report of the step
        with GPU power, queues and latencies.

        Raises:
            CosimError: If it has none.
        """
        return _given(self._cluster)

    @property
    def controller(self) -> Entity:
        """The controllers of its cluster. Gives the value in force of each actuator, by its name.

        Raises:
            CosimError: If it has no cluster.
        """
        return _given(self._controller)


def _given(entity: Entity | None) -> Entity:
    if entity is None:
        raise CosimError(
            "this site has a plain load, and no cluster or controllers to connect: `has_cluster` "
            "tells which sites do"
        )
    return entity


@dataclass(frozen=True, slots=True)
class World:
    """A mosaik world in which a run is about to go.

    Attributes:
        mosaik: The world itself.
        step_s: Length of a step [s], which is also that of mosaik's time in which the parts go.
        sites: The entities of each site, by its name.
    """

    mosaik: mosaik.World
    step_s: int
    sites: Mapping[str, SiteEntities]

    def start(
        self, simulator: type[mosaik_api_v3.Simulator], name: str = "", **parameters: Any
    ) -> Any:
        """Start a simulator of a class in this process, and return the factory of its entities.

        Args:
            simulator: The class.
            name: Its name in the world; the one of the class by default.
            parameters: Arguments of its ``init``.
        """
        starter = PythonStarter(simulator)
        return self.mosaik.start(starter, sim_id=name or simulator.__name__, **parameters)

    def connect(
        self,
        source: Entity,
        destination: Entity,
        *attributes: str | tuple[str, str],
        next_step: bool = False,
        first: Mapping[str, Any] | None = None,
    ) -> None:
        """Send attributes of an entity to another, in every step.

        Args:
            source, destination: The entities.
            attributes: Names of attributes, or pairs of the name there and the name here.
            next_step: Whether they arrive one step later, as where parts depend on each other.
            first: Values in the first step then, by the name at the source.
        """
        if next_step:
            initial = dict(first or {})
            self.mosaik.connect(
                source, destination, *attributes, time_shifted=True, initial_data=initial
            )
        else:
            self.mosaik.connect(source, destination, *attributes)
