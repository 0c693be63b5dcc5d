"""The pages of the documentation site that are made from the code, and the links between them.

MkDocs loads ``hooks.py`` (see ``mkdocs.yml``); the other modules make Markdown, and need nothing
but the packages that they describe.
"""
