"""Field types that scenario models share: strict base model, durations, paths.

pydantic stands only at this edge: models check what a user wrote, and the rest of the code works
on plain dataclasses, arrays and numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    WithJsonSchema,
)
from pydantic_core import CoreSchema

from inference_sim.errors import cut
from inference_sim.files.regular import NOT_REGULAR, is_irregular
from inference_sim.files.strict import strict_schema


class StrictModel(BaseModel):
    """Base of all scenario models: unknown keys, NaN and infinities are errors."""

    names_elsewhere: ClassVar[Mapping[str, str]] = {}
    """Names of vLLM's flags for its keys, or for those of another place, for the error."""

    model_config = ConfigDict(
        extra="forbid",
        allow_inf_nan=False,
        frozen=True,
        use_attribute_docstrings=True,
        model_title_generator=lambda model: model.__name__.removesuffix("Keys"),
        defer_build=True,  # the scenario's schema holds those of its parts; few are used alone
    )

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Refuse a value of one kind for another: ``"3"`` and ``true`` are not numbers."""
        return strict_schema(source, handler)


_UNIT_S = {"ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|min|h|d)\s*")


def parse_duration_s(value: Any) -> float:
    """Return a duration [s] from ``90s``, ``15min``, ``25h``, ``7d`` or a plain number of seconds.

    Raises:
        ValueError: If it is not such a duration, is negative, or is not finite.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("expected a duration such as 90s, 15min, 25h or 7d")
    if isinstance(value, str):
        match = _DURATION.fullmatch(value)
        if match is None:
            raise ValueError(f"expected a duration such as 90s, 15min, 25h or 7d (got {value!r})")
        seconds = float(match[1]) * _UNIT_S[match[2]]
    else:
        seconds = float(value)
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"a duration must be finite and not negative (got {value!r})")
    return seconds


DurationS = Annotated[
    float,
    BeforeValidator(parse_duration_s),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0},
                {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*(ms|s|min|h|d)\s*$"},
            ],
            "examples": ["90s", "15min", "25h", "7d"],
        }
    ),
]
"""A duration in seconds; written with a unit, such as ``15min``."""


def _parse_signed_s(value: Any) -> float:
    """Return a duration [s] that may have a minus before it."""
    if isinstance(value, str) and value.strip().startswith("-"):
        return -parse_duration_s(value.strip()[1:])
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value < 0:
        return -parse_duration_s(-value)
    return parse_duration_s(value)


SignedDurationS = Annotated[
    float,
    BeforeValidator(_parse_signed_s),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number"},
                {"type": "string", "pattern": r"^\s*-?\s*\d+(\.\d+)?\s*(ms|s|min|h|d)\s*$"},
            ],
            "examples": ["365d", "-3h"],
        }
    ),
]
"""A duration in seconds that may be negative; written with a unit, such as ``-3h``."""


def up_to(limit: int, advice: str) -> AfterValidator:
    """Return the check of a count that takes memory, one entry for each.

    Args:
        limit: The largest count.
        advice: The way to more.
    """

    def check(count: int) -> int:
        if count > limit:
            raise ValueError(f"must be at most {limit:,} (got {cut(f'{count:,}', 30)}); {advice}")
        return count

    return AfterValidator(check)


class ScenarioText(str):
    """A string from a scenario file that remembers the folder it was written in."""

    base_dir: Path

    def __new__(cls, text: str, base_dir: Path) -> ScenarioText:
        """Make a string that carries `base_dir`, against which a path in it is resolved."""
        self = super().__new__(cls, text)
        self.base_dir = base_dir
        return self

    def __getnewargs__(self) -> tuple[str, Path]:  # type: ignore[override]
        return str(self), self.base_dir


def resolve_path(value: Any) -> Any:
    """Return a path relative to the file that names it (the working directory for ``--set``)."""
    if not isinstance(value, ScenarioText):
        return value
    try:
        return value.base_dir / Path(str(value)).expanduser()
    except RuntimeError:
        raise ValueError(f"no such user (got '{value}')") from None


def _existing(value: Any, *, folder: bool) -> Any:
    path = resolve_path(value)
    if isinstance(path, (str, Path)):
        path = Path(path)
        try:
            is_folder, is_file = path.is_dir(), path.is_file()
        except OSError as error:
            raise ValueError(f"{error.strerror} (got '{path}')") from None
        if folder and not is_folder:
            problem = "is a file, a folder is expected" if is_file else "no such folder"
            raise ValueError(f"{problem} (got '{path}')")
        if is_folder and not folder:
            raise ValueError(f"is a folder, a file is expected (got '{path}')")
        if is_irregular(path):
            raise ValueError(f"{NOT_REGULAR} (got '{path}')")
        if not folder and not is_file:
            raise ValueError(f"no such file (got '{path}')")
    return path


InputFile = Annotated[
    Path,
    BeforeValidator(partial(_existing, folder=False)),
    WithJsonSchema({"type": "string", "format": "path"}),
]
"""An existing file; relative to the scenario file that names it."""
InputFolder = Annotated[
    Path,
    BeforeValidator(partial(_existing, folder=True)),
    WithJsonSchema({"type": "string", "format": "path"}),
]
"""An existing folder; relative to the scenario file that names it."""

FILE_ENDINGS = (".json", ".yaml", ".yml")
"""Ending by which the path of a file differs from a name of a catalogue."""


def _file_or_name(value: Any) -> Any:
    """Return the path of a file that describes something; a name of a catalogue as it is."""
    if isinstance(value, str) and value.endswith(FILE_ENDINGS):
        return str(resolve_path(value))
    return value


CatalogueName = Annotated[str, BeforeValidator(_file_or_name)]
"""A name of a catalogue, or the path of a file that describes something of its kind."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]
"""A name that files and folders are called by."""
PlainName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=100)]
"""A name that columns are called by."""
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
