"""Figures of runs that are kept in files, so that no run is made twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import cosim
from cosim.results.files import put_text
from cosim.results.folder import file_hash, input_files, scenario_hash
from cosim.world.plan import Plan


class Figures(Protocol):
    """A dataclass of what is kept of a run, as JSON has it."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def failure(self) -> str:
        """Why the run broke off; empty if it did not."""


F = TypeVar("F", bound=Figures)


def plan_key(plan: Plan, *more: str) -> str:
    """Return a hash of all that the figures of a run depend on.

    Args:
        plan: The run: its scenario, and the files that it reads.
        more: What else they depend on, beside the version of cosim.
    """
    hashes = {place: file_hash(path) for place, path in input_files(plan).items()}
    parts = (scenario_hash(plan, hashes), *more, cosim.__version__)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def kept_or_made(path: Path, key: str, kind: type[F], make: Callable[[], F]) -> tuple[F, bool]:
    """Return the figures in a file if they have the same key, or make and keep them.

    Figures of a run that broke off are kept, to be looked at, and not taken.

    Args:
        path: The file.
        key: Of what the figures depend on.
        kind: Their class.
        make: Makes the run.

    Returns:
        The figures, and whether they were made now.
    """
    found = _kept(path, key, kind)
    if found is not None:
        return found, False
    figures = make()
    text = json.dumps({"key": key, "figures": asdict(figures)}, indent=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    put_text(path, text)
    return figures, True


def _kept(path: Path, key: str, kind: type[F]) -> F | None:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content["key"] != key or content["figures"]["failure"]:
            return None
        return kind(**content["figures"])
    except (OSError, ValueError, KeyError, TypeError):  # none, or of another version
        return None
