"""Single values of a trace: numbers, stamps, names, hash ids."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference_sim.workload.trace_talk import Column, Prefixes

MOST_TOKENS = 2**31 - 1
"""Longest prompt or output that is taken for one [tokens]."""
_SHOWN = 80
"""Characters of a value that an error shows."""
_PLAIN_NUMBER = re.compile(r"\s*[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?\s*")
_HASH_ID = re.compile(r"-?\d{1,30}")
_OFFSET = re.compile(r":.*(?:[Zz]|[+-]\d\d(?::?\d\d)?)$")
_STAMP = re.compile(r"\s*\d{4}-\d\d-\d\d")


def other_column(
    kind: str, values: Sequence[Any], block_tokens: int
) -> tuple[Column, NDArray[np.bool_], str]:
    """Return the values of a column that is not read by all, the wrong ones, and why they are."""
    if kind == "prefix":
        lists = [_hash_ids(value) for value in values]
        bad = np.array([ids is None for ids in lists], dtype=bool)
        prefixes = Prefixes.of_lists([ids or [] for ids in lists], block_tokens)
        return prefixes, bad, "is not a list of hash ids, which are whole numbers"
    if kind == "turn":
        numbers = [
            -1 if value in (None, "") else number_of(value, (int, float, str)) for value in values
        ]
        turns = np.array(numbers, dtype=np.float64)
        bad = ~((turns == np.floor(turns)) & (turns >= -1) & (turns <= MOST_TOKENS))
        return np.where(bad, -1, turns).astype(np.int64), bad, "is not the number of a turn"
    names = np.empty(len(values), dtype=object)
    names[:] = [_name(value) for value in values]
    bad = np.array([isinstance(value, bool | list | dict) for value in values], dtype=bool)
    return names, bad, "is not a name or number"


def _name(value: Any) -> str | None:
    """Return the name that a value is, None for one that is blank."""
    return None if value is None or value == "" else str(value)


def _hash_ids(value: Any) -> list[int] | None:
    """Return the hash ids of a value: a list, or text such as ``1 2 3`` or ``[1, 2]``."""
    if value is None or value == "":
        return []
    if isinstance(value, str):
        words = value.strip("[] ").replace(",", " ").replace(";", " ").split()
        value = [int(word) if _HASH_ID.fullmatch(word) else word for word in words]
    if not isinstance(value, list):
        return None
    good = all(type(each) is int and -(2**63) <= each < 2**63 for each in value)
    return value if good else None


def misfit_ids(prefixes: Prefixes, prompt_tokens: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the prompts that have more or fewer hash ids than blocks.

    The block that the end of a prompt does not fill may lack one. A prompt without ids is good.
    """
    counts = np.diff(prefixes.offsets)
    blocks = prompt_tokens / prefixes.block_tokens
    misfit: NDArray[np.bool_] = (counts < np.floor(blocks)) | (counts > np.ceil(blocks))
    return misfit & (counts > 0) & np.isfinite(blocks)


def repeated_ids(prefixes: Prefixes) -> NDArray[np.bool_]:
    """Return the prompts that have a hash id twice, which stands for all before it too."""
    rises = np.diff(prefixes.ids, prepend=0) > 0
    begins = prefixes.offsets[:-1]
    rises[begins[begins < len(rises)]] = True
    falls = np.flatnonzero(~rises)  # ids that rise are all different
    suspects = np.unique(np.searchsorted(prefixes.offsets, falls, side="right") - 1)
    repeated = np.zeros(len(prefixes), dtype=bool)
    for row in suspects.tolist():
        ids = prefixes.of(row)
        repeated[row] = len(set(ids)) < len(ids)
    return repeated


def is_number(stamp: str) -> bool:
    """Return whether a text is a plain number; 20240510 too, a day in ISO 8601."""
    return bool(_PLAIN_NUMBER.fullmatch(stamp))


def is_stamp(value: object) -> bool:
    """Return whether a value begins as a time stamp does, with a date."""
    return isinstance(value, str) and _STAMP.match(value) is not None


def has_offset(stamp: str) -> bool:
    """Return whether a time stamp has an offset from UTC."""
    return bool(_OFFSET.search(stamp.strip()))


def number_of(value: Any, kinds: tuple[type, ...]) -> float:
    """Return a value of one of some types as a float; NaN if it is not a number."""
    if type(value) not in kinds or (isinstance(value, str) and "_" in value):
        return math.nan
    try:
        return float(value)
    except ValueError:
        return math.nan
    except OverflowError:
        return math.inf


def shown(value: object) -> str:
    """Return a value as an error shows it: quoted, and cut if it is long."""
    text = value if isinstance(value, str) else repr(value)
    cut = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return repr(cut) if isinstance(value, str) else cut
