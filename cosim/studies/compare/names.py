"""Names of the runs of a comparison: those of their folders, made unique."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path


def unique_names(folders: Sequence[Path]) -> list[str]:
    """Return a name for each folder: its own, with as many of its parents as tell them apart.

    >>> unique_names([Path("monday/with"), Path("tuesday/with"), Path("without")])
    ['monday/with', 'tuesday/with', 'without']

    Args:
        folders: The folders, of which no two are the same.
    """
    parts = [folder.resolve().parts[1:] for folder in folders]
    shown = [1] * len(parts)
    while True:
        names = ["/".join(part[-count:]) for part, count in zip(parts, shown, strict=True)]
        repeated = Counter(names)
        longer = [
            count + 1 if repeated[name] > 1 and count < len(part) else count
            for name, part, count in zip(names, parts, shown, strict=True)
        ]
        if longer == shown:
            return names
        shown = longer
