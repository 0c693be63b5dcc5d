"""The page of invariants: numbered without a gap, and every test that it names exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROWS = re.findall(
    r"^\| (\d+) \| (.+) \| (.+) \|$",
    (ROOT / "docs" / "invariants.md").read_text(encoding="utf-8"),
    re.M,
)


@cache
def names_in(path: Path) -> frozenset[str]:
    """The names of the tests in a file, also of those within a class."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


def test_numbers_run_without_a_gap() -> None:
    assert ROWS
    assert [int(number) for number, _, _ in ROWS] == list(range(1, len(ROWS) + 1))


@pytest.mark.parametrize(("number", "statement", "held_by"), ROWS, ids=[row[0] for row in ROWS])
def test_tests_exist(number: str, statement: str, held_by: str) -> None:
    assert statement.endswith(".")
    named = re.fullmatch(r"`[^`]+`(?:, `[^`]+`)*", held_by)
    assert named, f"invariant {number} names no test"
    for test in re.findall(r"`([^`]+)`", held_by):
        path, _, name = test.partition("::")
        assert name in names_in(ROOT / path), f"invariant {number}: {test}"
