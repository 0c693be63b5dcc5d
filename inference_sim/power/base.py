"""The base of the power models of a GPU: its states, its clock, its limits.

A GPU is busy (an iteration is under way), idle (weights resident, nothing to do) or asleep. While
it is busy it draws

    P = min(max, static + unclocked + s(f) * (dynamic - unclocked))

where f is its clock as a fraction of the nominal one; the unclocked part is that of the memory
chips, which have a clock of their own. The dynamic part is that of a GPU whose compute units are as
busy at the nominal clock: the MFU is relative to the nominal peak, so that at clock f the units are
busy by mfu / f.

The exponent n. Dynamic power is C V^2 f: cubic in f where voltage falls with the clock, linear
where it cannot fall any further (Chandrakasan et al., "Low-power CMOS digital design", IEEE JSSC
27(4), 1992). GPUs do both: 2.4 to 3 is taken for the upper half of their clocks, and the default is
the low end, which saves less. Measured data-centre GPUs indeed have a linear and a steeper range
("Modeling and Chasing the Energy-Efficiency Sweet Spots in Modern GPUs", arXiv:2607.00819). So

    s(f) = f^n  from half the nominal clock on,  and  s(f) = 0.5^(n-1) f  below
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from inference_sim.arrays import FloatArray
from inference_sim.errors import InferenceSimError

_NONE: FloatArray = np.zeros(1)
CLOCK_EXPONENT = 2.4
"""Default of n; see above."""
VOLTAGE_FLOOR = 0.5
"""Clock, over the nominal one, below which the voltage falls no further."""


class Use(NamedTuple):
    """Use of a GPU by iterations: one array per quantity, all of shape (n,) or broadcast to it.

    Attributes:
        mfu: Model FLOPs utilisation, of the peak at the nominal clock [fraction].
        bandwidth_utilisation: HBM bytes per second over peak [fraction].
        busy_fraction: Kernel time over iteration time [fraction].
        sampling: Sampling time over iteration time [fraction].
        batch: Sequences in the iteration.
        clock_fraction: Clock over the nominal clock, above 0.
        padding: As `mfu`, of FLOPs on rows that hold no token; none by default.
    """

    mfu: FloatArray
    bandwidth_utilisation: FloatArray
    busy_fraction: FloatArray
    sampling: FloatArray
    batch: FloatArray
    clock_fraction: FloatArray
    padding: FloatArray = _NONE

    def at_clock(self, clock_fraction: FloatArray | float) -> Use:
        """Return the same use of the parts at another clock.

        Compute units stay as busy as they were, so that the MFU follows the clock. That is exact
        where they bound the time; where memory does, the MFU is small and counts little.
        """
        change = clock_fraction / self.clock_fraction
        mfu = self.mfu * change
        clock = np.broadcast_to(np.asarray(clock_fraction, dtype=np.float64), mfu.shape)
        return self._replace(mfu=mfu, clock_fraction=clock, padding=self.padding * change)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerModel(ABC):
    """Power of one GPU.

    Attributes:
        idle_w: Power with weights resident and nothing running [W].
        sleep_w: Power asleep: nothing loaded [W].
        max_w: Highest power [W].
        clock_exponent: n of the module's formula.
        uncalibrated_because: Reason why no measurement backs it; "" where one does.

    Raises:
        InferenceSimError: If the idle power exceeds the highest.
    """

    idle_w: float
    sleep_w: float
    max_w: float
    clock_exponent: float = CLOCK_EXPONENT
    uncalibrated_because: str = ""

    is_linear: ClassVar[bool] = False
    """Whether, below the highest power, an iteration's energy is a sum of prices for its FLOPs,
    bytes and seconds: linear in all of them at once."""

    def __post_init__(self) -> None:
        if self.idle_w > self.max_w:
            raise InferenceSimError(
                f"the idle power of a GPU must not exceed the most it draws (got {self.idle_w:g} "
                f"and {self.max_w:g} W)"
            )

    @property
    @abstractmethod
    def static_w(self) -> float:
        """The part of the busy power that no clock changes [W]."""

    @abstractmethod
    def dynamic_w(self, use: Use) -> FloatArray:
        """Return the rest at the nominal clock, as `use` is, not clipped, shape (n,) [W]."""

    def unclocked_w(self, use: Use) -> FloatArray | float:
        """Return the part of `dynamic_w` that ignores the clock, shape (n,) [W]; 0 by default."""
        return 0.0

    def busy_w(self, use: Use) -> FloatArray:
        """Return mean power over iterations, at the clocks of `use`, shape (n,) [W]."""
        if np.all(use.clock_fraction == 1.0):  # the usual case, at no cost
            return np.minimum(self.static_w + self.dynamic_w(use), self.max_w)
        nominal = use.at_clock(1.0)
        unclocked_w = self.unclocked_w(nominal)
        clocked_w = self.clock_scale(use.clock_fraction) * (self.dynamic_w(nominal) - unclocked_w)
        return np.minimum(self.static_w + unclocked_w + clocked_w, self.max_w)

    def clock_scale(self, clock_fraction: FloatArray) -> FloatArray:
        """Return s(f) of the module's formula."""
        linear = VOLTAGE_FLOOR ** (self.clock_exponent - 1) * clock_fraction
        steep: FloatArray = clock_fraction**self.clock_exponent
        return np.where(clock_fraction < VOLTAGE_FLOOR, linear, steep)
