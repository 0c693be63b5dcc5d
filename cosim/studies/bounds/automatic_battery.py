"""The content of a battery that no controller sets: it charges from surplus, and gives what lacks.

Such a battery gives all that its site lacks, as far as it can. More load never leaves more in it,
and more in it never leaves less later: what it gives is the least of the load and of limits that
are straight lines in its content, each of which leaves more the more there was. So in a run whose
site draws more than some least load in every step, it never holds more than it would beside that
load alone. Near empty the CLC battery gives nothing below a least current: there it may keep what
one that held more would give, which the curve allows.

Tapering near full is left out; that only raises the curve.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from controllers.lp import BatterySpec
from cosim.scenario.microgrid import ClcBattery, SimpleBattery
from cosim.world.microgrid import battery
from inference_sim.arrays import FloatArray

_HALVINGS = 40


def most_stored_wh(
    config: SimpleBattery | ClcBattery, spec: BatterySpec, lacking_w: FloatArray, step_s: float
) -> FloatArray:
    """Return the most that a battery without a controller holds at the ends of steps [Wh].

    Args:
        config: The battery.
        spec: Its limits and efficiencies.
        lacking_w: The least that the site lacks in each step, below 0 for the most surplus, shape
            (steps,) [W].
        step_s: Length of a step [s].
    """
    hours = step_s / 3600
    kept_wh = _kept_wh(config, step_s)
    stored_wh = spec.start_wh
    curve_wh = np.empty(len(lacking_w))
    for step, needed_w in enumerate(lacking_w.tolist()):
        if needed_w <= 0:
            charged_wh = spec.charge_efficiency * min(-needed_w, spec.charge_w) * hours
            stored_wh = min(stored_wh + charged_wh, max(spec.capacity_wh, stored_wh))
        else:
            given_wh = min(needed_w, _limit_w(config, stored_wh, step_s)) * hours
            left_wh = stored_wh - given_wh / spec.discharge_efficiency
            stored_wh = max(left_wh, min(stored_wh, kept_wh))
        curve_wh[step] = stored_wh
    return curve_wh


def tapering_h(config: ClcBattery) -> tuple[float, float]:
    """Return what a battery lacks to being full, and holds, for each watt of its power [Wh/W].

    The CLC model keeps the content within ``v_1 + u_1 I`` and ``v_2 + u_2 I`` for a current I, at
    the end of a step as well.
    """
    cells: Any = battery(config)
    return float(-cells.u_2 / cells.nom_voltage), float(-cells.u_1 / cells.nom_voltage)


def _limit_w(config: SimpleBattery | ClcBattery, stored_wh: float, step_s: float) -> float:
    """Return the most that a battery with such a content gives for a step [W]."""
    soc = min(stored_wh / config.capacity_wh, 1.0)
    least_w, _ = battery(config.model_copy(update={"initial_soc": soc})).feasible_range(step_s)
    return -float(least_w)


def _kept_wh(config: SimpleBattery | ClcBattery, step_s: float) -> float:
    """Return the content from which on a battery gives anything in a step [Wh]."""
    low_wh, high_wh = 0.0, config.capacity_wh
    for _ in range(_HALVINGS):
        middle_wh = (low_wh + high_wh) / 2
        if _limit_w(config, middle_wh, step_s) > 0:
            high_wh = middle_wh
        else:
            low_wh = middle_wh
    return high_wh
