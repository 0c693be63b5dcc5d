"""Generation by fuel in the columns of a table, and the intensity of their mix.

A fuel must not vanish unseen. One that is blank in every row is one that the area does not have.
One that begins or ends within the file, is reported in half of the rows or less, or is not expected
there (``n/e``) counts as 0 where it is blank, and a note says so. Any other blank is a gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from cosim.errors import Problem, did_you_mean
from cosim.signals.dialect import THOUSANDS
from cosim.signals.faults import BoolArray, Faults, file_error, shown, shown_names
from cosim.signals.formats.source import ReadOptions
from cosim.signals.intervals import is_missing, parse_numbers
from cosim.signals.mix import STORAGE, emission_factors, mix_intensity
from cosim.signals.text_file import Table
from inference_sim.arrays import FloatArray

_MOST_MW = 1e7
"""No country generates as much."""
_SELDOM = 0.5
"""A fuel that is blank in this share of the rows or more is reported now and then."""


@dataclass(frozen=True, slots=True)
class FuelColumn:
    """The generation of a fuel, as a table has it.

    Attributes:
        fuel: The fuel; `STORAGE` for storage, None where no factor is known for it.
        name: Its name in the file, without the part that all names share.
        places: Positions of its columns [MW]: where one is blank, the next counts.
    """

    fuel: str | None
    name: str
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Fuel:
    """Values of a fuel that the area has.

    Attributes:
        column: Where it is from.
        texts: Its generation, as it is written.
        blank, instead, zero: Where it is not; where it is from another column than the preferred
            one; where a blank stands for 0. Shape (rows,) each.
    """

    column: FuelColumn
    texts: pd.Series[str]
    blank: BoolArray
    instead: BoolArray
    zero: BoolArray


def read_intensity(
    table: Table, columns: Sequence[FuelColumn], faults: Faults, options: ReadOptions
) -> FloatArray:
    """Return the average intensity of a mix [g/kWh]; NaN where a value is missing.

    Args:
        table: The rows.
        columns: The fuels of the file; several may be the same one.
        faults: Collector of faults and of notes on assumptions.
        options: Factors, fuels left out, and the meaning of blanks.

    Raises:
        SignalError: If no fuel has a value, or one has that no factor is known for.
    """
    _check_left_out(table, columns, options)
    left_out = {name.lower() for name in options.leave_out}
    fuels = [
        fuel
        for column in columns
        if not {str(column.fuel), column.name.lower()} & {*left_out, STORAGE}
        and (fuel := _written(table, column)) is not None
    ]
    if not fuels:
        names = [table.header[place] for column in columns for place in column.places[:1]]
        raise file_error(
            table.path, 1, f"no fuel has any value (got the columns {shown_names(names)})"
        )
    nothing = np.logical_and.reduce([fuel.blank for fuel in fuels])
    fuels = [replace(fuel, zero=_zeros(fuel, nothing, options)) for fuel in fuels]
    if options.fill is None:
        _refuse_gaps(fuels, nothing, table, faults)
    _note_choices(fuels, nothing, table, faults)
    return mix_intensity(_mix(fuels, table, faults), options.factors)


def full_name(table: Table, column: FuelColumn) -> str:
    """Return the name of the preferred column of a fuel, as errors show it."""
    return shown(" ".join(table.header[column.places[0]].split()))


def _check_left_out(table: Table, columns: Sequence[FuelColumn], options: ReadOptions) -> None:
    known = [*emission_factors(), *(column.name.lower() for column in columns)]
    for name in options.leave_out:
        if name.lower() not in known:
            raise file_error(
                table.path,
                None,
                f"leave_out: no such fuel (got {shown(name)}, expected one of "
                f"{shown_names([*dict.fromkeys(known)])}{did_you_mean(name, known)})",
            )


def _written(table: Table, column: FuelColumn) -> _Fuel | None:
    """Return the values of a fuel; None if there are none, or none that are numbers."""
    texts = table.texts(column.places[0])
    blank = is_missing(texts)
    instead = np.zeros(len(texts), dtype=bool)
    for place in column.places[1:]:
        others = table.texts(place)
        taken = blank & ~is_missing(others)
        texts = texts.mask(taken, others)
        blank, instead = blank & ~taken, instead | taken
    if blank.all():
        return None
    if column.fuel is None:
        numbers = pd.to_numeric(THOUSANDS.plain(texts), errors="coerce").fillna(0)
        if (numbers == 0).all():
            return None
        raise file_error(
            table.path,
            1,
            f"no factor is known for this fuel (got {full_name(table, column)}, expected one of "
            f"{shown_names([*emission_factors()])}); `leave_out: [{column.name}]` leaves it out",
        )
    return _Fuel(column, texts, blank, instead, np.zeros(len(texts), dtype=bool))


def _zeros(fuel: _Fuel, nothing: BoolArray, options: ReadOptions) -> BoolArray:
    """Return where a blank stands for 0: never where all fuels are blank."""
    blank = fuel.blank & ~nothing
    known = np.flatnonzero(~fuel.blank)
    outside = np.ones(len(blank), dtype=bool)
    outside[known[0] : known[-1] + 1] = False
    not_expected = (fuel.texts.str.lower() == "n/e").to_numpy(dtype=bool)
    seldom = blank.mean() >= _SELDOM
    if options.blank_fuels == "zero" or (options.blank_fuels is None and seldom):
        return blank
    if options.blank_fuels == "gap":
        return blank & not_expected
    return blank & (outside | not_expected)


def _refuse_gaps(fuels: Sequence[_Fuel], nothing: BoolArray, table: Table, faults: Faults) -> None:
    """Note the first row in which a fuel is missing, and how many fuels have such rows."""
    fuels = sorted(fuels, key=lambda fuel: fuel.column.places)
    gaps = [fuel for fuel in fuels if (fuel.blank & ~fuel.zero & ~nothing).any()]
    first = full_name(table, (gaps or fuels)[0].column)
    if gaps:
        more = f", and {len(gaps) - 1} more fuels have gaps" if len(gaps) > 1 else ""
        faults.add(
            gaps[0].blank & ~gaps[0].zero & ~nothing,
            f"the value of {first} is missing; 'fill' says how to fill gaps, and `blank_fuels: "
            f"zero` takes a blank for 0{more}",
            gaps[0].texts,
        )
    faults.add(
        nothing,
        f"the value of {first} is missing, as is that of every other fuel; 'fill' says how to fill "
        "gaps",
        fuels[0].texts,
    )


def _note_choices(fuels: Sequence[_Fuel], nothing: BoolArray, table: Table, faults: Faults) -> None:
    """Note where columns other than the preferred ones count, and blanks taken for 0."""
    rows = len(nothing)
    for text, masks in (
        (
            "without an adjusted value, the reported or imputed one is taken",
            [fuel.instead for fuel in fuels],
        ),
        ("blank and taken for 0", [fuel.zero for fuel in fuels]),
        (
            "blank, so that the intensity of the row is filled",
            [fuel.blank & ~fuel.zero & ~nothing for fuel in fuels],
        ),
    ):
        counts = [
            f"{shown(fuel.column.name)} in {int(mask.sum()):,} of {rows:,} rows"
            for fuel, mask in zip(fuels, masks, strict=True)
            if mask.any()
        ]
        if counts and not (faults.problems and "filled" in text):
            faults.notes.append(f"{text}: {', '.join(counts)}")


def _mix(fuels: Sequence[_Fuel], table: Table, faults: Faults) -> Mapping[str, FloatArray]:
    """Return the generation of each fuel, its columns added up [MW]."""
    mix: dict[str, FloatArray] = {}
    wrong: list[tuple[str, Problem]] = []
    for fuel in fuels:
        own = Faults(faults.path, faults.rows, faults.entries)
        generation_mw = parse_numbers(THOUSANDS.plain(fuel.texts), own, blank=True)
        wrong += [(fuel.column.name, problem) for problem in own.problems]
        generation_mw[fuel.zero] = 0.0
        too_much = np.abs(generation_mw) > _MOST_MW
        text = f"{full_name(table, fuel.column)}: expected generation in MW"
        if faults.add(too_much, text, fuel.texts):
            generation_mw[too_much] = np.nan
        name = str(fuel.column.fuel)
        mix[name] = mix[name] + generation_mw if name in mix else generation_mw
    if wrong:
        name, problem = wrong[0]
        more = f" and in {len(wrong) - 1} more fuels" if len(wrong) > 1 else ""
        message = f"{problem.message} in {shown(name)}{more}"
        faults.problems.append(replace(problem, message=message))
    return mix
