"""Fixtures that tests of the whole loop share."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from tests.cosim.builders import Ran, run_scenario

ROOT = Path(__file__).parents[1]
Cli = Callable[..., "Answer"]
Runs = Callable[..., Ran]
settings.register_profile("no timed assertions", deadline=None)
settings.load_profile("no timed assertions")


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


@pytest.fixture
def cosim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Cli:
    """Call the command line as the console script does, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
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
