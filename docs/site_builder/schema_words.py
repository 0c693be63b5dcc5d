"""Types, bounds and defaults of a JSON Schema, in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_PLAIN = {
    "string": "text",
    "number": "number",
    "integer": "whole number",
    "boolean": "true or false",
    "null": "null",
    "object": "mapping",
    "array": "list",
}
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
_FORMATS = {"path": "path", "date-time": "date and time", "uri": "address"}


def references(schema: Schema) -> Iterator[str]:
    """Yield the names of the definitions that a key's schema refers to, in order."""
    if "$ref" in schema:
        yield schema["$ref"].rpartition("/")[2]
    for option in _options(schema):
        yield from references(option)
    items = schema.get("items")
    if isinstance(items, dict):
        yield from references(items)
    more = schema.get("additionalProperties")
    if isinstance(more, dict):
        yield from references(more)


def type_words(schema: Schema, link: Callable[[str], str]) -> str:
    """Return what a value may be.

    Args:
        schema: The schema of a key.
        link: From the name of a definition to a link to it.
    """
    if "$ref" in schema:
        return link(schema["$ref"].rpartition("/")[2])
    if is_duration(schema):
        nullable = any(one.get("type") == "null" for one in _options(schema))
        return "duration or null" if nullable else "duration"
    if options := _options(schema):
        words = dict.fromkeys(type_words(option, link) for option in options)
        return " or ".join(words)
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{_value(one)}`" for one in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type")
    if kind == "array":
        return _list_words(schema, link)
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"mapping of names to {type_words(schema['additionalProperties'], link)}"
    return _FORMATS.get(schema.get("format", ""), _PLAIN.get(str(kind), "anything"))


def bounds_words(schema: Schema) -> str:
    """Return the bounds of a value, such as ``> 0, ≤ 1``; empty if it has none."""
    if is_duration(schema):
        schema = next(one for one in _numbers_and_texts(schema) if one["type"] == "number")
    words = [f"{sign} {_value(schema[key])}" for key, sign in _BOUNDS.items() if key in schema]
    if "pattern" in schema:
        words.append(f"matches `{schema['pattern']}`")
    least, most = schema.get("minItems"), schema.get("maxItems")
    if least is not None and "prefixItems" not in schema:
        words.append(f"{least} of them" if least == most else f"at least {least}")
    parts = [bounds_words(option) for option in _options(schema)]
    if isinstance(schema.get("items"), dict):
        inner = bounds_words(schema["items"])
        parts.append(f"each {inner}" if inner else "")
    elif "prefixItems" in schema:
        parts = [" and ".join(bounds_words(item) or "any" for item in schema["prefixItems"])]
    if isinstance(schema.get("additionalProperties"), dict):
        parts.append(bounds_words(schema["additionalProperties"]))
    words += dict.fromkeys(part for part in parts if part)
    return ", ".join(words)


def default_words(schema: Schema, *, required: bool) -> str:
    """Return the default of a key as YAML would write it, or that it has none."""
    if required:
        return "required"
    if "default" not in schema:
        return "none"
    default = schema["default"]
    if is_duration(schema) and isinstance(default, (int, float)):
        return f"`{_duration(default)}`"
    return '`""`' if default == "" else f"`{_flow(default)}`"


def is_duration(schema: Schema) -> bool:
    """Tell whether a value is a time: seconds, or a number with a unit."""
    kinds = {one.get("type"): one for one in _numbers_and_texts(schema)}
    return set(kinds) == {"number", "string"} and "s|min|h|d)" in kinds["string"].get("pattern", "")


def _numbers_and_texts(schema: Schema) -> list[Schema]:
    """Return the options of a schema, or of the only one that is not null."""
    options = [one for one in _options(schema) if one.get("type") != "null"]
    return _numbers_and_texts(options[0]) if len(options) == 1 else options


def _options(schema: Schema) -> list[Schema]:
    return [*schema.get("anyOf", ()), *schema.get("oneOf", ())]


def _list_words(schema: Schema, link: Callable[[str], str]) -> str:
    if "prefixItems" in schema:
        return f"[{', '.join(type_words(item, link) for item in schema['prefixItems'])}]"
    items = schema.get("items")
    return f"list of {type_words(items, link)}" if items else "list"


def _duration(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"


def _flow(value: Any) -> str:
    """Return a value in YAML's flow style; keys within it that are null are left out."""
    if isinstance(value, dict):
        parts = [f"{key}: {_flow(one)}" for key, one in value.items() if one not in (None, {})]
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _value(value)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(value)
