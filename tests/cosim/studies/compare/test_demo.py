"""The demo on a short cut of its scenario; tests/test_docs.py has it whole."""

from __future__ import annotations

from pathlib import Path

from cosim.studies.compare.demo import demo_table, run_demo, sentences

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
