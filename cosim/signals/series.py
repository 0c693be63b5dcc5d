"""Piecewise-constant signal over time.

All signals are brought into this one form: UTC, stamped with the start of each interval, and
held until the next. A step of the simulation sees the exact mean over the step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from cosim.errors import Problem, SignalError
from inference_sim.arrays import FloatArray

# Float seconds since 1970 resolve 0.2 us: times closer than this are the same instant.
_SAME_INSTANT_S = 1e-6


def utc_stamp(time_s: float) -> str:
    """Return seconds since the Unix epoch as an ISO 8601 stamp in UTC."""
    text = str(np.datetime64(round(time_s * 1000), "ms"))
    return text.removesuffix(".000") + "Z"


def _frozen(values: ArrayLike) -> FloatArray:
    array = np.array(values, dtype=np.float64)
    array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False)
class Series:
    """Signal that holds each value from its start until the next one's.

    Attributes:
        starts_s: Start of each interval, in seconds since the Unix epoch, strictly increasing;
            shape ``(n,)``, n >= 1.
        end_s: End of the last interval, in seconds since the Unix epoch.
        values: Finite value of each interval; shape ``(n,)``.
        source: Its source, such as a file, for messages.
        kind: Of a carbon intensity, whether it is that of the whole mix or of the plant that
            follows the demand; None for other signals.
        notes: Corrections to the data that the user should know, such as filled gaps.

    Raises:
        ValueError: If these do not hold.
    """

    starts_s: FloatArray
    end_s: float
    values: FloatArray
    source: str = ""
    kind: Literal["average", "marginal"] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "starts_s", _frozen(self.starts_s))
        object.__setattr__(self, "end_s", float(self.end_s))
        object.__setattr__(self, "values", _frozen(self.values))
        if self.starts_s.ndim != 1 or self.starts_s.shape != self.values.shape:
            shapes = f"{self.starts_s.shape} and {self.values.shape}"
            raise ValueError(f"starts_s and values must be 1-d and of one length (got {shapes})")
        if not self.starts_s.size:
            raise ValueError("a series needs at least one value")
        edges_s = np.append(self.starts_s, self.end_s)
        if not (np.isfinite(edges_s).all() and (np.diff(edges_s) > 0).all()):
            raise ValueError("starts_s and end_s must be finite and strictly increasing")
        if not np.isfinite(self.values).all():
            raise ValueError("values must be finite")

    def __len__(self) -> int:
        return int(self.values.size)

    def scaled(self, factor: float) -> Series:
        """Return the series with every value multiplied by `factor`."""
        return replace(self, values=self.values * factor)

    def shifted(self, seconds: float) -> Series:
        """Return the series moved later by `seconds` [s]."""
        return replace(self, starts_s=self.starts_s + seconds, end_s=self.end_s + seconds)

    def covers(self, start_s: float, end_s: float) -> bool:
        """Return whether there is a value at all times from `start_s` until `end_s`."""
        return bool(
            start_s >= self.starts_s[0] - _SAME_INSTANT_S and end_s <= self.end_s + _SAME_INSTANT_S
        )

    def require_cover(self, start_s: float, end_s: float) -> None:
        """Check that the series covers the time from `start_s` until `end_s`.

        Raises:
            SignalError: If it does not; states the covered and the needed span.
        """
        if not self.covers(start_s, end_s):
            raise SignalError(
                Problem(
                    f"the signal covers {utc_stamp(float(self.starts_s[0]))} to "
                    f"{utc_stamp(self.end_s)}, but {utc_stamp(start_s)} to {utc_stamp(end_s)} is "
                    "needed; change time.start or time.duration, or set align: start to move a "
                    "file's first row to the start of the run",
                    where=self.source,
                )
            )

    def step_means(self, start_s: float, step_s: float, steps: int) -> FloatArray:
        """Return the exact mean over each of `steps` steps from `start_s`.

        A step in which the value does not change gets that very value, without rounding.

        Args:
            start_s: Start of the first step, in seconds since the Unix epoch.
            step_s: Length of a step [s].
            steps: Number of steps.

        Returns:
            Array of shape ``(steps,)``; entry k is the mean over
            ``[start_s + k*step_s, start_s + (k+1)*step_s)``.

        Raises:
            SignalError: If the steps are not covered.
            ValueError: If `step_s` is not positive or `steps` is negative.
        """
        if not step_s > 0 or steps < 0:
            raise ValueError(
                f"a positive step_s and no negative steps needed (got {step_s}, {steps})"
            )
        self.require_cover(start_s, start_s + steps * step_s)
        if steps == 0:
            return np.empty(0)

        # Times count from start_s here: far smaller numbers than those since 1970.
        edges_s = step_s * np.arange(steps + 1)
        breaks_s = self.starts_s - start_s
        nearest_s = step_s * np.rint(breaks_s / step_s)
        breaks_s = np.where(np.abs(breaks_s - nearest_s) < _SAME_INSTANT_S, nearest_s, breaks_s)

        first = np.maximum(np.searchsorted(breaks_s, edges_s[:-1], side="right") - 1, 0)
        last = np.searchsorted(breaks_s, edges_s[1:], side="left") - 1
        means: FloatArray = self.values[first]
        changing = last > first
        if changing.any():
            inner_s = breaks_s[(breaks_s > 0) & (breaks_s < edges_s[-1])]
            pieces_s = np.union1d(edges_s, inner_s)
            held = np.maximum(np.searchsorted(breaks_s, pieces_s[:-1], side="right") - 1, 0)
            integrals = np.add.reduceat(
                self.values[held] * np.diff(pieces_s), np.searchsorted(pieces_s, edges_s[:-1])
            )
            means[changing] = integrals[changing] / step_s
        return means
