"""The table of an evaluation: figures as text, in a terminal of any width, in a file."""

from __future__ import annotations

import math
import os
import pty
import re
from dataclasses import replace
from pathlib import Path

import pytest

from cosim.accounting.words import Unit
from cosim.commands.printing.study import print_study
from cosim.results.folder import to_json
from cosim.studies.evaluate.evaluation import Evaluation
from cosim.studies.evaluate.outcome import shown, to_dict
from cosim.studies.evaluate.statistics import Interval
from cosim.studies.evaluate.table import TableUnits, cells, evaluation_table, interval
from cosim.studies.frame.table import markdown_page
from tests.cosim.studies.evaluate.figures import POLICY, RUN, bound, evaluation, many

KG = TableUnits(Unit("kg", 1e3), Unit("kWh", 1.0), Unit("kW", 1e3))
HEADER = KG.header()
NOT_THERE = ("against blind %", "battery kg", "cost", "at the ends %", "depends on", "quality")
"""Columns that nothing of `many` is in."""


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
    found = many(policies=3)
    named = [name for name in HEADER if name not in NOT_THERE]
    for name in named[1:]:
        assert sum(name in line for line in heads) == 1, name
    for row in found.rows:
        of_row = "\n".join(line for line in lines if line.startswith(f"{row.variant.label} "))
        assert bool(of_row) == (row.variant.kind != "decoy")
        for name, cell in zip(HEADER, cells(row, KG), strict=True):
            assert cell in of_row or not of_row or name in NOT_THERE
    assert (len(heads) == 1) == (columns == 300)
    assert all(len(line) <= min(columns, 100) for line in lines[-12:])  # the notes


def test_a_file_has_one_table_without_colours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    found = many()
    count = sum(row.variant.kind != "decoy" for row in found.rows)
    print_study(*shown(found), Path("results"), wide=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["policy", "carbon", "kg"]
    assert all((name in lines[0]) == (name not in NOT_THERE) for name in HEADER)
    assert len({len(line) for line in lines[: count + 1]}) == 1  # in line
    assert all(len(line) <= 100 for line in lines[count + 1 :])
    assert not any(ord(letter) < 32 for line in lines for letter in line)


@pytest.mark.parametrize("columns", [40, 80, 120, None])
def test_a_narrow_table_has_the_most_important_columns_and_names_the_others(
    columns: int | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """COLUMNS is respected in a pipe too, which has 120 characters without it."""
    if columns is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", str(columns))
    columns = columns or 120
    found = many()
    print_study(*shown(found), Path("results"), wide=False)
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert max(map(len, lines)) <= max(columns, 50)
    head = [name for name in HEADER if name in lines[0]]
    there = [name for name in HEADER if name not in NOT_THERE]
    assert head == there[: len(head)]
    assert len(head) >= (2 if columns == 40 else 4)
    assert sum(line.startswith("policy ") for line in lines) == 1
    left_out = " ".join(text.split()).partition("Not shown: ")[2].partition(". --wide")[0]
    assert left_out.split(", ") == there[len(head) :]


def test_large_figures_are_in_large_units() -> None:
    grams = {"import_g": 4.2e8, "facility_kwh": 2.5e6, "peak_import_w": 3.4e6}
    table = evaluation_table(evaluation([replace(RUN, **grams), replace(POLICY, **grams)]))
    row = dict(zip(table.head, table.lines[0], strict=True))
    assert (row["carbon t"], row["energy MWh"], row["peak MW"]) == ("420.000", "2,500.0", "3.40")


def test_the_page_of_markdown_says_what_the_table_does() -> None:
    found = many()
    lines = markdown(found).splitlines()
    table = [line.strip("| ").split(" | ") for line in lines if line.startswith("|")]
    count = sum(row.variant.kind != "decoy" for row in found.rows)
    assert [len(line) for line in table] == [len(HEADER) - len(NOT_THERE)] * (count + 2)
    names = [line[0] for line in table]
    assert "policy_with_a_name_2 (agnostic)" in names
    assert not any("moved by" in name for name in names)


def test_columns_that_nothing_is_in_are_left_out() -> None:
    head = evaluation_table(evaluation([RUN, POLICY])).head
    for name in ("against blind %", "by timing %", "by the day %", "of bound %", "marginal %"):
        assert name not in head
    blind = replace(RUN, policy="right_sized", cost=3.0, stored_g=1.0)
    policy = replace(POLICY, policy="p", import_g=900.0)
    table = evaluation_table(evaluation([RUN, blind, policy], [bound(500.0)]))
    shares = dict(zip(table.head, table.lines[-1], strict=True))
    assert shares["against blind %"] == "10.0"
    assert shares["of bound %"] == "20"
    assert {"cost", "battery kg"} <= set(table.head)
    assert table.pale == [True, True, False]


def test_a_star_of_a_saving_is_that_of_all_values_of_the_battery() -> None:
    """Other shares have theirs where zero lies outside the interval."""
    runs = [replace(RUN, seed=seed, marginal_g=1000.0) for seed in (0, 1)]
    saves = [
        replace(run, policy="p", kind="policy", import_g=900.0, marginal_g=900.0) for run in runs
    ]
    row = evaluation([*runs, *saves]).rows[1]
    of_row = dict(zip(HEADER, cells(row, KG), strict=True))
    assert (of_row["saving %"], of_row["marginal %"]) == ("10.0 ± 0.0*", "10.0 ± 0.0*")
    at_stake = [replace(run, stored_low_g=-200.0, stored_high_g=200.0) for run in saves]
    row = evaluation([*runs, *at_stake]).rows[1]
    of_row = dict(zip(HEADER, cells(row, KG), strict=True))
    assert (of_row["saving %"], of_row["marginal %"]) == ("10.0 ± 0.0", "10.0 ± 0.0*")


def test_runs_that_broke_off_and_work_that_is_left_are_said() -> None:
    broken = replace(POLICY, policy="bad", failure="OSError", completed=50, backlog=50, late=40)
    found = evaluation([RUN, broken], [bound(500.0)])
    of_row = dict(zip(HEADER, cells(found.rows[1], KG), strict=True))
    assert of_row["left"] == "50, 1 failed"
    assert of_row["late"] == "40"
    assert of_row["saving %"] == "failed"
    assert of_row["of bound %"] == ""
    assert "Failed: bad, OSError" in markdown(found)


def test_json_has_no_number_that_is_none() -> None:
    """Infinite and unknown values are null."""
    text = to_json(to_dict(evaluation([replace(RUN, import_g=0.0), replace(POLICY, policy="p")])))
    assert "NaN" not in text
    assert "Infinity" not in text
