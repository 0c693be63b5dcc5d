"""Scenario keys of an evaluation: which policies are compared, and how often."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from cosim.scenario.control import ForecastsKeys
from cosim.scenario.fields import Name, StrictModel


class PolicyEntry(StrictModel):
    """One policy to compare: controllers that take the place of the scenario's."""

    name: Name
    """Its name in tables and files."""
    controllers: list[dict[str, Any]] = []
    """Its controllers, as under the scenario's own key; none leaves everything open."""
    forecasts: ForecastsKeys | None = None
    """Forecasts for its controllers, in place of the scenario's."""
    twin: bool = False
    """Whether its carbon-agnostic baseline is run too, to show the savings from timing."""


class EvaluationKeys(StrictModel):
    """Policies that `cosim evaluate` compares."""

    seeds: Annotated[int, Field(ge=1, le=1000)] = 5
    """Runs of each policy, with the scenario's seed and those after it; the same for all."""
    policies: Annotated[list[PolicyEntry], Field(min_length=1)]
    """The policies; one without controllers, called noop, is added if there is none."""

    @model_validator(mode="after")
    def _distinct(self) -> EvaluationKeys:
        names = [policy.name for policy in self.policies]
        if len(set(names)) < len(names):
            raise ValueError(f"policies must have different names (got {', '.join(names)})")
        return self
