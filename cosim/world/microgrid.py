"""A site's microgrid as Vessim models it.

Vessim's signs: consumption, discharge and import are negative; generation, charge and export
positive.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypedDict

import numpy as np
import pandas as pd
import vessim

from cosim.scenario.microgrid import ClcBattery, SimpleBattery
from cosim.world.site_plan import SitePlan
from inference_sim.arrays import FloatArray

BATTERY, GRID, SOLAR, LOAD = "battery", "grid", "solar", "load"

_CELL_WH = 19.14  # capacity of one cell of Vessim's ClcBattery (LGM50 21700)


class MicrogridState(TypedDict):
    """The state of a microgrid after a dispatch, as far as it is read here.

    Attributes:
        dispatch_states: Report of each dispatchable, by name: ``current_power`` [W], and ``soc`` of
            a battery.
        p_grid: Net exchange with the grid [W]; export is positive.
    """

    dispatch_states: Mapping[str, Mapping[str, Any]]
    p_grid: float


def add_microgrid(
    environment: vessim.Environment,
    site: SitePlan,
    step_s: int,
    *,
    load: vessim.Actor | None,
    setpoint_w: Callable[[], float] | None,
) -> None:
    """Add the microgrid of a site to an environment.

    Args:
        environment: Vessim's environment.
        site: The site.
        step_s: Length of a step [s].
        load: The cluster as a consumer; None without one, or if mosaik carries its power.
        setpoint_w: Returns the battery's setpoint, as for :class:`SetpointDispatch`; None if no
            controller sets it.
    """
    location = site.config.location
    environment.add_microgrid(
        name=site.name,
        actors=actors(site, step_s) + ([] if load is None else [load]),
        dispatchables=dispatchables(site.config.microgrid.battery),
        policy=None if setpoint_w is None else SetpointDispatch(setpoint_w),
        coords=(location.latitude, location.longitude) if location else None,
    )


def initial_state(microgrid: vessim.Microgrid) -> MicrogridState:
    """Return the state of a microgrid before its first dispatch."""
    states = {resource.name: resource.state() for resource in microgrid.dispatchables}
    return {"dispatch_states": states, "p_grid": 0.0}


def step_trace(values: FloatArray, step_s: int) -> vessim.Trace:
    """Return a Vessim signal that holds `values`, shape (steps,), for a step each."""
    return vessim.Trace(pd.Series(values, index=np.arange(len(values)) * step_s))


def dispatchables(config: SimpleBattery | ClcBattery | None) -> list[vessim.Dispatchable]:
    """Return the dispatchables in order of priority: the battery, then the grid."""
    grid = vessim.GridConnection(GRID)
    return [grid] if config is None else [battery(config), grid]


class SetpointDispatch(vessim.DispatchPolicy):  # type: ignore[misc]
    """Vessim's dispatch, but for a battery whose power a controller sets.

    The setpoint is clipped to what the battery can do. It discharges no more than the site lacks,
    so that nothing is sold from it; the grid takes the rest of either sign.

    Args:
        setpoint_w: Returns the setpoint in force [W], charging positive; infinite for none.
    """

    def __init__(self, setpoint_w: Callable[[], float]) -> None:
        self._setpoint_w = setpoint_w
        self._plain = vessim.DefaultDispatchPolicy()

    def apply(
        self,
        p_delta: float,
        duration: float,
        dispatchables: list[vessim.Dispatchable],
        grid_signals: dict[str, float] | None = None,
    ) -> None:
        """Set the powers of battery and grid for the interval that begins."""
        setpoint_w = self._setpoint_w()
        if math.isinf(setpoint_w):
            self._plain.apply(p_delta, duration, dispatchables, grid_signals)
            return
        storage, grid = dispatchables
        least_w, most_w = storage.feasible_range(duration)
        if setpoint_w < 0:
            setpoint_w = max(setpoint_w, min(0.0, p_delta))
        power_w = max(least_w, min(most_w, setpoint_w))
        storage.set_power(power_w, duration)
        grid.set_power(p_delta - power_w, duration)

    def state(self) -> dict[str, float]:
        """Return the setpoint in force [W]."""
        return {"setpoint_w": self._setpoint_w()}


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
    on_site: list[vessim.Actor] = []
    if site.config.microgrid.solar is not None:
        on_site.append(vessim.Producer(SOLAR, step_trace(site.solar_w, step_s)))
    if site.load_w is not None:
        on_site.append(vessim.Consumer(LOAD, step_trace(site.load_w, step_s)))
    return on_site
