"""More than the lengths of a request: its session and turn, and the blocks that its prompt shares.

A trace tells it by columns (``TalkColumns``). Whoever serves the requests can follow sessions, and
find equal prefixes by their hash ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BEGINS = -1
"""Number of the parent of a request that begins a session."""
ORPHAN = -2
"""Number of a parent that is not in the trace."""


@dataclass(frozen=True, slots=True)
class Prefixes:
    """Hash ids of the prompts of n requests, one after the other.

    An id stands for a block of tokens and all before it, so that equal ids at the beginning of two
    prompts are a prefix that they share.

    Attributes:
        ids: All ids, of shape (offsets[n],).
        offsets: Where the ids of each request begin, and where the last ones end; shape (n + 1,).
        block_tokens: Tokens of a block; the last one of a prompt may be shorter.
    """

    ids: NDArray[np.int64]
    offsets: NDArray[np.int64]
    block_tokens: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def of(self, row: int) -> tuple[int, ...]:
        """Return the ids of one request."""
        return tuple(self.ids[self.offsets[row] : self.offsets[row + 1]].tolist())

    def picked(self, rows: slice | NDArray[Any]) -> Prefixes:
        """Return those of some requests, by a slice, a mask or numbers of rows."""
        starts, counts = self.offsets[:-1][rows], np.diff(self.offsets)[rows]
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        if isinstance(rows, slice) and rows.step in (None, 1):
            first = int(starts[0]) if len(starts) else 0
            return Prefixes(self.ids[first : first + offsets[-1]], offsets, self.block_tokens)
        places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)
        return Prefixes(self.ids[places], offsets, self.block_tokens)

    @classmethod
    def of_lists(cls, lists: Sequence[Sequence[int]], block_tokens: int) -> Prefixes:
        """Return the prefixes of requests whose ids are in lists."""
        offsets = np.cumsum([0, *map(len, lists)], dtype=np.int64)
        ids = [each for ids in lists for each in ids]
        return cls(np.array(ids, dtype=np.int64), offsets, block_tokens)

    @classmethod
    def joined(cls, parts: Sequence[Prefixes]) -> Prefixes:
        """Return the prefixes of all parts, of which there is one at least."""
        counts = [np.diff(part.offsets) for part in parts]
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(counts))])
        return cls(np.concatenate([part.ids for part in parts]), offsets, parts[0].block_tokens)


Column = NDArray[Any] | Prefixes


def picked(columns: Mapping[str, Column], rows: slice | NDArray[Any]) -> dict[str, Column]:
    """Return some rows of columns."""
    return {
        name: column.picked(rows) if isinstance(column, Prefixes) else column[rows]
        for name, column in columns.items()
    }


def joined(parts: Sequence[Mapping[str, Column]]) -> dict[str, Column]:
    """Return the columns of parts that have the same ones."""
    columns: dict[str, Column] = {}
    for name in parts[0] if parts else ():
        pieces = [part[name] for part in parts]
        prefixes = [piece for piece in pieces if isinstance(piece, Prefixes)]
        arrays = [piece for piece in pieces if not isinstance(piece, Prefixes)]
        columns[name] = Prefixes.joined(prefixes) if prefixes else np.concatenate(arrays)
    return columns


@dataclass(frozen=True, slots=True)
class Talk:
    """Sessions and prefixes of n requests; each column is None where the trace does not tell it.

    Attributes:
        sessions: Name of the session of each, or None where it has none; shape (n,).
        turns: Number of its turn as recorded, or -1; shape (n,).
        parents: Number in the trace of the request of which it is the next turn, counted from 0
            over those that are served; -1 if it begins a session, -2 if that request is not in the
            trace, or not served; shape (n,).
        prefixes: Hash ids of the blocks of its prompt.
    """

    sessions: NDArray[np.object_] | None = None
    turns: NDArray[np.int64] | None = None
    parents: NDArray[np.int64] | None = None
    prefixes: Prefixes | None = None

    @property
    def orphans(self) -> int:
        """Number of requests that continue one which is not in the trace, or not served."""
        return 0 if self.parents is None else int(np.count_nonzero(self.parents == ORPHAN))

    @property
    def with_prefixes(self) -> int | None:
        """Number of requests that have hash ids; None if the trace does not tell any."""
        if self.prefixes is None:
            return None
        return int(np.count_nonzero(np.diff(self.prefixes.offsets)))

    def columns(self) -> dict[str, Column]:
        """Return the columns that there are, by name."""
        every = {
            "sessions": self.sessions,
            "turns": self.turns,
            "parents": self.parents,
            "prefixes": self.prefixes,
        }
        return {name: column for name, column in every.items() if column is not None}

    def picked(self, rows: slice | NDArray[Any]) -> Talk:
        """Return those of some requests."""
        return Talk(**picked(self.columns(), rows))  # type: ignore[arg-type]

    @classmethod
    def joined(cls, parts: Sequence[Talk]) -> Talk:
        """Return those of all parts, of which there is one at least."""
        return cls(**joined([part.columns() for part in parts]))  # type: ignore[arg-type]
