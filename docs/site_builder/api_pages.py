"""The pages of the API reference: the stable names first, then every module, with an index each."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import cosim
from docs.site_builder.tables import table

ROOT = Path(__file__).parents[2]
PACKAGES = ("inference_sim", "controllers", "cosim")
STABLE = "api/stable.md"
"""The page of the names that `import cosim` has."""
_OF_THE_COMMAND_LINE = ("cli", "printing")
"""Modules that nobody imports."""
_INSIDE = (
    "These modules are for those who change the project, and may change with any version; "
    "[the stable names](stable.md) are those of `import cosim`."
)


def api_pages() -> Mapping[str, str]:
    """Return Markdown by path.

    The page of the stable names; one for each module; ``api/PACKAGE-modules.md`` for each package.
    """
    pages = {STABLE: stable_page()}
    for package in PACKAGES:
        rows = []
        for module, source in public_modules(package):
            pages[f"api/{module}.md"] = f"# {module}\n\n::: {module}\n"
            rows.append((f"[`{module}`]({module}.md)", _summary(source)))
        title = f"# Modules of `{package}`\n\n{rows[0][1]}\n\n{_INSIDE}\n\n"
        pages[f"api/{package}-modules.md"] = title + table(("module", "what it is"), rows)
    return pages


def stable_page() -> str:
    """Return the page of the stable names, with signatures and docstrings."""
    parts = ["# Names of `import cosim`\n\n[The Python API](../api.md) has examples of them."]
    for name in cosim.__all__:
        parts.append(f"## {name}")
        if inspect.isfunction(function := getattr(cosim, name)):
            parts.append(f"```python\n{_signature(name, function)}\n```")
        parts.append(f"::: {_definition(name)}\n    options: {{heading_level: 3}}")
    return "\n\n".join(parts) + "\n"


def _signature(name: str, function: Callable[..., object]) -> str:
    """Return the signature of a function, a parameter on each line."""
    signature = inspect.signature(function)
    starred = [str(parameter) for parameter in signature.parameters.values()]
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        starred.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    lines = "".join(f"    {text},\n" for text in starred).replace("'", "")
    return f"cosim.{name}(\n{lines}) -> {signature.return_annotation}"


def _definition(name: str) -> str:
    """Return the path at which a stable name is defined."""
    module = getattr(getattr(cosim, name), "__module__", "")
    return f"{module if module.startswith(PACKAGES) else cosim.MODULES[name]}.{name}"


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
