"""Generation by fuel in the columns of a table, and the intensity of their mix."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cosim.signals.faults import Faults, file_error
from cosim.signals.formats.source import ReadOptions
from cosim.signals.intervals import is_missing, parse_numbers
from cosim.signals.mix import STORAGE, mix_intensity
from cosim.signals.text_file import Table
from inference_sim.arrays import FloatArray

_MOST_MW = 1e7
"""No country generates as much."""


def read_intensity(
    table: Table, columns: Mapping[int, str], faults: Faults, options: ReadOptions
) -> FloatArray:
    """Return the average intensity of a mix [g/kWh]; NaN where a value is missing.

    A fuel whose column is empty throughout is one that the area does not have.

    Args:
        table: The rows.
        columns: Fuels by the positions of the columns that have their generation [MW]; several
            columns may have the same fuel.
        faults: Where to note what is wrong.
        options: Factors, and whether values may be missing.

    Raises:
        SignalError: If no fuel has a value.
    """
    mix: dict[str, FloatArray] = {}
    for column, fuel in columns.items():
        texts = table.texts(column)
        if fuel == STORAGE or is_missing(texts).all():
            continue
        name = " ".join(table.header[column].split())
        numbers = texts.str.replace(r"(?<=\d),(?=\d{3})", "", regex=True)
        blank = options.fill is not None
        generation_mw = parse_numbers(numbers, faults, blank=blank, what=f"the value of {name!r}")
        too_much = np.abs(generation_mw) > _MOST_MW
        if faults.add(too_much, f"{name!r}: expected generation in MW", texts):
            generation_mw[too_much] = np.nan
        mix[fuel] = mix[fuel] + generation_mw if fuel in mix else generation_mw
    if not mix:
        names = [table.header[column] for column in columns]
        raise file_error(table.path, 1, f"no fuel has any value (got the columns {names})")
    return mix_intensity(mix, options.factors)
