"""Problems that pydantic finds, in the words of the file that was checked.

pydantic names locations by its own schema (members of unions and functions are part of the path)
and by its classes. Here the path of an error is walked through the data and the model together:
that leaves the keys and indices that the user wrote, and gives the keys that are allowed there.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from inference_sim.errors import cut, did_you_mean

_ABSENT: Final = object()
_LONGEST_SHOWN = 60

_EXPECTED = {
    "bool": "true or false",
    "dataclass": "a mapping",
    "date": "a date such as 2023-06-08",
    "datetime": "a date and time such as 2023-06-08T00:00:00Z",
    "dict": "a mapping",
    "float": "a number",
    "frozen": "a list",
    "int": "a whole number",
    "list": "a list",
    "mapping": "a mapping",
    "model": "a mapping",
    "none": "nothing",
    "path": "a path",
    "set": "a list",
    "string": "a string",
    "tuple": "a list",
}
_TYPE_ERROR = re.compile(r"([a-z]+)_(?:.*_)?(?:type|parsing|from_float|inexact|required)")
_BOUNDS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
    "multiple_of": ("multiple_of", "a multiple of"),
}
_LENGTHS = {
    "too_short": ("min_length", "at least", "entry", "entries"),
    "too_long": ("max_length", "at most", "entry", "entries"),
    "string_too_short": ("min_length", "at least", "character", "characters"),
    "string_too_long": ("max_length", "at most", "character", "characters"),
}
_NUMERAL = re.compile(r"[-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?")
_QUANTITY = re.compile(r"[-+]?\.?[0-9]")


@dataclass(frozen=True, slots=True)
class Found:
    """Problem in the data.

    Attributes:
        path: Keys and indices that lead to it.
        message: The problem in words.
        at_key: Whether the key is wrong, not its value.
        missing: The key that is missing there; empty for other problems.
    """

    path: tuple[str | int, ...]
    message: str
    at_key: bool = False
    missing: str = ""


@dataclass(frozen=True, slots=True)
class _Place:
    """Location of an error, with the types allowed there and in the value that encloses it."""

    path: tuple[str | int, ...]
    value: Any
    options: tuple[Any, ...]
    around: tuple[Any, ...]


def explain(error: ValidationError, model: type[Any], data: Mapping[str, Any]) -> list[Found]:
    """Return each problem in `data` that kept it from being a `model`.

    Args:
        error: The error.
        model: A pydantic model or a dataclass.
        data: The plain values that were checked.
    """
    problems: list[Found] = []
    mistaken: dict[tuple[str | int, ...], tuple[_Place, list[str]]] = {}
    for details in error.errors(include_url=False):
        place = _locate(model, data, details["loc"])
        expected = _expected(details, place.value)
        if expected is None:
            problems.append(_explain(place, details))
        else:
            mistaken.setdefault(place.path, (place, []))[1].append(expected)
    reached = [*mistaken, *(problem.path for problem in problems)]
    for path, (place, kinds) in mistaken.items():
        # Of the members of a union, the intended one is the one that got further.
        if not any(len(other) > len(path) and other[: len(path)] == path for other in reached):
            problems.append(Found(path, _mistaken(place.value, kinds)))
    return problems


def _options(annotation: Any) -> tuple[Any, ...]:
    """Return the types that an annotation allows, without None and without metadata."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _options(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return tuple(option for member in get_args(annotation) for option in _options(member))
    return () if annotation is types.NoneType else (annotation,)


def _fields(option: Any) -> dict[str, FieldInfo]:
    """Return the fields of a model by the keys they are written with; none for other types."""
    if not inspect.isclass(option):
        return {}
    if is_dataclass(option):
        return _dataclass_fields(option)
    if not issubclass(option, BaseModel):
        return {}
    return {
        info.validation_alias if isinstance(info.validation_alias, str) else name: info
        for name, info in option.model_fields.items()
    }


@cache
def _dataclass_fields(option: type[Any]) -> dict[str, FieldInfo]:
    hints = get_type_hints(option, include_extras=True)
    return {field.name: FieldInfo.from_annotation(hints[field.name]) for field in fields(option)}


def _inside(option: Any, part: str | int) -> tuple[Any, ...]:
    """Return the types that may stand at key or index `part` of a value of the type `option`."""
    if part in (fields := _fields(option)):
        return _options(fields[str(part)].annotation)
    members = get_args(option)
    if get_origin(option) is tuple and isinstance(part, int) and ... not in members:
        members = members[part : part + 1]
    elif isinstance(part, str):
        members = members[1:]
    return _options(members[0]) if members else ()


def _tags(option: Any, key: str) -> tuple[Any, ...]:
    """Return the values that distinguish a model from the other members of its union."""
    info = _fields(option).get(key)
    return get_args(info.annotation) if info and get_origin(info.annotation) is Literal else ()


def _selected(options: tuple[Any, ...], value: Any, part: str | int) -> tuple[Any, ...]:
    """Return the members of a union that `part` of an error's path names, if it names any."""
    if len(options) < 2:
        return ()
    keys = value if isinstance(value, dict) else ()
    tagged = [
        option for option in options for key in keys if part == value[key] in _tags(option, key)
    ]
    return tuple(tagged or [option for option in options if part == _name(option)])


def _name(option: Any) -> str:
    return getattr(option, "__name__", "")


def _has(value: Any, part: str | int) -> bool:
    if isinstance(value, dict):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and 0 <= part < len(value)


def _locate(model: type[Any], data: Any, loc: tuple[str | int, ...]) -> _Place:
    place = _Place((), data, (model,), ())
    for part in loc:
        options = place.options
        if selected := _selected(options, place.value, part):
            place = _Place(place.path, place.value, selected, place.around)
            continue
        if _has(place.value, part):
            value = place.value[part]
        elif any(part in _fields(option) for option in options):
            value = _ABSENT
        else:
            continue  # a member of a union, or a function: no key of the data
        inner = tuple(kind for option in options for kind in _inside(option, part))
        place = _Place((*place.path, part), value, inner, options)
    return place


def _expected(details: Any, value: Any) -> str | None:
    """Return the kind of value expected, if the error is that it is of another kind."""
    if details["type"].startswith("union_tag_") and not isinstance(value, dict):
        return "a mapping"
    if details["type"] in ("literal_error", "enum"):
        return str(details["ctx"]["expected"])
    match = _TYPE_ERROR.fullmatch(details["type"])
    return _EXPECTED.get(match[1]) if match else None


def _mistaken(value: Any, kinds: list[str]) -> str:
    expected = " or ".join(dict.fromkeys(kinds))
    if isinstance(value, str):
        choices = re.findall(r"'([^']*)'", expected)
        hint = did_you_mean(value, choices) or ("" if choices else _hint(value, expected))
        return f"expected {expected} (got {_shown(value)}, a string{hint})"
    if expected == "a string" and isinstance(value, (int, float)):
        return f"expected a string (got {_shown(value)}; put it in quotes)"
    return f"expected {expected} (got {_shown(value)})"


def _hint(text: str, expected: str) -> str:
    if "number" not in expected:
        return ""
    if _NUMERAL.fullmatch(text):
        return "; write it without quotes or leading zeros"
    if _QUANTITY.match(text):
        return "; write the plain number in the unit of the key"
    return ""


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = str(value)
    text = cut(text, _LONGEST_SHOWN)
    return repr(text) if isinstance(value, str) else text


def _listed(names: Iterable[Any]) -> str:
    return ", ".join(str(name) for name in dict.fromkeys(names))


def _explain(place: _Place, details: Any) -> Found:
    kind, context = details["type"], details.get("ctx", {})
    path, value = place.path, place.value
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        keys = [key for option in place.around for key in _fields(option)]
        name = str(path[-1])
        nearest = _known_elsewhere(place.around, name) or did_you_mean(name, keys, value)
        return Found(path, f"unknown key{nearest or f' (keys: {_listed(keys)})'}", at_key=True)
    if kind == "missing":
        message = f"missing key '{path[-1]}'{_purpose(place.around, path[-1])}"
        return Found(path[:-1], message, missing=str(path[-1]))
    if kind == "union_tag_not_found":
        key = context["discriminator"].strip("'")
        tags = [tag for option in place.options for tag in _tags(option, key)]
        return Found(path, f"missing key '{key}'" + (f" (one of {_listed(tags)})" if tags else ""))
    if kind == "union_tag_invalid":
        key = context["discriminator"].strip("'")
        keys = re.findall(r"'([^']*)'", context["expected_tags"])
        nearest = did_you_mean(context["tag"], keys)
        tag = cut(context["tag"], _LONGEST_SHOWN)
        message = f"unknown {key} '{tag}'{nearest} (expected one of: {_listed(keys)})"
        if not isinstance(value[key], str):
            message = f"expected one of: {_listed(keys)} (got {_shown(value[key])})"
        return Found((*path, key), message)
    return Found(path, _about_value(kind, context, details["msg"], value))


def _known_elsewhere(around: tuple[Any, ...], key: str) -> str:
    """Return the name of a key here if it has another one elsewhere; "" if it has none."""
    for option in around:
        name = getattr(option, "names_elsewhere", {}).get(key)
        if name:
            return f"; vLLM's {key} is '{name}' here"
    return ""


def _purpose(around: tuple[Any, ...], key: str | int) -> str:
    for option in around:
        info = _fields(option).get(str(key))
        if info is not None and info.description:
            return f" ({info.description.strip().splitlines()[0].rstrip('.')})"
    return ""


def _about_value(kind: str, context: Mapping[str, Any], message: str, value: Any) -> str:
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        message = f"must be {words} {context[name]:g}"
    elif kind in _LENGTHS:
        name, words, singular, plural = _LENGTHS[kind]
        message = f"must have {words} {context[name]} {singular if context[name] == 1 else plural}"
        if isinstance(value, (dict, list)):
            return f"{message} (got {len(value)})"
    elif kind == "finite_number":
        message = "must be a finite number"
    elif kind == "timezone_aware":
        message = "must end in Z or an offset from UTC, such as 2023-06-08T00:00:00Z"
    elif kind == "string_pattern_mismatch":
        message = f"must match the pattern {context['pattern']}"
    elif kind in ("value_error", "assertion_error"):
        message = str(context["error"]) or "is not valid"
    elif "class" in context or "class_name" in context:
        message = "cannot stand here"
    else:
        message = message.replace("Input should", "must", 1)
    scalar = not isinstance(value, (dict, list)) and value is not _ABSENT
    # our own validators mostly name the value got themselves
    return f"{message} (got {_shown(value)})" if scalar and "got " not in message else message
