"""Every error that a user can meet.

CosimError
 ├── ScenarioError        the scenario is wrong: exit code 2, nothing is written
 │    ├── SignalError     a signal file is wrong, or does not cover the run
 │    └── CalibrationError  measurements that nothing can be fitted on
 ├── RunFailed            the run broke off: exit code 1, the result folder is marked failed
 │    └── RunInterrupted  the user, or the system, ended it
 ├── Stopped              the user, or the system, ended a study: exit code 130
 └── FetchError           a public data set cannot be downloaded: exit code 1

``inference_sim`` and ``controllers`` stand alone and raise errors of their own; they are turned
into one of these where ``cosim`` calls them.
"""

from __future__ import annotations

from collections.abc import Sequence

# Of any file, a scenario or another one.
from inference_sim.errors import Problem as Problem
from inference_sim.errors import did_you_mean as did_you_mean
from inference_sim.errors import one_line

DISTRIBUTION = "carbon-cosim"
"""The name by which pip knows cosim; `cosim` alone is somebody else's package."""


def install_hint(extra: str) -> str:
    """Return the command that installs an extra: ``pip install 'carbon-cosim[plots]'``."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"


class CosimError(Exception):
    """Base of all errors that are shown to the user as a message, without a traceback."""

    exit_code = 1


class ScenarioError(CosimError):
    """A fault of the scenario.

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
    """A signal file that cannot be used: unreadable, irregular, or not covering the run."""


class CalibrationError(ScenarioError):
    """Measurements that cannot be used: unreadable, impossible, or too few for a fit."""


class RunFailed(CosimError):
    """A run that failed.

    Attributes:
        step: Index of the step at which it failed, from 0; None when no step had begun.
    """

    def __init__(self, message: str, *, step: int | None = None) -> None:
        self.step = step
        super().__init__(one_line(message))


class RunInterrupted(RunFailed):
    """A run was ended by Ctrl-C, or by the system."""


class Stopped(CosimError):
    """A study was ended before its last run, by Ctrl-C or by the system."""

    exit_code = 130


class FetchError(CosimError):
    """A public data set that cannot be downloaded, or is not the expected one."""
