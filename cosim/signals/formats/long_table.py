"""Tables with a row for each time and kind of generation, made into one with a column for each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from cosim.signals.formats.generation import FuelColumn
from cosim.signals.text_file import Table


def pivoted(
    table: Table, time: int, kind: int, value: int, fuel: Callable[[str], str | None]
) -> tuple[Table, list[FuelColumn]]:
    """Return a table whose first column are the times, in order, and the others the kinds.

    Args:
        table: The rows.
        time: Position of the stamps, which must sort as text.
        kind: Position of the names of the new columns.
        value: Position of the values.
        fuel: Returns the fuel of a kind, as a `FuelColumn` has it.

    Returns:
        The table, and its columns of generation.

    Raises:
        SignalError: If a time has two rows of a kind, or there are fewer than two times.
    """
    times, kinds = table.texts(time), table.texts(kind)
    faults = table.faults()
    long = pd.DataFrame(
        {"time": times, "kind": kinds, "value": table.texts(value), "line": table.lines}
    )
    again = long.duplicated(["time", "kind"]).to_numpy(dtype=bool)
    text = "expected one row per time and kind of generation; this one repeats another"
    if faults.add(again, text, (kinds + " at " + times).tolist()):
        faults.stop()
    wide = long.pivot(index="time", columns="kind", values="value").fillna("")
    lines = long.groupby("time")["line"].min().to_numpy(dtype=np.int64)
    names = tuple(str(name) for name in wide.columns)
    rows = wide.reset_index()
    rows.columns = pd.Index(range(len(names) + 1))
    none_short = np.zeros(len(rows), dtype=bool)
    header = (table.header[time], *names)
    made = Table(table.path, header, rows, lines, none_short, table.entries)
    columns = [FuelColumn(fuel(name), name, (place,)) for place, name in enumerate(names, 1)]
    return made.require_rows(), columns
