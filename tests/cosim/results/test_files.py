"""Files that are there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from cosim.results.files import put_file, put_text


def test_a_file_takes_the_place_of_another(tmp_path: Path) -> None:
    put_text(tmp_path / "a.txt", "first")
    put_text(tmp_path / "a.txt", "zweite: ü\n")
    assert (tmp_path / "a.txt").read_bytes() == "zweite: ü\n".encode()
    assert [one.name for one in tmp_path.iterdir()] == ["a.txt"]


def test_what_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    put_text(tmp_path / "a.txt", "first")

    def write(path: Path) -> None:
        path.write_text("half of")
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        put_file(tmp_path / "a.txt", write)
    assert [one.name for one in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "first"
