"""The keys of one ``config.json``, each checked when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inference_sim.errors import InferenceSimError


class ConfigFile:
    """Keys of a model's file; a missing or wrong one raises an error that names file and key."""

    def __init__(self, path: Path, values: Mapping[str, Any]) -> None:
        self.path, self.values = path, values

    def fail(self, problem: str) -> InferenceSimError:
        """Return an error that names the file."""
        return InferenceSimError(f"model file '{self.path}': {problem}")

    def integer(self, key: str, *others: str, least: int = 1, default: int | None = None) -> int:
        """Return the integer, at least `least`, under `key` (or one of its other names).

        Raises:
            InferenceSimError: If it is missing and has no default, or is of another kind.
        """
        for name in (key, *others):
            value = self.values.get(name)
            if value is not None:
                if isinstance(value, bool) or not isinstance(value, int) or value < least:
                    raise self.fail(
                        f"'{name}' must be an integer above {least - 1} (got {value!r:.60})"
                    )
                return value
        if default is None:
            raise self.fail(f"'{key}' is missing")
        return default

    def mapping(self, key: str) -> Mapping[str, Any]:
        """Return the object under `key`; an empty one where it is missing or null.

        Raises:
            InferenceSimError: If it is of another kind.
        """
        value = self.values.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.fail(f"'{key}' must be an object (got {value!r:.60})")
        return value
