"""The settings in which the scenarios of runs differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_APART = ("schema_version", "name", "description", "evaluation")
"""Keys without effect on a run."""
_MISSING = object()
_NONE = "–"


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that differs.

    Attributes:
        path: Its place in the scenario; entries of lists go by their name, or by their number.
        values: In words, by run in their order; a dash where a run has none.
    """

    path: str
    values: Sequence[str]


def differing_settings(scenarios: Sequence[Mapping[str, Any]]) -> list[Setting]:
    """Return the settings in which scenarios differ, in the order of the first that has them.

    Args:
        scenarios: As they ran, with every default.
    """
    compared = [
        {key: value for key, value in scenario.items() if key not in _APART}
        for scenario in scenarios
    ]
    return list(_differing("", compared))


def _differing(path: str, values: Sequence[Any]) -> Iterator[Setting]:
    if all(value == values[0] for value in values):
        return
    parts = [_parts(value) for value in values]
    known = [part for part in parts if part is not None]
    if len(known) < len(values):
        yield Setting(path, [_words(value) for value in values])
        return
    for key in dict.fromkeys(key for part in known for key in part):
        below = f"{path}.{key}" if path else key
        yield from _differing(below, [part.get(key, _MISSING) for part in known])


def _parts(value: Any) -> Mapping[str, Any] | None:
    """Return the parts of a mapping, or of a list of mappings; None of another value."""
    if isinstance(value, Mapping):
        return {str(key): part for key, part in value.items()}
    if isinstance(value, list) and all(isinstance(entry, Mapping) for entry in value):
        names = [str(entry.get("name", k)) for k, entry in enumerate(value)]
        return dict(zip(names, value, strict=True)) if len({*names}) == len(names) else None
    return None


def _words(value: Any) -> str:
    """Return a value in the words of a scenario."""
    if value is _MISSING or value is None or value == [] or value == {}:
        return _NONE
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.10g}"  # 500, not 500.0
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_words(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_words, value))}]"
    return str(value)
