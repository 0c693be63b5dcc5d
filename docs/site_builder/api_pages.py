"""The pages of the API reference: one for each public module, and an index for each package."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from docs.site_builder.tables import table

ROOT = Path(__file__).parents[2]
PACKAGES = ("inference_sim", "controllers", "cosim")
_OF_THE_COMMAND_LINE = ("cli", "printing")
"""Modules that nobody imports."""


def api_pages() -> Mapping[str, str]:
    """Return Markdown by path: a page for each module, ``api/PACKAGE-modules.md`` for packages."""
    pages: dict[str, str] = {}
    for package in PACKAGES:
        rows = []
        for module, source in public_modules(package):
            pages[f"api/{module}.md"] = f"# {module}\n\n::: {module}\n"
            rows.append((f"[`{module}`]({module}.md)", _summary(source)))
        title = f"# API of `{package}`\n\n{rows[0][1]}\n\n"
        pages[f"api/{package}-modules.md"] = title + table(("module", "what it is"), rows)
    return pages


def public_modules(package: str) -> Iterator[tuple[str, Path]]:
    """Yield the name and the file of a package and of each module that others may import."""
    for source in sorted((ROOT / package).rglob("*.py")):
        if source.stem != "__init__" and source.stem.startswith("_"):
            continue
        if source.stem not in _OF_THE_COMMAND_LINE:
            path = source.parent if source.stem == "__init__" else source.with_suffix("")
            yield ".".join(path.relative_to(ROOT).parts), source


def _summary(source: Path) -> str:
    """Return the first paragraph of a module's docstring."""
    text = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())
