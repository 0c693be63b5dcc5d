"""Links that lead out of ``docs``: on the site they lead to copies of the files.

Paths are relative to the root of the repository, and with slashes, unless said otherwise.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = "docs/"
COPIES = "files/"
"""Folder of the site that holds what lies outside ``docs``."""

_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)(?=(?:#[^)\s]*)?\))")


def site_path(file: str) -> str:
    """Return where the site has a file, before MkDocs makes HTML of it."""
    return file.removeprefix(DOCS) if file.startswith(DOCS) else COPIES + file


def relinked(page: str, text: str) -> str:
    """Return a page's Markdown with its links as they are on the site."""

    def on_site(match: re.Match[str]) -> str:
        target = _target(page, match[1])
        return posixpath.relpath(site_path(target), posixpath.dirname(site_path(page)) or ".")

    return _LINK.sub(on_site, text)


def files_outside(pages: Iterable[str]) -> list[str]:
    """Return the files outside ``docs`` that pages link to, and those that these link to."""
    found: dict[str, None] = {}
    to_read = list(pages)
    while to_read:
        for target in _targets(to_read.pop()):
            if not target.startswith(DOCS) and target not in found:
                found[target] = None
                if target.endswith(".md"):
                    to_read.append(target)
    return sorted(found)


def _targets(page: str) -> Iterator[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return (_target(page, match[1]) for match in _LINK.finditer(text))


def _target(page: str, link: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
