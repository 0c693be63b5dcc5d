"""The policies of an evaluation, and what they are compared with, in each of its weeks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from controllers import Decoy
from cosim.scenario.loading import ScenarioTree
from cosim.scenario.settings import Setting
from cosim.studies.evaluate.baselines import BULK
from inference_sim.power.ends import find_ends

NOOP = "noop"
Kind = Literal["baseline", "policy", "twin", "decoy"]


@dataclass(frozen=True, slots=True)
class Variant:
    """A policy in an evaluation, or what it is compared with.

    Attributes:
        name: Name of the policy.
        index: Its place among the scenario's policies; -1 for one that was added.
        kind: A baseline that is blind to carbon, a policy, its carbon-agnostic twin, or one of its
            decoys.
        decoy: The decoy of the carbon signal that it sees; None for none.
        added: Its controllers, in JSON, if it is not the scenario's.
    """

    name: str
    index: int
    kind: Kind = "policy"
    decoy: Decoy | None = None
    added: str = "[]"

    @property
    def label(self) -> str:
        """Its name in words."""
        if self.kind == "twin":
            return f"{self.name} (agnostic)"
        return self.name if self.decoy is None else f"{self.name} ({self.decoy.label})"


@dataclass(frozen=True, slots=True)
class CoefficientEnd:
    """A coefficient of the power model at one of the ends between which it may lie.

    Attributes:
        coefficient: Its name in ``inference_sim/power/ends.yaml``.
        high: Whether it is the high end.
    """

    coefficient: str
    high: bool

    @property
    def label(self) -> str:
        """The end in words."""
        end = "high" if self.high else "low"
        return f"{find_ends(self.coefficient).description} at its {end} end"


@dataclass(frozen=True, slots=True)
class Case:
    """A variant in one of the weeks.

    Attributes:
        variant: The variant.
        week: Number of the week, from 0; 0 if there are none.
        start: Its start; None for the scenario's own.
        end: A coefficient at another value than the scenario's; None for none.
    """

    variant: Variant
    week: int = 0
    start: datetime | None = None
    end: CoefficientEnd | None = None

    @property
    def label(self) -> str:
        """The case in words."""
        parts = [self.variant.label]
        if self.start is not None:
            parts.append(f"{self.start:%d %B}")
        if self.end is not None:
            parts.append(self.end.label)
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Policies to compare on a scenario.

    Attributes:
        source: The scenario: its file, or as it was read.
        overrides: Settings on top of it.
        name: Name of the scenario.
        seeds: Seeds of the first week; each week has as many of its own, the same for all policies.
        starts: Starts of the weeks; one None for the scenario's own time.
        variants: The policies and what they are compared with; the one that does nothing first.
        working_dir: Where paths of the settings start from.
        trials: Deferrable work in bulk, by the hour of the day; the best one becomes a baseline,
            see `bulk`. None where it is none.
        trial_starts: Starts of the weeks of these trials, as `starts`.
        bulk_name: Name of that baseline.
        bulk_hour_utc: Its hour [h]; None before the trials, or without it.
        ends: Coefficients and their ends at which policies and baselines run again.
        notes: Notes on the signals and the forecasts of the policies.
    """

    source: Path | ScenarioTree
    overrides: tuple[str | Setting, ...] = field(hash=False)
    name: str
    seeds: tuple[int, ...]
    starts: tuple[datetime | None, ...]
    variants: tuple[Variant, ...]
    working_dir: Path
    trials: Mapping[int, Variant] = field(hash=False)
    trial_starts: tuple[datetime | None, ...]
    bulk_name: str = BULK
    bulk_hour_utc: int | None = None
    ends: tuple[CoefficientEnd, ...] = ()
    notes: tuple[str, ...] = ()

    def shift(self, case: Case) -> int:
        """Return what is added to the seeds of the first week for those of a case's week."""
        return case.week * len(self.seeds)

    @property
    def cases(self) -> tuple[Case, ...]:
        """Every variant in every week, the weeks of a variant after each other."""
        return tuple(
            Case(variant, week, start)
            for variant in self.variants
            for week, start in enumerate(self.starts)
        )

    @property
    def at_ends(self) -> tuple[Variant, ...]:
        """The policies and baselines, which run at the ends of coefficients too."""
        return tuple(v for v in self.variants if v.kind in ("policy", "baseline"))

    @property
    def end_cases(self) -> tuple[Case, ...]:
        """For each end, every policy and baseline in every week, in the order of `cases`."""
        return tuple(
            Case(variant, week, start, end)
            for end in self.ends
            for variant in self.at_ends
            for week, start in enumerate(self.starts)
        )
