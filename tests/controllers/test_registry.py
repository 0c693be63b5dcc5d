from __future__ import annotations

import re
import sys
from textwrap import dedent

import pytest

from controllers import BUILTIN, CarbonThreshold, Controller, installed, resolve
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
    assert {"noop", "carbon_threshold", "carbon_proportional", "battery_aware"} < set(BUILTIN)
    assert {"battery_dispatch", "batch_cap_aimd", "batch_cap_primal_dual"} < set(BUILTIN)
    assert {"power_cap", "slo_clock", "carbon_budget_pid"} < set(BUILTIN)
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
        ("carbon_treshold", r"; did you mean 'carbon_threshold'\? expected one of noop, .*Class$"),
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


class TestInstalled:
    """Packages that offer controllers; a package is a folder on sys.path with its .dist-info."""

    @pytest.fixture
    def offer(self, tmp_path, monkeypatch):
        site = tmp_path / "site"
        site.mkdir()
        monkeypatch.syspath_prepend(str(site))

        def install(package, entries, source=COMPLETE):
            (site / f"{package}_module.py").write_text(source)
            info = site / f"{package}-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
            lines = "".join(f"{name} = {package}_module:{one}\n" for name, one in entries.items())
            (info / "entry_points.txt").write_text(f"[cosim.controllers]\n{lines}")

        yield install
        for name in [name for name in sys.modules if name.endswith("_module")]:
            del sys.modules[name]

    def test_they_are_found_by_name(self, offer, tmp_path):
        offer("green", {"night_shift": "Mine"})
        assert installed() == ("night_shift",)
        found = resolve("night_shift", tmp_path)
        assert found.__name__ == "Mine"
        assert issubclass(found, Controller)
        policy = found()
        policy.reset(context())
        assert policy.step(observation()).batch_cap == 1

    def test_those_that_come_with_the_package_go_first(self, offer, tmp_path):
        offer("green", {"carbon_threshold": "Mine"})
        assert resolve("carbon_threshold", tmp_path) is CarbonThreshold
        assert installed() == ()

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("nightshift", r"; did you mean 'night_shift'\? .*battery_aware, .*night_shift"),
            ("half", "controller 'green_module:Half' of green must define step$"),
            ("plain", "^'green_module:Plain' of green must be a subclass of controllers.Contr"),
            ("gone", "importing 'green_module:Gone' of green raised AttributeError: .*'Gone'"),
        ],
    )
    def test_errors(self, offer, tmp_path, name, message):
        entries = {"night_shift": "Mine", "half": "Half", "plain": "Plain", "gone": "Gone"}
        offer("green", entries)
        with pytest.raises(ValueError, match=message):
            resolve(name, tmp_path)

    def test_a_module_that_cannot_be_imported(self, offer, tmp_path):
        offer("green", {"mine": "Mine"}, "def f():\n    return 1 / 0\n\nf()\n")
        message = r"raised ZeroDivisionError: division by zero \(.*green_module\.py:2\)$"
        with pytest.raises(ValueError, match=message):
            resolve("mine", tmp_path)

    def test_two_packages_that_offer_the_same(self, offer, tmp_path):
        offer("green", {"mine": "Mine"})
        offer("greener", {"mine": "Mine"})
        with pytest.raises(ValueError, match=r"'mine' is offered by green(er)? and by green"):
            resolve("mine", tmp_path)
