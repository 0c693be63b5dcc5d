"""Local time of a site: by its scenario, by its longitude, or by its grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cosim.signals.areas import AREA_ZONES, hours_apart
from inference_sim.arrays import FloatArray

_NEAR_H = 1.0
"""Most that the zone of a place is from its solar time [h]."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Clock of a place.

    Attributes:
        name: Its zone, as axes and tables name it.
        zone: Its zone.
    """

    name: str
    zone: tzinfo

    @property
    def is_utc(self) -> bool:
        """Whether local time is UTC."""
        return self.zone is UTC

    @property
    def axis_label(self) -> str:
        """Label of an axis of its time."""
        return "time, UTC" if self.is_utc else f"local time, {self.name}"

    def local(self, then: datetime) -> datetime:
        """Return a time by this clock."""
        return then.astimezone(self.zone)

    def past_midnight_s(self, then: datetime) -> float:
        """Return the time of day [s]."""
        at = self.local(then)
        return at.hour * 3600.0 + at.minute * 60.0 + at.second

    def wall_s(self, start: datetime, places_s: FloatArray) -> NDArray[np.int64]:
        """Return what the clock shows, as seconds since the start of 1970.

        Args:
            start: Time of place 0.
            places_s: Seconds since then, shape (n,).
        """
        at = pd.to_datetime(start.timestamp() + places_s, unit="s", utc=True).as_unit("s")
        wall: NDArray[np.int64] = at.tz_convert(self.zone).tz_localize(None).asi8
        return wall

    def offsets(self, start: datetime, places_s: FloatArray) -> list[tuple[float, int]]:
        """Return by how much the clock is ahead of UTC, from each place on at which that changes.

        Args:
            start: Time of place 0.
            places_s: Ascending seconds since then.

        Returns:
            Places [s], and seconds ahead of UTC.
        """
        changes: list[tuple[float, int]] = []
        for place_s in places_s.tolist():
            offset = self.local(start + timedelta(seconds=place_s)).utcoffset() or timedelta()
            if not changes or changes[-1][1] != offset.total_seconds():
                changes.append((place_s, int(offset.total_seconds())))
        return changes


UTC_CLOCK = Clock("UTC", UTC)


def site_clock(site: Mapping[str, Any]) -> Clock:
    """Return the clock of a site of a resolved scenario.

    That is of its `timezone`; without one, the whole hours from UTC that fit the longitude of its
    `location`; without that, of the area of its built-in carbon intensity; else UTC. The zone of
    an area that the location may lie in stands for its longitude, for it knows summer time.
    """
    carbon = (site.get("microgrid") or {}).get("carbon_intensity") or {}
    area, location = str(carbon.get("area")), site.get("location")
    name = site.get("timezone")
    if not name and location:
        longitude = float(location["longitude"])
        if area not in AREA_ZONES or hours_apart(area, longitude) > _NEAR_H:
            hours = round(longitude / 15)
            zone = timezone(timedelta(hours=hours))
            return Clock(f"UTC{hours:+d} by longitude", zone) if hours else UTC_CLOCK
    name = name or AREA_ZONES.get(area, "UTC")
    return UTC_CLOCK if name == "UTC" else Clock(name, ZoneInfo(name))


def site_clocks(sites: Sequence[Mapping[str, Any]]) -> dict[str, Clock]:
    """Return the clock of each of the sites of a resolved scenario, by name."""
    return {str(site["name"]): site_clock(site) for site in sites}
