"""Every error that a user can meet.

CosimError
 ├── ScenarioError        the scenario is wrong: exit code 2, nothing is written
 │    ├── SignalError     a signal file is wrong, or does not cover the run
 │    └── CalibrationError  measurements that nothing can be fitted on
 ├── RunFailed            the run broke off: exit code 1, the result folder is marked failed
 └── FetchError           a public data set cannot be downloaded: exit code 1

``inference_sim`` and ``controllers`` stand alone and raise errors of their own; they are turned
into one of these where ``cosim`` calls them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class CosimError(Exception):
    """Base of all errors that are shown to the user as a message, without a traceback."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a scenario, and where.

    Attributes:
        message: What is wrong, what was got and what is expected.
        path: Dotted path in the scenario, such as ``sites.0.cluster.model``; empty for the whole.
        where: ``file:line:column``, or ``--set path`` for a value from the command line.
    """

    message: str
    path: str = ""
    where: str = ""

    def __str__(self) -> str:
        path = "" if self.where.endswith(f"--set {self.path}") else self.path
        head = " ".join(part for part in (self.where, path) if part)
        return f"{head}: {self.message}" if head else self.message


class ScenarioError(CosimError):
    """The scenario is wrong.

    Carries every problem found, not just the first.
    """

    exit_code = 2

    def __init__(self, problems: Problem | str | Sequence[Problem]) -> None:
        if isinstance(problems, str):
            problems = Problem(problems)
        if isinstance(problems, Problem):
            problems = [problems]
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class SignalError(ScenarioError):
    """A signal file cannot be used: unreadable, irregular, or not covering the run."""


class CalibrationError(ScenarioError):
    """Measurements cannot be used: unreadable, impossible, or not enough to tell."""


class RunFailed(CosimError):
    """A run broke off.

    Attributes:
        step: Index of the step at which it failed, from 0; None when no step had begun.
    """

    def __init__(self, message: str, *, step: int | None = None) -> None:
        self.step = step
        super().__init__(message)


class FetchError(CosimError):
    """A public data set cannot be downloaded, or is not what it should be."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest of `known`, or an empty string."""
    nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{nearest[0]}'?" if nearest else ""
