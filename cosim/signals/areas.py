"""The balancing areas whose signals are built in: their time zones, and who is near them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

AREA_ZONES: Mapping[str, str] = {
    "CISO": "America/Los_Angeles",
    "BPAT": "America/Los_Angeles",
    "ERCO": "America/Chicago",
    "PJM": "America/New_York",
    "NYIS": "America/New_York",
}
_DEGREES_PER_HOUR = 15.0
_WINTER = datetime(2022, 1, 1, tzinfo=UTC)  # standard time


def hours_apart(area: str, longitude: float) -> float:
    """Return how far the standard time of an area is from the solar time of a place [h].

    Args:
        area: EIA code of the balancing area.
        longitude: Degrees east of the place.

    Returns:
        Hours of either direction, 12 at most; 0 for an area that is not built in.
    """
    if area not in AREA_ZONES:
        return 0.0
    offset = ZoneInfo(AREA_ZONES[area]).utcoffset(_WINTER) or timedelta()
    apart = abs(longitude / _DEGREES_PER_HOUR - offset.total_seconds() / 3600) % 24
    return min(apart, 24 - apart)
