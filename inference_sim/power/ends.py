"""Ends between which less sure coefficients of the power model may lie: ``ends.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from inference_sim.files.catalogue import Catalogue, FileEntry, NonNegative, Positive


@dataclass(frozen=True, slots=True)
class CoefficientEnds(FileEntry):
    """A coefficient and its ends.

    Attributes:
        name: Its key in the ``power`` of a scenario's cluster.
        description: Its name in words.
        factor: Whether the ends are factors on the value of the GPU, or values.
        low, high: The ends.
        sources: Where they come from.
    """

    name: str
    description: str
    factor: bool
    low: NonNegative
    high: Positive
    sources: str

    def value(self, own: float, *, high: bool) -> float:
        """Return the coefficient at an end; `own` is the value that it has otherwise."""
        end = self.high if high else self.low
        return own * end if self.factor else end


ENDS = Catalogue("coefficient", __package__, "ends.yaml", CoefficientEnds)


@cache
def find_ends(name: str) -> CoefficientEnds:
    """Return the ends of a coefficient.

    Raises:
        UnknownName: If it has none.
    """
    return ENDS.find(name)
