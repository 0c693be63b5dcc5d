"""Span of time that signals are wanted for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, in seconds since the Unix epoch."""

    start_s: float
    end_s: float

    @classmethod
    def of(cls, start: datetime, duration_s: float) -> Window:
        """Return the window of a run.

        Args:
            start: Its start; with a time zone.
            duration_s: Its length [s].

        Raises:
            ValueError: If `start` has no time zone.
        """
        if start.tzinfo is None:
            raise ValueError(f"the start of the run must have a time zone (got {start})")
        return cls(start.timestamp(), start.timestamp() + duration_s)
