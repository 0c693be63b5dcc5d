"""Checks that hold for every format, to be run on anybody's.

In a test of your own::

    from cosim.signals.conformance import check_format

    def test_conforms():
        first = datetime(2025, 1, 1, tzinfo=UTC)
        assert check_format(FORMAT, EXAMPLE, first=first, values=[1, 2]) == []
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from cosim.errors import SignalError
from cosim.signals.formats import FORMATS, ReadOptions, SignalFormat, Source
from cosim.signals.series import Series, utc_stamp

UNITS = {"carbon intensity": "g/kWh", "price": "currency/kWh"}
"""Units that the values of a quantity must be in."""
_OTHER_FILES = (
    b"",
    b"\n",
    b"a,b\n1,2\n3,4\n",
    b"{}",
    b"[]",
    b"[1, 2]",
    b'{"data": []}',
    b'{"data": [null]}',
    b"{",
    bytes(range(256)),
)
_CUTS = 15


def check_format(
    checked: SignalFormat,
    example: str,
    *,
    first: datetime,
    values: Sequence[float],
    options: ReadOptions | None = None,
) -> list[str]:
    """Return the rules that a format breaks; an empty list if it keeps all.

    Args:
        checked: The format.
        example: Content of a small file in it.
        first: Start of its first interval.
        values: Its values, in the unit of the format.
        options: Options for reading the file.
    """
    options = options or ReadOptions()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "example"
        return [
            *_declared(checked),
            *_reads(checked, example, path, first, values, options),
            *_tells_others_apart(checked, example, path),
            *_survives_damage(checked, example, path, options),
        ]


def _declared(checked: SignalFormat) -> Iterator[str]:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", checked.name):
        yield f"its name must be a word in small letters (got {checked.name!r})"
    unit = UNITS.get(checked.quantity)
    if unit is not None and checked.unit not in (unit, ""):
        yield f"a {checked.quantity} must be in {unit} (got {checked.unit!r})"


def _reads(
    checked: SignalFormat,
    example: str,
    path: Path,
    first: datetime,
    values: Sequence[float],
    options: ReadOptions,
) -> Iterator[str]:
    """Read the example as it is, with a byte order mark, and with the line ends of Windows."""
    for how, text in (
        ("its example", example),
        ("its example with a byte order mark", f"\ufeff{example}"),
        ("its example with Windows line ends", example.replace("\n", "\r\n")),
    ):
        path.write_bytes(text.encode())
        try:
            if not checked.matches(Source(path)):
                yield f"does not recognise {how}"
            series = checked.read(Source(path), options)
        except Exception as error:  # a format may be anybody's
            yield f"{how} raises {type(error).__name__}: {error}"
            continue
        yield from (f"{how}: {problem}" for problem in _differences(series, first, values))
        if checked.quantity == "carbon intensity" and not (series.kind or checked.kind):
            yield f"{how}: it is not stated whether the intensity is average or marginal"


def _differences(series: Series, first: datetime, values: Sequence[float]) -> Iterator[str]:
    if series.starts_s[0] != first.timestamp():
        start, wanted = utc_stamp(float(series.starts_s[0])), utc_stamp(first.timestamp())
        yield f"the first interval must start at {wanted} (got {start})"
    if len(series) != len(values) or not np.allclose(series.values, values, rtol=1e-9, atol=0):
        yield f"the values must be {[*values]} (got {series.values.tolist()})"


def _tells_others_apart(checked: SignalFormat, example: str, path: Path) -> Iterator[str]:
    path.write_text(example, encoding="utf-8")
    for other in FORMATS.values():
        if other.name != checked.name and other.matches(Source(path)):
            yield f"format '{other.name}' takes its example for one of its own"
    for content in _OTHER_FILES:
        path.write_bytes(content)
        try:
            if checked.matches(Source(path)):
                yield f"takes another file for one of its own (got {content[:40]!r})"
        except SignalError:
            pass  # the file cannot be read at all
        except Exception as error:
            yield f"matches() raises {type(error).__name__} on another file: {error}"


def _survives_damage(
    checked: SignalFormat, example: str, path: Path, options: ReadOptions
) -> Iterator[str]:
    """Check that truncated and garbled examples give a SignalError or a series, nothing else."""
    cuts = np.linspace(0, len(example) - 1, _CUTS).astype(int)
    damaged = [example[:cut] for cut in cuts]
    damaged += [re.sub(r"\d+(?=\D*$)", "x", example), re.sub(r"\d", "x", example)]
    damaged += [example.replace(",", ";"), example.replace('"', "'"), '"' + example]
    for text in damaged:
        path.write_text(text, encoding="utf-8")
        try:
            checked.read(Source(path), options)
        except SignalError:
            continue
        except Exception as error:
            yield f"a damaged file raises {type(error).__name__}, not a SignalError: {error}"
            return
