"""No controller emits less than the bound of its freedom, in random scenarios in the simulator."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tests.cosim.studies.bounds.truths import kept_truth, lines, truth

NIGHTLY = 300
LEAST_MEDIAN = 0.85


def test_no_controller_beats_the_bound(tmp_path: Path) -> None:
    assert truth(7, tmp_path, search_runs=3).below == ()


def test_no_controller_beats_the_bound_with_drafts(tmp_path: Path) -> None:
    drafts = {"draft_tokens": 3, "accepted_tokens": 1.4, "draft_layers": 1}
    found = truth(35, tmp_path, search_runs=3, speculative=drafts)
    assert found.below == ()
    assert found.checked > 0


@pytest.mark.nightly("the bounds of emissions against 300 random scenarios; every day against one")
def test_no_controller_beats_the_bound_in_many(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And half of the best plans found save at least 85 % of the bound's saving."""
    folder = Path(os.environ.get("TRUTHS", tmp_path))
    truths = [kept_truth(seed, folder) for seed in range(NIGHTLY)]
    with capsys.disabled():
        print("", *lines(truths), sep="\n")
    assert [line for each in truths for line in each.below] == []
    shares = [each.share for each in truths if not each.left_out]
    assert np.median(shares) >= LEAST_MEDIAN
