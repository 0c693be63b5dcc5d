"""Markdown tables of keys, and sections to put them in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from docs.site_builder.schema_words import bounds_words, default_words, type_words

_COLUMNS = ("key", "value", "default", "meaning")


def key_table(
    properties: Mapping[str, Mapping[str, Any]],
    required: Iterable[str],
    link: Callable[[str], str],
) -> str:
    """Return a table of keys, in a block of its class: what each may be, default and meaning.

    Args:
        properties: The schemas of the keys.
        required: Which keys have no default.
        link: From the name of a definition to a link to it.
    """
    needed = set(required)
    rows = []
    for key, schema in properties.items():
        kind, bounds = type_words(schema, link), bounds_words(schema)
        rows.append(
            (
                f"`{key}`",
                f"{kind}, {bounds}" if bounds else kind,
                default_words(schema, required=key in needed),
                one_line(schema.get("description", "")),
            )
        )
    return f'<div class="keys" markdown>\n\n{table(_COLUMNS, rows)}\n</div>\n'


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table; bars within cells are escaped."""
    lines = [list(head)]
    lines += [["---"] * len(lines[0])]
    lines += [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def one_line(text: str) -> str:
    """Return a text without its line breaks."""
    return " ".join(text.split())
