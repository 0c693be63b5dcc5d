"""No controller emits less than the bound of its freedom, in random scenarios in the simulator."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from cosim.studies.bounds.best_found import best_found, holds
from cosim.studies.bounds.bound import FREEDOMS, bound_of, freedom_of
from cosim.studies.bounds.schedule import scheduled
from cosim.studies.runs.figures import run_figures
from tests.cosim.studies.bounds.draws import draw_controllers, draw_plan, hosted

NIGHTLY = 300
SEARCH_RUNS = 12


@dataclass(frozen=True)
class Truth:
    """What the simulator makes of a scenario: runs below their bounds, and the best one found."""

    below: list[str]
    checked: int
    share_of_saving: float | None
    over_bound: float | None


def truth(seed: int, folder: Path, search_runs: int) -> Truth:
    plan = draw_plan(seed, folder)
    bound = bound_of(plan)
    noop = run_figures(scheduled(plan, {}, "timing"))
    runs = [("noop", "timing", noop)]
    for name, controller, clairvoyant in draw_controllers(plan, seed):
        figures = run_figures(hosted(plan, controller, clairvoyant=clairvoyant))
        runs.append((name, freedom_of(controller.actuators), figures))
    held = [(name, freedom, figures) for name, freedom, figures in runs if holds(figures)]
    below = [
        f"seed {seed}: {name} emits {figures.carbon_g:.6g} g, bound of {freedom} "
        f"{bound.of(freedom):.6g} g"
        for name, freedom, figures in held
        if figures.carbon_g < bound.of(freedom)
    ]
    freedom = FREEDOMS[seed % len(FREEDOMS)]
    found = best_found(plan, freedom, search_runs, seed)
    if found is None or not holds(noop):
        return Truth(below, len(held), None, None)
    least_g = bound.of(freedom)
    if found.carbon_g < least_g:
        below.append(f"seed {seed}: search emits {found.carbon_g:.6g} g, bound {least_g:.6g} g")
    most = noop.carbon_g - least_g
    worth_it = most > 1e-3 * abs(noop.carbon_g)
    return Truth(
        below,
        len(held) + 1,
        (noop.carbon_g - found.carbon_g) / most if worth_it else None,
        found.carbon_g / least_g if least_g > 1e-3 * abs(noop.carbon_g) else None,
    )


def test_no_controller_beats_the_bound(tmp_path: Path) -> None:
    assert truth(7, tmp_path, search_runs=3).below == []


@pytest.mark.nightly("the bounds of emissions against 300 random scenarios; every day against one")
def test_no_controller_beats_the_bound_in_many(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truths = []
    for seed in range(NIGHTLY):
        folder = tmp_path / str(seed)
        folder.mkdir()
        truths.append(truth(seed, folder, SEARCH_RUNS))
    shares = [each.share_of_saving for each in truths if each.share_of_saving is not None]
    over = [each.over_bound for each in truths if each.over_bound is not None]
    with capsys.disabled():
        print(
            f"\n{sum(each.checked for each in truths)} runs held their objectives; medians of the "
            f"best plan found: {np.median(shares):.3f} of the bound's saving, "
            f"{np.median(over):.3f} times its emissions"
        )
    assert [line for each in truths for line in each.below] == []
