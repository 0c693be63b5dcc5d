"""A site's microgrid as Vessim models it.

Vessim's signs: consumption, discharge and import are negative; generation, charge and export
positive.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import vessim
from numpy.typing import NDArray

from cosim.plan import SitePlan
from cosim.scenario.site import ClcBattery, SimpleBattery

BATTERY, GRID, SOLAR, LOAD = "battery", "grid", "solar", "load"

_CELL_WH = 19.14  # capacity of one cell of Vessim's ClcBattery (LGM50 21700)


def step_trace(values: NDArray[np.float64], step_s: int) -> vessim.Trace:
    """Return a Vessim signal that holds `values`, shape (steps,), for a step each."""
    return vessim.Trace(pd.Series(values, index=np.arange(len(values)) * step_s))


def dispatchables(config: SimpleBattery | ClcBattery | None) -> list[vessim.Dispatchable]:
    """Return what is dispatched, in order of priority: the battery, then the grid."""
    grid = vessim.GridConnection(GRID)
    return [grid] if config is None else [battery(config), grid]


def battery(config: SimpleBattery | ClcBattery) -> vessim.Storage:
    """Return a battery of exactly the capacity asked for.

    Vessim's ClcBattery counts cells. The pack is made of the nearest number of cells, and the
    capacity of each is scaled so that they add up. That scales all limits by the same ratio: those
    of power are multiples of the capacity, and those of energy, ``v + u * current``, are linear in
    capacity and current, so their slopes [Wh/A] stay.
    """
    if isinstance(config, SimpleBattery):
        return vessim.SimpleBattery(
            BATTERY,
            capacity=config.capacity_wh,
            initial_soc=config.initial_soc,
            min_soc=config.min_soc,
            c_rate=config.c_rate,
        )
    cells = max(1, round(config.capacity_wh / _CELL_WH))
    ratio = config.capacity_wh / (cells * _CELL_WH)
    return vessim.ClcBattery(
        BATTERY,
        number_of_cells=cells,
        initial_soc=config.initial_soc,
        min_soc=config.min_soc,
        v_2=_CELL_WH * ratio,
    )


def actors(site: SitePlan, step_s: int) -> list[vessim.Actor]:
    """Return the solar array, and the plain load where there is no cluster."""
    found: list[vessim.Actor] = []
    if site.config.microgrid.solar is not None:
        found.append(vessim.Producer(SOLAR, step_trace(site.solar_w, step_s)))
    if site.load_w is not None:
        found.append(vessim.Consumer(LOAD, step_trace(site.load_w, step_s)))
    return found
