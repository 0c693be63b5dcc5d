"""Scenario keys of an evaluation: which policies are compared, over which time, and how often."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from cosim.scenario.control import ForecastsKeys
from cosim.scenario.fields import DurationS, Name, StrictModel


class PolicyEntry(StrictModel):
    """One policy to compare: controllers that take the place of the scenario's."""

    name: Name
    """Its name in tables and files."""
    controllers: list[dict[str, Any]] = []
    """Its controllers, as under the scenario's own key; none leaves everything open."""
    forecasts: ForecastsKeys | None = None
    """Forecasts for its controllers, in place of the scenario's."""
    twin: bool = False
    """Whether its carbon-agnostic baseline is run too, which sees the mean of the intensity."""


class EvaluationKeys(StrictModel):
    """Policies that `cosim evaluate` compares."""

    seeds: Annotated[int, Field(ge=1, le=1000)] = 5
    """Runs of each policy, with the scenario's seed and those after it; the same for all."""
    weeks: Annotated[int, Field(ge=2, le=180)] | None = None
    """Run every policy in so many parts of a year, each as long as the run, spread evenly; the
    scenario's own time alone by default. Parts in between are left to `cosim tune`."""
    of: Annotated[int, Field(ge=1970, le=2100)] | None = None
    """The year of the `weeks`; that of the scenario's start by default."""
    decoys: list[Annotated[DurationS, Field(gt=0)]] = [6 * 3600.0, 12 * 3600.0, 18 * 3600.0]
    """Run every policy that looks at the carbon intensity also on intensity and sun moved by so
    much time: the saving beyond those is due to timing. None: []."""
    other_days: Annotated[int, Field(ge=0, le=20)] = 1
    """Run it also on those of other days, in so many orders: the saving beyond those comes from
    knowing the day, and not only the hour."""
    baselines: bool = True
    """Whether to add baselines that are blind to carbon: right-sized replicas, and deferrable work
    in bulk at the best fixed hour."""
    drain: bool = True
    """Whether deferrable requests stop coming their deadline before the end, so that all are served
    while the other requests go on; a class with an `until` of its own keeps it."""
    policies: Annotated[list[PolicyEntry], Field(min_length=1)]
    """The policies; one without controllers, called noop, is added if there is none."""

    @model_validator(mode="after")
    def _distinct(self) -> EvaluationKeys:
        names = [policy.name for policy in self.policies]
        if len(set(names)) < len(names):
            raise ValueError(f"policies must have different names (got {', '.join(names)})")
        return self

    @model_validator(mode="after")
    def _year_of_weeks(self) -> EvaluationKeys:
        if self.of is not None and self.weeks is None:
            raise ValueError("`of` is the year of the `weeks`: say how many")
        return self
