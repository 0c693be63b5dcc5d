"""The hash of the installed code: what it changes with, and what it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from cosim.results import code


@pytest.fixture
def installed_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small installation in place of the real one."""
    for package in ("controllers", "cosim", "inference_sim"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(f'"""{package}."""\n')
    (tmp_path / "inference_sim" / "hardware").mkdir()
    (tmp_path / "inference_sim" / "hardware" / "gpus.yaml").write_text("idle_w: 70\n")
    monkeypatch.setattr(code, "_folder", lambda package: tmp_path / package)
    return tmp_path


def hashed() -> str:
    return code.code_hash.__wrapped__()


@pytest.mark.parametrize(
    "place", ["inference_sim/hardware/gpus.yaml", "cosim/__init__.py", "controllers/day.csv.gz"]
)
def test_it_changes_with_code_and_coefficients(installed_at: Path, place: str) -> None:
    before = hashed()
    assert hashed() == before
    (installed_at / place).write_text("idle_w: 71\n")
    assert hashed() != before


def test_a_file_that_moves_is_a_change(installed_at: Path) -> None:
    before = hashed()
    path = installed_at / "inference_sim" / "hardware" / "gpus.yaml"
    path.rename(path.with_name("nodes.yaml"))
    assert hashed() != before


def test_compiled_modules_are_not_read(installed_at: Path) -> None:
    """They come of the sources, which are."""
    before = hashed()
    (installed_at / "inference_sim" / "engine.cpython-311.so").write_bytes(b"1")
    (installed_at / "cosim" / "__pycache__").mkdir()
    (installed_at / "cosim" / "__pycache__" / "run.cpython-311.pyc").write_bytes(b"2")
    assert hashed() == before


def test_a_wheel_and_a_checkout_have_the_same(installed_at: Path) -> None:
    """A wheel holds the scenarios too."""
    before = hashed()
    scenarios = installed_at / "cosim" / "authoring" / "scenarios"
    scenarios.mkdir(parents=True)
    (scenarios / "quickstart.yaml").write_text("name: quickstart\n")
    assert hashed() == before


def test_the_real_one_covers_the_coefficients() -> None:
    assert (code._folder("inference_sim") / "hardware" / "gpus.yaml").is_file()
    assert code.installed()["cosim's code"] == code.code_hash() == hashed()
