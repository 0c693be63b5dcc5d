"""Links out of ``docs`` lead to copies on the site."""

from __future__ import annotations

import pytest

from docs.site_builder.links import files_outside, relinked, site_path


@pytest.mark.parametrize(
    ("page", "link", "on_site"),
    [
        ("docs/a.md", "b.md#part", "b.md#part"),
        ("docs/a.md", "images/one.svg", "images/one.svg"),
        ("docs/a.md", "../scenarios/README.md", "files/scenarios/README.md"),
        ("docs/deep/a.md", "../../cosim/x.yaml", "../files/cosim/x.yaml"),
        ("scenarios/README.md", "quickstart.yaml", "quickstart.yaml"),
        ("scenarios/README.md", "../docs/a.md#part", "../../a.md#part"),
        ("docs/a.md", "https://example.org/x.md", "https://example.org/x.md"),
        ("docs/a.md", "#part", "#part"),
    ],
)
def test_relinked(page: str, link: str, on_site: str) -> None:
    assert relinked(page, f"see [it]({link}), or") == f"see [it]({on_site}), or"


def test_site_path() -> None:
    assert site_path("docs/a/b.md") == "a/b.md"
    assert site_path("cosim/x.py") == "files/cosim/x.py"


def test_what_linked_files_link_to_is_copied_too() -> None:
    found = files_outside(["docs/errata.md"])
    assert {"scenarios/README.md", "scenarios/quickstart.yaml", "scenarios/data/README.md"} <= {
        *found
    }
    assert not [path for path in found if path.startswith("docs/")]
