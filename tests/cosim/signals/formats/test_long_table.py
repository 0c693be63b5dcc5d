"""Rows for each time and kind become columns, each with its fuel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cosim.errors import CosimError
from cosim.signals.formats.generation import FuelColumn
from cosim.signals.formats.long_table import pivoted
from cosim.signals.text_file import Table

ROWS = [("2", "Coal", "20"), ("1", "Coal", "10"), ("1", "Magic", "1"), ("2", "Magic", "2")]


def table(rows: list[tuple[str, str, str]]) -> Table:
    count = len(rows)
    short = np.zeros(count, dtype=bool)
    header = ("time", "kind", "MW")
    return Table(Path("f.csv"), header, pd.DataFrame(rows), np.arange(2, count + 2), short)


def test_a_column_for_each_kind_with_its_fuel() -> None:
    wide, columns = pivoted(table(ROWS), 0, 1, 2, lambda name: {"coal": "coal"}.get(name.lower()))
    assert wide.header == ("time", "Coal", "Magic")
    assert wide.rows.to_numpy().tolist() == [["1", "10", "1"], ["2", "20", "2"]]
    assert wide.lines.tolist() == [3, 2]
    assert columns == [FuelColumn("coal", "Coal", (1,)), FuelColumn(None, "Magic", (2,))]


@pytest.mark.parametrize(
    ("rows", "problem"), [(ROWS + ROWS[:1], "repeats another"), (ROWS[1:3], "two rows of data")]
)
def test_what_cannot_be_a_signal(rows: list[tuple[str, str, str]], problem: str) -> None:
    with pytest.raises(CosimError, match=problem):
        pivoted(table(rows), 0, 1, 2, str.lower)
