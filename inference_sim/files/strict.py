"""Values of a file taken by their own type: text is not a number, and a number is not a date.

pydantic's own strict mode goes too far: it refuses what YAML can only write as text or as a list,
such as dates and tuples.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, cast

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


def _whole(value: Any) -> Any:
    """Return 400000 for ``4e5``."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _written_date(value: Any) -> Any:
    """Refuse a bare number, which pydantic would take for seconds since 1970."""
    if isinstance(value, datetime) or (isinstance(value, str) and _DATE.match(value)):
        return value
    raise ValueError("expected a date and time such as 2023-06-08T00:00:00Z")


def _of_some_size(value: float) -> float:
    """Refuse numbers that no quantity has: their sums and ratios would be infinite, or 0."""
    if abs(value) > LARGEST:
        raise ValueError(f"must be at most {LARGEST:g} in size")
    if 0 < abs(value) < SMALLEST:
        raise ValueError(f"must be 0, or at least {SMALLEST:g} in size")
    return value


LARGEST, SMALLEST = 1e18, 1e-18
_LARGEST_WHOLE = 10**40  # seeds have up to 128 bits


def _of_some_digits(value: int) -> int:
    if abs(value) > _LARGEST_WHOLE:
        raise ValueError(f"must be at most {float(_LARGEST_WHOLE):g} in size")
    return value


_DATE = re.compile(r"\s*\d{4}-")
_BEFORE = {"int": _whole, "datetime": _written_date}
_AFTER = {"float": _of_some_size, "int": _of_some_digits}


def strict_schema(source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
    """Return the core schema of a model or a dataclass; a ``__get_pydantic_core_schema__``."""
    schema = handler(source)
    resolved: Any = handler.resolve_ref_schema(schema)
    resolved.update(_without_coercion(resolved))
    return schema


def _without_coercion(schema: Any) -> Any:
    """Return a core schema whose numbers, booleans and dates take no other kind of value."""
    if isinstance(schema, list):
        return [_without_coercion(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kind = schema.get("type")
    if not isinstance(kind, str):  # a table of fields, one of which may be named `type`
        return {name: _without_coercion(part) for name, part in schema.items()}
    validators = (*_BEFORE.values(), *_AFTER.values())
    if (
        kind in ("function-before", "function-after")
        and schema["function"]["function"] in validators
    ):
        return schema  # this model was walked before
    opaque = {"default", "metadata", "serialization", "keys_schema"}  # keys are always text
    walked = {
        name: part if name in opaque else _without_coercion(part) for name, part in schema.items()
    }
    if kind in ("int", "float", "bool"):
        walked["strict"] = True
    if kind in _AFTER:
        walked = dict(core_schema.no_info_after_validator_function(_AFTER[kind], cast(Any, walked)))
    if kind in _BEFORE:
        return core_schema.no_info_before_validator_function(_BEFORE[kind], cast(Any, walked))
    return walked
