"""Strategies for inputs that are nearly right: scenarios from the schema, and damaged files."""

from __future__ import annotations

import copy
from typing import Any

import yaml
from hypothesis import strategies as st

Place = tuple[str | int, ...]

ABSURD: list[Any] = [
    *(None, True, False, "", " ", [], {}, [[]], [None], {"": None}),
    *(0, -1, 1, 2**31, 2**63, 10**30, 1e308, -1e308, 5e-324, 1e-9, float("nan"), float("inf")),
    *("x" * 300, "x" * 5000, "a\nb", "\x1b[31mred", "\x07", "\u202e", "é日本", "'\"<&>"),
    *("no", "0x10", "1e9", "-0", "1e9d", "0.0001s", "10000000d", "5 s", "-1h", "12"),
    *("9999-12-31T23:50:00Z", "0001-01-01T00:00:00Z", "2022-06-08", "2022-13-01T00:00:00Z"),
    *("2022-06-08T00:00:00+14:00", "/dev/null", "..", "./none.py:None", "./none.csv", "none"),
    *("poisson", "constant", "csv", "typical_day", "noop", "drained", "mosaik", "dc"),
]
PIECES = [
    *("\t", "\x00", ":", "{", "}", "[", "]", "&a ", "*a", "!!python/object:x ", "|", ">", "'", '"'),
    *("#", "---\n", "...\n", "<<: ", "\ufeff", "\r", "\u2028", "\x85", "  ", "- ", ",", "9" * 400),
    *("nan", "-", "1e999", ";", "\\", "%", "@", "~", "é"),
]


def places(value: Any, at: Place = ()) -> list[Place]:
    """All places of a document, the parts of a value after it."""
    inner: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [at, *(place for key, part in inner for place in places(part, (*at, key)))]


def at(value: Any, path: Place) -> Any:
    """The part of a document at a place."""
    for key in path:
        value = value[key]
    return value


@st.composite
def mutated(draw: st.DrawFn, original: Any, schema: dict[str, Any], *, gentle: bool = False) -> Any:
    """A document with up to three changes; gentle ones leave it valid more often than not."""
    document = copy.deepcopy(original)
    ways = ["scale", "redraw", "delete"]
    if not gentle:
        ways += ["absurd", "absurd", "copy", "rename", "move"]
    for way in draw(st.lists(st.sampled_from(ways), min_size=1, max_size=3)):
        path = draw(st.sampled_from(places(document)[1:] or [()]))
        if not path:
            break
        parent, key = at(document, path[:-1]), path[-1]
        value = parent[key]
        if way == "delete":
            del parent[key]
        elif way == "absurd":
            parent[key] = draw(st.sampled_from(ABSURD))
        elif way == "scale" and isinstance(value, int | float) and not isinstance(value, bool):
            scaled = value * draw(st.sampled_from([0, 0.1, 0.5, 2, 10, -1]))
            parent[key] = int(scaled) if isinstance(value, int) else scaled
        elif way == "redraw":
            fitting = [part for part in schemas_at(schema, path) if part]
            if fitting:
                parent[key] = draw(valid(draw(st.sampled_from(fitting)), schema))
        elif way == "copy" and isinstance(parent, list):
            parent.extend(copy.deepcopy([value] * draw(st.sampled_from([1, 1, 2, 50]))))
        elif way == "rename" and isinstance(parent, dict):
            parent[draw(st.sampled_from(["", "x" * 300, f"{key}s", "a\nb", "type"]))] = value
            del parent[key]
        elif way == "move":
            parent[key] = copy.deepcopy(at(document, draw(st.sampled_from(places(document)))))
    return document


def resolved(part: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """A part of a schema, without a reference at its head."""
    while "$ref" in part:
        part = schema["$defs"][part["$ref"].rpartition("/")[2]]
    return part


def alternatives(part: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The alternatives that a part of a schema offers, one if it offers none."""
    part = resolved(part, schema)
    offered = part.get("anyOf") or part.get("oneOf")
    if not offered:
        return [part]
    return [one for other in offered for one in alternatives(other, schema)]


def schemas_at(schema: dict[str, Any], path: Place) -> list[dict[str, Any]]:
    """The parts of a schema that may apply at a place of a document."""
    parts = [schema]
    for key in path:
        below = []
        for one in (one for part in parts for one in alternatives(part, schema)):
            if isinstance(key, int) and "items" in one:
                below.append(one["items"])
            elif key in one.get("properties", {}):
                below.append(one["properties"][key])
        parts = below
    return parts


@st.composite
def valid(draw: st.DrawFn, part: Any, schema: dict[str, Any], depth: int = 0) -> Any:
    """A value that a part of a schema allows, or nearly so."""
    if not isinstance(part, dict):
        return draw(st.sampled_from(ABSURD))
    if "examples" in part and draw(st.booleans()):
        return draw(st.sampled_from(part["examples"]))
    one = draw(st.sampled_from(alternatives(part, schema)))
    if "const" in one:
        return one["const"]
    if "enum" in one:
        return draw(st.sampled_from(one["enum"]))
    kind = one.get("type")
    if kind == "object" or "properties" in one:
        needed = set(one.get("required", ()))
        rare = 0.15 if depth else 0.5
        return {
            key: draw(valid(below, schema, depth + 1))
            for key, below in one.get("properties", {}).items()
            if key in needed or (depth < 6 and draw(st.floats(0, 1)) < rare)
        }
    if kind == "array":
        if "prefixItems" in one:
            return [draw(valid(below, schema, depth + 1)) for below in one["prefixItems"]]
        least = one.get("minItems", 0)
        count = draw(st.integers(least, min(least + 2, one.get("maxItems", 9))))
        return [draw(valid(one.get("items", {}), schema, depth + 1)) for _ in range(count)]
    if kind in ("number", "integer"):
        low = one.get("minimum", one.get("exclusiveMinimum", -100))
        high = one.get("maximum", one.get("exclusiveMaximum", low + 1000))
        if kind == "integer":
            return draw(st.integers(int(low), int(high)))
        return draw(st.floats(low, high) | st.integers(int(low), int(high)))
    if kind == "boolean":
        return draw(st.booleans())
    if kind == "string":
        if "pattern" in one:
            return draw(st.from_regex(one["pattern"], fullmatch=False).map(lambda x: x[:200]))
        return draw(
            st.sampled_from(["dc", "x", "2022-06-08T00:00:00Z", "a100-sxm-80gb", "./s.csv"])
        )
    return draw(st.sampled_from(ABSURD)) if kind != "null" else None


@st.composite
def damaged(draw: st.DrawFn, text: str) -> str:
    """A text file with up to three changes of lines, fields or characters."""
    for way in draw(
        st.lists(st.sampled_from(["cut", "double", "swap", "field", "insert", "end"]), max_size=3)
    ):
        lines = text.splitlines(keepends=True) or [""]
        number = draw(st.integers(0, len(lines) - 1))
        if way == "cut":
            del lines[number]
        elif way == "double":
            lines[number:number] = lines[number : number + 1] * draw(st.sampled_from([1, 2, 100]))
        elif way == "swap":
            other = draw(st.integers(0, len(lines) - 1))
            lines[number], lines[other] = lines[other], lines[number]
        elif way == "field":
            mark = draw(st.sampled_from(',;:" '))
            fields = lines[number].split(mark)
            fields[draw(st.integers(0, len(fields) - 1))] = str(draw(st.sampled_from(ABSURD)))
            lines[number] = mark.join(fields)
        elif way == "insert":
            place = draw(st.integers(0, len(lines[number])))
            piece = draw(st.sampled_from(PIECES))
            lines[number] = lines[number][:place] + piece + lines[number][place:]
        else:
            lines = [*lines[:number], lines[number][: draw(st.integers(0, len(lines[number])))]]
        text = "".join(lines)
    return text


def as_yaml(document: Any) -> str:
    """A document as YAML."""
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=200)
