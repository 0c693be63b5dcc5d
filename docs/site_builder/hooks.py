"""Hooks of MkDocs: pages made from the code are added, and links out of ``docs`` kept alive.

https://www.mkdocs.org/user-guide/configuration/#hooks
"""

from __future__ import annotations

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

from docs.site_builder import policy_page, scenario_page
from docs.site_builder.api_pages import STABLE, api_pages
from docs.site_builder.links import COPIES, DOCS, ROOT, files_outside, relinked


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that are made from the code, and the files that pages link to."""
    ours = [DOCS + file.src_uri for file in files.documentation_pages() if _is_markdown(file)]
    files.append(File.generated(config, scenario_page.PAGE, content=scenario_page.scenario_page()))
    files.append(File.generated(config, policy_page.PAGE, content=policy_page.policy_page()))
    for path, text in api_pages().items():
        level = (
            InclusionLevel.UNDEFINED
            if path == STABLE or "-modules" in path
            else InclusionLevel.NOT_IN_NAV
        )
        files.append(File.generated(config, path, content=text, inclusion=level))
    for path in files_outside(ours):
        source = str(ROOT / path)
        level = InclusionLevel.NOT_IN_NAV
        files.append(File.generated(config, COPIES + path, abs_src_path=source, inclusion=level))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links out of ``docs`` into links to the copies."""
    path = page.file.src_uri
    if path.startswith(COPIES):
        return relinked(path.removeprefix(COPIES), markdown)
    written_by_hand = page.file.generated_by is None and _is_markdown(page.file)
    return relinked(DOCS + path, markdown) if written_by_hand else markdown


def _is_markdown(file: File) -> bool:
    return str(file.src_uri).endswith(".md")
