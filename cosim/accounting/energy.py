"""Energy and carbon of a site: integrals over the recorded steps.

All take arrays of shape (steps,) with powers [W] and intensity [g/kWh], held over each step.
Balance: solar + discharge + import = facility + charge + export. The grid's emissions are those of
the import; an export credit is reported beside it and never netted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cosim.accounting.keys import IfPresent, Import
from inference_sim.arrays import FloatArray

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

    facility_w: FloatArray
    solar_w: FloatArray
    import_w: FloatArray
    export_w: FloatArray
    battery_w: FloatArray
    carbon_intensity_g_per_kwh: FloatArray
    step_s: float

    def kwh(self, power_w: FloatArray) -> float:
        """Return the integral of a power over the run [kWh]."""
        return float(power_w.sum()) * self.step_s / J_PER_KWH

    def grams(self, power_w: FloatArray) -> float:
        """Return the emissions of a power drawn from the grid [g]."""
        return float(power_w @ self.carbon_intensity_g_per_kwh) * self.step_s / J_PER_KWH

    @property
    def charge_w(self) -> FloatArray:
        """Charging power of the battery [W]."""
        return np.maximum(self.battery_w, 0.0)

    @property
    def discharge_w(self) -> FloatArray:
        """Discharging power of the battery [W]."""
        return np.maximum(-self.battery_w, 0.0)

    @property
    def imbalance_w(self) -> FloatArray:
        """Residual of the balance in each step; zero except for rounding [W]."""
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
    soc: FloatArray

    @property
    def stored_kwh(self) -> float:
        """Change of its stored energy over the run [kWh]."""
        return float(self.soc[-1] - self.soc[0]) * self.capacity_wh / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """Energies of a site, or of all sites together, over a run [kWh].

    Attributes:
        gpu, host: Of the GPUs and of their hosts; None without a cluster.
        facility: All that the site used.
        solar: Generated.
        solar_used: Generated and not exported: used at once, or through the battery.
        import_: Drawn from the grid.
        export: Fed into the grid.
        battery_charge, battery_discharge: Into and out of the battery.
        battery_loss: Charged, and neither discharged nor still held.
    """

    gpu: IfPresent[float] = None
    host: IfPresent[float] = None
    facility: float
    solar: float
    solar_used: float
    import_: Import
    export: float
    battery_charge: float
    battery_discharge: float
    battery_loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Carbon:
    """Emissions of a site, or of all sites together, over a run [g].

    Attributes:
        kind: Of the intensity: average or marginal; mixed over sites that differ.
        gross: Of the facility, had all its energy come from the grid as it was used.
        import_: Of grid imports.
        export_credit: Of grid exports; in no total.
        embodied: Of the hardware.
        total: Import and embodied.
    """

    kind: str
    gross: float
    import_: Import
    export_credit: float
    embodied: float
    total: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryUse:
    """Use of a battery over a run.

    Attributes:
        soc_mean, soc_min, soc_max: State of charge [0 to 1].
        cycles: Throughput over twice the capacity.
    """

    soc_mean: float
    soc_min: float
    soc_max: float
    cycles: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GridUse:
    """The grid of a site over a run, and how much the site leant on it.

    Attributes:
        ci_mean_g_per_kwh: Mean of the carbon intensity over time.
        ci_p10, ci_p90: Its 10th and 90th percentile [g/kWh].
        peak_import_w: Highest import [W].
        self_sufficiency: Share of the facility's energy that was not imported; below 0 where a
            battery took more from the grid than it gave back.
        self_consumption: Share of the solar energy that was not exported.
        marginal_ci_mean_g_per_kwh: Mean of the marginal intensity; None where it is not given.
    """

    ci_mean_g_per_kwh: float
    ci_p10: float
    ci_p90: float
    peak_import_w: float
    self_sufficiency: float
    self_consumption: float
    marginal_ci_mean_g_per_kwh: IfPresent[float] = None


def energy_kwh(flows: SiteFlows, battery: Battery | None) -> Energy:
    """Return the energies of a site."""
    charge, discharge = flows.kwh(flows.charge_w), flows.kwh(flows.discharge_w)
    stored = battery.stored_kwh if battery else 0.0
    exported_solar = np.minimum(flows.export_w, flows.solar_w)
    return Energy(
        facility=flows.kwh(flows.facility_w),
        solar=flows.kwh(flows.solar_w),
        solar_used=flows.kwh(flows.solar_w - exported_solar),
        import_=flows.kwh(flows.import_w),
        export=flows.kwh(flows.export_w),
        battery_charge=charge,
        battery_discharge=discharge,
        battery_loss=charge - discharge - stored,
    )


def carbon_g(flows: SiteFlows, embodied_g: float, kind: str) -> Carbon:
    """Return the emissions of a site.

    Args:
        flows: Power flows.
        embodied_g: Embodied emissions of the hardware over the run [g].
        kind: Of the intensity: average or marginal.
    """
    imported = flows.grams(flows.import_w)
    return Carbon(
        kind=kind,
        gross=flows.grams(flows.facility_w),
        import_=imported,
        export_credit=flows.grams(flows.export_w),
        embodied=embodied_g,
        total=imported + embodied_g,
    )


def battery_use(flows: SiteFlows, battery: Battery) -> BatteryUse:
    """Return how a battery was used."""
    throughput_kwh = flows.kwh(flows.charge_w) + flows.kwh(flows.discharge_w)
    return BatteryUse(
        soc_mean=float(battery.soc.mean()),
        soc_min=float(battery.soc.min()),
        soc_max=float(battery.soc.max()),
        cycles=throughput_kwh / (2 * battery.capacity_wh / 1000),
    )


def grid_use(flows: SiteFlows, marginal_g_per_kwh: FloatArray | None = None) -> GridUse:
    """Return the grid's intensity, and how much a site leant on the grid.

    Args:
        flows: Power flows.
        marginal_g_per_kwh: Marginal intensity, shape (steps,); None where it is not given.
    """
    intensity = flows.carbon_intensity_g_per_kwh
    low, high = np.percentile(intensity, [10, 90])
    facility, imported = flows.kwh(flows.facility_w), flows.kwh(flows.import_w)
    solar = flows.kwh(flows.solar_w)
    used = flows.kwh(flows.solar_w - np.minimum(flows.export_w, flows.solar_w))
    return GridUse(
        ci_mean_g_per_kwh=float(intensity.mean()),
        ci_p10=float(low),
        ci_p90=float(high),
        peak_import_w=float(flows.import_w.max()),
        self_sufficiency=1 - imported / facility if facility else 0.0,
        self_consumption=used / solar if solar else 0.0,
        marginal_ci_mean_g_per_kwh=(
            None if marginal_g_per_kwh is None else float(marginal_g_per_kwh.mean())
        ),
    )
