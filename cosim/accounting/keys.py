"""Keys of ``summary.json`` that are not just the name of a field.

The dataclasses of a summary are plain ones; pydantic reads and writes them in
``cosim.results.summary`` and takes these two exceptions from the annotations.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import Field

T = TypeVar("T")


def _is_none(value: object) -> bool:
    return value is None


IfPresent = Annotated[T | None, Field(exclude_if=_is_none)]
"""A figure whose key is left out where it is None; a plain ``| None`` is written as null."""

Import = Annotated[float, Field(alias="import")]
"""A figure with the key ``import``, which is a word of Python: its field is ``import_``."""
