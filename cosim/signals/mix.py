"""Carbon intensity of a generation mix: the mean of the factors of its fuels, by their shares.

Pumped storage and batteries are left out: their output was generated before. Negative
generation, such as that of a solar plant at night, counts as none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from inference_sim.arrays import FloatArray
from inference_sim.files.catalogue import read_data

STORAGE = "storage"
"""In place of a fuel: generation that is left out of the mix."""


@dataclass(frozen=True, slots=True)
class EmissionFactor:
    """Emissions of the energy from a fuel.

    Attributes:
        g_per_kwh: Life-cycle emissions [g CO2eq/kWh].
        source: Where the value is from.
        note: Further remarks.
    """

    g_per_kwh: float
    source: str
    note: str = ""


@cache
def emission_factors() -> Mapping[str, EmissionFactor]:
    """Return the built-in factors by fuel."""
    document = read_data("cosim.signals", "data/emission_factors.yaml")
    return {
        fuel: EmissionFactor(
            float(entry["g_per_kwh"]), document["sources"][entry["source"]], entry.get("note", "")
        )
        for fuel, entry in document["factors"].items()
    }


def mix_intensity(
    generation_mw: Mapping[str, FloatArray], factors: Mapping[str, float]
) -> FloatArray:
    """Return the intensity of a mix [g/kWh]; NaN where a fuel is missing or nothing is generated.

    Args:
        generation_mw: Generation by fuel [MW], each of shape ``(n,)``.
        factors: Factors in place of the built-in ones, by fuel [g/kWh].
    """
    known = {fuel: factor.g_per_kwh for fuel, factor in emission_factors().items()} | dict(factors)
    fuels = [fuel for fuel in generation_mw if fuel != STORAGE]
    generated = np.maximum([generation_mw[fuel] for fuel in fuels], 0.0)  # NaN stays NaN
    total_mw = generated.sum(axis=0)
    emissions = (generated * np.array([[known[fuel]] for fuel in fuels])).sum(axis=0)
    intensity: FloatArray = np.full(total_mw.shape, np.nan)
    np.divide(emissions, total_mw, out=intensity, where=total_mw > 0)
    return intensity
