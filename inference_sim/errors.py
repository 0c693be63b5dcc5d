"""Errors of the serving simulator.

InferenceSimError
 ├── UnknownName      no such GPU, model or engine profile
 ├── ModelDoesNotFit  the weights leave too little memory for one request
 └── TraceError       a request trace cannot be read
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InferenceSimError(ValueError):
    """Base of the simulator's errors: a configuration that cannot be simulated."""


class UnknownName(InferenceSimError):
    """A name that a catalogue does not hold."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        nearest += [one for one in names if name and one.lower().startswith(name.lower())]
        hint = f"did you mean '{nearest[0]}'? " if nearest else ""
        super().__init__(f"unknown {kind} (got '{name}'); {hint}known: {', '.join(names)}")


class ModelDoesNotFit(InferenceSimError):
    """A model's weights and one request's KV cache exceed the memory of its GPUs."""


class TraceError(InferenceSimError):
    """A request trace that cannot be read; the message names the file and the row."""
