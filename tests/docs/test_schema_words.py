"""What a schema allows, in words."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from cosim.scenario.fields import DurationS
from docs.site_builder.schema_words import bounds_words, default_words, references, type_words

TIME = {
    "anyOf": [
        {"type": "number", "minimum": 0},
        {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*(s|min|h|d)\s*$"},
    ]
}


def link(name: str) -> str:
    return f"<{name}>"


@pytest.mark.parametrize(
    ("schema", "words", "bounds"),
    [
        ({"type": "integer", "minimum": 1}, "whole number", "≥ 1"),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, "number", "> 0, ≤ 1"),
        ({"type": "number", "exclusiveMaximum": 24}, "number", "< 24"),
        ({"type": "string", "format": "path"}, "path", ""),
        ({"type": "string", "pattern": "^a|b$"}, "text", "matches `^a|b$`"),
        ({"enum": ["a", "b"], "type": "string"}, "`a` or `b`", ""),
        ({"const": "zipf", "type": "string"}, "`zipf`", ""),
        (TIME, "duration", "≥ 0"),
        ({"anyOf": [TIME, {"type": "null"}]}, "duration or null", "≥ 0"),
        (
            {"anyOf": [{"type": "number", "minimum": 2}, {"type": "null"}]},
            "number or null",
            "≥ 2",
        ),
        ({"$ref": "#/$defs/Time"}, "<Time>", ""),
        ({"oneOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}]}, "<A> or <B>", ""),
        (
            {"type": "array", "items": {"$ref": "#/$defs/A"}, "minItems": 1},
            "list of <A>",
            "at least 1",
        ),
        (
            {"type": "array", "items": {"type": "number"}, "minItems": 24, "maxItems": 24},
            "list of number",
            "24 of them",
        ),
        (
            {"type": "array", "prefixItems": [{"type": "number", "minimum": 0}, {}]},
            "[number, anything]",
            "≥ 0 and any",
        ),
        (
            {"type": "object", "additionalProperties": {"type": "number", "minimum": 0}},
            "mapping of names to number",
            "≥ 0",
        ),
    ],
)
def test_types_and_bounds(schema: dict[str, Any], words: str, bounds: str) -> None:
    assert type_words(schema, link) == words
    assert bounds_words(schema) == bounds


@pytest.mark.parametrize(
    ("default", "schema", "words"),
    [
        (0.9, {}, "`0.9`"),
        (None, {}, "`null`"),
        (False, {}, "`false`"),
        ("", {}, '`""`'),
        (3600.0, TIME, "`1h`"),
        (90, TIME, "`90s`"),
        (86400, TIME, "`1d`"),
        ({"type": "zipf", "cap": None, "of": [1, 2]}, {}, "`{type: zipf, of: [1, 2]}`"),
    ],
)
def test_defaults(default: Any, schema: dict[str, Any], words: str) -> None:
    assert default_words({**schema, "default": default}, required=False) == words


def test_no_default() -> None:
    assert default_words({}, required=True) == "required"
    assert default_words({}, required=False) == "none"


def test_a_duration_of_ours_is_known_as_one() -> None:
    class Model(BaseModel):
        wait: DurationS | None = None

    (schema,) = Model.model_json_schema()["properties"].values()
    assert type_words(schema, link) == "duration or null"


def test_references_are_found_within_lists_and_choices() -> None:
    choice = {"anyOf": [{"$ref": "#/$defs/B"}, {"type": "null"}]}
    schema = {"anyOf": [{"type": "array", "items": choice}, {"$ref": "#/$defs/C"}]}
    assert list(references(schema)) == ["B", "C"]
