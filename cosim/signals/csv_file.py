"""Signals in CSV files: one row per interval, all intervals of one length.

What is wrong with a file is reported with the file and the line, as much of it at once as can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cosim.errors import Problem, SignalError, did_you_mean
from cosim.signals.series import FloatArray, Series

MAX_BYTES = 1_000_000_000
"""Larger files are refused: they are no signals."""

IntArray = NDArray[np.int64]

_MISSING = ("", "-", "nan", "na", "n/a", "null", "none")
_ISO_STAMP = (
    r"\d{4}-\d\d-\d\d"  # a date,
    r"(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?"  # perhaps a time of day,
    r"\s?(Z|UTC|[+-]\d\d(?::?\d\d)?)?)?"  # perhaps with a zone
)


def read_csv(
    path: Path,
    *,
    column: str | None = None,
    time_column: str | None = None,
    stamp: Literal["start", "end"] = "start",
    timezone: str | None = None,
    factor: float = 1.0,
    signed: bool = False,
) -> Series:
    """Read a signal from a comma-separated file.

    Args:
        path: The file; UTF-8, its first line names the columns.
        column: Column of the values; the only one beside the stamps by default.
        time_column: Column of the stamps, in ISO 8601; the first one by default.
        stamp: Whether a stamp is the start or the end of its interval.
        timezone: IANA time zone of stamps that carry none.
        factor: What to multiply each value by.
        signed: Whether values may be negative.

    Raises:
        SignalError: If the file cannot be read, lacks the columns, has missing, non-finite or
            unwanted negative values, or stamps that do not follow each other at one distance.
    """
    table = _read_table(path)
    header = [name.strip() for name in table.iloc[0]]
    time_index, value_index = _find_columns(path, header, time_column, column)
    rows = table.iloc[1:]
    rows = rows[(rows != "").any(axis=1)]
    if len(rows) < 2:
        raise _error(path, 1, f"a signal needs two rows of data or more (got {len(rows)})")

    faults = _Faults(path, rows.index.to_numpy() + 1)
    values = _parse_values(rows[value_index].str.strip(), factor, signed, faults)
    times_us = _parse_times(rows[time_index].str.strip(), timezone, faults)
    spacing_us = _find_spacing(times_us, faults) if times_us is not None else 0
    if faults.problems or times_us is None:
        raise SignalError(faults.problems)

    starts_us = times_us - spacing_us if stamp == "end" else times_us
    end_us = starts_us[-1] + spacing_us
    return Series(starts_us / 1e6, end_us / 1e6, values, source=str(path))


@dataclass
class _Faults:
    """What is wrong with the rows of a file.

    Attributes:
        path: The file.
        lines: Line of each row, from 1.
        problems: What was found so far.
    """

    path: Path
    lines: IntArray
    problems: list[Problem] = field(default_factory=list)

    def add(self, wrong: NDArray[np.bool_], message: str, texts: pd.Series[str]) -> bool:
        """Note the first row that is `wrong`, if any is, and return whether one is."""
        count = int(wrong.sum())
        if count:
            row = int(wrong.argmax())
            more = f"; the first of {count} such rows" if count > 1 else ""
            self.problems.append(
                Problem(
                    f"{message} (got {texts.iloc[row]!r}{more})",
                    where=f"{self.path}:{self.lines[row]}",
                )
            )
        return count > 0


def _error(path: Path, line: int | None, message: str) -> SignalError:
    return SignalError(Problem(message, where=str(path) if line is None else f"{path}:{line}"))


def _read_table(path: Path) -> pd.DataFrame:
    """Return all fields as text, header and blank lines included; the index is the line, from 0."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise _error(
                path, None, f"the file is too large for a signal (got {size / 1e9:.1f} GB)"
            )
        with path.open("rb") as file:
            if b"\0" in file.read(65536):
                raise _error(path, None, "expected comma-separated text (got a binary file)")
        table = pd.read_csv(
            path,
            header=None,
            dtype=str,
            na_filter=False,
            skip_blank_lines=False,
            encoding="utf-8-sig",
            engine="c",
            compression=None,
        )
    except pd.errors.EmptyDataError:
        raise _error(path, None, "the file is empty, or its first line is") from None
    except pd.errors.ParserError as error:
        text = str(error).strip().removeprefix("Error tokenizing data. C error: ")
        raise _error(path, None, f"the file is not comma-separated: {text}") from None
    except UnicodeDecodeError as error:
        raise _error(path, None, f"expected UTF-8 text (got {error.reason})") from None
    except OSError as error:
        raise _error(path, None, f"the file cannot be read: {error.strerror}") from None
    return table.fillna("")


def _find_columns(
    path: Path, header: Sequence[str], time_column: str | None, column: str | None
) -> tuple[int, int]:
    """Return the positions of the stamps and of the values."""
    if len(header) < 2:
        raise _error(
            path, 1, f"expected a column of stamps and one of values, with a comma (got {header})"
        )
    time_index = 0 if time_column is None else _find(path, header, "time_column", time_column)
    others = [index for index in range(len(header)) if index != time_index]
    if column is None and len(others) > 1:
        names = [header[index] for index in others]
        raise _error(path, 1, f"several columns of values: set 'column' to one (got {names})")
    value_index = others[0] if column is None else _find(path, header, "column", column)
    if value_index == time_index:
        raise _error(path, 1, f"column and time_column are the same (got {header[time_index]!r})")
    return time_index, value_index


def _find(path: Path, header: Sequence[str], key: str, name: str) -> int:
    count = header.count(name)
    if count != 1:
        what = "more than one such column" if count else "no such column"
        hint = "" if count else did_you_mean(name, header)
        raise _error(path, 1, f"{key}: {what} (got {name!r}, expected one of {list(header)}{hint})")
    return header.index(name)


def _parse_values(
    texts: pd.Series[str], factor: float, signed: bool, faults: _Faults
) -> FloatArray:
    """Return the values times `factor`; those that are no numbers are NaN."""
    missing = texts.str.lower().isin(_MISSING).to_numpy(dtype=bool)
    parsed = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    is_number = ~np.isnan(parsed)
    # Once more, as float() rounds correctly and the parser of pandas does not promise to.
    values = np.full(len(texts), np.nan)
    values[is_number] = texts.to_numpy(dtype=object)[is_number].astype(np.float64)
    with np.errstate(over="ignore"):
        values *= factor
    faults.add(missing, "the value is missing", texts)
    faults.add(~is_number & ~missing, "expected a number", texts)
    faults.add(np.isinf(values), "expected a finite number", texts)
    if not signed:
        faults.add(values < 0, "expected a value that is not negative", texts)
    return values


def _parse_times(texts: pd.Series[str], timezone: str | None, faults: _Faults) -> IntArray | None:
    """Return microseconds since the Unix epoch; None where there are faults."""
    is_iso = texts.str.fullmatch(_ISO_STAMP)
    times = pd.to_datetime(
        texts.where(is_iso).str.replace(r"\s?UTC$", "Z", regex=True),
        format="ISO8601",
        errors="coerce",
        utc=True,
    )
    wrong = times.isna().to_numpy(dtype=bool)
    if faults.add(wrong, "expected an ISO 8601 stamp such as 2023-06-08T00:00:00Z", texts):
        return None
    times_us = times.dt.tz_localize(None).to_numpy(dtype="datetime64[us]").copy()

    zoneless = texts.str.extract(f"^{_ISO_STAMP}$", expand=False).isna().to_numpy(dtype=bool)
    if timezone is None:
        text = "the stamp has no time zone; give it one, or set 'timezone' to that of the file"
        if faults.add(zoneless, text, texts):
            return None
    elif zoneless.any():
        # utc=True above took these clock times for UTC: read them again as those of the zone.
        clock = times[zoneless].dt.tz_localize(None)
        local = clock.dt.tz_localize(timezone, ambiguous="NaT", nonexistent="NaT")
        wrong = np.zeros(len(texts), dtype=bool)
        wrong[zoneless] = local.isna()
        text = (
            f"the clocks of {timezone} change there, and the stamp stands for no time or for two; "
            "give the stamps in UTC or with their offset"
        )
        if faults.add(wrong, text, texts):
            return None
        utc = local.dt.tz_convert("UTC").dt.tz_localize(None)
        times_us[zoneless] = utc.to_numpy(dtype="datetime64[us]")
    return times_us.astype(np.int64)


def _find_spacing(times_us: IntArray, faults: _Faults) -> int:
    """Return the most common distance of two stamps [us]; it is a fault where there is another."""
    stamps = pd.Series(np.datetime_as_string(times_us.astype("datetime64[us]"), unit="s")) + "Z"
    steps_us = np.diff(times_us)
    unsorted = np.append(False, steps_us < 0)
    repeated = np.append(False, steps_us == 0)
    faults.add(unsorted, "expected stamps in order of time; this one is before the last", stamps)
    faults.add(repeated, "expected one row per stamp; this one repeats the last", stamps)
    if unsorted.any() or repeated.any():
        return 0

    lengths_us, counts = np.unique(steps_us, return_counts=True)
    spacing_us = int(lengths_us[counts.argmax()])
    odd = np.append(False, steps_us != spacing_us)
    if odd.any():
        row = int(odd.argmax())
        got_us = int(steps_us[row - 1])
        what = "there is a gap" if got_us > spacing_us else "the rows come too close"
        faults.add(
            odd,
            f"{what}: expected {timedelta(microseconds=spacing_us)} between rows as elsewhere, not "
            f"the {timedelta(microseconds=got_us)} from {stamps[row - 1]}",
            stamps,
        )
    return spacing_us
