"""The table of an evaluation: figures as text, in a terminal of any width, in a file."""

from __future__ import annotations

import math
import os
import pty
import re
from dataclasses import replace
from pathlib import Path

import pytest

from cosim.commands.printing.study import print_study
from cosim.results.folder import to_json
from cosim.studies.evaluate.evaluation import Evaluation
from cosim.studies.evaluate.outcome import shown, to_dict
from cosim.studies.evaluate.statistics import Interval
from cosim.studies.evaluate.table import HEADER, cells, interval
from cosim.studies.frame.table import markdown_page
from tests.cosim.studies.evaluate.figures import RUN, evaluation, many


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Interval(0.1234, 0.05), "12.3 ± 5.0*"),
        (Interval(0.1234, 0.2), "12.3 ± 20.0"),
        (Interval(0.1234, math.inf), "12.3"),
        (Interval(-0.1234, 0.05), "-12.3 ± 5.0*"),
        (Interval(-1e-6, 1e-7), "0.0 ± 0.0"),  # sure, but nothing
        (Interval(math.nan, math.nan), "-"),
    ],
)
def test_an_interval_as_text(value: Interval, text: str) -> None:
    assert interval(value, 100.0, 1, star=True) == text


def markdown(found: Evaluation) -> str:
    return markdown_page(found.name, *shown(found))


def shown_on_a_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is printed on a terminal, without its colours."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    master, slave = pty.openpty()
    written = b""
    try:
        with os.fdopen(slave, "w") as terminal:
            monkeypatch.setattr("sys.stdout", terminal)
            print_study(*shown(many(policies=3)), Path("results"))
            terminal.flush()
            while not written.rstrip().endswith(b"results"):
                written += os.read(master, 65536)
    finally:
        os.close(master)
    return re.sub(r"\x1b\[[\d;]*m", "", written.decode()).split("\r\n")


@pytest.mark.parametrize("columns", [40, 80, 120, 300])
def test_no_figure_is_cut_on_a_narrow_terminal(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = shown_on_a_terminal(columns, monkeypatch)
    assert max(map(len, lines)) <= max(columns, 50)  # a name and a figure, at the least
    text = "\n".join(lines)
    assert "…" not in text
    heads = [line for line in lines if line.startswith("policy ")]
    assert [re.split(r"  +", line.strip())[0] for line in heads] == ["policy"] * len(heads)
    for name in HEADER[1:]:
        assert sum(name in line for line in heads) == 1, name
    for row in many(policies=3).rows:
        of_row = "\n".join(line for line in lines if line.startswith(f"{row.policy} "))
        for cell in cells(row):
            assert cell in of_row
    assert (len(heads) == 1) == (columns == 300)
    assert all(len(line) <= min(columns, 100) for line in lines[-12:])  # the notes


def test_a_file_has_one_table_without_colours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    found = many()
    print_study(*shown(found), Path("results"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["policy", "carbon", "kg"]
    assert all(name in lines[0] for name in HEADER)
    assert len({len(line) for line in lines[: len(found.rows) + 1]}) == 1  # in line
    assert all(len(line) <= 100 for line in lines[len(found.rows) + 1 :])
    assert not any(ord(letter) < 32 for line in lines for letter in line)


def test_the_page_of_markdown_says_what_the_table_does() -> None:
    found = many()
    lines = markdown(found).splitlines()
    table = [line.strip("| ").split(" | ") for line in lines if line.startswith("|")]
    assert [len(line) for line in table] == [len(HEADER)] * (len(found.rows) + 2)
    assert "policy_with_a_name_2 (agnostic)" in [line[0] for line in table]


def test_runs_that_broke_off_and_work_that_is_left_are_said() -> None:
    broken = replace(RUN, policy="bad", failure="OSError", output_tokens=500, backlog=50)
    found = evaluation([RUN, broken])
    assert cells(found.rows[1])[10] == "50, 1 failed"
    assert cells(found.rows[1])[2] == "left work"
    assert "Left work: bad." in markdown(found)


def test_json_has_no_number_that_is_none() -> None:
    """Infinite and unknown values are null."""
    text = to_json(to_dict(evaluation([RUN, replace(RUN, policy="idle", output_tokens=0)])))
    assert "NaN" not in text
    assert "Infinity" not in text
