"""The folder of a tuning: its files, and the tuning that they are read into again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from cosim.results.folder import to_json
from cosim.studies.evaluate.frames import RUN_COLUMNS
from cosim.studies.frame.study import FileContent, StudyFrame, read_json, read_runs
from cosim.studies.frame.table import TextTable, markdown_page
from cosim.studies.kinds import TUNE
from cosim.studies.runs.figures import RunFigures
from cosim.studies.tune.page import tuning_page
from cosim.studies.tune.search import Sampler
from cosim.studies.tune.space import Parameter, Value
from cosim.studies.tune.table import notes, trials_frame, trials_table, verdict
from cosim.studies.tune.trials import Trial, missed_runs
from cosim.studies.tune.tuning import Tuning
from inference_sim.files.yaml_text import write_yaml

_ENTRY = "# An entry for the `policies` of a scenario's `evaluation`\n"


def to_dict(tuning: Tuning) -> dict[str, Any]:
    """Return a tuning for JSON: its result, and all that it is made from."""
    _, defaults, tuned = tuning.rows
    return {
        "scenario": tuning.name,
        "policy": tuning.policy,
        "verdict": verdict(tuning),
        "best": tuning.best.number,
        "difference": asdict(tuning.difference),
        "saving": {"defaults": asdict(defaults.saving), "tuned": asdict(tuned.saving)},
        "no_saving": {"defaults": defaults.no_saving, "tuned": tuned.no_saving},
        "sampler": tuning.sampler,
        "seeds": list(tuning.seeds),
        "tune_weeks": list(tuning.tune_weeks),
        "test_weeks": list(tuning.test_weeks),
        "parameters": [asdict(parameter) for parameter in tuning.parameters],
        "unsearched": list(tuning.unsearched),
        "fixed": list(tuning.fixed),
        "noop": _runs(tuning.noop),
        "trials": [
            {
                "values": list(trial.values),
                "carbon_g": trial.carbon_g,
                "saving": tuning.saving(trial),
                "missed": trial.missed,
                "runs": _runs(trial.runs),
            }
            for trial in tuning.trials
        ],
        "tested": [_runs(runs) for runs in tuning.tested],
        "entry": dict(tuning.entry),
        "definition": dict(tuning.scenario),
        "versions": dict(tuning.versions),
    }


def _runs(runs: Iterable[RunFigures]) -> list[dict[str, Any]]:
    return [run.columns(RUN_COLUMNS) for run in runs]


def _files(tuning: Tuning) -> Mapping[str, FileContent]:
    return {
        "trials.parquet": trials_frame(tuning).to_parquet,
        "tuned.yaml": _ENTRY + write_yaml(tuning.entry),
        "tuning.md": markdown_page(f"{tuning.policy} tuned on {tuning.name}", *shown(tuning)),
        TUNE.marker: to_json(to_dict(tuning)) + "\n",
    }


@dataclass(frozen=True, slots=True)
class _WrittenTrial:
    """The part of a trial that is read; the rest follows from it."""

    values: tuple[Value, ...]
    runs: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class _Written:
    """The part of the file that is read; the rest follows from it."""

    scenario: str
    policy: str
    sampler: Sampler
    seeds: tuple[int, ...]
    tune_weeks: tuple[str, ...]
    test_weeks: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    unsearched: tuple[str, ...]
    fixed: tuple[str, ...]
    noop: tuple[dict[str, Any], ...]
    trials: tuple[_WrittenTrial, ...]
    tested: tuple[tuple[dict[str, Any], ...], ...]
    entry: dict[str, Any]
    definition: dict[str, Any]
    versions: dict[str, str]


def _tuning(content: Any) -> Tuning:
    written = TypeAdapter(_Written).validate_python(content)
    if len(written.tested) != 3 or not written.trials:
        raise ValueError("tested: expected the runs of noop, defaults and tuned, and some trials")
    noop = read_runs(written.noop, RUN_COLUMNS)
    trials = []
    for number, entry in enumerate(written.trials):
        runs = read_runs(entry.runs, RUN_COLUMNS)
        trials.append(Trial(number, entry.values, runs, missed_runs(runs, noop)))
    return Tuning(
        name=written.scenario,
        policy=written.policy,
        sampler=written.sampler,
        seeds=written.seeds,
        tune_weeks=written.tune_weeks,
        test_weeks=written.test_weeks,
        parameters=written.parameters,
        unsearched=written.unsearched,
        fixed=written.fixed,
        noop=noop,
        trials=tuple(trials),
        tested=tuple(read_runs(runs, RUN_COLUMNS) for runs in written.tested),
        entry=written.entry,
        scenario=written.definition,
        versions=written.versions,
    )


def _load(folder: Path) -> Tuning:
    return read_json(folder / TUNE.marker, TUNE, _tuning)


def shown(tuning: Tuning) -> tuple[TextTable, Iterable[str]]:
    """Return the table that is printed, and its notes."""
    return trials_table(tuning), notes(tuning)


TUNING = StudyFrame(kind=TUNE, files=_files, load=_load, page=tuning_page)
folder_page = TUNING.folder_page
