"""Policies at the ends of coefficients: the conclusions that hang on one.

Each coefficient is taken alone, the others at their usual values. Decoys and twins are not run at
the ends: savings by timing are not judged there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from cosim.studies.evaluate.statistics import PolicyRow, PolicyRuns, rows
from cosim.studies.evaluate.units import Units
from cosim.studies.evaluate.variants import CoefficientEnd, Variant
from cosim.studies.runs.interval import Interval
from inference_sim.power.ends import find_ends

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class EndRuns:
    """The runs of policies and baselines with a coefficient at an end."""

    end: CoefficientEnd
    policies: tuple[PolicyRuns, ...]


def with_ends(usual: Sequence[PolicyRow], ends: Sequence[EndRuns], units: Units) -> list[PolicyRow]:
    """Return the rows with what their savings become at the ends of coefficients.

    Args:
        usual: The rows at the usual values; of the policy that does nothing first.
        ends: The runs at the ends.
        units: The grouping of the runs.
    """
    at_ends = [(of_end.end, {row.variant: row for row in _rows(of_end, units)}) for of_end in ends]
    return [_with_ends(row, at_ends) if _is_judged(row, usual[0], ends) else row for row in usual]


def _is_judged(row: PolicyRow, noop: PolicyRow, ends: Sequence[EndRuns]) -> bool:
    """Return whether a row has a saving, and was run at ends."""
    own = row.variant.kind in ("policy", "baseline") and row.variant != noop.variant
    return own and bool(ends) and not row.no_saving


def _rows(of_end: EndRuns, units: Units) -> list[PolicyRow]:
    return rows(of_end.policies, [None] * len(of_end.policies[0].runs), units)


def _with_ends(
    row: PolicyRow, at_ends: Sequence[tuple[CoefficientEnd, dict[Variant, PolicyRow]]]
) -> PolicyRow:
    others = [(end, by_variant[row.variant]) for end, by_variant in at_ends]
    hangs_on = dict.fromkeys(
        find_ends(end.coefficient).description for end, other in others if _differs(row, other)
    )
    savings = [other.saving.mean for _, other in others if not other.no_saving]
    return replace(
        row,
        depends_on=", ".join(hangs_on),
        least_saving=min(savings, default=None),
        most_saving=max(savings, default=None),
    )


def _differs(row: PolicyRow, other: PolicyRow) -> bool:
    """Return whether a conclusion about a policy is another one in other runs of it."""
    return bool(other.no_saving) or any(
        _sign(usual) != _sign(changed) for usual, changed in _pairs(row, other)
    )


def _sign(saving: Interval) -> int:
    """Return 1, -1, or 0 for what rounding may have made."""
    return 0 if abs(saving.mean) < _ROUNDING else 1 if saving.mean > 0 else -1


def _pairs(row: PolicyRow, other: PolicyRow) -> Iterator[tuple[Interval, Interval]]:
    """Yield the savings that are compared: against doing nothing, and the best blind baseline."""
    yield row.saving, other.saving
    if row.against_blind is not None and other.against_blind is not None:
        yield row.against_blind, other.against_blind
