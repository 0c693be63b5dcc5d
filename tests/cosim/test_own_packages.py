"""A user's own packages `controllers` and `inference_sim` beside a script or a scenario."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cosim.builders import SCENARIOS


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a package of either name, whose modules would break ours."""
    for name in ("controllers", "inference_sim"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("MINE = True\n")
    (tmp_path / "controllers" / "night.py").write_text("from cosim.errors import CosimError\n")
    (tmp_path / "controllers" / "base.py").write_text("1 / 0\n")
    return tmp_path


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, env=environment
    )


def script(project: Path, text: str) -> subprocess.CompletedProcess[str]:
    (project / "script.py").write_text(text)
    return python("script.py", cwd=project)


def test_the_module_as_a_command(project: Path) -> None:
    (project / "typer.py").write_text("1 / 0\n")
    done = python("-m", "cosim", "controllers", "list", cwd=project)
    assert (done.returncode, done.stderr) == (0, "")
    assert "clean_windows" in done.stdout


@pytest.mark.nightly("workers beside a user's folder controllers; every day a command and scripts")
@pytest.mark.parametrize("executor", ["processes", "dask"])
def test_workers(project: Path, executor: str) -> None:
    if executor == "dask":
        pytest.importorskip("distributed")
    (project / "study.yaml").write_text(
        f"name: two\nscenario: {SCENARIOS / 'quickstart.yaml'}\n"
        "set: {workload.requests: 20, time.duration: 10min}\n"
        "grid:\n"
        "  sites.0.cluster.replicas: {label: GPUs, values: [1, 2]}\n"
    )
    done = python(
        *("-m", "cosim", "sweep", "study.yaml", "--workers", "2", "--executor", executor),
        cwd=project,
    )
    assert (done.returncode, done.stderr.count("rror")) == (0, 0), done.stderr


def test_a_script(project: Path) -> None:
    """Ours are found, and whoever wants a module of the other package is told why not."""
    done = script(
        project,
        "import cosim, controllers\n"
        "from controllers.base import Controller\n"
        "from inference_sim.errors import Problem\n"
        "assert not hasattr(controllers, 'MINE')\n"
        "try:\n"
        "    import controllers.nowhere\n"
        "except ModuleNotFoundError as error:\n"
        "    assert str(error) == \"No module named 'controllers.nowhere'\"\n"
        "import controllers.night\n",
    )
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: No module named 'controllers.night': 'controllers' is a package of "
        f"cosim's here, and hides '{project}/controllers'; rename yours, or name its files by "
        "their path, as ./controllers/night.py:Night"
    )


HIDDEN = (
    "module '{name}' has no attribute 'MINE': '{name}' is a package of cosim's here, and hides "
    "'{place}'; rename yours, or name its files by their path, as ./controllers/night.py:Night"
)


@pytest.mark.parametrize("name", ["controllers", "inference_sim"])
def test_a_name_of_the_hidden_package(project: Path, name: str) -> None:
    done = script(project, f"import cosim\nimport {name}\n{name}.MINE\n")
    message = HIDDEN.format(name=name, place=project / name)
    assert done.stderr.splitlines()[-1] == f"AttributeError: {message}"


def test_a_name_of_a_hidden_module(tmp_path: Path) -> None:
    (tmp_path / "controllers.py").write_text("MINE = True\n")
    done = script(tmp_path, "import cosim, controllers\ncontrollers.MINE\n")
    message = HIDDEN.format(name="controllers", place=tmp_path / "controllers.py")
    assert done.stderr.splitlines()[-1] == f"AttributeError: {message}"


def test_a_name_that_nobody_has(tmp_path: Path) -> None:
    done = script(tmp_path, "import cosim, controllers\ncontrollers.MINE\n")
    assert done.stderr.splitlines()[-1] == (
        "AttributeError: module 'controllers' has no attribute 'MINE'"
    )


def test_a_script_that_has_imported_its_own_before(project: Path) -> None:
    done = script(project, "import controllers\nassert controllers.MINE\nimport cosim\n")
    assert done.stderr.splitlines()[-1] == (
        "ImportError: cosim has a package 'controllers' of its own, and another one was imported "
        f"before it, from '{project}/controllers/__init__.py'; rename yours, or name its files by "
        "their path, as ./controllers/night.py:Night"
    )
