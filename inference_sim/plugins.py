"""Parts of the simulator by name: built-in ones, and those that packages offer."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from inference_sim.errors import InferenceSimError, UnknownName

T = TypeVar("T")


def installed(kind: str) -> tuple[str, ...]:
    """Return the names of the parts of a kind that installed packages offer, sorted."""
    return tuple(sorted({point.name for point in entry_points(group=_group(kind))}))


def find_part(kind: str, name: str, builtin: Mapping[str, T], group: str | None = None) -> T:
    """Return a part of the simulator.

    Args:
        kind: Its kind, such as ``scheduler``, for errors.
        name: Its name.
        builtin: The built-in parts, by name.
        group: Group of the entry points by which packages offer theirs; ``cosim.<kind>s`` by
            default.

    Raises:
        UnknownName: If no part has that name.
        InferenceSimError: If several packages offer it, or it cannot be imported.
    """
    if name in builtin:
        return builtin[name]
    offered = entry_points(group=group or _group(kind))
    points = [point for point in offered if point.name == name]
    if not points:
        raise UnknownName(kind, name, {*builtin, *(point.name for point in offered)})
    if len(points) > 1:
        packages = " and by ".join(_package(point) for point in points)
        raise InferenceSimError(f"{kind} '{name}' is offered by {packages}: remove one")
    try:
        part: Any = points[0].load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # sys.exit, say, must not end a command in silence
        raise InferenceSimError(
            f"importing {kind} '{points[0].value}' of {_package(points[0])} raised "
            f"{type(error).__name__}: {error}"
        ) from error
    return part  # type: ignore[no-any-return]


def _group(kind: str) -> str:
    return f"cosim.{kind}s"


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value
