"""Controllers that were given as Python classes or objects, where a file could only name one.

One stands in a document as the `type` of its entry: a text, the name of its class, that brings the
class or the object along. So it goes wherever documents go, to other processes too, and whoever
writes the scenario down writes the name.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from controllers import Controller, FleetController
from cosim.scenario.fields import ScenarioText

GivenPart = type[Controller] | type[FleetController] | Controller | FleetController


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a controller, as far as Python can tell it.

    Attributes:
        class_path: Module and name of its class.
        given_as: Whether the class was given, or an object of it.
        parameters: Arguments of its constructor, of an object that keeps them in attributes of the
            same names; the entry itself has those of a class.
        text: The object as it shows itself; empty if it does not.
        file: File of the class; empty if it is in none, as in a notebook.
        source_sha256: Hash of the source of the class; empty where there is none to be read.
    """

    class_path: str
    given_as: str
    parameters: Mapping[str, Any]
    text: str
    file: str
    source_sha256: str

    @classmethod
    def of(cls, part: GivenPart) -> Origin:
        """Return the origin of a class or an object."""
        of_class = part if isinstance(part, type) else type(part)
        shows_itself = not isinstance(part, type) and type(part).__repr__ is not object.__repr__
        return cls(
            class_path=f"{of_class.__module__}.{of_class.__qualname__}",
            given_as="class" if isinstance(part, type) else "object",
            parameters={} if isinstance(part, type) else _parameters(part),
            text=repr(part) if shows_itself else "",
            file=_file(of_class),
            source_sha256=_source_hash(of_class),
        )

    @property
    def fingerprint(self) -> str:
        """A hash of all of it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return it for the manifest, without what is not known."""
        return {name: value for name, value in asdict(self).items() if value}


class GivenController(ScenarioText):
    """The `type` of an entry whose controller was given as a class or an object.

    Args:
        part: The class or the object.
        base_dir: Folder that paths start from.
        origin: Its origin; found out if it is not known yet.
        token: Sign of this very class or object, which no other has; drawn if there is none yet.

    Attributes:
        part, origin, token: As above.
    """

    part: GivenPart
    origin: Origin
    token: str

    def __new__(
        cls, part: GivenPart, base_dir: Path, origin: Origin | None = None, token: str = ""
    ) -> GivenController:
        """Make the text that carries `part`."""
        of_class = part if isinstance(part, type) else type(part)
        text: str = of_class.__name__
        self = str.__new__(cls, text)
        self.base_dir = base_dir
        self.part, self.origin = part, origin or Origin.of(part)
        self.token = token or uuid.uuid4().hex
        return self

    @property
    def made(self) -> Controller | FleetController | None:
        """The object; None if a class was given."""
        return None if isinstance(self.part, type) else self.part

    def __reduce__(self) -> tuple[Callable[..., GivenController], tuple[Any, ...]]:
        return GivenController, (self.part, self.base_dir, self.origin, self.token)

    def __deepcopy__(self, memo: object) -> GivenController:
        return self  # the object that was given is the one that runs


def given_controllers(data: Mapping[str, Any]) -> dict[int, GivenController]:
    """Return the controllers of a document's data that were given, by the index of their entry."""
    entries = data.get("controllers")
    types = {
        index: entry.get("type")
        for index, entry in enumerate(entries if isinstance(entries, list) else ())
        if isinstance(entry, dict)
    }
    return {index: part for index, part in types.items() if isinstance(part, GivenController)}


def _parameters(part: Controller | FleetController) -> dict[str, Any]:
    """Return the arguments of an object's constructor that it keeps under their own names."""
    constructor = type(part).__init__
    if constructor is object.__init__:
        return {}
    values = {
        name: getattr(part, attribute)
        for name in list(inspect.signature(constructor).parameters)[1:]
        for attribute in (name, f"_{name}")
        if hasattr(part, attribute)
    }
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; its text if JSON has none such."""
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        return repr(value)


def _file(of_class: type) -> str:
    try:
        file = inspect.getsourcefile(of_class)
    except (TypeError, OSError):
        return ""
    return str(Path(file).resolve()) if file is not None and Path(file).is_file() else ""


def _source_hash(of_class: type) -> str:
    try:
        source = inspect.getsource(of_class)
    except (TypeError, OSError):
        return ""
    return hashlib.sha256(source.encode()).hexdigest()
