"""The linear programme of a site: rates of the deferrable requests, and powers of the battery.

Over T periods of dt seconds it chooses the rate x at which deferrable requests are served, the
battery's charge c and discharge d, import g and export y, to minimise emissions:

    minimise    sum_t F_t g_t dt + peak + delay + switching + F_end (e_0 - e_T)+
    such that   g - y + d - c - slope x = base - solar             power balance [W]
                e_t = e_(t-1) + (eta_c c_t - d_t / eta_d) dt        battery [Wh]
                due_t <= X_t <= arrived_t,  X_t = sum_(k<=t) x_k dt   deadlines, and no time travel
                0 <= x <= room,  bounds of c, d and e,  g, y >= 0

where base is the site's power with the load that cannot wait, and slope the energy that a
deferrable request adds [J]. In place of that line the power may be the highest of several, a curve
that bends up. The peak is the highest power of the load, at a price. Work that cannot be done in
time is late, at a price that only that can justify.
HiGHS (Huangfu and Hall, Math. Prog. Comp. 10, 2018) solves a day of quarter hours in some
milliseconds.

Shifting by forecast is Google's ("Carbon-Aware Computing for Datacenters", Radovanović et al., IEEE
Trans. Power Syst. 38(2), 2023); with a battery it is the classic problem of microgrid control.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controllers.arrays import FloatArray

Block = tuple[FloatArray | float, float]

_J_PER_KWH = 3.6e6
_EXPORT_G_PER_KWH = 1e-3  # breaks ties, above the tolerance: rather store than sell, and soon,
_DISCHARGE_G_PER_KWH = 1e-2  # and rather leave the battery alone than move energy for nothing
_LATE = 1e3  # price of late work, over the emissions of the same work in the dirtiest period


@dataclass(frozen=True, slots=True, kw_only=True)
class BatterySpec:
    """A battery, as the programme takes it.

    Attributes:
        capacity_wh: Its capacity [Wh].
        min_wh: Energy below which it is not discharged [Wh].
        start_wh: Energy it holds at the start [Wh].
        charge_w, discharge_w: The most it takes and gives [W].
        charge_efficiency, discharge_efficiency: Of what it takes, and of what it holds [0 to 1].
        end_g_per_kwh: Price of energy missing at the end, against the start [g/kWh].
        surplus_counts: Whether energy in excess at the end is credited at the same rate.
    """

    capacity_wh: float
    min_wh: float
    start_wh: float
    charge_w: float
    discharge_w: float
    charge_efficiency: float = 1.0
    discharge_efficiency: float = 1.0
    end_g_per_kwh: float = 0.0
    surplus_counts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LpProblem:
    """Data of the programme; arrays have shape (periods,).

    Attributes:
        period_s: Length of a period [s].
        intensity_g_per_kwh: Carbon intensity of the grid.
        solar_w: Solar power.
        base_w: Power with the load that cannot wait.
        slope_j: Energy that a deferrable request adds [J].
        lines: In place of `base_w` and `slope_j`, lines of which the highest counts: each by its
            power without deferrable work, shape (periods,), and its slope, one or by period [J].
        room_per_s: Highest rate at which deferrable requests can be served [requests/s].
        arrived: Deferrable requests that have come by the end of each period, cumulative, those
            waiting at the start included.
        due: Those of them that must have been served by then, cumulative.
        battery: The battery; None without one.
        delay_g_per_h: Price of an hour's delay of a request [g]; the least positive one breaks
            ties in favour of sooner.
        switching_g: Price of a change of the rate, over the highest room [g].
        peak_g_per_kw: Price of the highest power of the load [g/kW].
    """

    period_s: float
    intensity_g_per_kwh: FloatArray
    solar_w: FloatArray
    base_w: FloatArray
    slope_j: FloatArray
    room_per_s: FloatArray
    arrived: FloatArray
    due: FloatArray
    lines: tuple[tuple[FloatArray, FloatArray | float], ...] = ()
    battery: BatterySpec | None = None
    delay_g_per_h: float = 1e-6
    switching_g: float = 0.0
    peak_g_per_kw: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LpPlan:
    """The best plan; arrays have shape (periods,).

    Attributes:
        rate_per_s: Rate of deferrable requests [requests/s].
        room_per_s: The highest rate possible [requests/s].
        battery_w: Power of the battery, charging positive [W].
        import_w, export_w: Exchange with the grid [W].
        stored_wh: Energy in the battery at the end of each period [Wh]; zeros without one.
        late: Requests that come too late, at the worst.
        emissions_g: Emissions of the import [g].
        objective_g: The same with the battery's change valued, and all prices [g].
    """

    rate_per_s: FloatArray
    room_per_s: FloatArray
    battery_w: FloatArray
    import_w: FloatArray
    export_w: FloatArray
    stored_wh: FloatArray
    late: float
    emissions_g: float
    objective_g: float


class _Program:
    """A linear programme whose columns and rows come in blocks of `n`, by name."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._names: list[str] = []
        self._cost: list[FloatArray] = []
        self._low: list[FloatArray] = []
        self._high: list[FloatArray] = []
        self._rows: dict[bool, list[tuple[Mapping[str, Block], FloatArray]]] = {True: [], False: []}

    def column(
        self,
        name: str,
        cost: FloatArray | float = 0.0,
        low: FloatArray | float = 0.0,
        high: FloatArray | float = math.inf,
    ) -> None:
        """Add a block of columns, with their cost and bounds."""
        self._names.append(name)
        for blocks, values in ((self._cost, cost), (self._low, low), (self._high, high)):
            blocks.append(np.broadcast_to(np.asarray(values, dtype=np.float64), self._n))

    def row(self, blocks: Mapping[str, Block], right: FloatArray, *, equal: bool) -> None:
        """Add a block of rows: the sum of `blocks` by column is equal to, or at most, `right`.

        A block is given by its diagonal, and the value on all of the diagonal below it.
        """
        self._rows[equal].append((blocks, right))

    def solve(self) -> dict[str, FloatArray]:
        """Return the solution by name, shape (n,) each.

        Raises:
            ValueError: If there is none.
        """
        from scipy.optimize import linprog

        (a_eq, b_eq), (a_ub, b_ub) = self._matrix(True), self._matrix(False)
        result = linprog(
            np.concatenate(self._cost),
            A_eq=a_eq,
            b_eq=b_eq,
            A_ub=a_ub,
            b_ub=b_ub,
            bounds=np.column_stack([np.concatenate(self._low), np.concatenate(self._high)]),
            method="highs",
        )
        if result.x is None:
            raise ValueError(f"the plan has no solution: {result.message}")
        return dict(zip(self._names, result.x.reshape(-1, self._n), strict=True))

    def _matrix(self, equal: bool) -> tuple[Any, FloatArray]:
        from scipy.sparse import csr_array

        n, offsets = self._n, {name: k * self._n for k, name in enumerate(self._names)}
        rows: list[NDArray[np.intp]] = []
        columns: list[NDArray[np.intp]] = []
        values: list[FloatArray] = []
        for k, (blocks, _) in enumerate(self._rows[equal]):
            for name, (diagonal, below) in blocks.items():
                rows.append(k * n + np.arange(n))
                columns.append(offsets[name] + np.arange(n))
                values.append(np.broadcast_to(np.asarray(diagonal, dtype=np.float64), n))
                if below:
                    rows.append(k * n + np.arange(1, n))
                    columns.append(offsets[name] + np.arange(n - 1))
                    values.append(np.full(n - 1, float(below)))
        shape = (n * len(self._rows[equal]), n * len(self._names))
        positions = (np.concatenate(rows), np.concatenate(columns))
        right = np.concatenate([bounds for _, bounds in self._rows[equal]])
        return csr_array((np.concatenate(values), positions), shape=shape), right


def solve(problem: LpProblem) -> LpPlan:
    """Return the best plan.

    Raises:
        ValueError: If the problem makes no sense to the solver.
    """
    n, dt, battery = len(problem.intensity_g_per_kwh), problem.period_s, problem.battery
    g_per_w = problem.intensity_g_per_kwh * dt / _J_PER_KWH
    programme = _Program(n)
    programme.column("x", high=np.maximum(problem.room_per_s, 0.0))
    programme.column("served", -problem.delay_g_per_h * dt / 3600, high=problem.arrived)
    programme.column("late", _late_price(problem))
    programme.column("import", g_per_w)
    sooner = 2.0 - np.arange(n) / n
    programme.column("export", _EXPORT_G_PER_KWH * sooner * dt / _J_PER_KWH)
    balance: dict[str, Block] = {"import": (1.0, 0), "export": (-1.0, 0)}
    if problem.lines:
        programme.column("load")
        balance["load"] = (-1.0, 0)
        for base_w, slope_j in problem.lines:
            programme.row({"x": (slope_j, 0), "load": (-1.0, 0)}, -base_w, equal=False)
        taken_w = -problem.solar_w
    else:
        balance["x"] = (-problem.slope_j, 0)
        taken_w = problem.base_w - problem.solar_w
    programme.row({"served": (1.0, -1), "x": (-dt, 0)}, np.zeros(n), equal=True)
    programme.row({"served": (-1.0, 0), "late": (-1.0, 0)}, -problem.due, equal=False)
    if battery is not None:
        _add_battery(programme, battery, dt, n)
        balance |= {"charge": (-1.0, 0), "discharge": (1.0, 0)}
    programme.row(balance, taken_w, equal=True)
    if problem.switching_g > 0 and n > 1:
        price = np.full(n, problem.switching_g / max(float(problem.room_per_s.max()), 1e-9))
        price[0] = 0.0  # the rate before the first period is not known
        programme.column("up", price)
        programme.column("down", price)
        change: dict[str, Block] = {"x": (1.0, -1), "up": (-1.0, 0), "down": (1.0, 0)}
        programme.row(change, np.zeros(n), equal=True)
    if problem.peak_g_per_kw > 0:
        _add_peak(programme, problem, n)
    solution = programme.solve()
    zeros = np.zeros(n)
    emissions_g = float(g_per_w @ solution["import"])
    end_g = 0.0
    if battery is not None:
        missing_kwh = (battery.start_wh - float(solution["stored"][-1])) / 1000
        counted = missing_kwh if battery.surplus_counts else max(0.0, missing_kwh)
        end_g = counted * battery.end_g_per_kwh
    return LpPlan(
        rate_per_s=solution["x"],
        room_per_s=problem.room_per_s,
        battery_w=solution["charge"] - solution["discharge"] if battery else zeros,
        import_w=solution["import"],
        export_w=solution["export"],
        stored_wh=solution["stored"] if battery else zeros,
        late=float(solution["late"].max()),
        emissions_g=emissions_g,
        objective_g=emissions_g + end_g,
    )


def _add_battery(programme: _Program, battery: BatterySpec, dt: float, n: int) -> None:
    per_wh = dt / 3600
    at_end, start = np.zeros(n), np.zeros(n)
    at_end[-1], start[0] = battery.end_g_per_kwh / 1000, battery.start_wh
    programme.column("charge", high=battery.charge_w)
    programme.column("discharge", _DISCHARGE_G_PER_KWH * dt / _J_PER_KWH, high=battery.discharge_w)
    programme.column(
        "stored",
        -at_end if battery.surplus_counts else 0.0,
        low=min(battery.min_wh, battery.start_wh),
        high=battery.capacity_wh,
    )
    flows: dict[str, Block] = {
        "stored": (1.0, -1),
        "charge": (-battery.charge_efficiency * per_wh, 0),
        "discharge": (per_wh / battery.discharge_efficiency, 0),
    }
    programme.row(flows, start, equal=True)
    if not battery.surplus_counts:
        programme.column("short", at_end)
        programme.row(
            {"stored": (-1.0, 0), "short": (-1.0, 0)}, np.full(n, -battery.start_wh), equal=False
        )


def _add_peak(programme: _Program, problem: LpProblem, n: int) -> None:
    """Price the highest power of the load: that until each period, of which the last counts."""
    price = np.zeros(n)
    price[-1] = problem.peak_g_per_kw / 1000
    programme.column("peak", price)
    programme.row({"peak": (-1.0, 1.0)}, np.zeros(n), equal=False)
    if problem.lines:
        programme.row({"load": (1.0, 0), "peak": (-1.0, 0)}, np.zeros(n), equal=False)
    else:
        programme.row({"x": (problem.slope_j, 0), "peak": (-1.0, 0)}, -problem.base_w, equal=False)


def _late_price(problem: LpProblem) -> float:
    dearest = float(problem.intensity_g_per_kwh.max()) * float(problem.slope_j.max()) / _J_PER_KWH
    return _LATE * max(dearest, 1e-3)


def due_by(waiting: float, first_s: float, last_s: float, ends_s: FloatArray) -> FloatArray:
    """Return how many of those waiting are due by some times, shape (periods,).

    Their starts are taken to be spread evenly from the most urgent one to the latest.

    Args:
        waiting: Requests that wait.
        first_s: Time until the most urgent one must start [s].
        last_s: Time until the least urgent one must [s].
        ends_s: The times [s].
    """
    if not waiting or math.isinf(first_s):
        return np.zeros_like(ends_s)
    span_s = max(last_s - first_s, 1e-9)
    share: FloatArray = np.clip((ends_s - first_s) / span_s, 0.0, 1.0)
    return waiting * np.where(ends_s >= last_s, 1.0, share)
