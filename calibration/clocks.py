"""Lower clocks and power caps: measured sweeps beside the simulator.

Usage: ``python -m calibration.clocks [--write]``. The sweeps and their sources are in
``clock_sweeps.yaml``. Nothing is fitted on them: the exponent of the power over the clock and the
clock below which the bandwidth follows are constants, the same for every board.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from calibration.page import table, write_section
from inference_sim.execution import IterationCost, Roofline, find_engine
from inference_sim.files.catalogue import read_data
from inference_sim.hardware import GpuSpec, find_gpu
from inference_sim.models import find_model
from inference_sim.power import CLOCK_EXPONENT, TwoResource, Use
from inference_sim.power_cap import LOWEST_CLOCK, clocks_up_to

WITHIN = 0.08
"""Difference of rate or energy, over those at full clock, that a sweep may have from `FROM` on."""
FROM = 0.6
"""Clock or cap, over the full one, below which the voltage no longer follows."""
_H100 = {"gpu": "h100-sxm-80gb", "model": "meta-llama/Llama-3.1-8B-Instruct", "gpus": 1}
_CLIFF = {"decodes": _H100 | {"batch": 32, "context": 1000}, "prompts": _H100 | {"prompt": 2048}}
"""Iterations on an H100 whose energy is shown down to low clocks."""


@dataclass(frozen=True, slots=True)
class Work:
    """An iteration that is repeated: decodes of a batch, or one prompt, on one GPU of a group."""

    gpu: GpuSpec
    roofline: Roofline
    batch: int
    context: int
    prompt: int

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Work:
        """Return the work that a sweep names."""
        gpu = find_gpu(values["gpu"])
        model, engine = find_model(values["model"]), find_engine("none")
        roofline = Roofline(model, gpu, engine, values["gpus"])
        numbers = (values.get(name, 0) for name in ("batch", "context", "prompt"))
        return cls(gpu, roofline, *numbers)

    def cost(self, clock: float) -> IterationCost:
        """Return what an iteration costs at a clock."""
        at_clock = self.roofline.at_clock(clock)
        if self.prompt:
            return at_clock.iteration([(self.prompt, 0)], 1)
        return at_clock.decode(self.batch).at(self.batch * self.context)

    def power_w(self, clock: float, exponent: float = CLOCK_EXPONENT) -> float:
        """Return the mean power of a GPU [W], with an exponent of the power over the clock."""
        cost, one = self.cost(clock), np.ones(1)
        rate = 1 / cost.duration_s
        use = Use(
            mfu=cost.flops * rate / self.gpu.peak_flops * one,
            bandwidth_utilisation=cost.hbm_bytes * rate / self.gpu.peak_bytes_per_s * one,
            busy_fraction=one,
            sampling=cost.sampling_s * rate * one,
            batch=self.batch * one,
            clock_fraction=clock * one,
            padding=cost.padding_flops * rate / self.gpu.peak_flops * one,
        )
        power = replace(TwoResource.of(self.gpu), clock_exponent=exponent)
        return float(power.busy_w(use)[0])

    def joules(self, clock: float, exponent: float) -> float:
        """Return the energy of the work over that at full clock."""
        pace = self.cost(clock).duration_s / self.cost(1.0).duration_s
        return pace * self.power_w(clock, exponent) / self.power_w(1.0)

    def clock_under(self, cap_w: float) -> float:
        """Return the highest clock whose power is not above a cap, or the lowest."""
        under = (clock for clock in clocks_up_to(1.0)[::-1] if self.power_w(clock) <= cap_w)
        return next(under, LOWEST_CLOCK)


@dataclass(frozen=True, slots=True)
class Point:
    """A measured point of a sweep and the simulator's: over the run at full clock.

    Attributes:
        share: Clock over the highest, or cap over the full one.
        rate, joules: Measured; NaN where not published.
        our_rate, our_joules: Simulated.
        clock: Simulated clock.
    """

    sweep: str
    board: str
    kind: str
    share: float
    rate: float
    joules: float
    our_rate: float
    our_joules: float
    clock: float

    @property
    def off(self) -> float:
        """Largest difference of rate or energy."""
        differences = (self.our_rate - self.rate, self.our_joules - self.joules)
        return float(np.nanmax(np.abs(differences)))


@cache
def sweeps() -> dict[str, Any]:
    """Return the measured sweeps, by name."""
    return read_data(__package__, "clock_sweeps.yaml")


def worst(name: str, *, below: bool) -> float:
    """Return the largest difference of a sweep from `FROM` on, or below; NaN without points."""
    off = [p.off for p in points() if p.sweep == name and (p.share < FROM) is below]
    return max(off, default=float("nan"))


def points() -> list[Point]:
    """Return all points of all sweeps."""
    found = []
    for name, sweep in sweeps().items():
        work = Work.of(sweep["ours"])
        full_cap_w = sweep.get("full_cap_w", work.gpu.max_w)
        capped = "cap" in sweep["points"][0]
        full = work.clock_under(full_cap_w) if capped else 1.0
        for point in sweep["points"]:
            share = point["cap"] if capped else point["clock"]
            clock = work.clock_under(share * full_cap_w) if capped else share
            rate = work.cost(full).duration_s / work.cost(clock).duration_s
            found.append(
                Point(
                    name,
                    sweep.get("of", work.gpu.name),
                    "cap" if capped else "clock",
                    share,
                    point.get("rate", float("nan")),
                    point.get("joules", float("nan")),
                    rate,
                    work.power_w(clock) / work.power_w(full) / rate,
                    clock,
                )
            )
    return found


def exponents() -> dict[str, float]:
    """Return the exponent that meets each measured energy at a clock best, of 1 to 3.

    Those between which they lie are the ends in ``inference_sim/power/ends.yaml``.
    """
    candidates = np.round(np.arange(1.0, 3.01, 0.1), 1)
    best = {}
    for name, sweep in sweeps().items():
        work = Work.of(sweep["ours"])
        for point in sweep["points"]:
            if "clock" not in point or "joules" not in point:
                continue
            off = [abs(work.joules(point["clock"], n) - point["joules"]) for n in candidates]
            best[f"{name} at {point['clock']}"] = float(candidates[int(np.argmin(off))])
    return best


def report() -> str:
    """Return the section of the page: all points, the sweeps, and the low clocks of an H100."""
    return "\n\n".join((_points(), _sweeps(), _cliff()))


def _points() -> str:
    rows = [
        [
            point.sweep,
            point.board,
            f"{point.kind} {point.share:.2f}",
            *(_cell(value) for value in (point.rate, point.our_rate)),
            *(_cell(value) for value in (point.joules, point.our_joules)),
            f"{point.clock:.2f}",
            f"{100 * point.off:.0f}",
        ]
        for point in points()
    ]
    header = (
        "sweep", "measured on", "setting", "rate", "ours", "energy", "ours", "our clock",
        "off, points",
    )  # fmt: skip
    return table(header, rows)


def _sweeps() -> str:
    """Return the largest differences by sweep, and why, where they are above `WITHIN`."""
    rows, reasons = [], []
    for name, sweep in sweeps().items():
        upper, lower = worst(name, below=False), worst(name, below=True)
        fits = "–" if np.isnan(upper) else "yes" if upper <= WITHIN else "no"
        rows.append([name, _points_off(upper), fits, _points_off(lower)])
        reasons += [
            f"- `{name}`, {where}: {' '.join(sweep[key].split())}."
            for key, off, where in (
                ("why", upper, f"from {FROM} on"),
                ("why_below", lower, f"below {FROM}"),
            )
            if off > WITHIN
        ]
    header = (
        "sweep", f"largest difference from {FROM} on, points", f"within {100 * WITHIN:.0f}",
        f"below {FROM}",
    )  # fmt: skip
    return "\n".join((table(header, rows), "", *reasons))


def _cliff() -> str:
    """Return rate and energy of iterations on an H100 at low clocks, which ours alone are."""
    rows = []
    for share in (1.0, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2):
        cells = [f"{share:.1f}"]
        for values in _CLIFF.values():
            work = Work.of(values)
            rate = work.cost(1.0).duration_s / work.cost(share).duration_s
            cells += [f"{rate:.2f}", f"{work.power_w(share) / work.power_w(1.0) / rate:.2f}"]
        rows.append(cells)
    header = [
        "clock of an H100",
        *(f"{name}, {of}" for name in _CLIFF for of in ("rate", "energy")),
    ]
    return table(header, rows)


def _cell(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.2f}"


def _points_off(value: float) -> str:
    return "–" if np.isnan(value) else f"{100 * value:.0f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the sweeps; with ``--write``, put them on the page."""
    parser = argparse.ArgumentParser(prog="python -m calibration.clocks")
    parser.add_argument("--write", action="store_true", help="put the sweeps on the page")
    options = parser.parse_args(arguments)
    print(text := report())
    if options.write:
        write_section("clocks", text)


if __name__ == "__main__":
    main()
