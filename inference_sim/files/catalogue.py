"""Catalogues: what is known of GPUs, models and the like by name, and what users write of theirs.

An entry maps field names to plain values. With ``base: <another entry>`` it names only what differs
from that one. Entries are checked against the dataclass that they describe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from annotated_types import Ge, Gt

from inference_sim.errors import FileError, Problem, UnknownName
from inference_sim.files.yaml_text import Node, parse_yaml, read_mapping

Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Count = Annotated[int, Ge(1)]
Whole = Annotated[int, Ge(0)]


class FileEntry:
    """Base of the dataclasses that files describe: unknown fields, NaN and infinities are errors.

    pydantic is loaded when the first of them is read, not before.
    """

    __slots__ = ()
    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Take no value of one kind for another: ``"3"`` and ``true`` are not numbers."""
        from inference_sim.files.strict import strict_schema

        return strict_schema(source, handler)


E = TypeVar("E", bound=FileEntry)


@cache
def read_data(package: str, file_name: str) -> dict[str, dict[str, Any]]:
    """Return the entries of a packaged YAML file by name, with what each takes from its base."""
    return with_bases(_data_node(package, file_name).plain())


@cache
def _data_node(package: str, file_name: str) -> Node:
    text = files(package).joinpath(file_name).read_text(encoding="utf-8")
    return parse_yaml(text, lambda line, column: f"{file_name}:{line}:{column}")


def with_bases(entries: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return entries of which some name another one, an earlier one, as their base."""
    complete: dict[str, dict[str, Any]] = {}
    for name, entry in entries.items():
        own = dict(entry)
        base = own.pop("base", None)
        complete[name] = own if base is None else merged(complete[base], own)
    return complete


def merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return `own` values over those of `base`; a mapping over a mapping, key by key."""
    both = dict(base)
    for key, value in own.items():
        old = both.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            value = merged(old, value)
        both[key] = value
    return both


class Catalogue(Generic[E]):
    """Descriptions of one kind of thing: a packaged file of them, and the files of users.

    Args:
        kind: What it describes, for errors, such as ``GPU``.
        package: Package of the file.
        file_name: Name of the file.
        entry: Dataclass of an entry, whose field ``name`` is the name of the entry.
    """

    def __init__(self, kind: str, package: str, file_name: str, entry: type[E]) -> None:
        self._kind, self._package, self._file_name, self._entry = kind, package, file_name, entry

    @property
    def entries(self) -> Mapping[str, Mapping[str, Any]]:
        """The plain values of all entries, by name."""
        return read_data(self._package, self._file_name)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all entries."""
        return tuple(self.entries)

    def find(self, name: str) -> E:
        """Return the entry called `name`.

        Raises:
            UnknownName: If there is none.
        """
        if name not in self.entries:
            raise UnknownName(self._kind, name, self.entries)
        place = _data_node(self._package, self._file_name).value[name]
        return self._checked({"name": name, **self.entries[name]}, place)

    def read(
        self,
        path: Path,
        defaults: Mapping[str, Any] | None = None,
        of_base: Callable[[str, Mapping[str, Any]], Mapping[str, Any]] = lambda base, own: {},
    ) -> E:
        """Return the entry that a file of a user describes, named by the file unless it says.

        Args:
            path: The file: the fields of an entry, or a base and what differs from it.
            defaults: Values of fields that neither the file nor its base gives.
            of_base: Gives the fields that follow from the choice of a base, from its name and the
                file's own values.

        Raises:
            FileError: If the file cannot be read, lacks or misspells a field, or has a value that
                its field does not take.
        """
        node = read_mapping(path, f"{_article(self._kind)} {self._kind}")
        own = node.plain()
        base = own.pop("base", None)
        entry = {"name": path.stem, **(defaults or {})}
        if base is not None:
            if base not in self.entries:
                unknown = UnknownName(self._kind, str(base), self.entries)
                raise FileError([Problem(str(unknown), "base", node.value["base"].mark)])
            entry |= {**self.entries[base], **of_base(base, own)}
        return self._checked(merged(entry, own), node)

    def _checked(self, values: dict[str, Any], node: Node) -> E:
        """Return `values` as an entry; `node` is where they, or some of them, were written."""
        from pydantic import ValidationError

        from inference_sim.files.wording import explain

        try:
            checked: E = self._adapter.validate_python(values)
            return checked
        except ValidationError as error:
            found = explain(error, self._entry, values)
        missing = [one.missing for one in found if one.missing and not one.path]
        problems = [
            Problem(one.message, ".".join(map(str, one.path)), _mark(node, one.path, one.at_key))
            for one in found
            if one.path or not one.missing
        ]
        if missing:
            message = (
                f"missing {', '.join(missing)}; give {'them' if missing[1:] else 'it'}, or "
                f"'base: <known {self._kind}>' to take the rest from one"
            )
            problems.append(Problem(message, where=node.mark))
        raise FileError(problems)

    @cached_property
    def _adapter(self) -> Any:
        from pydantic import TypeAdapter

        return TypeAdapter(self._entry)


def _mark(node: Node, path: tuple[str | int, ...], at_key: bool) -> str:
    """Return where the value at `path` stands, or the nearest that encloses it."""
    for part in path:
        try:
            node = node.value[part]
        except (KeyError, IndexError, TypeError):
            return node.mark
    return node.key_mark if at_key else node.mark


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"
