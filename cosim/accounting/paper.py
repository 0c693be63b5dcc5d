"""Table 2 of the paper, by the paper's own definitions.

Özcan et al., "Quantifying the Energy Consumption and Carbon Emissions of LLM Inference via
Simulations". Its rows credit all solar at full intensity, whether used or exported, call the net
exchange "grid consumption", and leave the battery out of the emissions. They are reproduced here
to be compared; ``cosim.accounting.energy`` has our own accounting.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cosim.accounting.energy import Battery, SiteFlows

HIGH_CI_G_PER_KWH = 200.0  # Table 1b
_IDLE_CHANGE = 1e-12  # of the state of charge per step


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperTable2:
    """Rows of Table 2 by the paper's definitions; those of the battery are None without one.

    Attributes:
        demand_kwh, solar_kwh: Load, and all solar [kWh].
        grid_kwh: Absolute net exchange [kWh].
        renewable_share, grid_dependency: Solar and grid over demand.
        total_emissions_kg, offset_kg: Load and all solar, by intensity [kg].
        net_g: Their difference [g].
        carbon_offset: Offset over total.
        high_ci_h: Time above `HIGH_CI_G_PER_KWH` [h].
        ci_mean_g_per_kwh: Mean of the intensity over time.
        soc_mean: Mean state of charge at the starts of steps [0 to 1].
        soc_below_50_h, soc_above_80_h: Time at such a state of charge [h].
        charging, discharging, idle: Shares of the steps by the change in charge.
        cycles: Sum of the absolute changes over two.
    """

    demand_kwh: float
    solar_kwh: float
    grid_kwh: float
    renewable_share: float
    grid_dependency: float
    total_emissions_kg: float
    offset_kg: float
    net_g: float
    carbon_offset: float
    high_ci_h: float
    ci_mean_g_per_kwh: float
    soc_mean: float | None = None
    soc_below_50_h: float | None = None
    soc_above_80_h: float | None = None
    charging: float | None = None
    discharging: float | None = None
    idle: float | None = None
    cycles: float | None = None


def paper_table2(flows: SiteFlows, battery: Battery | None) -> PaperTable2:
    """Return the rows of Table 2."""
    demand, solar = flows.kwh(flows.facility_w), flows.kwh(flows.solar_w)
    total_g, offset_g = flows.grams(flows.facility_w), flows.grams(flows.solar_w)
    grid = abs(flows.kwh(flows.import_w) - flows.kwh(flows.export_w))
    intensity = flows.carbon_intensity_g_per_kwh
    hours = flows.step_s / 3600
    return PaperTable2(
        demand_kwh=demand,
        solar_kwh=solar,
        grid_kwh=grid,
        renewable_share=_share(solar, demand),
        grid_dependency=_share(grid, demand),
        total_emissions_kg=total_g / 1000,
        offset_kg=offset_g / 1000,
        net_g=total_g - offset_g,
        carbon_offset=_share(offset_g, total_g),
        high_ci_h=float((intensity > HIGH_CI_G_PER_KWH).sum()) * hours,
        ci_mean_g_per_kwh=float(intensity.mean()),
        **_battery_rows(battery, hours),
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _battery_rows(battery: Battery | None, step_h: float) -> dict[str, float]:
    if battery is None:
        return {}
    soc = battery.soc[:-1]  # the code of the paper looks at the start of each step
    change = np.diff(soc)
    charging = float((change > _IDLE_CHANGE).sum()) / len(soc)
    discharging = float((change < -_IDLE_CHANGE).sum()) / len(soc)
    return {
        "soc_mean": float(soc.mean()),
        "soc_below_50_h": float((soc < 0.5).sum()) * step_h,
        "soc_above_80_h": float((soc > 0.8).sum()) * step_h,
        "charging": charging,
        "discharging": discharging,
        "idle": 1 - charging - discharging,
        "cycles": float(np.abs(change).sum()) / 2,
    }
