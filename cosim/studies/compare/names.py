"""Names of the runs of a comparison: those of their folders, made unique."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path


def unique_names(folders: Sequence[Path]) -> list[str]:
    """Return a name for each folder: its own, with as many of its parents as tell them apart.

    >>> unique_names([Path("monday/with"), Path("tuesday/with"), Path("without")])
    ['monday/with', 'tuesday/with', 'without']

    The same folder twice gets a number.
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
            return _numbered(names)
        shown = longer


def _numbered(names: Sequence[str]) -> list[str]:
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return unique
