"""docs/sweeps.md: its errors, and what it says of the shipped study."""

from __future__ import annotations

import re
import shutil
from itertools import product

from cosim.studies.sweep.cases import cases, first_seed
from cosim.studies.sweep.study import read_study
from tests.conftest import Cli
from tests.cosim.builders import REPOSITORY, SCENARIOS, write

PAGE = (REPOSITORY / "docs" / "sweeps.md").read_text(encoding="utf-8")


def test_errors_are_as_shown(cosim: Cli) -> None:
    shutil.copytree(SCENARIOS, "scenarios", ignore=shutil.ignore_patterns("data"))
    text = PAGE.split("# wrong.yaml\n")[1].split("```")[0]
    answer = cosim("validate", write("wrong.yaml", f"# wrong.yaml\n{text}"))
    shown = PAGE.split("```text\nerror: ")[1].split("\n```")[0]
    lines = [line for line in answer.err.splitlines() if line]
    pieces = " ".join(f"error: {shown}".split()).split(" [...]")
    assert len(lines) == 2
    for line, piece in zip(lines, pieces, strict=False):
        assert line.startswith(piece.strip())


def test_the_shipped_study_can_run() -> None:
    study = read_study(SCENARIOS / "studies" / "battery_and_solar.yaml")
    assert first_seed(study) == 7
    assert f"{study.runs} runs" in PAGE
    assert len(cases(study.axes)) == 27


def test_what_is_said_of_it_follows_from_its_table() -> None:
    rows = re.findall(
        r"^ +(\d+) +(\d+) +(\d) +([\d.]+) ± [\d.]+\*? .* ([\d.]+) +[\d.]+ +[\d.]+$", PAGE, re.M
    )
    kg = {(int(w), int(wh), int(n)): float(total) for w, wh, n, total, _ in rows}
    ttft_s = {(int(w), int(wh), int(n)): float(wait) for w, wh, n, _, wait in rows}
    sizes = list(product((800, 1600, 2400), (0, 1000, 4000)))
    assert len(kg) == 27

    twice = [kg[w, wh, 2] / kg[w, wh, 1] for w, wh in sizes]
    assert (round(min(twice), 1), round(max(twice), 1)) == (2.1, 2.9)
    assert all(21.5 < ttft_s[w, wh, 1] / ttft_s[w, wh, 2] < 22.5 for w, wh in sizes)
    assert all(ttft_s[w, wh, 4] > 0.95 * ttft_s[w, wh, 2] for w, wh in sizes)

    def saved(watts: int, gpus: int) -> float:
        return 1 - kg[watts, 4000, gpus] / kg[watts, 0, gpus]

    assert round(saved(2400, 1) * 100) in (24, 25)
    assert saved(800, 1) < 0.01
    assert saved(2400, 4) < 0.005
    assert all(
        1 - kg[2400, wh, n] / kg[800, wh, n] > saved(2400, n) for wh in (0, 1000) for n in (2, 4)
    )
