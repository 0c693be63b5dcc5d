"""The names of ``import cosim``: documented, typed, lazy, and enough for a program of one's own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import cosim

ROOT = Path(__file__).parents[3]
JOINED = """
import cosim


def connect(world: cosim.World) -> None:
    site = world.sites["california"]
    world.connect(site.cluster, site.microgrid, "power")
    world.connect(site.controller, site.cluster, "batch_cap")
"""
HEAVY = ("pandas", "numpy", "mosaik", "vessim", "pydantic", "pyarrow", "typing")


def test_every_name_is_documented_and_there() -> None:
    listed = re.findall(r"`(\w+)`", cosim.__doc__ or "")
    assert sorted(listed) == sorted(cosim.__all__)
    assert set(cosim.__all__) <= set(dir(cosim))
    for name in cosim.__all__:
        assert getattr(cosim, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        cosim.lode  # type: ignore[attr-defined] # noqa: B018


def test_every_name_is_on_the_page() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    for name in cosim.__all__:
        assert re.search(rf"`(cosim\.)?{name}\b", page), name


def test_the_import_takes_nothing_along() -> None:
    code = f"import sys, cosim; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


@pytest.mark.nightly("mypy on programs that use the API; every day on none")
def test_a_program_passes_strict_checks(tmp_path: Path) -> None:
    """Outside the project, with the examples of the page that are programs."""
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    assert len(examples) >= 5
    for number, example in enumerate(examples):
        (tmp_path / f"example_{number}.py").write_text(example, encoding="utf-8")
    recipes = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    asked = re.search(r"^```python\n(# ask\.py\n.*?)^```$", recipes, re.M | re.S)
    assert asked is not None
    (tmp_path / "ask.py").write_text(asked[1], encoding="utf-8")
    (tmp_path / "joined.py").write_text(JOINED, encoding="utf-8")
    (tmp_path / "typo.py").write_text("import cosim\n\ncosim.lode('s.yaml')\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    errors = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert errors == ['typo.py:3: error: Module has no attribute "lode"  [attr-defined]'], done
