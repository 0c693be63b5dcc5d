"""The scenario as a whole."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from cosim.scenario.control import ForecastsKeys, SloGuardKeys
from cosim.scenario.evaluation import EvaluationKeys
from cosim.scenario.fields import DurationS, Name, StrictModel
from cosim.scenario.site import Site
from cosim.scenario.workload import Workload

YEARS = (1900, 2200)
"""First and last year in which a run may start."""


def _as_utc(value: datetime) -> datetime:
    if not YEARS[0] <= value.year <= YEARS[1]:
        raise ValueError(f"must be in the years {YEARS[0]} to {YEARS[1]}")
    return value.astimezone(UTC)


MAX_STEPS = 20_000_000
"""Most steps of a run: 38 years of minutes."""
MAX_HORIZON_S = 50 * 366 * 86400
"""Longest run: 50 years [s]."""


class Time(StrictModel):
    """Start, length and step of the run."""

    start: Annotated[AwareDatetime, AfterValidator(_as_utc)]
    """Start of the run; ends in Z for UTC, or in an offset from it."""
    duration: DurationS | None = None
    """Length of the run, a whole number of steps."""
    until: Literal["drained"] | None = None
    """End at the first step by which every request has ended, in place of `duration`."""
    max_duration: DurationS | None = None
    """Longest run with `until: drained`."""
    step: DurationS = 60.0
    """Length of a step, in whole seconds; controllers act and the microgrid is balanced once in
    each."""

    @model_validator(mode="after")
    def _whole_steps(self) -> Time:
        if self.step < 1 or self.step != int(self.step):
            raise ValueError(
                f"step must be a whole number of seconds, at least 1 (got {self.step:g} s)"
            )
        given = "duration" if self.until is None else "max_duration"
        other = "max_duration" if self.until is None else "duration"
        if getattr(self, given) is None or getattr(self, other) is not None:
            raise ValueError("expected `duration`, or `until: drained` with `max_duration`")
        if self.horizon_s <= 0 or self.horizon_s % self.step:
            raise ValueError(
                f"{given} must be a whole number of steps, at least one "
                f"(got {self.horizon_s:g} s with a step of {self.step:g} s)"
            )
        if self.horizon_s > MAX_HORIZON_S:
            raise ValueError(f"{given} may be 18300d at most (got {self.horizon_s:g} s)")
        if self.steps > MAX_STEPS:
            raise ValueError(
                f"a run may have {MAX_STEPS:,} steps (got {self.steps:,}); take a longer step"
            )
        return self

    @property
    def horizon_s(self) -> float:
        """Longest that the run can take [s]."""
        length = self.duration if self.until is None else self.max_duration
        return length or 0.0

    @property
    def step_s(self) -> int:
        """Length of a step [s]."""
        return int(self.step)

    @property
    def steps(self) -> int:
        """Most steps that the run can take."""
        return round(self.horizon_s / self.step)


class Scenario(StrictModel):
    """One closed loop: a workload, sites that serve it, and controllers that act on them."""

    schema_version: Literal[1] = 1
    """Version of this format."""
    name: Name
    """Name of the scenario; results are written to a folder of this name."""
    description: str = ""
    """Description of the scenario."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of everything random."""
    time: Time
    """Start, length and step."""
    workload: Workload | None = None
    """Requests that arrive."""
    sites: Annotated[list[Site], Field(min_length=1)]
    """Sites that serve them."""
    controllers: list[dict[str, Any]] = []
    """Controllers of the sites; each entry has a `type`, and the parameters of that controller."""
    forecasts: ForecastsKeys = ForecastsKeys()
    """Forecasts for controllers."""
    slo_guard: SloGuardKeys | None = SloGuardKeys()
    """Guard that releases throttles when users would notice them; null for none."""
    evaluation: EvaluationKeys | None = None
    """Policies that `cosim evaluate` compares; other commands ignore it."""
    accounting: Literal["standard", "paper"] = "standard"
    """paper: report Table 2 by the paper's own definitions as well."""
    coupling: Literal["mosaik", "native"] | None = None
    """Coupling of the parts; native gives the same numbers, faster, without mosaik. By default
    `cosim run` takes mosaik, and the commands that make many runs native."""

    @model_validator(mode="after")
    def _distinct_sites(self) -> Scenario:
        names = [site.name for site in self.sites]
        if len(set(names)) < len(names):
            raise ValueError(f"sites must have different names (got {', '.join(names)})")
        return self

    @model_validator(mode="after")
    def _every_cluster_has_work(self) -> Scenario:
        clusters = [site for site in self.sites if site.cluster is not None]
        sharing = [site for site in clusters if site.workload is None]
        if self.workload is None and sharing:
            raise ValueError(f"site '{sharing[0].name}' has no workload, and the scenario has none")
        if self.workload is not None and not sharing:
            raise ValueError("the workload is taken by no site")
        if len(sharing) > 1 and any(site.share is None for site in sharing):
            raise ValueError("sites that split the scenario's workload must each have a `share`")
        total = sum(site.share or 1.0 for site in sharing)
        if total > 1 + 1e-9:
            raise ValueError(f"the sites' shares must not exceed 1 (got {total:g})")
        if self.time.until == "drained" and not clusters:
            raise ValueError("`until: drained` needs a cluster")
        loads = [site.workload or self.workload for site in clusters]
        if self.time.until == "drained" and any(load and load.endless for load in loads):
            raise ValueError("`until: drained` needs a workload that ends: give it `requests`")
        return self
