"""Snapshots of records, which show whether somebody changed their values in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from controllers.forecast import Forecasts


def snapshot(record: Any) -> dict[str, Any]:
    """Return the values of a record, with copies of those that could be changed in place."""
    values: dict[str, Any] = {}
    for attribute in fields(record):
        value = getattr(record, attribute.name)
        if isinstance(value, Forecasts):
            value = {name: (f.mean.copy(), f.spread.copy()) for name, f in value.items()}
        elif isinstance(value, np.ndarray):
            value = value.copy()
        elif isinstance(value, Mapping):
            value = {
                key: snapshot(part) if is_dataclass(part) else part for key, part in value.items()
            }
        elif is_dataclass(value):
            value = snapshot(value)
        values[attribute.name] = value
    return values


def changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return the name of a value that is no longer as it was, with its view's; empty if all are."""
    for name, value in now.items():
        if isinstance(value, dict) and isinstance(before[name], dict) and name != "forecasts":
            if value.keys() != before[name].keys():
                return name
            if inner := changed(before[name], value):
                return f"{name}.{inner}"
        elif not _equal(value, before[name]):
            return name
    return ""


def _equal(value: Any, other: Any) -> bool:
    if isinstance(value, np.ndarray):
        return np.array_equal(value, other)
    if isinstance(value, Mapping):
        return value.keys() == other.keys() and all(_equal(value[key], other[key]) for key in value)
    if isinstance(value, tuple):
        return len(value) == len(other) and all(map(_equal, value, other))
    return bool(value == other)
