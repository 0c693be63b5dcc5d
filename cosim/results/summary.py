"""The summary of a run, typed, and as the content of ``summary.json``, on which other tools rely.

Units stand in the names. Totals over the sites are at the top of the file, and in `Summary.totals`;
the same keys per site are under ``sites``. Everything but ``wall`` is a function of scenario, seed
and versions; a live run has ``live`` as well, and is never the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter

from cosim.accounting.keys import IfPresent
from cosim.results.in_force import SettingUse
from cosim.results.totals import RunTotals


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioName:
    """The scenario of a run.

    Attributes:
        name, seed: As it says.
        hash: Of its settings and the contents of its files.
    """

    name: str
    seed: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedTime:
    """The time that a run simulated.

    Attributes:
        start: Its start, UTC, in ISO 8601.
        duration_s: Its length [s].
        step_s: Length of a step [s].
        steps: Number of steps.
    """

    start: str
    duration_s: int
    step_s: int
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Reason of a failed run.

    Attributes:
        step: Index of the step, from 0.
        message: The error.
    """

    step: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedReport:
    """Polls of a live signal.

    Attributes:
        polls, failed_polls: How often it was asked for, and without an answer to use.
        stale_steps: Steps with a value that was too old.
        oldest_s: Greatest age of a value in use [s]; None if no step was taken.
    """

    polls: int
    failed_polls: int
    stale_steps: int
    oldest_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveReport:
    """Timing of a live run against the clock.

    Attributes:
        speed: Seconds of the run per second of the clock on the wall.
        late_s: How far it was behind the clock at most [s of the run].
        sites: The feeds by site.
    """

    speed: float
    late_s: float
    sites: Mapping[str, FeedReport]


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerActions:
    """Number of changes by a controller.

    Attributes:
        type: Its name.
        site: Its site; None for a fleet controller.
        actions: Changes of actuators that it made.
        guard_seconds: Time for which the SLO guard held at its site [s].
        settings: Use of the actuators that it may set, by name.
    """

    type: str
    site: str | None
    actions: int
    guard_seconds: float
    settings: Mapping[str, SettingUse]


@dataclass(frozen=True, slots=True, kw_only=True)
class WallTime:
    """The speed of a run.

    Attributes:
        run_s: Time that it took [s].
        x_real_time: Simulated time over that.
        requests_per_s: Requests over that.
    """

    run_s: float
    x_real_time: float
    requests_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The summary of a run.

    ``Summary.from_dict(json.loads(text)).totals.carbon_g.total`` is the emissions of a run [g].

    Attributes:
        failure: None of a completed run.
        totals: Of all sites together, those of the site if it is the only one; None of a run that
            took no step.
        live: None unless the run was live.
        controllers: Changes by each controller, in the order of the scenario.
        sites: Totals by site; empty of a run that took no step.
    """

    status: Literal["completed", "failed"]
    scenario: ScenarioName
    time: SimulatedTime
    failure: IfPresent[Failure] = None
    totals: RunTotals | None
    live: IfPresent[LiveReport] = None
    controllers: Sequence[ControllerActions]
    sites: Mapping[str, RunTotals]
    wall: WallTime

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``summary.json``, in which the totals stand at the top."""
        content: dict[str, Any] = {}
        for key, value in _adapter().dump_python(self, by_alias=True).items():
            content |= (value or {}) if key == "totals" else {key: value}
        for totals in (content, *content.get("sites", {}).values()):
            if tokens := totals.get("tokens"):  # those of caches only where there are some
                totals["tokens"] = {
                    key: amount for key, amount in tokens.items() if amount is not None
                }
        return content

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Summary:
        """Return the summary that a ``summary.json`` holds; keys that it does not know are ignored.

        Raises:
            pydantic.ValidationError: If a key is missing, or has a value of another kind.
        """
        totals = content if content.get("sites") else None
        return _adapter().validate_python({**content, "totals": totals})


@cache
def _adapter() -> TypeAdapter[Summary]:
    return TypeAdapter(Summary)
