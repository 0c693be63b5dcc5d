"""The notebooks: they run, and are kept without outputs."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import cosim

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def cells(notebook: Path) -> list[dict[str, Any]]:
    content = json.loads(notebook.read_text(encoding="utf-8"))
    return [cell for cell in content["cells"] if cell["cell_type"] == "code"]


def test_there_are_some() -> None:
    assert len(NOTEBOOKS) >= 2


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_kept_without_outputs(notebook: Path) -> None:
    for cell in cells(notebook):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_uses_the_public_api_alone(notebook: Path) -> None:
    """``import cosim``, and nothing of its modules; only names that are documented as stable."""
    source = "\n".join("".join(cell["source"]) for cell in cells(notebook))
    tree = ast.parse(source)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
    imported = {alias.name for node in imports for alias in node.names}
    from_modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert imported == {"cosim", "matplotlib.pyplot", "pandas"}
    assert from_modules == []
    used = set(re.findall(r"\bcosim\.(\w+)", source))
    assert "run" in used
    assert used <= set(cosim.__all__)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs(notebook: Path, tmp_path: Path) -> None:
    """Its cells one after the other, in an interpreter of their own and without a kernel.

    The site's build runs them with one (mkdocs-jupyter).
    """
    script = tmp_path / "cells.py"
    script.write_text("\n".join("".join(cell["source"]) + "\n" for cell in cells(notebook)))
    before = sorted(FOLDER.iterdir())
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore:FigureCanvasAgg", str(script)],
        cwd=FOLDER,
        env={**os.environ, "MPLBACKEND": "agg", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(FOLDER.iterdir()) == before
