"""Fixtures that tests of the whole loop share."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cosim.builders import Ran, run_scenario
from tests.samples import load_profiles

ROOT = Path(__file__).parents[1]
Cli = Callable[..., "Answer"]
Runs = Callable[..., Ran]
LONGEST = (
    "test_docs.py",
    "cosim/studies/reproduce/test_reproduce.py",
    "cosim/commands/test_stopped_studies.py",
    "cosim/results/test_kills.py",
    "cosim/authoring/test_authoring.py",
    "cosim/studies/evaluate/test_evaluate.py",
    "cosim/scenario/test_bad_input.py",
    "cosim/loop/test_live.py",
    "cosim/loop/test_loop.py",
    "inference_sim/test_trace_formats.py",
    "inference_sim/test_calibration.py",
    "docs/test_notebooks.py",
    "cosim/commands/test_app.py",
    "controllers/test_conformance.py",
    "scenarios/test_scenarios.py",
    "cosim/commands/test_progress.py",
    "cosim/studies/sweep/test_sweep.py",
    "cosim/signals/formats/test_bad_files.py",
    "cosim/results/test_results.py",
    "cosim/signals/test_conformance.py",
    "fuzz/test_files.py",
    "inference_sim/test_segments_vs_stepwise.py",
)
"""Modules that take five seconds and more, which are begun first: one that is begun last has
nothing beside it in the end."""
load_profiles()


@dataclass(frozen=True)
class Answer:
    """What a call of the command line came to.

    Attributes:
        code: Exit code.
        out, err: What it wrote to standard output and to standard error.
    """

    code: int
    out: str
    err: str


def pytest_sessionstart() -> None:
    """Refuse to test C extensions that are older than their sources: Python would import them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for module in project["tool"]["cosim"]["compiled"]["modules"]:
        source = ROOT / module
        for built in source.parent.glob(f"{source.stem}.*"):
            if built.suffix in (".so", ".pyd") and built.stat().st_mtime < source.stat().st_mtime:
                pytest.exit(f"{built.name} is older than {module}: run make setup", returncode=3)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest modules first."""
    ranks = {ROOT / "tests" / name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


@pytest.fixture(scope="session", autouse=True)
def one_core() -> Iterator[None]:
    """Let studies that ask for all cores run in this process: pytest's workers have the cores.

    A pool of processes would first have to import everything, in each of these workers. The tests
    of pools say how many they want.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.sched_getaffinity", lambda process: {0}, raising=False)
        yield


@pytest.fixture
def cosim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Cli:
    """Call the command line as the console script does, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("cosim.commands.app._debug", False)

    def call(*args: str | Path) -> Answer:
        from cosim.commands.app import main

        monkeypatch.setattr(sys, "argv", ["cosim", *map(str, args)])
        capfd.readouterr()
        code: int | str | None = 0
        try:
            main()
        except SystemExit as end:
            code = end.code
        out, err = capfd.readouterr()
        assert isinstance(code, int | None)
        return Answer(code or 0, out, err)

    return call


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Run a scenario file with overrides; the same run is made once and shared."""
    done: dict[tuple[str | Path, ...], Ran] = {}

    def ran(path: Path, *overrides: str) -> Ran:
        key = (path, *overrides)
        if key not in done:
            done[key] = run_scenario(path, tmp_path_factory.mktemp("run") / "out", *overrides)
        return done[key]

    return ran
