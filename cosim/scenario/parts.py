"""Parts of the simulator that a scenario names: schedulers and routers.

A name is that of a part that comes with the simulator, of one that an installed package offers, or
``./file.py:Class`` for a part of the user's own. To check a scenario is to run that file.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from controllers import names_a_file, read_part
from cosim.scenario.fields import ScenarioText
from inference_sim.errors import UnknownName
from inference_sim.routing import ROUTERS, RouterFactory, checked_router, find_router
from inference_sim.scheduling import (
    SCHEDULERS,
    Scheduler,
    checked_scheduler,
    find_scheduler,
    is_scheduler,
)


def scheduler_of(name: str) -> str | type[Scheduler]:
    """Return a scheduler as a pool takes it: its name, or the class in a file of the user's.

    Raises:
        ValueError: If there is no such scheduler.
    """
    if names_a_file(name):
        return checked_scheduler(*_in_file("scheduler", name, _modified_ns(name), is_scheduler))
    find_scheduler(name)
    return name


def router_of(name: str) -> str | RouterFactory:
    """Return a router as a pool takes it: its name, or what makes it in a file of the user's.

    Raises:
        ValueError: If there is no such router.
    """
    if names_a_file(name):
        return checked_router(*_in_file("router", name, _modified_ns(name), inspect.isfunction))
    find_router(name)
    return name


@cache
def _in_file(
    kind: str, name: str, modified_ns: int, is_part: Callable[[object], bool]
) -> tuple[object, str]:
    """Return a part in a file and where it stands; the file is run again only when it changed."""
    return read_part(kind, name, Path.cwd(), is_part)


def _modified_ns(name: str) -> int:
    path = Path(part_file(name))
    return path.stat().st_mtime_ns if path.is_file() else 0


def part_file(name: str) -> str:
    """Return the path of the file in a name such as ``./file.py:Class``."""
    return name.rpartition(":")[0]


def _named(find: Callable[[str], object]) -> Callable[[Any], Any]:
    """Return a validator of names: the path of a file becomes absolute, what it names is found."""

    def validate(value: Any) -> Any:
        if not isinstance(value, str):
            return value  # that it must be a string is said by its type
        name = str(value)
        if names_a_file(name) and (file := part_file(name)):
            base_dir = value.base_dir if isinstance(value, ScenarioText) else Path.cwd()
            path = os.path.normpath(base_dir / Path(file).expanduser())
            name = f"{path}:{name.rpartition(':')[2]}"
        try:
            find(name)
        except UnknownName as error:
            raise ValueError(f"{error}, or one of yours as ./file.py:Class") from error
        return name

    return validate


def _schema(names: Iterable[str]) -> WithJsonSchema:
    """Return the schema of a name: editors offer `names`, and take those of other packages."""
    own = "One that an installed package offers, or `./file.py:Class` for one of your own."
    return WithJsonSchema(
        {"anyOf": [{"enum": list(names)}, {"type": "string", "description": own}]}
    )


SchedulerName = Annotated[str, BeforeValidator(_named(scheduler_of)), _schema(SCHEDULERS)]
RouterName = Annotated[str, BeforeValidator(_named(router_of)), _schema(ROUTERS)]
