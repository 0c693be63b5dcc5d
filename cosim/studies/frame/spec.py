"""A run as it travels to the process that makes it, on this machine or on another one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cosim
from controllers import names_a_file
from cosim.errors import ScenarioError
from cosim.results.code import code_hash
from cosim.results.folder import HasScenario, file_hash, input_files, scenario_hash
from cosim.scenario.fields import ScenarioText
from cosim.scenario.given_controller import given_controllers
from cosim.scenario.loading import Document, validate_document
from cosim.scenario.scenario import Scenario
from cosim.studies.runs.figures import RunFigures
from cosim.studies.runs.sent_file import SentFile
from cosim.world.plan import Plan, plan_document

_FIELDS = tuple(RunFigures.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class RunSpec:
    """A run in itself: any process with the same cosim, and the contents of its files, can make it.

    Attributes:
        document: The scenario, with its seed.
        files: The files that it reads, by their place in it.
        key: Hash of all that its figures depend on; see :func:`run_key`.
    """

    document: Document
    files: Mapping[str, SentFile]
    key: str

    def at(self, paths: Sequence[Path]) -> RunSpec:
        """Return the run with its files read from elsewhere.

        Args:
            paths: Where the files are, in their order.
        """
        data = self.document.data
        moved = {
            place: replace(file, path=path)
            for (place, file), path in zip(self.files.items(), paths, strict=True)
        }
        for place, file in moved.items():
            data = _with_path(data, place.split("."), file.path)
        return replace(self, document=replace(self.document, data=data), files=moved)

    def plan(self) -> Plan:
        """Return its plan.

        Raises:
            ScenarioError: If it cannot be planned, or a file is not the one that it was made of.
        """
        plan = plan_document(self.document)
        if run_key(plan, _hashes(plan)) != self.key:
            raise ScenarioError(
                "a file that the scenario reads, or cosim itself, was changed while the study ran; "
                "the same command makes the runs anew that it concerns"
            )
        return plan


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A scenario and its document, which were checked against the schema and not yet planned."""

    scenario: Scenario
    document: Document


def run_specs(document: Document, seeds: Sequence[int]) -> list[RunSpec]:
    """Return the runs of a scenario with some seeds.

    Raises:
        ScenarioError: If it does not fit the schema.
    """
    scenario = validate_document(document, Scenario)
    files = {
        place: SentFile(path, file_hash(path))
        for place, path in input_files(_Loaded(scenario, document)).items()
    }
    hashes = {place: file.sha256 for place, file in files.items()}
    specs = []
    for seed in seeds:
        seeded = replace(document, data={**document.data, "seed": seed})
        loaded = _Loaded(scenario.model_copy(update={"seed": seed}), seeded)
        specs.append(RunSpec(seeded, files, run_key(loaded, hashes)))
    return specs


def run_key(loaded: HasScenario, hashes: Mapping[str, str]) -> str:
    """Return a hash of all that the figures of a run depend on.

    It covers the scenario, the files that it reads, the code of cosim with its coefficients, and
    the names of the figures: a file with other figures than today's is not taken. A controller that
    Python gave has a sign that no other has, since all its code cannot be known: its runs are made
    anew each time.

    Args:
        loaded: The scenario of the run.
        hashes: Hashes of its files, by their place in it.
    """
    given = [part.token for part in given_controllers(loaded.document.data).values()]
    parts = (scenario_hash(loaded, hashes), *given, *_FIELDS, cosim.__version__, code_hash())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _hashes(plan: Plan) -> dict[str, str]:
    return {place: file_hash(path) for place, path in input_files(plan).items()}


def _with_path(data: Any, keys: Sequence[str], path: Path) -> Any:
    """Return data in which a file, or the one in ``./file.py:Class``, stands elsewhere."""
    if not keys:
        name = data.rpartition(":")[2]
        text = f"{path}:{name}" if names_a_file(data) and ":" in data else str(path)
        return ScenarioText(text, data.base_dir)
    first, *rest = keys
    if isinstance(data, list):
        index = int(first)
        return [*data[:index], _with_path(data[index], rest, path), *data[index + 1 :]]
    return {**data, first: _with_path(data[first], rest, path)}
