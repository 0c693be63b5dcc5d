"""Catalogues: GPUs, models and the like by name, those of the packages and those of users.

An entry maps field names to plain values. With ``base: <another entry>`` it names only the fields
that differ from that one. Entries are checked against the dataclass that they describe.
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
        """Reject values of another kind: ``"3"`` and ``true`` are not numbers."""
        from inference_sim.files.strict import strict_schema

        return strict_schema(source, handler)


E = TypeVar("E", bound=FileEntry)


@cache
def read_data(package: str, file_name: str) -> dict[str, dict[str, Any]]:
    """Return the entries of a packaged YAML file by name, completed from their bases."""
    return with_bases(_data_node(package, file_name).plain())


@cache
def _data_node(package: str, file_name: str) -> Node:
    text = files(package).joinpath(file_name).read_text(encoding="utf-8")
    return parse_yaml(text, lambda line, column: f"{file_name}:{line}:{column}")


def with_bases(entries: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return entries completed from their bases; a base stands before the entries that name it."""
    complete: dict[str, dict[str, Any]] = {}
    for name, entry in entries.items():
        values = dict(entry)
        base = values.pop("base", None)
        complete[name] = values if base is None else merged(complete[base], values)
    return complete


def merged(base: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` over those of `base`; a mapping over a mapping, key by key."""
    result = dict(base)
    for key, value in values.items():
        old = result.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            value = merged(old, value)
        result[key] = value
    return result


class Catalogue(Generic[E]):
    """Catalogue of one kind of thing: a packaged file of entries, and the files of users.

    Args:
        kind: Kind of its entries, for errors, such as ``GPU``.
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
            UnknownName: If the catalogue has no such entry.
        """
        if name not in self.entries:
            raise UnknownName(self._kind, name, self.entries)
        node = _data_node(self._package, self._file_name).value[name]
        return self._checked({"name": name, **self.entries[name]}, node)

    def read(
        self,
        path: Path,
        defaults: Mapping[str, Any] | None = None,
        of_base: Callable[[str, Mapping[str, Any]], Mapping[str, Any]] = lambda base, values: {},
    ) -> E:
        """Return the entry that a file of a user describes, named by the file unless it says.

        Args:
            path: The file: the fields of an entry, or a base and the fields that differ from it.
            defaults: Values of fields that neither the file nor its base gives.
            of_base: Gives the fields that follow from the choice of a base, from its name and the
                file's own values.

        Raises:
            FileError: If the file cannot be read, lacks or misspells a field, or has a value that
                its field does not take.
        """
        node = read_mapping(path, f"{_article(self._kind)} {self._kind}")
        values = node.plain()
        base = values.pop("base", None)
        entry = {"name": path.stem, **(defaults or {})}
        if base is not None:
            if base not in self.entries:
                unknown = UnknownName(self._kind, str(base), self.entries)
                raise FileError([Problem(str(unknown), "base", node.value["base"].mark)])
            entry |= {**self.entries[base], **of_base(base, values)}
        return self._checked(merged(entry, values), node)

    def _checked(self, values: dict[str, Any], node: Node) -> E:
        """Return `values` as an entry; `node` is the source of them, or of some of them."""
        from pydantic import ValidationError

        from inference_sim.files.wording import explain

        try:
            checked: E = self._adapter.validate_python(values)
            return checked
        except ValidationError as error:
            details = explain(error, self._entry, values)
        missing = [detail.missing for detail in details if detail.missing and not detail.path]
        problems = [
            Problem(
                detail.message,
                ".".join(map(str, detail.path)),
                _mark(node, detail.path, detail.at_key),
            )
            for detail in details
            if detail.path or not detail.missing
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
    """Return the mark of the value at `path`, or of the nearest that encloses it."""
    for part in path:
        try:
            node = node.value[part]
        except (KeyError, IndexError, TypeError):
            return node.mark
    return node.key_mark if at_key else node.mark


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"
