"""The result folder of an evaluation."""

from __future__ import annotations

from pathlib import Path

from cosim.results.files import put_file, put_text
from cosim.results.folder import to_json
from cosim.studies.evaluate.evaluation import Evaluation
from cosim.studies.evaluate.record import EVALUATION, to_dict
from cosim.studies.evaluate.report import evaluation_html
from cosim.studies.evaluate.table import markdown, policies_frame, runs_frame


def write_evaluation(found: Evaluation, folder: Path) -> None:
    """Write an evaluation: ``evaluation.md``, ``.json`` and ``.html``, and two Parquet files.

    Each file is there whole or not at all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    put_file(folder / "runs.parquet", lambda path: runs_frame(found).to_parquet(path))
    put_file(folder / "policies.parquet", lambda path: policies_frame(found).to_parquet(path))
    texts = {
        "evaluation.md": markdown(found),
        EVALUATION: to_json(to_dict(found)) + "\n",
        "report.html": evaluation_html(found),
    }
    for name, text in texts.items():
        put_text(folder / name, text)
