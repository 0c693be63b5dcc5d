"""Location of a site, on which the sun's position, the horizon and the air above depend."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A place on Earth.

    Attributes:
        latitude: Degrees north.
        longitude: Degrees east.
        altitude_m: Height above the sea [m].
    """

    latitude: float
    longitude: float
    altitude_m: float = 0.0
