"""The result folder of an evaluation."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from cosim.evaluate.evaluation import Evaluation
from cosim.evaluate.record import EVALUATION, to_dict
from cosim.evaluate.report import evaluation_html
from cosim.evaluate.table import markdown, policies_frame, runs_frame
from cosim.results.folder import to_json


def write_evaluation(found: Evaluation, folder: Path) -> None:
    """Write an evaluation: ``evaluation.md``, ``.json`` and ``.html``, and two Parquet files.

    Each file is there whole or not at all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _put(folder / "runs.parquet", lambda path: runs_frame(found).to_parquet(path))
    _put(folder / "policies.parquet", lambda path: policies_frame(found).to_parquet(path))
    texts = {
        "evaluation.md": markdown(found),
        EVALUATION: to_json(to_dict(found)) + "\n",
        "report.html": evaluation_html(found),
    }
    for name, text in texts.items():
        _put(folder / name, partial(_write_text, text))


def _write_text(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")


def _put(path: Path, write: Callable[[Path], object]) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        write(Path(name))
        Path(name).chmod(0o644)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
