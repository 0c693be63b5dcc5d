"""YAML text, read as plain values that remember their line and column, and written.

The reader walks the node graph that PyYAML composes and never constructs a tag, so a file cannot
build objects. It keeps YAML's notation but not YAML 1.1's surprises:

- only ``true`` and ``false`` are booleans: ``NO``, ``yes``, ``on`` and ``off`` are strings;
- integers are decimal: ``010``, ``0x1f``, ``1_000`` and ``1:30`` are strings;
- floats may be written ``1e3``; dates and times are strings;
- keys are strings, and stand once in their mapping; merge keys are rejected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from inference_sim.errors import FileError, Problem
from inference_sim.files.regular import NOT_REGULAR, is_irregular

MAX_FILE_BYTES = 10_000_000
MAX_NODES = 100_000
MAX_DEPTH = 100
MAX_DIGITS = 100

_CORE = "tag:yaml.org,2002:"
_SCALARS = {_CORE + name for name in ("null", "bool", "int", "float", "str")}
_LONGEST_TAG = 40
_TOO_MANY = f"too many values: more than {MAX_NODES}, with aliases written out"

# A leading zero is kept as text: 010 is eight to some readers of YAML and ten to others.
_WHOLE = r"(?:0|[1-9][0-9]*)"
_RULES = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": rf"[-+]?{_WHOLE}",
    "float": rf"[-+]?(?:(?:{_WHOLE}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|\.inf|\.Inf|\.INF)"
    r"|\.nan|\.NaN|\.NAN",
}
_PATTERNS = {_CORE + name: re.compile(rf"(?:{rule})\Z") for name, rule in _RULES.items()}

Locate = Callable[[int, int], str]
"""Makes a mark of a line and a column, both from 1."""


@dataclass(slots=True)
class Node:
    """A value with the places where it and its key were written.

    Attributes:
        value: None, a bool, int, float or str, a list of nodes, or a dict of nodes.
        mark: Where the value stands.
        key_mark: Where its key stands; for a value without a key, the same as `mark`.
    """

    value: Any
    mark: str
    key_mark: str

    def plain(self) -> Any:
        """Return the value without places: lists and dicts of plain values."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value


class _Composer(Reader, Scanner, Parser, Composer, BaseResolver):
    """Composer of node graphs with our own rules for plain scalars, and bounds."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self._depth = 0
        self._count = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        self._depth += 1
        self._count += 1
        if self._depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=mark)
        if self._count > MAX_NODES:
            raise yaml.MarkedYAMLError(problem=_TOO_MANY, problem_mark=mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Dumper(yaml.SafeDumper):
    """Writer that quotes a string wherever the reader would take it for another type."""


def _text_node(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    # Line breaks other than "\\n" are folded away unless they are written as escapes.
    return dumper.represent_scalar(_CORE + "str", text, style='"' if _BREAKS & set(text) else None)


_BREAKS = set("\x85\u2028\u2029")
_Dumper.add_representer(str, _text_node)
for _tag, _pattern in _PATTERNS.items():
    _Composer.add_implicit_resolver(_tag, _pattern, None)
    _Dumper.add_implicit_resolver(_tag, _pattern, None)


def parse_yaml(text: str, locate: Locate, make_text: Callable[[str], str] = str) -> Node:
    """Return the value of a YAML document; an empty one is None.

    Args:
        text: The document.
        locate: Makes the marks.
        make_text: Makes the values that are strings.

    Raises:
        FileError: If it is not YAML, or uses notation that is not allowed here; with every problem
            of the latter kind.
    """
    root = _compose(text, locate)
    if root is None:
        return Node(None, locate(1, 1), locate(1, 1))
    walk = _Walk(make_text, lambda mark: locate(mark.line + 1, mark.column + 1))
    node = walk.convert(root)
    if walk.problems:
        raise FileError(walk.problems)
    return node


def read_mapping(path: Path, what: str, make_text: Callable[[str], str] = str) -> Node:
    """Return the mapping in a YAML file, with marks such as ``file.yaml:3:1``.

    Args:
        path: The file.
        what: Its subject in errors, such as ``a GPU``.
        make_text: Makes the values that are strings.

    Raises:
        FileError: If it cannot be read, or is not a mapping.
    """
    text = _read_text(path, what)
    node = parse_yaml(text, lambda line, column: f"{path}:{line}:{column}", make_text)
    if node.value is None:
        raise FileError([Problem("the file is empty", where=node.mark)])
    if not isinstance(node.value, dict):
        kind = "list" if isinstance(node.value, list) else "single value"
        message = f"{what} is a mapping of keys such as 'name: …' (got a {kind})"
        raise FileError([Problem(message, where=node.mark)])
    return node


def write_yaml(value: Mapping[str, Any], width: int = 100) -> str:
    """Return a mapping of plain values as text that reads back the same.

    Args:
        value: The mapping; its keys keep their order.
        width: Columns after which a line is folded.
    """
    text: str = yaml.dump(
        dict(value), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=width
    )
    return text


def _read_text(path: Path, what: str) -> str:
    if is_irregular(path):
        raise FileError(f"'{path}' {NOT_REGULAR}")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except IsADirectoryError:
        raise FileError(f"'{path}' is a folder, {what} file is expected") from None
    except FileNotFoundError:
        raise FileError(f"no such file (got '{path}')") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FileError(f"'{path}' cannot be read: {reason}") from None
    if len(content) > MAX_FILE_BYTES:
        raise FileError(f"'{path}' is larger than {MAX_FILE_BYTES // 1_000_000} MB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"'{path}' is not text in UTF-8 (byte {error.start})") from None


def _compose(text: str, locate: Locate) -> yaml.Node | None:
    try:
        composer = _Composer(text)
    except ReaderError as error:
        before = text[: error.position]
        mark_text = locate(before.count("\n") + 1, len(before) - before.rfind("\n"))
        code = f"U+{ord(text[error.position]):04X}"
        raise FileError([Problem(f"character {code} is not allowed", where=mark_text)]) from None
    try:
        root = composer.get_node() if composer.check_node() else None
        if composer.check_node():
            mark = composer.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(
                problem="a second document begins here, one is expected", problem_mark=mark
            )
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark or composer.get_mark()
        mark_text = locate(mark.line + 1, mark.column + 1)
        raise FileError([Problem(_in_plain_words(error), where=mark_text)]) from None
    except (ValueError, OverflowError):
        # PyYAML hands escapes such as "\U00110000" to chr() unchecked.
        mark = composer.get_mark()
        mark_text = locate(mark.line + 1, mark.column + 1)
        raise FileError([Problem("a number here is too large", where=mark_text)]) from None
    return root


def _in_plain_words(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or error.context or "unreadable"
    if problem.startswith("found character '\\t'"):
        return "a tab cannot indent YAML; use spaces"
    if problem.startswith("expected <block end>"):
        since = f" that begins at line {error.context_mark.line + 1}" if error.context_mark else ""
        return f"this does not line up with the block{since}; check the indentation"
    if problem.startswith("mapping values are not allowed"):
        return "a ':' is not allowed here; quote the text, or check the indentation"
    if problem == "could not find expected ':'":
        return "a ':' is missing after a key before this place"
    return problem


class _Walk:
    """One walk over a node graph, which collects problems on its way."""

    def __init__(self, make_text: Callable[[str], str], locate: Callable[[Any], str]) -> None:
        self.problems: list[Problem] = []
        self._make_text = make_text
        self._locate = locate
        self._open: set[int] = set()
        self._count = 0

    def convert(self, node: yaml.Node, key_mark: str | None = None) -> Node:
        mark = self._locate(node.start_mark)
        self._count += 1
        if self._count > MAX_NODES:
            raise FileError([*self.problems, Problem(_TOO_MANY, where=mark)])
        if id(node) in self._open:
            self._report(node, "an anchor contains itself")
            return Node(None, mark, key_mark or mark)
        self._open.add(id(node))
        value: Any
        if isinstance(node, yaml.ScalarNode):
            value = self._scalar(node)
        elif isinstance(node, yaml.MappingNode):
            self._check_tag(node, "map")
            value = dict(self._entries(node))
        else:
            self._check_tag(node, "seq")
            value = [self.convert(item) for item in node.value]
        self._open.discard(id(node))
        return Node(value, mark, key_mark or mark)

    def _report(self, node: yaml.Node, message: str) -> None:
        self.problems.append(Problem(message, where=self._locate(node.start_mark)))

    def _check_tag(self, node: yaml.Node, kind: str) -> None:
        if node.tag != _CORE + kind:
            self._report_tag(node)

    def _report_tag(self, node: yaml.Node) -> None:
        tag = node.tag.replace(_CORE, "!!")
        shown = tag if len(tag) <= _LONGEST_TAG else tag[:_LONGEST_TAG] + "…"
        self._report(node, f"tags that build objects are not allowed (got {shown})")

    def _entries(self, node: yaml.MappingNode) -> Iterator[tuple[str, Node]]:
        marks: dict[str, str] = {}
        for key_node, value_node in node.value:
            mark = self._locate(key_node.start_mark)
            key = self._key(key_node)
            value = self.convert(value_node, mark)
            if key is None:
                continue
            if key in marks:
                self._report(key_node, f"key '{key}' is given twice; first at {marks[key]}")
                continue
            marks[key] = mark
            yield key, value

    def _key(self, node: yaml.Node) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self._report(node, "a key must be a string (got a list or a mapping)")
        elif node.tag not in _SCALARS:
            self._report_tag(node)
        elif node.tag != _CORE + "str":
            self._report(node, f"a key must be a string; put it in quotes (got {node.value})")
        elif node.value == "<<" and node.style is None:
            self._report(node, "merge keys (<<) are not supported; use extends, or an alias")
        else:
            text = self._text(node)
            return None if text is None else str(text)
        return None

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        tag, text = node.tag, node.value
        if tag not in _SCALARS:
            self._report_tag(node)
        elif tag == _CORE + "str":
            return self._text(node)
        elif not _PATTERNS[tag].match(text):
            self._report(node, f"'{text}' is not a value of the type {tag.replace(_CORE, '!!')}")
        elif tag == _CORE + "bool":
            return text.lower() == "true"
        elif tag == _CORE + "float":
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        elif tag == _CORE + "int":
            if len(text) <= MAX_DIGITS:
                return int(text)
            self._report(node, f"a whole number has at most {MAX_DIGITS} digits")
        return None

    def _text(self, node: yaml.ScalarNode) -> str | None:
        text = node.value
        if any("\ud800" <= character <= "\udfff" for character in text):
            self._report(node, "half of a surrogate pair is not a character")
            return None
        return self._make_text(text)
