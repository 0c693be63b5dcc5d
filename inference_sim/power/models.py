"""Power models of one GPU: the paper's power law, and two resources (the default)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference_sim.arrays import FloatArray
from inference_sim.errors import InferenceSimError
from inference_sim.hardware import GpuSpec
from inference_sim.power.base import PowerModel, Use

HBM_J_PER_BYTE = 8 * 3.9e-12
"""Energy of a byte in HBM2 and its links: 3.9 pJ a bit (O'Connor et al., "Fine-Grained DRAM",
MICRO 2017). Not measured here; taken for other memories too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MfuPowerLaw(PowerModel):
    """Eq. 1 of Özcan et al.: ``P = idle + (max - idle) * min(1, mfu / mfu_sat)^gamma``.

    The MFU is a fraction (the paper's code mixes percent and fraction), and the ratio is clamped.
    """

    mfu_sat: float
    gamma: float

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
        return cls(
            idle_w=c.idle_w,
            sleep_w=min(gpu.asleep_w, c.idle_w),
            max_w=c.max_w,
            mfu_sat=c.mfu_sat,
            gamma=c.gamma,
        )

    @property
    def static_w(self) -> float:
        """The idle power [W]."""
        return self.idle_w

    def dynamic_w(self, use: Use) -> FloatArray:
        """Return the power that the MFU adds to it, shape (n,) [W]."""
        load: FloatArray = np.minimum(1.0, use.mfu / self.mfu_sat) ** self.gamma
        return (self.max_w - self.idle_w) * load


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoResource(PowerModel):
    """A price for each FLOP, each byte and each second of sampling, over a base; the default.

    ``P = min(max, base + compute * mfu + memory * bandwidth + sampling * sampling share)``, all in
    W and fitted per GPU on measured servers (``calibration/power.py``, ``hardware/gpus.yaml``).
    compute / peak FLOP/s is the energy of a FLOP, memory / peak bandwidth that of a byte. The MFU
    here is that of all FLOPs, those on rows that hold no token included. The base is drawn whenever
    an iteration is under way, waiting for the host included. Of a byte's energy the part of the
    memory chips (`HBM_J_PER_BYTE`) does not follow the clock.
    """

    is_linear = True

    base_w: float
    compute_w: float
    memory_w: float
    sampling_w: float
    hbm_w: float = 0.0

    @classmethod
    def of(cls, gpu: GpuSpec, memory_w: float | None = None) -> TwoResource:
        """Return the model with the coefficients of `gpu`.

        Args:
            gpu: The GPU.
            memory_w: Power of the memory in place of the GPU's own [W].
        """
        c = gpu.two_resource
        memory_w = c.memory_w if memory_w is None else memory_w
        return cls(
            uncalibrated_because=gpu.power_uncalibrated,
            idle_w=gpu.loaded_idle_w,
            sleep_w=gpu.asleep_w,
            max_w=gpu.max_w,
            base_w=c.base_w,
            compute_w=c.compute_w,
            memory_w=memory_w,
            hbm_w=min(memory_w, HBM_J_PER_BYTE * gpu.peak_bytes_per_s),
            sampling_w=c.sampling_w,
        )

    @property
    def static_w(self) -> float:
        """The base [W]."""
        return self.base_w

    def unclocked_w(self, use: Use) -> FloatArray | float:
        """Return the power of the memory chips, shape (n,) [W]."""
        return self.hbm_w * use.bandwidth_utilisation

    def dynamic_w(self, use: Use) -> FloatArray:
        """Return the power of computing, memory and sampling, shape (n,) [W]."""
        return (
            self.compute_w * (use.mfu + use.padding)
            + self.memory_w * use.bandwidth_utilisation
            + self.sampling_w * use.sampling
        )
