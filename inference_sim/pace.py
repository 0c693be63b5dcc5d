"""The pace of a cluster's GPUs: how long iterations take at the clock in force."""

from __future__ import annotations

from collections.abc import Sequence

from inference_sim.execution import ExecutionModel


class Pace:
    """The execution models of a replica's stages, by clock.

    They are shared by all replicas and kept, and what they remember with them.

    Args:
        stages: Execution models at the highest clock.

    Attributes:
        clock_fraction: Clock in force over the highest one.
        stages: Execution models in force.
    """

    def __init__(self, stages: Sequence[ExecutionModel]) -> None:
        self._known = {1.0: list(stages)}
        self.clock_fraction = 1.0

    @property
    def stages(self) -> list[ExecutionModel]:
        """Execution models in force."""
        return self._known[self.clock_fraction]

    def set_clock(self, clock_fraction: float) -> None:
        """Let iterations take the time that they take at this clock.

        Raises:
            InferenceSimError: If the execution models know no other clock than the highest.
        """
        if clock_fraction not in self._known:
            self._known[clock_fraction] = [
                stage.at_clock(clock_fraction) for stage in self._known[1.0]
            ]
        self.clock_fraction = clock_fraction
