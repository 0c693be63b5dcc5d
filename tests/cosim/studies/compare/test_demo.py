"""The demo on a short cut of its scenario; tests/test_docs.py has it whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cosim.authoring.shipped import shipped_scenario
from cosim.report.palette import series_color
from cosim.studies.compare.demo import SCENARIO, demo_table, next_step, run_demo, sentences
from cosim.studies.compare.overlay import DASHES
from cosim.studies.compare.picture import picture

SHORT = ("time.duration=2h", "workload.classes.1.until=30min", "workload.classes.1.deadline=90min")


def test_it_says_what_it_saved_and_cost(tmp_path: Path) -> None:
    comparison = run_demo(tmp_path, settings=SHORT, workers=1)
    assert comparison.names == ["without", "with"]
    assert len(comparison.runs[0].data.actions) == 0 < len(comparison.runs[1].data.actions)
    rows = {line[0]: line[1:] for line in demo_table(comparison).lines}
    assert rows["requests completed"][2] == "same"
    text = " ".join(sentences(comparison))
    saving = comparison.against(0).savings[1]
    if saving is None:
        assert "not a saving" in text
    else:
        assert f"the grid emits {saving * 100:.0f} % less" in text
    assert (tmp_path / "with" / "report.html").is_file()
    (first, *_) = re.findall(r'class="card">(.*?)</div>', comparison.page().html())
    assert rows["carbon from the grid"][1] in first  # the same figure first everywhere
    assert rows["with the embodied carbon"][1] in first
    panels = picture(*(run.data for run in comparison.runs)).panels
    looks = {line.name: (line.color, line.dash) for panel in panels for line in panel.series}
    for index, name in enumerate(("without control", "with control")):
        own = (series_color(index), DASHES[index])  # as on the page
        assert looks[name] == looks[f"load {name}"] == own
    assert len({color for color, _ in looks.values()}) == 4


def test_the_next_step_works_where_the_user_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = shipped_scenario(SCENARIO)
    monkeypatch.chdir(shipped.parents[1])
    assert next_step(shipped) == "cosim evaluate scenarios/flagship.yaml --seeds 1"
    monkeypatch.chdir(tmp_path)
    copied = "cosim scenarios copy flagship && cosim evaluate flagship.yaml --seeds 1"
    assert next_step(shipped) == copied
    assert next_step(tmp_path / ".venv" / "cosim" / "authoring" / "scenarios" / shipped.name) == (
        copied
    )
