"""Runs side by side from Python: results and folders, by names of their own or given ones."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import cosim
from cosim.studies.compare.compare import compare_folders
from tests.cosim.api.samples import Cap, base


@pytest.fixture(scope="module")
def runs() -> list[cosim.Result]:
    return [cosim.run(base(), controllers=each) for each in ([], [Cap(cap=1)])]


def test_results_are_compared_as_folders_are(runs: list[cosim.Result], tmp_path: Path) -> None:
    folders = [run.save(tmp_path / name) for run, name in zip(runs, "ab", strict=True)]
    made = cosim.compare(("a", runs[0]), b=runs[1])
    by_folder = compare_folders(folders)
    pd.testing.assert_frame_equal(made.table, by_folder.table)
    pd.testing.assert_frame_equal(cosim.compare(*folders).table, by_folder.table)
    page = made.report(tmp_path / "page.html").read_text(encoding="utf-8")
    assert page == by_folder.page().html()
    assert made.to_dict() == by_folder.to_dict()
    assert "<th>a</th>" in made._repr_html_()


def test_every_run_has_a_name(runs: list[cosim.Result], tmp_path: Path) -> None:
    folder = runs[0].save(tmp_path / "plain")
    made = cosim.compare(*runs, folder, capped=runs[1], baseline="plain")
    assert made.names == ("base", "base 2", "plain", "capped")
    assert repr(made) == "<cosim.Comparison of base, base 2, plain, capped>"
    with pytest.raises(cosim.ScenarioError, match="did you mean 'capped'"):
        cosim.compare(runs[0], capped=runs[1], baseline="caped")
