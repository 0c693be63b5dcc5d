"""Energy and carbon of a site: integrals over the recorded steps.

All take arrays of shape (steps,) with powers [W] and intensity [g/kWh], held over each step.
Balance: solar + discharge + import = facility + charge + export. What the grid is charged with is
the import; an export credit is reported beside it and never netted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
J_PER_KWH = 3.6e6


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFlows:
    """The power flows of a site, arrays of shape (steps,).

    Attributes:
        facility_w, solar_w, import_w, export_w: Powers, not negative [W].
        battery_w: Power of the battery, charging positive [W]; zeros without one.
        carbon_intensity_g_per_kwh: Intensity of the grid.
        step_s: Length of a step [s].
    """

    facility_w: Array
    solar_w: Array
    import_w: Array
    export_w: Array
    battery_w: Array
    carbon_intensity_g_per_kwh: Array
    step_s: float

    def kwh(self, power_w: Array) -> float:
        """Return the integral of a power over the run [kWh]."""
        return float(power_w.sum()) * self.step_s / J_PER_KWH

    def grams(self, power_w: Array) -> float:
        """Return the emissions of a power drawn from the grid [g]."""
        return float(power_w @ self.carbon_intensity_g_per_kwh) * self.step_s / J_PER_KWH

    @property
    def charge_w(self) -> Array:
        """Charging power of the battery [W]."""
        return np.maximum(self.battery_w, 0.0)

    @property
    def discharge_w(self) -> Array:
        """Discharging power of the battery [W]."""
        return np.maximum(-self.battery_w, 0.0)

    @property
    def imbalance_w(self) -> Array:
        """What the balance is off by in each step; zero but for rounding [W]."""
        supply = self.solar_w + self.discharge_w + self.import_w
        return supply - self.facility_w - self.charge_w - self.export_w


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """A battery over a run.

    Attributes:
        capacity_wh: Its capacity [Wh].
        soc: State of charge at the start of each step and at the end, shape (steps + 1,).
    """

    capacity_wh: float
    soc: Array

    @property
    def stored_kwh(self) -> float:
        """Growth of what it holds over the run [kWh]."""
        return float(self.soc[-1] - self.soc[0]) * self.capacity_wh / 1000


def energy_kwh(flows: SiteFlows, battery: Battery | None) -> dict[str, float]:
    """Return the energies of a site [kWh].

    ``solar_used`` is solar that was not exported: used at once, or through the battery.
    ``battery_loss`` is what was charged and neither discharged nor is still held.
    """
    charge, discharge = flows.kwh(flows.charge_w), flows.kwh(flows.discharge_w)
    stored = battery.stored_kwh if battery else 0.0
    exported_solar = np.minimum(flows.export_w, flows.solar_w)
    return {
        "facility": flows.kwh(flows.facility_w),
        "solar": flows.kwh(flows.solar_w),
        "solar_used": flows.kwh(flows.solar_w - exported_solar),
        "import": flows.kwh(flows.import_w),
        "export": flows.kwh(flows.export_w),
        "battery_charge": charge,
        "battery_discharge": discharge,
        "battery_loss": charge - discharge - stored,
    }


def carbon_g(flows: SiteFlows, embodied_g: float) -> dict[str, float]:
    """Return the emissions of a site [g].

    ``gross`` is what the facility would have caused without solar and battery; ``total`` is the
    import's and the embodied emissions. The export credit is in neither.

    Args:
        flows: Power flows.
        embodied_g: Embodied emissions of the hardware over the run [g].
    """
    imported = flows.grams(flows.import_w)
    return {
        "gross": flows.grams(flows.facility_w),
        "import": imported,
        "export_credit": flows.grams(flows.export_w),
        "embodied": embodied_g,
        "total": imported + embodied_g,
    }


def battery_summary(flows: SiteFlows, battery: Battery) -> dict[str, float]:
    """Return how a battery was used; a cycle is a throughput of twice the capacity."""
    throughput_kwh = flows.kwh(flows.charge_w) + flows.kwh(flows.discharge_w)
    return {
        "soc_mean": float(battery.soc.mean()),
        "soc_min": float(battery.soc.min()),
        "soc_max": float(battery.soc.max()),
        "cycles": throughput_kwh / (2 * battery.capacity_wh / 1000),
    }


def grid_summary(flows: SiteFlows) -> dict[str, float]:
    """Return the intensity's mean and spread [g/kWh] and the highest import [W]."""
    intensity = flows.carbon_intensity_g_per_kwh
    low, high = np.percentile(intensity, [10, 90])
    facility, imported = flows.kwh(flows.facility_w), flows.kwh(flows.import_w)
    solar = flows.kwh(flows.solar_w)
    used = flows.kwh(flows.solar_w - np.minimum(flows.export_w, flows.solar_w))
    return {
        "ci_mean_g_per_kwh": float(intensity.mean()),
        "ci_p10": float(low),
        "ci_p90": float(high),
        "peak_import_w": float(flows.import_w.max()),
        "self_sufficiency": 1 - imported / facility if facility else 0.0,
        "self_consumption": used / solar if solar else 0.0,
    }
