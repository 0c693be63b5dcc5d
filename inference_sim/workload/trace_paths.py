"""Values of a JSON object by dotted path, and spans of OpenTelemetry as flat objects.

``a.b.c`` is the key ``a.b.c``, or ``b.c`` of the object ``a``, and so on. A list of keys and
values, as OTLP/JSON writes attributes, counts as an object.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

SPAN_TIMES = (
    "startTimeUnixNano",
    "start_time_unix_nano",
    "startTime",
    "start_time",
    "timestamp",
)
"""Names of the start of a span: in OTLP/JSON, in protobuf's JSON, and as exporters write it."""
SPAN_PROMPTS = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
"""Names of the prompt tokens: of today's conventions, and those of vLLM and of 2024."""
SPAN_OUTPUTS = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
"""Names of the output tokens, in the same order."""
SPAN_SESSION = "gen_ai.conversation.id"
_WHOLE = re.compile(r"-?[0-9]{1,30}")
_ENVELOPE = ("resourceSpans", "scopeSpans", "spans")


def value_at(content: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path.

    Raises:
        KeyError: If there is none.
    """
    if path in content:
        return content[path]
    end = path.find(".")
    while end >= 0:
        if (inner := _mapping(content.get(path[:end]))) is not None:
            try:
                return value_at(inner, path[end + 1 :])
            except KeyError:
                pass
        end = path.find(".", end + 1)
    raise KeyError(path)


def has_value(content: Mapping[str, Any], path: str) -> bool:
    """Return whether there is a value at a dotted path."""
    try:
        value_at(content, path)
    except KeyError:
        return False
    return True


def paths_of(content: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """Yield the paths of all values that are not objects."""
    for key, value in content.items():
        inner = _mapping(value)
        if inner:
            yield from paths_of(inner, f"{before}{key}.")
        else:
            yield before + key


def spans_of(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the spans of an object: itself, or those that an export of OTLP/JSON holds.

    The attributes of a span stand beside its own keys. Nanoseconds, which OTLP/JSON writes as text,
    are numbers.
    """
    level: list[Any] = [content]
    if _ENVELOPE[0] in content:
        for key in _ENVELOPE:
            lists = [outer.get(key) for outer in level if isinstance(outer, dict)]
            level = [inner for each in lists if isinstance(each, list) for inner in each]
    return [_flat(span) for span in level if isinstance(span, dict)]


def _flat(span: dict[str, Any]) -> dict[str, Any]:
    flat = {**(_mapping(span.get("attributes")) or {}), **span}
    for name in SPAN_TIMES[:2]:
        stamp = flat.get(name)
        if isinstance(stamp, str) and _WHOLE.fullmatch(stamp):
            flat[name] = int(stamp)
    return flat


def _mapping(value: Any) -> dict[str, Any] | None:
    """Return an object, or a list of keys and values as one; None for anything else."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list) and value and all(map(_is_attribute, value)):
        return {each["key"]: _attribute(each.get("value")) for each in value}
    return None


def _is_attribute(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("key"), str)


def _attribute(value: Any) -> Any:
    """Return the value of an attribute of OTLP/JSON, whose whole numbers may be text."""
    if not isinstance(value, dict) or len(value) != 1:
        return value
    ((kind, inner),) = value.items()
    if kind == "intValue" and isinstance(inner, str):
        try:
            return int(inner)
        except ValueError:
            return inner
    return inner if kind.endswith("Value") else value
