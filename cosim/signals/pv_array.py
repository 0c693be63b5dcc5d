"""Power of a fixed solar array from the light of sun, sky and ground: PVWatts's chain [1].

The light on the tilted array (sky after Perez [2]), the transmission of the glass [3], the
temperature of the cells [4], and the output of modules and inverter [1]. Horizon, shade and snow
are left out.

References:
    [1] A. Dobos, "PVWatts version 5 manual", NREL/TP-6A20-62641, 2014: losses of 14 %, inverter
        efficiency of 96 % and its curve, and the temperature coefficient of its premium module.
    [2] R. Perez, P. Ineichen, R. Seals, J. Michalsky, R. Stewart, "Modeling daylight availability
        and irradiance components from direct and global irradiance", Solar Energy 44(5), 1990,
        Eq. 9 and Table 6.
    [3] W. De Soto, S. Klein, W. Beckman, "Improvement and validation of a model for photovoltaic
        array performance", Solar Energy 80(1), 2006, Eqs. 12 to 15, with its glass: refractive
        index 1.526, extinction of 4 per m, 2 mm thick.
    [4] D. King, W. Boyson, J. Kratochvil, "Photovoltaic array performance model", SAND2004-3535,
        2004, Eqs. 11 and 12, for glass over polymer on an open rack, with a wind of 1 m/s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference_sim.arrays import FloatArray

# Perez [2], Table 6: upper end of the clearness bin, F11, F12, F13, F21, F22, F23.
_PEREZ = np.array(
    [
        [1.065, -0.008, 0.588, -0.062, -0.060, 0.072, -0.022],
        [1.230, 0.130, 0.683, -0.151, -0.019, 0.066, -0.029],
        [1.500, 0.330, 0.487, -0.221, 0.055, -0.064, -0.026],
        [1.950, 0.568, 0.187, -0.295, 0.109, -0.152, -0.014],
        [2.800, 0.873, -0.392, -0.362, 0.226, -0.462, 0.001],
        [4.500, 1.132, -1.237, -0.412, 0.288, -0.823, 0.056],
        [6.200, 1.060, -1.600, -0.359, 0.264, -1.127, 0.131],
        [np.inf, 0.678, -0.327, -0.250, 0.156, -1.377, 0.251],
    ]
)
_PEREZ_KAPPA = 1.041  # per rad3 [2]
_LOWEST_COSINE = np.cos(np.radians(85))  # [2]
_GLASS_INDEX, _GLASS_OPTICAL_DEPTH = 1.526, 4.0 * 0.002  # [3]
_CELL_W_M2_K = 1 / np.exp(-3.56 - 0.075 * 1.0)  # W/m2 that warm the module by 1 K [4]
_CELL_OVER_MODULE_K = 3.0  # at 1000 W/m2 [4]
_TEMPERATURE_COEFFICIENT_PER_K = -0.0035  # [1], Table 4, premium
_INVERTER_EFFICIENCY, _REFERENCE_EFFICIENCY = 0.96, 0.9637  # [1]

Direction = tuple[FloatArray, FloatArray, FloatArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class PvArray:
    """A fixed array and its surroundings.

    Attributes:
        peak_power_w: DC power under standard test conditions, and limit of the AC power [W].
        tilt_deg: Tilt from horizontal [deg].
        azimuth_deg: Direction that the array faces, clockwise from north [deg].
        losses_fraction: Share of the DC power that is lost before the inverter.
        temperature_c: Temperature of the air, at all times or at each [°C].
        albedo: Share of the global horizontal light that the ground reflects.
    """

    peak_power_w: float
    tilt_deg: float = 30.0
    azimuth_deg: float = 180.0
    losses_fraction: float = 0.14
    temperature_c: float | FloatArray = 20.0
    albedo: float = 0.2


@dataclass(frozen=True, slots=True)
class Light:
    """Irradiance at some times [W/m2], and the air that the sun's light passes.

    Attributes:
        ghi, dni, dhi: Global horizontal, direct normal and diffuse horizontal.
        beyond_air: Direct normal above the atmosphere.
        air_mass: Length of the path through the air over that from the zenith.
    """

    ghi: FloatArray
    dni: FloatArray
    dhi: FloatArray
    beyond_air: FloatArray
    air_mass: FloatArray


def ac_power_w(array: PvArray, sun: Direction, light: Light) -> FloatArray:
    """Return the AC power of an array [W], shape of the sun's parts.

    Args:
        array: The array.
        sun: Unit vector toward the sun, as its parts east, north and up.
        light: Light from sun and sky.
    """
    east, north, up = sun
    tilt, azimuth = np.radians(array.tilt_deg), np.radians(array.azimuth_deg)
    cos_incidence = np.sin(tilt) * (np.sin(azimuth) * east + np.cos(azimuth) * north)
    cos_incidence = np.clip(cos_incidence + np.cos(tilt) * up, 0, 1)

    direct = light.dni * cos_incidence
    diffuse = _sky_diffuse(light, tilt, up, cos_incidence)
    diffuse = diffuse + light.ghi * array.albedo * (1 - np.cos(tilt)) / 2

    on_array = direct + diffuse
    module_c = array.temperature_c + on_array / _CELL_W_M2_K
    cell_c = module_c + _CELL_OVER_MODULE_K * on_array / 1000
    through_glass = direct * _through_glass(cos_incidence) + diffuse
    by_temperature = 1 + _TEMPERATURE_COEFFICIENT_PER_K * (cell_c - 25)
    dc_w = array.peak_power_w * through_glass / 1000 * by_temperature
    return _inverted(dc_w * (1 - array.losses_fraction), array.peak_power_w)


def _sky_diffuse(
    light: Light, tilt: float, up: FloatArray, cos_incidence: FloatArray
) -> FloatArray:
    """Return the diffuse light of the sky on the array [W/m2]; Perez [2]."""
    zenith = np.arccos(np.clip(up, 0, 1))
    brightness = light.dhi * light.air_mass / light.beyond_air
    cubed = _PEREZ_KAPPA * zenith**3
    dhi = np.maximum(light.dhi, 1e-9)
    clearness = ((dhi + light.dni) / dhi + cubed) / (1 + cubed)
    f11, f12, f13, f21, f22, f23 = _PEREZ[np.searchsorted(_PEREZ[:, 0], clearness, "right"), 1:].T
    around_sun = np.maximum(f11 + f12 * brightness + f13 * zenith, 0)
    at_horizon = f21 + f22 * brightness + f23 * zenith
    dome = (1 - around_sun) * (1 + np.cos(tilt)) / 2
    disc = around_sun * cos_incidence / np.maximum(up, _LOWEST_COSINE)
    diffuse: FloatArray = np.maximum(light.dhi * (dome + disc + at_horizon * np.sin(tilt)), 0)
    return diffuse


def _through_glass(cos_incidence: FloatArray) -> FloatArray:
    """Return how much direct light the glass lets through, over that at normal incidence [3]."""
    cosine = np.maximum(cos_incidence, 1e-6)
    inside = np.sqrt(1 - (1 - cosine**2) / _GLASS_INDEX**2)
    across = ((cosine - _GLASS_INDEX * inside) / (cosine + _GLASS_INDEX * inside)) ** 2
    along = ((inside - _GLASS_INDEX * cosine) / (inside + _GLASS_INDEX * cosine)) ** 2
    straight = 1 - ((1 - _GLASS_INDEX) / (1 + _GLASS_INDEX)) ** 2
    share: FloatArray = 1 - (across + along) / 2
    return share / straight * np.exp(-_GLASS_OPTICAL_DEPTH * (1 / inside - 1))


def _inverted(dc_w: FloatArray, limit_w: float) -> FloatArray:
    """Return the AC power of PVWatts's inverter [1] that is at its limit at `limit_w`."""
    load = np.maximum(dc_w, 0) * _INVERTER_EFFICIENCY / limit_w
    efficiency_times_load = -0.0162 * load**2 - 0.0059 * (load > 0) + 0.9858 * load
    ac_w = limit_w / _REFERENCE_EFFICIENCY * efficiency_times_load
    power_w: FloatArray = np.clip(ac_w, 0, limit_w)
    return power_w
