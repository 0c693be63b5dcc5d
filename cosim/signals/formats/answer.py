"""JSON of a service that publishes intensities: parts that its files and live responses share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd


@dataclass(frozen=True, slots=True)
class Entry:
    """One interval, as it is written; nothing of it has been checked.

    Attributes:
        start, end: Its stamps; None where there is none.
        values: Its values by column, the preferred one first; None where it is null. Empty if the
            entry is not of the form that the service has.
    """

    start: Any = None
    end: Any = None
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def value(self) -> Any:
        """The first value that is not null; None if all are."""
        return next((value for value in self.values.values() if value is not None), None)


@dataclass(frozen=True, slots=True)
class Answer:
    """The intervals of a document.

    Attributes:
        entries: The intervals in the document's order.
        kind: Whether the intensity is average or marginal.
        g_per_kwh: A unit of its values [g/kWh].
        form: The form of an entry, for errors.
    """

    entries: Sequence[Entry]
    kind: Literal["average", "marginal"]
    g_per_kwh: float
    form: str

    def texts(self, column: str) -> pd.Series[str]:
        """Return the values of a column as text; empty if there is none."""
        return as_texts([entry.values.get(column) for entry in self.entries])

    @property
    def starts(self) -> pd.Series[str]:
        """The stamps of the starts, as text."""
        return as_texts([entry.start for entry in self.entries])

    @property
    def ends(self) -> pd.Series[str]:
        """The stamps of the ends, as text."""
        return as_texts([entry.end for entry in self.entries])


def as_texts(items: Sequence[Any]) -> pd.Series[str]:
    """Return items as text: numbers as they are, all else only if it is text."""
    return pd.Series(
        ["" if item is None else item if isinstance(item, str) else repr(item) for item in items],
        dtype="str",
    )
