"""Prices of work: the least energy and time of an iteration, whatever its composition.

Let x be the amounts of work in an iteration (`machine.KINDS`), E its energy above that of GPUs that
are awake, and tau its time. By duality of linear programming, prices e >= 0 with

    e . x  <=  E(x)      for every composition x that the machine allows

make e . W a lower bound of the energy of any work W, in whatever batches it is done; the best ones
maximise e . W. They are the shadow prices of doing W with the cheapest iterations there are. An
iteration that lies in two steps counts in both by its time, so the bound holds in each step.

Energies and times go together, so further lines bound both at once: for weights a in {0, 1} and
w [W]

    a E  >=  w tau + p d + q u + r v

with d = 1 if any sequence decodes, u and v the floor of the work on prompts and of decoding, e . x
by kind. With a = 0 and w = -1 this is the time that work takes, with a = 1 and w < 0 the trade of
slower clocks. With w > 0 it is the price of time in which the machine must be at work, however
little there is to do, and with p > 0 that of an iteration.

The prices are found on a grid of compositions and clocks. Between its points they might be a little
too high; so compositions near those that bind and at random are added while any breaks them, and
in the end all prices are lowered by the worst ratio of a fresh draw.

References:
    .. [1] D. Gale, H. W. Kuhn, A. W. Tucker, "Linear Programming and the Theory of Games", in
       Activity Analysis of Production and Allocation, 1951: prices and the least cost of a demand.
    .. [2] P. C. Gilmore, R. E. Gomory, "A Linear Programming Approach to the Cutting-Stock
       Problem", Operations Research 9(6), 1961: columns that are generated where prices break.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.studies.bounds.compositions import amounts, draw, grid, near
from cosim.studies.bounds.machine import Composition, Machine
from inference_sim.arrays import FloatArray

_ROUNDS = 4
_DRAWN = 600
_PROMPT_KINDS = np.array([0.0, 1.0, 1.0, 1.0, 0.0, 0.0])
_DECODE_KINDS = np.array([0.0, 0.0, 0.0, 0.0, 1.0, 1.0])
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Line:
    """A lower bound of an iteration: ``share E >= power tau + decoding d + prompts u + steps v``.

    Attributes:
        share: Weight of the energy.
        power_w: Price of its time [W]; below 0 where time is a cost beside the energy.
        decoding_j: Price of an iteration that decodes [J].
        prompts, steps: Prices of a joule of the floor of prompts and of decoding.
    """

    share: float
    power_w: float
    decoding_j: float
    prompts: float
    steps: float

    def is_below(self, other: Line) -> bool:
        """Return whether `other` makes it useless, but for a ten-thousandth."""
        if self.share != other.share or self.power_w > other.power_w + 1e-4 * abs(other.power_w):
            return False
        mine = (self.decoding_j, self.prompts, self.steps)
        others = (other.decoding_j, other.prompts, other.steps)
        return all(a <= b * 1.0001 for a, b in zip(mine, others, strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class Floor:
    """The least energy and time of work on a machine.

    Attributes:
        prices_j: Energy per amount of each kind of work [J], shape (kinds,).
        lines: Bounds of energy and time together; the first one is the energy alone.
    """

    prices_j: FloatArray
    lines: tuple[Line, ...]

    def prompts_j(self, work: FloatArray) -> FloatArray:
        """Return the floor of the work on prompts [J], of amounts of shape (..., kinds)."""
        floor_j: FloatArray = work @ (self.prices_j * _PROMPT_KINDS)
        return floor_j

    def steps_j(self, work: FloatArray) -> FloatArray:
        """Return the floor of decoding [J], of amounts of shape (..., kinds)."""
        floor_j: FloatArray = work @ (self.prices_j * _DECODE_KINDS)
        return floor_j


@dataclass(frozen=True, slots=True, eq=False)
class Worth:
    """An amount of work for which a line is to be as high as possible.

    Attributes:
        busy_s: Time in which machines must be at work [s].
        decoding: Iterations that decode, for certain.
        work: Amounts of the kinds, shape (kinds,).
    """

    busy_s: float
    decoding: float
    work: FloatArray


class _Samples:
    """Compositions at every clock: amounts, energies and times, shape (n, kinds) and (n,)."""

    def __init__(self, machine: Machine, clocks: Sequence[float]) -> None:
        self._machine, self._clocks = machine, clocks
        self.compositions: list[Composition] = []
        self.x = np.zeros((0, 6))
        self.energy_j, self.time_s = np.zeros(0), np.zeros(0)

    def add(self, compositions: Sequence[Composition]) -> None:
        x = amounts(compositions)
        for clock in self._clocks:
            energy_j, time_s = self._machine.costs(compositions, clock)
            self.compositions += compositions
            self.x = np.concatenate([self.x, x])
            self.energy_j = np.concatenate([self.energy_j, energy_j])
            self.time_s = np.concatenate([self.time_s, time_s])


def find_floor(
    machine: Machine,
    clocks: Sequence[float],
    total: FloatArray,
    worths: Sequence[Worth],
    powers_w: Sequence[float],
) -> Floor:
    """Return the floor of a machine.

    Args:
        machine: The machine.
        clocks: Clocks at which it may run, over the highest.
        total: The work of all requests, shape (kinds,), for which the prices are the best.
        worths: Work for which further lines are the best.
        powers_w: Costs of the time in these lines, beside energy alone and time alone [W].
    """
    rng = np.random.default_rng(0)
    samples = _Samples(machine, clocks)
    samples.add([*grid(machine), *draw(machine, _DRAWN, rng)])
    free = np.array([0.0, 1, 1, 1, 1, 1])
    prices_j = np.zeros(6)
    for _ in range(_ROUNDS):
        prices_j = free * best_prices(samples.x * free, samples.energy_j, total)
        fresh = _Samples(machine, clocks)
        slack_w = (samples.energy_j - samples.x @ prices_j) / samples.time_s
        binding = [samples.compositions[k] for k in _lowest(slack_w, 24)]
        fresh.add([*near(machine, binding, 12, rng), *draw(machine, _DRAWN // 4, rng)])
        worst = _least_ratio(fresh.energy_j, fresh.x @ prices_j)
        if worst >= 1 - _ROUNDING:
            break
        samples.add(fresh.compositions[: len(fresh.compositions) // len(clocks)])
    check = _Samples(machine, clocks)
    check.add([*near(machine, binding, 12, rng), *draw(machine, _DRAWN, rng)])
    prices_j *= min(1.0, worst, _least_ratio(check.energy_j, check.x @ prices_j)) * (1 - _ROUNDING)
    floor = Floor(prices_j, ())
    lines = [Line(1.0, 0.0, 0.0, 1.0, 1.0)]
    for share, power_w in [(0.0, 1.0), (1.0, 0.0), *((1.0, power_w) for power_w in powers_w)]:
        for worth in worths:
            line = _line(floor, samples, check, share, power_w, worth)
            if not any(line.is_below(other) for other in lines):
                lines.append(line)
    return Floor(prices_j, tuple(lines))


def _line(
    floor: Floor, samples: _Samples, check: _Samples, share: float, power_w: float, worth: Worth
) -> Line:
    """Return the line that is highest for some work."""

    def columns(of: _Samples) -> FloatArray:
        return np.column_stack(
            [share * of.time_s, of.x[:, 0], floor.prompts_j(of.x), floor.steps_j(of.x)]
        )

    def limits(of: _Samples) -> FloatArray:
        return share * of.energy_j + power_w * of.time_s

    prompts_j, steps_j = floor.prompts_j(worth.work), floor.steps_j(worth.work)
    worths = np.array([share * worth.busy_s, worth.decoding, prompts_j, steps_j])
    prices = best_prices(columns(samples), limits(samples), worths)
    prices *= min(1.0, _least_ratio(limits(check), columns(check) @ prices)) * (1 - _ROUNDING)
    busy_w, *others = map(float, prices)
    return Line(share, busy_w - power_w, *others)


def _least_ratio(limits: FloatArray, values: FloatArray) -> float:
    """Return the least of limits over values, of the values above 0."""
    priced = values > 0
    return float((limits[priced] / values[priced]).min()) if priced.any() else 1.0


def _lowest(values: FloatArray, count: int) -> NDArray[np.intp]:
    """Return the numbers of the `count` lowest of some values, in any order."""
    if len(values) <= count:
        return np.arange(len(values))
    return np.argpartition(values, count)[:count]


def best_prices(x: FloatArray, limits: FloatArray, worth: FloatArray) -> FloatArray:
    """Return prices p >= 0 with x p <= limits that maximise worth p; 0 for what is worth nothing.

    Rows are added to the programme while the prices break any: a few hundred of many thousand hold.

    Args:
        x: Amounts, shape (n, k), not negative.
        limits: Shape (n,), not negative.
        worth: Shape (k,), not negative.
    """
    from scipy.optimize import linprog

    prices = np.zeros(len(worth))
    kept = worth > 0
    if not kept.any() or not len(x):
        return prices
    rows = x[:, kept] / worth[kept]  # the value of the worth itself is then the unknown
    scale = rows.max(axis=1)
    binding = scale > 0
    rows, ceilings = rows[binding] / scale[binding, None], limits[binding] / scale[binding]
    unit = float(ceilings[ceilings > 0].min(initial=np.inf))
    if not np.isfinite(unit):
        return prices
    ceilings = ceilings / unit
    active = np.zeros(len(rows), dtype=bool)
    for direction in (np.ones(rows.shape[1]), *np.eye(rows.shape[1])):
        active[_lowest(ceilings / np.maximum(rows @ direction, 1e-300), 20)] = True
    value = np.zeros(rows.shape[1])
    for _ in range(50):
        result = linprog(
            -np.ones(rows.shape[1]), A_ub=rows[active], b_ub=ceilings[active], method="highs"
        )
        if result.x is None:
            raise ValueError(f"prices have no solution: {result.message}")
        value = result.x
        excess = rows @ value - ceilings
        broken = excess > 1e-9 * np.maximum(ceilings, 1e-9)
        if not (broken & ~active).any():
            break
        worst = _lowest(-excess / np.maximum(ceilings, 1e-12), 100)
        active[worst[broken[worst]]] = True
    value = value * min(1.0, _least_ratio(ceilings, rows @ value))
    prices[kept] = value * unit / worth[kept]
    return prices
