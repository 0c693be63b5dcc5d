"""Studies, many runs compared: policies by ``evaluate``, variants of a scenario by ``sweep``."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from html import escape
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, final

from cosim.api.scenario import ControllerSpec, ScenarioSource, load, tree_of_scenario
from cosim.errors import RunInterrupted, ScenarioError
from cosim.report.page import Page
from cosim.results.files import put_text
from cosim.scenario.python_data import node_of
from cosim.scenario.settings import Setting
from cosim.studies.evaluate.bulk import trial_runs, with_best_hour
from cosim.studies.evaluate.comparison import comparison
from cosim.studies.evaluate.evaluation import Evaluation, evaluation_of
from cosim.studies.evaluate.evaluation import needed_runs as runs_of_evaluation
from cosim.studies.evaluate.frames import policies_frame
from cosim.studies.evaluate.frames import runs_frame as runs_of_policies
from cosim.studies.evaluate.outcome import EVALUATION
from cosim.studies.evaluate.outcome import shown as shown_evaluation
from cosim.studies.evaluate.variants import NOOP
from cosim.studies.frame.cases import CaseRuns, run_cases
from cosim.studies.frame.study import StudyFrame
from cosim.studies.kinds import check_place
from cosim.studies.runs.figures import RunFigures
from cosim.studies.runs.processes import Processes
from cosim.studies.sweep.outcome import SWEEPS
from cosim.studies.sweep.outcome import shown as shown_sweep
from cosim.studies.sweep.study import Study, read_study, study_of
from cosim.studies.sweep.sweep import Sweep, needed_runs, sweep_of
from cosim.studies.sweep.table import cases_frame
from cosim.studies.sweep.table import runs_frame as runs_of_cases
from inference_sim.files.yaml_text import Node, write_yaml

if TYPE_CHECKING:
    import pandas as pd

C = TypeVar("C")
O = TypeVar("O")


@final
@dataclass(frozen=True, slots=True, repr=False)
class StudyResult:
    """The outcome of a study: ``cosim.evaluate(...).table``.

    Attributes:
        name: Name of the study.
        table: A row for each policy or case: means over its runs, and half of their 95 %
            intervals, where there are several.
        runs: A row for each run.
        notes: The headline, and how to read the table.
    """

    name: str
    table: pd.DataFrame
    runs: pd.DataFrame
    notes: tuple[str, ...]
    _page: Callable[[], Page]
    _write: Callable[[Path], None]

    @property
    def failures(self) -> tuple[str, ...]:
        """Why runs broke off, each reason once; empty if none did."""
        return tuple(dict.fromkeys(text for text in self.runs["failure"] if text))

    def report(self, path: str | PathLike[str]) -> Path:
        """Write its page of charts and tables into one HTML file, and return the file."""
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        put_text(file, self._page().html())
        return file

    def save(self, path: str | PathLike[str]) -> Path:
        """Write it into a folder, as the command does, and return that.

        Raises:
            ScenarioError: If results of another kind stand there.
        """
        folder = Path(path)
        self._write(folder)
        return folder

    def __repr__(self) -> str:
        return f"<cosim.StudyResult '{self.name}': {len(self.table)} rows, {len(self.runs)} runs>"

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return f"{self.table.to_html(max_rows=60, max_cols=12, border=0)}{notes}"


def evaluate(
    scenario: ScenarioSource,
    policies: Mapping[str, ControllerSpec | Sequence[ControllerSpec]]
    | Sequence[ControllerSpec]
    | None = None,
    *,
    seeds: int | None = None,
    twins: bool = False,
    decoys: bool = True,
    baselines: bool = True,
    bands: bool = False,
    results: str | PathLike[str] | None = None,
    workers: int | None = None,
) -> StudyResult:
    """Compare policies on a scenario: the same requests, the same weeks, at equal work.

    Args:
        scenario: The scenario, the path of its file, or its content.
        policies: The policies: by name the controllers of each, or controllers each of which is a
            policy alone; None for those of the scenario's ``evaluation``. One that does nothing is
            added.
        seeds: Runs of each policy; the scenario's number, or 5, by default.
        twins: Whether the carbon-agnostic baseline of each of `policies` is run too.
        decoys: Whether policies that look at the carbon intensity also run on other signals.
        baselines: Whether baselines that are blind to carbon are added.
        bands: Whether policies and baselines also run with less sure coefficients of the power at
            both ends, which shows the savings that depend on one.
        results: A folder to write into, as ``cosim evaluate`` does, where runs are kept and not
            made twice, but for those with classes or objects; None for none.
        workers: Runs at once; as many as there are cores by default, and 1 for this process alone.

    Raises:
        ScenarioError: With every problem that could be found, before anything runs.
    """
    settings: list[Setting] = []
    if policies is not None:
        entries = [
            {"name": name, "twin": twins and bool(controllers), "controllers": controllers}
            for name, controllers in _by_name(policies).items()
        ]
        settings.append(Setting("evaluation.policies", _policies(entries)))
    elif twins:
        raise ScenarioError("twins go with `policies`; a scenario says `twin: true`")
    if not baselines:
        settings.append(Setting("evaluation.baselines", Node(False, "", "")))
    tree = tree_of_scenario(load(scenario))
    compared = comparison(tree, settings, seeds, decoys=decoys, bands=bands)
    with _folder(results, EVALUATION, compared.name) as folder:
        make = partial(_figures, folder=folder, workers=workers)
        if compared.trials:
            compared = with_best_hour(compared, make(trial_runs(compared)))
        evaluation = evaluation_of(compared, make(runs_of_evaluation(compared)), workers=workers)
        if results is not None:
            EVALUATION.write(evaluation, folder)
    return _of_evaluation(evaluation)


def sweep(
    scenario: ScenarioSource,
    grid: Mapping[str, Sequence[object]] | None = None,
    *,
    cases: Mapping[str, Mapping[str, object]] | None = None,
    seeds: int = 1,
    baseline: str | Mapping[str, object] | None = None,
    name: str | None = None,
    results: str | PathLike[str] | None = None,
    workers: int | None = None,
) -> StudyResult:
    """Run many variants of a scenario, and compare them.

    Args:
        scenario: The scenario, the path of its file, or its content.
        grid: Values to be combined, each with each, by their paths in the scenario, such as
            ``{"sites.0.cluster.replicas": [1, 2, 4]}``.
        cases: Settings that vary together, by the name of the case; each is combined with the
            whole grid. A case may set ``controllers``, to classes and objects too.
        seeds: Runs of each case.
        baseline: The case that the others are compared with: the name of one of `cases`, or values
            of the grid by their paths; the first by default.
        name: Name of the study; that of the scenario by default.
        results: A folder to write into, as ``cosim sweep`` does, where runs are kept and not made
            twice, but for those with classes or objects; None for none.
        workers: Runs at once; as many as there are cores by default, and 1 for this process alone.

    Raises:
        ScenarioError: With every problem of every case, before anything runs.
    """
    chosen = load(scenario)
    keys: dict[str, Any] = {"name": name or chosen.name, "seeds": seeds}
    if baseline is not None:
        keys["baseline"] = baseline
    root = node_of(keys)
    if grid:
        root.value["grid"] = _grid(grid)
    if cases:
        root.value["cases"] = _cases(cases)
    text = write_yaml({**keys, "scenario": f"{chosen.name}.yaml", **_varied(root)})
    return _swept(study_of(root, tree_of_scenario(chosen), text), results, workers)


def sweep_file(
    study: str | PathLike[str],
    *,
    results: str | PathLike[str] | None = None,
    workers: int | None = None,
) -> StudyResult:
    """Run the study in a file, as ``cosim sweep`` does.

    Args:
        study: The file.
        results: A folder to write into; None for none.
        workers: Runs at once; as many as there are cores by default.

    Raises:
        ScenarioError: With every problem of the file, or of every case, before anything runs.
    """
    return _swept(read_study(Path(study)), results, workers)


def _swept(study: Study, results: str | PathLike[str] | None, workers: int | None) -> StudyResult:
    with _folder(results, SWEEPS, study.name) as folder:
        outcome = sweep_of(study, _figures(needed_runs(study), folder=folder, workers=workers))
        if results is not None:
            SWEEPS.write(outcome, folder)
    return _of_sweep(outcome)


def _of_evaluation(evaluation: Evaluation) -> StudyResult:
    _, notes = shown_evaluation(evaluation)
    return StudyResult(
        evaluation.name,
        policies_frame(evaluation),
        runs_of_policies(evaluation),
        tuple(notes),
        partial(EVALUATION.page, evaluation),
        partial(_write, EVALUATION, evaluation, evaluation.name),
    )


def _of_sweep(outcome: Sweep) -> StudyResult:
    _, notes = shown_sweep(outcome)
    return StudyResult(
        outcome.name,
        cases_frame(outcome),
        runs_of_cases(outcome),
        tuple(notes),
        partial(SWEEPS.page, outcome),
        partial(_write, SWEEPS, outcome, outcome.name),
    )


def _write(frame: StudyFrame[O], outcome: O, name: str, folder: Path) -> None:
    check_place(folder, frame.kind, [name])
    frame.write(outcome, folder)


def _figures(
    needed: CaseRuns[C], *, folder: Path, workers: int | None
) -> list[tuple[RunFigures, ...]]:
    try:
        return run_cases(needed, folder / "runs", pool=Processes(workers))
    except RunInterrupted as interrupt:  # in this process, where Ctrl-C went to the run
        raise KeyboardInterrupt(str(interrupt)) from interrupt


@contextmanager
def _folder(
    results: str | PathLike[str] | None, frame: StudyFrame[Any], name: str
) -> Iterator[Path]:
    """Give the folder of a study; one that goes away where there is none."""
    if results is None:
        with tempfile.TemporaryDirectory() as passing:
            yield Path(passing)
        return
    check_place(Path(results), frame.kind, [name])
    yield Path(results)


def _by_name(
    policies: Mapping[str, ControllerSpec | Sequence[ControllerSpec]] | Sequence[ControllerSpec],
) -> dict[str, list[ControllerSpec]]:
    """Return the controllers of each policy."""
    if isinstance(policies, Mapping):
        return {
            name: list(given)
            if isinstance(given, Sequence) and not isinstance(given, str)
            else _alone(given)
            for name, given in policies.items()
        }
    return {_label(policy): _alone(policy) for policy in policies}


def _alone(policy: ControllerSpec) -> list[ControllerSpec]:
    return [] if isinstance(policy, str) and policy == NOOP else [policy]


def _label(policy: ControllerSpec) -> str:
    if isinstance(policy, Mapping):
        return _label(policy["type"]) if "type" in policy else ""  # type: ignore[arg-type]
    if isinstance(policy, str):
        return policy.rpartition(":")[2]
    return policy.__name__ if isinstance(policy, type) else type(policy).__name__


def _policies(entries: Sequence[Mapping[str, Any]]) -> Node:
    return node_of(list(entries), "evaluation.policies")


def _grid(grid: Mapping[str, Sequence[object]]) -> Node:
    """Return the grid, each value as it stands at its path in a scenario."""
    return Node(
        {
            path: Node([node_of(value, path) for value in values], "", "")
            for path, values in grid.items()
        },
        "",
        "",
    )


def _cases(cases: Mapping[str, Mapping[str, object]]) -> Node:
    nodes = [
        Node({"name": node_of(name), "set": node_of(dict(settings))}, "", "")
        for name, settings in cases.items()
    ]
    return Node(nodes, "", "")


def _varied(root: Node) -> dict[str, Any]:
    """Return the values that are varied as plain ones, for the text of the study."""
    values = {key: root.value[key].plain() for key in ("cases", "grid") if key in root.value}
    plain: dict[str, Any] = json.loads(json.dumps(values))  # texts without their folders
    return plain
