"""The parts of a year in which policies are compared, and those in which they are tuned.

A year is cut into blocks of whole days, as long as the run. Every second one is for comparisons,
and those between are for tuning, so that what was tuned is judged in weeks that it never saw, in
the same seasons.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np

Use = Literal["test", "tune"]
_DAY_S = 86400.0


def weeks(year: int, start: datetime, duration_s: float, count: int, use: Use) -> list[datetime]:
    """Return the starts of blocks of a year, spread evenly over it.

    Args:
        year: The year.
        start: Start of the run, for its time of day.
        duration_s: Length of the run [s].
        count: Number of blocks.
        use: Whether policies are compared in them, or tuned.

    Raises:
        ValueError: If the year has fewer blocks.
    """
    days = max(1, math.ceil(duration_s / _DAY_S))
    first = datetime(year, 1, 1, tzinfo=UTC) + timedelta(
        hours=start.hour, minutes=start.minute, seconds=start.second
    )
    span = datetime(year + 1, 1, 1, tzinfo=UTC) - first
    blocks = span // timedelta(days=days)
    numbers: Sequence[int] = range(0 if use == "test" else 1, blocks, 2)
    if count > len(numbers):
        raise ValueError(
            f"a year has {len(numbers)} blocks of {days} days for comparisons, and as many between "
            f"them for tuning (got weeks: {count})"
        )
    middles = (np.arange(count) + 0.5) * len(numbers) / count  # of as many equal parts
    return [first + timedelta(days=days * numbers[int(middle)]) for middle in middles]
