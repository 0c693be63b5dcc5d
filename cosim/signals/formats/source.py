"""Sources for the readers of formats, which find their columns and areas with these functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd

from cosim.errors import SignalError, did_you_mean
from cosim.signals.dialect import PLAIN, Dialect
from cosim.signals.faults import Faults, file_error, shown, shown_names
from cosim.signals.formats.answer import Answer, as_texts
from cosim.signals.gaps import Fill
from cosim.signals.text_file import Table, is_json, read_header, read_json, read_table

T = TypeVar("T")
_TABS = Dialect(separator="\t")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """Options for reading a file.

    Attributes:
        area: Which area of a file that has several.
        column: Which values of a file that has several, by the names of its format.
        timezone: IANA time zone of stamps that carry none.
        factors: Emission factors in place of the built-in ones, by fuel [g/kWh].
        leave_out: Fuels that do not count in a mix.
        blank_fuels: Meaning of a blank of one fuel; by default a gap, but 0 where the
            fuel begins or ends within the file or is reported now and then.
        currency: Required currency of a price; None for any.
        lead_s: How long before its time a forecast must have been made [s].
        fill: How gaps are filled; they are errors by default.
    """

    area: str | None = None
    column: str | None = None
    timezone: str | None = None
    factors: Mapping[str, float] = field(default_factory=dict)
    leave_out: Sequence[str] = ()
    blank_fuels: Literal["gap", "zero"] | None = None
    currency: str | None = None
    lead_s: float = 0.0
    fill: Fill | None = None


@dataclass(frozen=True)
class Source:
    """A file, read as far as needed to recognise its format.

    Attributes:
        path: The file.
    """

    path: Path

    @cached_property
    def header(self) -> tuple[str, ...]:
        """Names of the columns; empty if the file is JSON."""
        return () if self._is_json else read_header(self.path, self._dialect)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, as :func:`normal` has them."""
        return tuple(map(normal, self.header))

    @cached_property
    def json(self) -> Any:
        """Content; None if the file is not JSON."""
        return read_json(self.path) if self._is_json else None

    @cached_property
    def _dialect(self) -> Dialect:
        """Tabs between the fields where the first line has them and no comma."""
        first, *others = read_header(self.path)
        return _TABS if "\t" in first and not others else PLAIN

    @cached_property
    def _is_json(self) -> bool:
        return is_json(self.path)

    def table(self, fewest: int = 2) -> Table:
        """Return all rows of a table; none may be cut short.

        Args:
            fewest: How many rows it must have.

        Raises:
            SignalError: If it is not such a file, or a row has fewer fields than the header.
        """
        table = read_table(self.path, self._dialect).require_rows(fewest)
        faults = table.faults()
        text = (
            f"the row has fewer than the {len(table.header)} fields of the header; is it cut off?"
        )
        if faults.add(table.short, text, table.rows.iloc[:, 0]):
            faults.stop()
        return table

    def entry_table(self, name: str, entries: Sequence[Any], keys: Sequence[str]) -> Table:
        """Return the entries of a list in JSON as the rows of a table.

        Args:
            name: Name of the list, for errors.
            entries: The entries.
            keys: Keys of an entry, which name the columns.

        Raises:
            SignalError: If an entry is not like that.
        """
        wrong = np.array(
            [not isinstance(entry, dict) or not {*keys} <= {*entry} for entry in entries]
        )
        faults = Faults(self.path, np.arange(len(entries)), entries=name)
        if faults.add(wrong, f"expected {{{', '.join(keys)}}}", entries):
            faults.stop()
        columns = {
            place: as_texts([entry[key] for entry in entries]) for place, key in enumerate(keys)
        }
        rows = pd.DataFrame(columns)
        return Table(self.path, tuple(keys), rows, faults.rows, wrong, entries=name)

    def find(self, *names: str) -> int:
        """Return the position of the one column of any of these names.

        Raises:
            SignalError: If there is none, or more than one.
        """
        if self._is_json:
            raise self.error("expected comma-separated text (got JSON)")
        wanted = [normal(name) for name in names]
        indices = [index for index, name in enumerate(self.names) if name in wanted]
        if len(indices) == 1:
            return indices[0]
        if indices:
            raise self.error(f"more than one column {shown(names[0])}")
        hint = did_you_mean(wanted[0], self.names)
        raise self.error(
            f"there is no column {names[0]!r} (got the columns {shown_names(self.header)}{hint})"
        )

    def error(self, message: str) -> SignalError:
        """Return an error of the first line."""
        return file_error(self.path, 1, message)

    def checked(self, check: Callable[[Any], T], value: Any) -> T:
        """Return ``check(value)``; a ValueError of it is one of the file.

        Raises:
            SignalError: If `check` raises.
        """
        try:
            return check(value)
        except ValueError as error:
            raise file_error(self.path, None, str(error)) from error

    def answer(self, read: Callable[[Any], Answer]) -> Answer:
        """Return the intervals in a document of JSON.

        Args:
            read: Takes them from the document; raises a ValueError if it is of another shape.

        Raises:
            SignalError: If it is not JSON, or `read` raises.
        """
        if self.json is None:
            raise self.error("expected JSON (got other text)")
        return self.checked(read, self.json)

    def entries(self, name: str, values: Sequence[Any]) -> Faults:
        """Return an empty collector of faults for the entries of a list in JSON.

        Raises:
            SignalError: If there are less than two.
        """
        if len(values) < 2:
            raise file_error(
                self.path,
                None,
                f"a signal needs two entries of '{name}' or more (got {len(values)})",
            )
        return Faults(self.path, np.arange(len(values)), entries=name)


def normal(name: str) -> str:
    """Return the name of a column in small letters, with single spaces and plain digits."""
    return " ".join(name.lower().replace("₂", "2").split())


def only_area(
    source: Source, table: Table, options: ReadOptions, *names: str, fewest: int = 2
) -> Table:
    """Return the rows of one area of a table.

    Args:
        source: The file.
        table: Its rows.
        options: Which area; may be None if there is only one.
        names: Possible names of the column with the area of each row; the first match counts.
        fewest: How many rows there must be.

    Raises:
        SignalError: If there is no such area, or several and none is wanted.
    """
    named = next((name for name in names if normal(name) in source.names), None)
    if named is None:
        if options.area is not None:
            raise source.error(f"area: the file does not name its area (got {shown(options.area)})")
        return table
    texts = table.texts(source.find(named))
    areas = [str(area) for area in texts.unique()]
    if options.area is None:
        if len(areas) == 1:
            return table
        raise source.error(
            f"the file has {len(areas)} of '{named}': set 'area' to one (got {shown_names(areas)})"
        )
    if options.area not in areas:
        raise source.error(
            f"area: no such '{named}' in the file (got {shown(options.area)}, expected one of "
            f"{shown_names(areas)}{did_you_mean(options.area, areas)})"
        )
    selected = table.only((texts == options.area).to_numpy(dtype=bool))
    if len(selected.rows) < fewest:
        raise source.error(
            f"a signal needs two rows or more (got {len(selected.rows)} of area {options.area!r})"
        )
    return selected
