from __future__ import annotations

import re
import sys
from textwrap import dedent

import pytest

from controllers import BUILTIN, CarbonThreshold, resolve
from tests.controllers.builders import context, observation

COMPLETE = dedent(
    """
    from __future__ import annotations
    from dataclasses import dataclass
    from controllers import Controller, SiteAction

    @dataclass
    class State:
        steps: int = 0

    class Mine(Controller):
        actuators = frozenset({"batch_cap"})
        def reset(self, context):
            self.state = State()
        def step(self, observation):
            self.state.steps += 1
            return SiteAction(batch_cap=self.state.steps)

    class Half(Controller):
        def reset(self, context): ...

    class Plain: ...
    number = 3
    """
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.py").write_text(COMPLETE)
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "typo.py").write_text("x = 1\ndef f(:\n")
    (tmp_path / "broken.py").write_text("def f():\n    return 1 / 0\n\nf()\n")
    return tmp_path


def test_builtin_names(tmp_path):
    assert {"noop", "carbon_threshold", "lowest_window", "autoscale"} < set(BUILTIN)
    assert all(
        name == re.sub("(?<!^)(?=[A-Z])", "_", one.__name__).lower()
        for name, one in BUILTIN.items()
    )
    assert resolve("carbon_threshold", tmp_path) is CarbonThreshold


def test_a_class_of_the_users(folder):
    path = list(sys.path)
    found = resolve("./mine.py:Mine", folder)
    policy = found()
    policy.reset(context())
    assert policy.step(observation()).batch_cap == 1
    assert sys.path == path
    assert resolve(f"{folder}/mine.py:Mine", folder / "elsewhere").__name__ == "Mine"
    assert resolve("mine.py:Mine", folder).__name__ == "Mine"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("carbon_treshold", r"expected one of noop, .*; did you mean 'carbon_threshold'\?$"),
        ("xyz", r"no controller 'xyz': .* as \./file\.py:Class$"),
        ("./mine.py", r"must name a file and a class, as in \./file\.py:Class"),
        ("./mine.py:", "must name a file and a class"),
        ("./none.py:Mine", r"no such file for controller '\./none\.py:Mine' \(got '/.*none\.py'\)"),
        ("./mine.py:Mina", r"has no class 'Mina': its controllers are Mine, Half; .*'Mine'\?$"),
        ("./empty.py:Mine", "has no class 'Mine': it defines no controllers$"),
        ("./mine.py:Plain", r"'Plain' in '.*mine\.py' must be a subclass of controllers\.Contr"),
        ("./mine.py:number", r"must be a subclass of .* \(got 3\)"),
        ("./mine.py:Half", r"controller 'Half' in '.*mine\.py' must define step$"),
        ("./mine.py:Controller", "must define reset and step$"),
        ("./typo.py:Mine", r"raised SyntaxError: .*typo\.py:2\)$"),
        ("./broken.py:Mine", r"raised ZeroDivisionError: division by zero \(.*broken\.py:2\)$"),
    ],
)
def test_errors(folder, name, message):
    before = set(sys.modules)
    with pytest.raises(ValueError, match=message):
        resolve(name, folder)
    if "typo" in name or "broken" in name:
        assert set(sys.modules) == before


def test_not_a_python_file(folder):
    (folder / "notes.txt").write_text("")
    with pytest.raises(ValueError, match="is not a Python file"):
        resolve("notes.txt:Mine", folder)
