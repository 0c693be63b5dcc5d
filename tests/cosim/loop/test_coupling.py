"""Which coupling is taken where a scenario does not say so, and that the results do."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.conftest import Cli
from tests.cosim.builders import BASE, run_text, write

UNSAID = BASE.replace("coupling: native\n", "")


def used(folder: Path) -> str:
    resolved = yaml.safe_load((folder / "scenario.resolved.yaml").read_text(encoding="utf-8"))
    return str(resolved["coupling"])


def test_one_run_takes_mosaik(cosim: Cli) -> None:
    assert cosim("run", write("s.yaml", UNSAID), "-o", "out").code == 0
    assert used(Path("out")) == "mosaik"
    assert cosim("run", write("s.yaml", BASE), "-o", "native").code == 0
    assert used(Path("native")) == "native"


def test_studies_take_native(tmp_path: Path) -> None:
    """They make their runs by `execute`."""
    assert used(run_text(tmp_path, UNSAID).folder) == "native"
    assert used(run_text(tmp_path, UNSAID, "coupling=mosaik").folder) == "mosaik"


def test_the_hash_is_of_what_was_used(tmp_path: Path) -> None:
    unsaid, said = run_text(tmp_path, UNSAID), run_text(tmp_path, BASE)
    other = run_text(tmp_path, UNSAID, "coupling=mosaik")
    assert unsaid.summary["scenario"]["hash"] == said.summary["scenario"]["hash"]
    assert other.summary["scenario"]["hash"] != said.summary["scenario"]["hash"]
