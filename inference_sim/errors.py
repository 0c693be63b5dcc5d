"""Errors of the serving simulator.

InferenceSimError
 ├── FileError        a file cannot be read, or says what it cannot mean
 ├── UnknownName      no such GPU, model or engine profile
 ├── ModelDoesNotFit  the weights leave too little memory for one request
 └── TraceError       a request trace cannot be read
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class InferenceSimError(ValueError):
    """Base of the simulator's errors: a configuration that cannot be simulated."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file, and where.

    Attributes:
        message: What is wrong, what was got and what is expected.
        path: Dotted path of keys, such as ``sites.0.cluster.model``; empty for the whole.
        where: ``file:line:column``, or ``--set path`` for a value from the command line.
    """

    message: str
    path: str = ""
    where: str = ""

    def __str__(self) -> str:
        path = "" if self.where.endswith(f"--set {self.path}") else self.path
        head = " ".join(part for part in (self.where, path) if part)
        return f"{head}: {self.message}" if head else self.message


class FileError(InferenceSimError):
    """A file that cannot be read, or says what it cannot mean; carries every problem found."""

    def __init__(self, problems: str | Sequence[Problem]) -> None:
        self.problems = (Problem(problems),) if isinstance(problems, str) else tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))


class UnknownName(InferenceSimError):
    """A name that a catalogue does not hold."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        nearest += [other for other in names if name and other.lower().startswith(name.lower())]
        hint = f"did you mean '{nearest[0]}'? " if nearest else ""
        super().__init__(f"unknown {kind} (got '{name}'); {hint}known: {', '.join(names)}")


class ModelDoesNotFit(InferenceSimError):
    """A model's weights and one request's KV cache exceed the memory of its GPUs."""


class TraceError(InferenceSimError):
    """A request trace that cannot be read; the message names the file and the row."""


_LONGEST_NAME = 80
"""Longer ones are no names: nobody mistypes them, and an error should not show them."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest of `known`, or an empty string."""
    names = [one for one in known if len(one) <= _LONGEST_NAME]
    nearest = difflib.get_close_matches(name[:_LONGEST_NAME], names, n=1, cutoff=0.6)
    return f"; did you mean '{nearest[0]}'?" if nearest else ""
