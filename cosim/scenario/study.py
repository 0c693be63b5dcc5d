"""Keys of a study: one scenario, and its varied values."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from cosim.scenario.fields import InputFile, Name, StrictModel


class AxisKeys(StrictModel):
    """Values of one key of the scenario, with a name for tables and charts."""

    label: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    """Its name in tables and charts; the last part of its path by default."""
    values: list[Any]
    """The values."""


class CaseKeys(StrictModel):
    """Several settings that go together, by a name."""

    name: Annotated[str, Field(min_length=1, max_length=40)]
    """Its name in tables and charts."""
    set: dict[str, Any] = {}
    """Values of the scenario by their paths; none leaves it as it is."""


class VariedKeys(StrictModel):
    """A study, but for its scenario."""

    name: Name
    """Its name."""
    description: str = ""
    """Description of the study."""
    seeds: Annotated[int, Field(ge=1, le=1000)] = 1
    """Runs of each case, with the scenario's seed and those after it; the same for all."""
    set: dict[str, Any] = {}
    """Values that are the same in all runs, by their paths in the scenario."""
    grid: dict[str, list[Any] | AxisKeys] = {}
    """Values to be combined, each with each, by their paths in the scenario."""
    cases: list[CaseKeys] = []
    """Settings that vary together; each case is combined with the whole grid."""
    baseline: str | dict[str, Any] | None = None
    """The case that the others are compared with: the name of one of `cases`, or values of the grid
    by their paths, with `case` for a name. By default, and for what is left out, the first."""


class StudyKeys(VariedKeys):
    """A study, as its file has it."""

    scenario: InputFile
    """The scenario that is varied; relative to the study."""
