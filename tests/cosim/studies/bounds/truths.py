"""The truth about bounds: scenarios drawn at random, and all that was run against their bounds.

A truth is kept in a folder by the code that found it, so that many can be found in pieces:

    python -m tests.cosim.studies.bounds.truths FOLDER 0:100

and ``TRUTHS=FOLDER pytest -m nightly tests/cosim/studies/bounds/test_truth.py`` takes those that
are there.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cosim.results.code import code_hash
from cosim.studies.bounds.best_found import best_found, holds
from cosim.studies.bounds.bound import FREEDOMS, bound_of, freedom_of
from cosim.studies.bounds.schedule import scheduled
from cosim.studies.bounds.site_bound import SiteBound, site_bounds
from cosim.studies.bounds.starts import open_schedule
from cosim.studies.runs.measure import run_figures
from cosim.world.plan import Plan
from tests.cosim.studies.bounds import draws
from tests.cosim.studies.bounds.draws import draw_controllers, draw_plan, hosted

SEARCH_RUNS = 80
PIPELINE_RUNS = 16
"""Runs of a search where each iteration on each stage is an event of the simulation."""
LEAST_SAVING = 1e-3
"""Share of the emissions without a controller that a bound must save to be set beside a plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The simulator's answer to the bounds of a scenario.

    Attributes:
        seed: Seed of the scenario.
        freedom: The freedom of the search for the best plan.
        below: Runs that held their objectives and emitted less than their bound.
        checked: Runs that held their objectives.
        left_out: Reason for which the best plan is not set beside the bound; empty if it is.
        plain_g, bound_g, found_g: Emissions without a controller, of the bound, and of the best
            plan found; the first again where no plan of the search held its objectives [g].
    """

    seed: int
    freedom: str
    below: tuple[str, ...]
    checked: int
    left_out: str
    plain_g: float
    bound_g: float
    found_g: float

    @property
    def share(self) -> float:
        """Saving of the best plan found over that of the bound."""
        return (self.plain_g - self.found_g) / (self.plain_g - self.bound_g)


def truth(
    seed: int,
    folder: Path,
    search_runs: int | None = None,
    speculative: Mapping[str, Any] | None = None,
) -> Truth:
    """Return the truth about a scenario, whose files go to a folder.

    Whether its best plan is set beside the bound depends on the scenario and the bound, not on the
    plan: it is left out where the run without a controller does not hold its objectives, so that
    there is nothing to save against; where the freedom has no actuator there, as with chat alone
    and neither battery nor surplus replicas nor clocks; and where the bound saves next to nothing.

    Args:
        seed: Seed of the scenario.
        folder: The folder.
        search_runs: Runs of the search, if not as many as by night.
        speculative: Drafts of the engines.
    """
    plan = draw_plan(seed, folder, speculative)
    bounds = site_bounds(plan)
    bound = bound_of(plan, bounds)
    noop = run_figures(scheduled(plan, {}, "timing"))
    runs = [("noop", "timing", noop)]
    for name, controller, clairvoyant in draw_controllers(plan, seed):
        figures = run_figures(hosted(plan, controller, clairvoyant=clairvoyant))
        runs.append((name, freedom_of(controller.actuators), figures))
    freedom = FREEDOMS[seed % len(FREEDOMS)]
    if search_runs is None:
        pipelined = plan.sites[0].config.cluster.pipeline_parallel > 1
        search_runs = PIPELINE_RUNS if pipelined else SEARCH_RUNS
    found = best_found(plan, freedom, search_runs, seed, bounds)
    emitted = [(name, of, figures.carbon_g) for name, of, figures in runs if holds(figures)] + (
        [("search", freedom, found.carbon_g)] if found else []
    )
    bound_g = bound.of(freedom)
    left_out = ""
    if not holds(noop):
        left_out = "objectives missed without a controller"
    elif not _sets_anything(plan, freedom, bounds):
        left_out = "nothing to set"
    elif noop.carbon_g - bound_g <= LEAST_SAVING * abs(noop.carbon_g):
        left_out = "nothing to save"
    return Truth(
        seed=seed,
        freedom=freedom,
        below=tuple(
            f"seed {seed}: {name} emits {carbon_g:.6g} g, bound of {of} {bound.of(of):.6g} g"
            for name, of, carbon_g in emitted
            if carbon_g < bound.of(of)
        ),
        checked=len(emitted),
        left_out=left_out,
        plain_g=noop.carbon_g,
        bound_g=bound_g,
        found_g=found.carbon_g if found else noop.carbon_g,
    )


def _sets_anything(plan: Plan, freedom: str, bounds: Mapping[str, SiteBound]) -> bool:
    """Return whether a schedule with a freedom has anything to set in a plan."""
    first = {name: open_schedule(plan, bound) for name, bound in bounds.items()}
    actuators = {
        actuator
        for entry in scheduled(plan, first, freedom).controllers
        for actuator in entry.controller.actuators
    }
    ranges = plan.contexts[plan.sites[0].name].limits
    return any(ranges[actuator].maximum > ranges[actuator].minimum for actuator in actuators)


def kept_truth(seed: int, folder: Path) -> Truth:
    """Return the truth about a scenario, from the folder if it is there."""
    drawn_by = b"".join(path.read_bytes() for path in (Path(__file__), Path(draws.__file__)))
    code = f"{code_hash()}-{hashlib.sha256(drawn_by).hexdigest()[:8]}"
    path = folder / code / f"{seed}.json"
    if path.exists():
        values = json.loads(path.read_text(encoding="utf-8"))
        return Truth(**values | {"below": tuple(values["below"])})
    with tempfile.TemporaryDirectory() as files:
        found = truth(seed, Path(files))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(found)), encoding="utf-8")
    return found


def lines(truths: Sequence[Truth]) -> list[str]:
    """Return what truths say together: counts, and medians of the shares, in all and by freedom."""
    compared = [each for each in truths if not each.left_out]
    reasons = sorted({each.left_out for each in truths if each.left_out})
    text = [
        f"{len(truths)} scenarios, {sum(each.checked for each in truths)} runs held their "
        f"objectives, {sum(len(each.below) for each in truths)} below their bound",
        *(f"left out, {reason}: {sum(e.left_out == reason for e in truths)}" for reason in reasons),
    ]
    unset = sum(each.left_out == "nothing to set" for each in truths)
    if compared and unset:
        as_none = [each.share for each in compared] + [0.0] * unset
        text.append(f"median with nothing saved where nothing is to set: {np.median(as_none):.2f}")
    for freedom in ("all", *FREEDOMS):
        of = [each for each in compared if freedom in ("all", each.freedom)]
        if of:
            saved = [(e.plain_g - e.bound_g) / abs(e.plain_g) for e in of if e.plain_g]
            quarters = np.percentile([each.share for each in of], [25, 50, 75])
            text.append(
                f"{freedom}: {len(of)} compared, best plan's saving over the bound's "
                f"{quarters[1]:.2f} (quartiles {quarters[0]:.2f} to {quarters[2]:.2f}); the bound "
                f"saves {np.median(saved):.0%} (median)"
            )
    return text


if __name__ == "__main__":
    first, _, last = sys.argv[2].partition(":")
    print(
        *lines([kept_truth(k, Path(sys.argv[1])) for k in range(int(first), int(last))]), sep="\n"
    )
