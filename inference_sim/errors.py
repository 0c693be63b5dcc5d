"""Errors of the serving simulator.

InferenceSimError
 ├── FileError        a file cannot be read, or has values that are not valid
 ├── UnknownName      no such GPU, model or engine profile
 ├── ModelDoesNotFit  the weights leave too little memory for one request
 └── TraceError       a request trace cannot be read
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inference_sim.suggestions import did_you_mean as did_you_mean
from inference_sim.suggestions import similar_name

_LONGEST_NAME, _LONGEST_PLACE, _LONGEST_MESSAGE = 100, 400, 1100
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Categories of characters that end a line, steer a terminal, or cannot be encoded."""


def one_line(text: str) -> str:
    """Return a text with line breaks and control characters as escapes, such as ``\\n``."""
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode("ascii")
        if unicodedata.category(character) in _UNPRINTABLE
        else character
        for character in text
    )


def cut(text: str, most: int) -> str:
    """Return a text of at most `most` characters, and an ellipsis for the rest."""
    return text if len(text) <= most else text[:most] + "…"


def cut_within(text: str, most: int) -> str:
    """Return a text of at most `most` characters, with an ellipsis for its middle."""
    if len(text) <= most:
        return text
    end = most // 3
    return f"{text[: most - end]}…{text[-end:]}"


class InferenceSimError(ValueError):
    """Base of the simulator's errors: a configuration that cannot be simulated."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem in a file, and its location.

    Attributes:
        message: The problem, with the value got and the one expected.
        path: Dotted path of keys, such as ``sites.0.cluster.model``; empty for the whole.
        where: ``file:line:column``, or ``--set path`` for a value from the command line.
    """

    message: str
    path: str = ""
    where: str = ""

    def __str__(self) -> str:
        _, _, set_path = self.where.partition("--set ")
        # A setting may name an entry by its name, where the path has its index.
        same = set_path and len(set_path.split(".")) == len(self.path.split("."))
        path = "" if same else self.path
        places = [one_line(place) for place in (self.where, path) if place]
        head = (", " if set_path else " ").join(cut(place, _LONGEST_PLACE) for place in places)
        message = cut_within(one_line(self.message), _LONGEST_MESSAGE)
        return f"{head}: {message}" if head else message


class FileError(InferenceSimError):
    """A file that cannot be read, or has values that are not valid; carries every problem found."""

    def __init__(self, problems: str | Sequence[Problem]) -> None:
        self.problems = (Problem(problems),) if isinstance(problems, str) else tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))


_MOST_LISTED = 40
"""Names of a catalogue that an error lists in full."""


class UnknownName(InferenceSimError):
    """A name that a catalogue does not hold."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        nearest = similar_name(name, names)
        hint = f"did you mean '{nearest}'? " if nearest else ""
        shown = cut(name, _LONGEST_NAME)
        listed = f"known: {', '.join(names)}"
        if len(names) > _MOST_LISTED:
            listed = f"{len(names)} are known (`cosim {kind}s` lists them)"
        super().__init__(f"unknown {kind} (got '{shown}'); {hint}{listed}")


class ModelDoesNotFit(InferenceSimError):
    """A model's weights and one request's KV cache exceed the memory of its GPUs."""


class TraceError(InferenceSimError):
    """A request trace that cannot be read; the message names the file and the row."""
