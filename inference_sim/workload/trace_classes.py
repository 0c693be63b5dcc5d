"""Classes of the requests of a trace, by the names that its class column has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference_sim.errors import TraceError

_MOST_NAMES = 200
"""Most classes of one trace: with more of them a column is another one."""
_SHOWN = 10


class ClassNumbers:
    """Numbers of classes by name.

    Example::

        numbers = ClassNumbers({"chat": 0, "batch": 1})

    Args:
        known: Number of each class that there may be; None to number them as they come.

    Attributes:
        numbers: Number of each class, by the name that the trace has for it.
    """

    def __init__(self, known: Mapping[str, int] | None = None) -> None:
        self._may_grow = known is None
        self.numbers: dict[str, int] = dict(known or {})

    def of(
        self, path: Path, column: str, names: Sequence[str | None], lines: Sequence[int]
    ) -> NDArray[np.int64]:
        """Return the numbers of the classes of some rows.

        Args:
            path: The file, for errors.
            column: The column, for errors.
            names: Names of the classes; None where it is blank.
            lines: Lines of the file.

        Raises:
            TraceError: If one is unknown.
        """
        plain = [name or "" for name in names]
        unknown = [name for name in dict.fromkeys(plain) if name not in self.numbers]
        if unknown and self._may_grow:
            for name in unknown:
                self.numbers[name] = len(self.numbers)
            if len(self.numbers) > _MOST_NAMES:
                raise TraceError(
                    f"{path}:{lines[-1]}: more than {_MOST_NAMES} classes: is {column} the class?"
                )
        elif unknown:
            line = lines[plain.index(unknown[0])]
            listed = ", ".join(f"'{name[: _SHOWN * 4]}'" for name in unknown[:_SHOWN])
            more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
            raise TraceError(
                f"{path}:{line}: column {column} has classes that the workload has not: {listed}"
                f"{more} (known: {', '.join(self.numbers)}); name them in `workload.classes`, or "
                "map them by `trace.classes`"
            )
        return np.array([self.numbers[name] for name in plain], dtype=np.int64)
