"""The site as a whole."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.site_builder import policy_page, scenario_page
from docs.site_builder.api_pages import PACKAGES, STABLE

ROOT = Path(__file__).parents[2]
NEEDED = ("mkdocs", "material", "mkdocstrings_handlers.python", "mkdocs_jupyter")


def _missing() -> list[str]:
    def there(module: str) -> bool:
        try:
            return find_spec(module) is not None
        except ModuleNotFoundError:
            return False

    return [module for module in NEEDED if not there(module)]


def navigation(entry: Any) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    else:
        for one in entry if isinstance(entry, list) else entry.values():
            yield from navigation(one)


def test_navigation_has_every_page_once() -> None:
    """A new page of ``docs`` has to be named in ``nav`` of mkdocs.yml."""
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    docs = ROOT / "docs"
    written = {
        path.relative_to(docs).as_posix()
        for pattern in ("**/*.md", "**/*.ipynb")
        for path in docs.glob(pattern)
    }
    made = {scenario_page.PAGE, policy_page.PAGE, STABLE}
    made |= {f"api/{package}-modules.md" for package in PACKAGES}
    listed = list(navigation(config["nav"]))
    assert sorted(listed) == sorted(written | made)


@pytest.mark.skipif(bool(_missing()), reason=f"make docs installs {', '.join(_missing())}")
@pytest.mark.nightly("the documentation site, built strictly; every day its pages, links and names")
def test_site_is_built_without_a_warning(tmp_path: Path) -> None:
    """Strictly: no link that leads nowhere, no name that is not in the API, no failing notebook."""
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    site = tmp_path / "site"
    assert "sites[].microgrid.battery" in (site / "reference/scenario/index.html").read_text()
    assert (
        'id="inference_sim.engine.Engine"'
        in (site / "api/inference_sim.engine/index.html").read_text()
    )
    assert "<img" in (site / "notebooks/first-run/index.html").read_text()
    assert (site / "files/scenarios/quickstart.yaml").is_file()
    for page in site.rglob("*.html"):
        outside = re.findall(r'(?:src|rel="stylesheet" href)="(https?:[^"]*)"', page.read_text())
        assert outside == [], f"{page.name} loads {outside}"
