"""The part of a run that joins controllers, clusters and microgrids within a step.

A coupling is all that differs between ``coupling: native`` and ``coupling: mosaik``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import vessim

from controllers import ControllerHost
from cosim.world.microgrid import MicrogridState
from inference_sim.cluster import Cluster
from inference_sim.telemetry import StepTelemetry


class Coupling(ABC):
    """An exchange of settings, powers and telemetry between the parts of a run.

    Args:
        host: The controllers.
        clusters: The clusters, by site.
        step_s: Length of a step [s].

    Attributes:
        telemetry: The clusters' reports of the latest step, by site.
        loads: The clusters as consumers of their microgrids, by site; empty where mosaik carries
            their power.
        simulators: The simulators that mosaik starts, by name; None without mosaik.
    """

    simulators: ClassVar[Mapping[str, Mapping[str, str]] | None] = None

    def __init__(self, host: ControllerHost, clusters: Mapping[str, Cluster], step_s: int) -> None:
        self._host, self._clusters, self._step_s = host, clusters, step_s
        self.telemetry: dict[str, StepTelemetry] = {}
        self.loads: Mapping[str, vessim.Actor] = {}

    @abstractmethod
    def connect(self, environment: vessim.Environment) -> None:
        """Connect the parts, and reset the controllers.

        Args:
            environment: Vessim's environment, with all microgrids and Vessim controllers in it.

        Raises:
            ControllerError: If a controller cannot be reset.
        """

    @abstractmethod
    def advance(self, step: int, microgrids: Mapping[str, MicrogridState]) -> None:
        """Ask the controllers and run the clusters over a step, unless mosaik does.

        Args:
            step: Index of the step that begins, from 0.
            microgrids: States of the microgrids after the step before, by site.

        Raises:
            ControllerError: If a controller fails.
        """
