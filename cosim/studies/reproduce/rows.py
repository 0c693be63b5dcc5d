"""Rows: the published, the paper-mode and the corrected figures of one case.

As plain data, a row is ``{exp, case, published, paper_mode, corrected}``. For experiments 1 to 5
the last three have `VALUES`, null where nothing was published, and ``case`` the keys of the sweep.
For Table 2 they have ``value`` alone, and ``case`` the name of the ``row``.
``rejected`` counts requests that were not served.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from cosim.studies.reproduce.cases import Case, Key, published
from cosim.studies.reproduce.serving import Measured

if TYPE_CHECKING:
    import pandas as pd

VALUES = ("duration_s", "mfu_percent", "power_w", "energy_kwh", "batch_mean", "batch_std")

Figures = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Row:
    """One case of an experiment.

    Attributes:
        exp: The experiment.
        case: Keys that set the case apart.
        published: As the paper or its repository has it; None where it has nothing.
        paper_mode: By the paper's definitions.
        corrected: With its errata mended.
        rejected: Requests that were not served: too long for an engine's share of the KV cache.
    """

    exp: str
    case: Key
    published: Figures
    paper_mode: Figures
    corrected: Figures
    rejected: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "exp": self.exp,
            "case": dict(self.case),
            "published": dict(self.published),
            "paper_mode": dict(self.paper_mode),
            "corrected": dict(self.corrected),
            "rejected": self.rejected,
        }


@dataclass(frozen=True, slots=True)
class Reproduction:
    """The outcome of the paper's experiments, run again.

    Attributes:
        rows: The rows of all experiments, one experiment after the other.
        remarks: Sentences about the whole, such as where signals came from.
        versions: Versions of the libraries that it was made with.
        steps: The steps of the case study by mode; None if it was not run.
    """

    rows: Sequence[Row]
    remarks: Sequence[str]
    versions: Mapping[str, str]
    steps: Mapping[str, pd.DataFrame] | None = None

    @property
    def experiments(self) -> list[list[Row]]:
        """The rows of each experiment."""
        return [list(group) for _, group in groupby(self.rows, key=lambda row: row.exp)]


def row_of(case: Case, measured: Measured) -> Row:
    """Return the row of a case that was run."""
    known = published(case)
    return Row(
        case.exp,
        case.key,
        {name: known.get(name) for name in VALUES},
        asdict(measured.paper_mode),
        asdict(measured.corrected),
        measured.rejected,
    )


def differences_percent(row: Row) -> dict[str, float | None]:
    """Return how far paper mode is from the published values [%]; None where none is published."""
    return {
        name: difference_percent(ours, row.published.get(name))
        for name, ours in row.paper_mode.items()
    }


def difference_percent(value: float | None, base: float | None) -> float | None:
    """Return how far a value is from another [%]; None where one is missing, or `base` is 0."""
    return 100 * (value / base - 1) if base and value is not None else None
