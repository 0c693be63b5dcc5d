"""The linear programme of a site that knows everything: the least emissions of its run.

By period t of h_t hours it chooses cumulative work U and V on the prompts and the decoding of each
class, certain iterations M, replicas n that are awake, the time B that they work and the energy E
of it above that of being awake, waking replicas w, facility power, import and the battery:

    minimise    sum_t c_t import_t + c_mean (e_0 - e_T)
    such that   least_t <= U_t, V_t, M_t <= most_t, never falling                    (`demand`)
                a E_t >= w B_t + p dM_t + q dU_t + r dV_t   for every line           (`prices`)
                busy_t - missed_t <= B_t <= n_t h_t,   sum_t missed_t <= missed
                1 <= n_t <= R
                IT_t = hosts + R sleep h_t + (awake - sleep) (n_t + w_t) h_t + E_t
                facility_t >= fixed h_t + slope_t IT_t                               (`facility`)
                import_t >= facility_t - solar_t + charge_t - discharge_t,  import_t >= 0
                e_t = e_(t-1) + eta_c charge_t - discharge_t / eta_d
                empty discharge_t / h_t <= e_t <= capacity - full charge_t / h_t
                e_t <= automatic_t                     where no controller sets the battery

A replica wakes for its start-up before it serves: by any time w has summed up to the start-up
times of all that began to serve, sum (n_s - n_(s-1))+. Numbers of replicas are continuous. Export
earns nothing, and what the sun leaves may be lost. Energies are in Wh.

A run that ends when its requests have may end at any time after the last one came. From then on
idle power is left out, a watt of IT power counts as one of the facility, and the battery's change
counts at whichever mean of the intensity makes the bound lower.

In `timing` all replicas are awake, and the battery charges from surplus sun alone, as an automatic
one does: at most by what the sun gives beyond the least that the site draws. When it discharges is
left free, for which reason this is a lower bound for automatic batteries as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controllers.lp import BatterySpec
from cosim.studies.bounds.demand import ClassDemand, Curve
from cosim.studies.bounds.facility import FacilityLine
from cosim.studies.bounds.linear import Change, Programme, Term
from cosim.studies.bounds.prices import Line
from inference_sim.arrays import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Supply:
    """Sun, grid and battery of a site; arrays of shape (periods,).

    Attributes:
        hours: Lengths of the periods [h].
        certain: Whether the run lasts to the end of each, whatever is decided.
        intensity_g_per_kwh: The least intensity of the grid in each.
        solar_wh: Energy of the sun in each.
        surplus_wh: The part of it beyond the least that the site draws.
        means_g_per_kwh: Mean intensity of the run, at which the battery's change counts; the least
            and the most where its length is not certain.
        battery: The battery; None without one.
        automatic_wh: The most that it holds at the end of each where no controller sets it; None
            without one.
        full_h, empty_h: Content that it lacks to being full for each watt with which it charges,
            and holds for each with which it discharges, at the end of each [Wh/W].
    """

    hours: FloatArray
    certain: NDArray[np.bool_]
    intensity_g_per_kwh: FloatArray
    solar_wh: FloatArray
    surplus_wh: FloatArray
    means_g_per_kwh: tuple[float, ...]
    battery: BatterySpec | None
    automatic_wh: FloatArray | None
    full_h: FloatArray
    empty_h: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Replicas:
    """The replicas of a site.

    Attributes:
        count: Their number.
        awake_w, sleep_w: IT power of one that is awake and one that sleeps, without its host [W].
        hosts_w: Power of all hosts [W].
        startup_s: Time that one takes to wake up [s].
        facility, calm_facility: Lines below the facility's power while all are awake, and while
            any sleep; slopes of shape (periods,).
    """

    count: int
    awake_w: float
    sleep_w: float
    hosts_w: float
    startup_s: float
    facility: tuple[FacilityLine, ...]
    calm_facility: tuple[FacilityLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Work:
    """The work of a site.

    Attributes:
        classes: Of each class.
        decoding: Iterations that decode for certain.
        busy_h: Time in which a replica must be at work in each period [h].
        missed_h: The part of it that requests which miss their objectives may save [h].
        lines: Bounds of energy and time of the work.
    """

    classes: Sequence[ClassDemand]
    decoding: Curve
    busy_h: FloatArray
    missed_h: float
    lines: Sequence[Line]


def least_g(
    supply: Supply, replicas: Replicas, work: Work, *, battery_set: bool, sleeps: bool
) -> tuple[float, Mapping[str, FloatArray]]:
    """Return the least emissions of a site that serves [g], and a solution.

    Args:
        supply: Its sun, grid and battery.
        replicas: Its replicas.
        work: Their work.
        battery_set: Whether the battery may charge from the grid.
        sleeps: Whether replicas may sleep.
    """
    hours = supply.hours
    programme = Programme(len(hours))
    curves = _curves(work)
    for name, curve in curves.items():
        programme.column(name, low=curve.least, high=curve.most)
    programme.column("energy")
    programme.column("busy", high=replicas.count * hours)
    programme.column("missed", high=min(work.missed_h, float(hours.sum())))
    if sleeps:
        programme.column(
            "awake", low=np.where(supply.certain, 1.0, 0.0), high=float(replicas.count)
        )
        for name in ("waking", "woken", "banked"):
            programme.column(name)
    programme.column("facility")
    _add_supply(programme, supply, battery_set=battery_set)

    for name in curves:
        programme.row({name: Change()})
    for number, demand in enumerate(work.classes):
        programme.last_row([f"prompts {number}", f"steps {number}"], demand.least_wh)
    programme.row({"busy": 1.0, "missed": 1.0}, least=work.busy_h)
    programme.sum_row("missed", work.missed_h)
    for line in work.lines:
        programme.row(_line_terms(line, curves))
    for facility in replicas.calm_facility if sleeps else replicas.facility:
        _bound_facility(programme, facility, replicas, supply, sleeps=sleeps)
    if sleeps:
        programme.row({"awake": hours, "busy": -1.0})
        first = np.zeros(len(hours))
        first[0] = -replicas.count  # all are awake at the start
        programme.row({"woken": 1.0, "awake": Change(-1.0)}, least=first)
        startup_h = replicas.startup_s / 3600
        bank: dict[str, Term | Change] = {
            "banked": Change(),
            "waking": -hours,
            "woken": startup_h,
        }
        programme.row(bank, most=0.0)
    return _solved(programme, supply)


def least_of_load_g(
    supply: Supply, load_wh: FloatArray, *, battery_set: bool
) -> tuple[float, Mapping[str, FloatArray]]:
    """Return the least emissions of a load that is what it is [g], and a solution.

    Args:
        supply: Sun, grid and battery.
        load_wh: The load in each period, shape (periods,).
        battery_set: Whether the battery may charge from the grid.
    """
    programme = Programme(len(load_wh))
    programme.column("facility", low=load_wh, high=load_wh)
    _add_supply(programme, supply, battery_set=battery_set)
    return _solved(programme, supply)


def _curves(work: Work) -> dict[str, Curve]:
    curves = {"decoding": work.decoding}
    for number, demand in enumerate(work.classes):
        curves[f"prompts {number}"] = demand.prompts
        curves[f"steps {number}"] = demand.steps
    return curves


def _line_terms(line: Line, curves: Mapping[str, Curve]) -> dict[str, Term | Change]:
    terms: dict[str, Term | Change] = {"energy": line.share, "busy": -line.power_w}
    for name in curves:
        kind = name.split()[0]
        price = line.decoding_j / 3600
        if kind != "decoding":
            price = line.prompts if kind == "prompts" else line.steps
        terms[name] = Change(-price)
    return terms


def _bound_facility(
    programme: Programme, line: FacilityLine, replicas: Replicas, supply: Supply, *, sleeps: bool
) -> None:
    """Keep the facility's energy above a line of it over the energy of the IT."""
    hours = supply.hours
    slope = np.where(supply.certain, line.slope, 1.0)
    swing_w = replicas.awake_w - replicas.sleep_w
    asleep = replicas.count if sleeps else 0
    fixed_w = replicas.hosts_w + asleep * replicas.sleep_w
    if not sleeps:
        fixed_w += replicas.count * replicas.awake_w
    terms: dict[str, Term | Change] = {"facility": 1.0, "energy": -slope}
    if sleeps:
        terms |= dict.fromkeys(("awake", "waking"), -slope * swing_w * hours)
    least_w = np.where(supply.certain, line.fixed_w + slope * fixed_w, 0.0)
    programme.row(terms, least=least_w * hours)


def _add_supply(programme: Programme, supply: Supply, *, battery_set: bool) -> None:
    """Add import and battery; the block of the facility's energy must be there."""
    programme.column("import", supply.intensity_g_per_kwh / 1000)
    balance: dict[str, Term | Change] = {"import": 1.0, "facility": -1.0}
    battery = supply.battery
    if battery is not None:
        hours = supply.hours
        most_wh = battery.charge_w * hours
        least_wh = min(battery.min_wh, battery.start_wh)
        programme.column(
            "charge", high=most_wh if battery_set else np.minimum(most_wh, supply.surplus_wh)
        )
        programme.column("discharge", high=battery.discharge_w * hours)
        most_stored_wh: Term = battery.capacity_wh
        if supply.automatic_wh is not None and not battery_set:
            most_stored_wh = np.clip(supply.automatic_wh, least_wh, battery.capacity_wh)
        programme.column("stored", low=least_wh, high=most_stored_wh)
        start = np.zeros(len(hours))
        start[0] = battery.start_wh
        flows: dict[str, Term | Change] = {
            "stored": Change(),
            "charge": -battery.charge_efficiency,
            "discharge": 1 / battery.discharge_efficiency,
        }
        programme.row(flows, least=start, most=start)
        full: dict[str, Term | Change] = {"stored": 1.0, "charge": supply.full_h / hours}
        programme.row(full, least=-np.inf, most=battery.capacity_wh)
        programme.row({"stored": 1.0, "discharge": -supply.empty_h / hours})
        balance |= {"charge": -1.0, "discharge": 1.0}
    programme.row(balance, least=-supply.solar_wh)


def _solved(programme: Programme, supply: Supply) -> tuple[float, Mapping[str, FloatArray]]:
    """Return the least cost with the battery's change valued [g], and a solution."""
    if supply.battery is None:
        return programme.least()
    solutions = []
    for mean in supply.means_g_per_kwh:
        programme.set_last_cost("stored", -mean / 1000)
        least, blocks = programme.least()
        solutions.append((least + supply.battery.start_wh * mean / 1000, blocks))
    return min(solutions, key=lambda solution: solution[0])
