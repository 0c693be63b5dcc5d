"""Power models of one GPU: the paper's power law, and two resources (the default)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inference_sim.errors import InferenceSimError
from inference_sim.hardware import GpuSpec

Array = NDArray[np.float64]


class PowerModel(Protocol):
    """Power of one GPU.

    Attributes:
        idle_w: Power with weights resident and nothing running [W].
        max_w: The most it draws [W].
    """

    @property
    def idle_w(self) -> float: ...  # noqa: D102

    @property
    def max_w(self) -> float: ...  # noqa: D102

    @property
    def sleep_w(self) -> float: ...  # noqa: D102

    def busy_w(
        self, mfu: Array, bandwidth_utilisation: Array, busy_fraction: Array, sampling: Array
    ) -> Array:
        """Return mean power over iterations [W].

        Args:
            mfu: Model FLOPs utilisation of each iteration, shape (n,) [fraction].
            bandwidth_utilisation: HBM bytes per second over peak, shape (n,) [fraction].
            busy_fraction: Kernel time over iteration time, shape (n,) [fraction].
            sampling: Sampling time over iteration time, shape (n,) [fraction].
        """
        ...


@dataclass(frozen=True, slots=True)
class MfuPowerLaw:
    """Eq. 1 of Özcan et al.: ``P = idle + (max - idle) * min(1, mfu / mfu_sat)^gamma``.

    The MFU is a fraction (the paper's code mixes percent and fraction), and the ratio is clamped.
    """

    idle_w: float
    max_w: float
    mfu_sat: float
    gamma: float
    sleep_w: float = 0.0

    @classmethod
    def of(cls, gpu: GpuSpec) -> MfuPowerLaw:
        """Return Eq. 1 with the paper's numbers for `gpu`.

        Raises:
            InferenceSimError: If the paper gives none.
        """
        c = gpu.mfu_power_law
        if c is None:
            raise InferenceSimError(
                f"no mfu_power_law coefficients are known for GPU '{gpu.name}'; use two_resource"
            )
        return cls(idle_w=c.idle_w, max_w=c.max_w, mfu_sat=c.mfu_sat, gamma=c.gamma)

    def busy_w(
        self, mfu: Array, bandwidth_utilisation: Array, busy_fraction: Array, sampling: Array
    ) -> Array:
        """Return mean power over iterations [W]; only the MFU counts."""
        load: Array = np.minimum(1.0, mfu / self.mfu_sat) ** self.gamma
        return self.idle_w + (self.max_w - self.idle_w) * load


@dataclass(frozen=True, slots=True)
class TwoResource:
    """Compute and memory draw power separately; the default.

    ``P = min(max, base + a sqrt(mfu * busy) + w * bandwidth + s * sampling)``, with a, w, s in W
    fitted per GPU on measured servers (sources in ``hardware/gpus.yaml``).
    """

    idle_w: float
    max_w: float
    base_w: float
    compute_w: float
    memory_w: float
    sampling_w: float
    sleep_w: float = 0.0

    @classmethod
    def of(cls, gpu: GpuSpec) -> TwoResource:
        """Return the model with the coefficients of `gpu`."""
        c = gpu.two_resource
        return cls(
            idle_w=gpu.loaded_idle_w,
            max_w=gpu.max_w,
            base_w=c.base_w,
            compute_w=c.compute_w,
            memory_w=c.memory_w,
            sampling_w=c.sampling_w,
        )

    def busy_w(
        self, mfu: Array, bandwidth_utilisation: Array, busy_fraction: Array, sampling: Array
    ) -> Array:
        """Return mean power over iterations [W]."""
        power: Array = (
            self.base_w
            + self.compute_w * np.sqrt(mfu * busy_fraction)
            + self.memory_w * bandwidth_utilisation
            + self.sampling_w * sampling
        )
        return np.minimum(power, self.max_w)
