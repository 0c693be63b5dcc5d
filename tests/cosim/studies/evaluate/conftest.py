"""Evaluations without the second that the bound of a run takes."""

from __future__ import annotations

import pytest

from cosim.studies.bounds.bound import Bound
from cosim.studies.evaluate import evaluation
from cosim.world.plan import Plan
from tests.cosim.studies.evaluate.figures import bound


@pytest.fixture
def quick_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a bound that was never computed, another one of each seed, and none of the seed 2."""

    def made_up(plan: Plan) -> Bound:
        if plan.scenario.seed == 2:
            raise ValueError("a programme without a solution")
        return bound(float(plan.scenario.seed))

    monkeypatch.setattr(evaluation, "bound_of", made_up)
