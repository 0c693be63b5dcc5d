"""From the scenario's ``controllers`` to controllers in their places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from controllers import Controller, FleetController, HostedController, resolve
from controllers.errors import error_text, where_raised
from controllers.placement import Declaration
from controllers.registry import complete
from cosim.accounting.words import plural
from cosim.errors import Problem, ScenarioError
from cosim.scenario.controllers import (
    PLACE,
    ControllerEntry,
    ControllerType,
    decoy_of,
    parameters_model,
)
from cosim.scenario.fields import ScenarioText
from cosim.scenario.given_controller import GivenController
from cosim.scenario.loading import DataPath, Document, problem_at, validate_document
from cosim.scenario.scenario import Scenario


def read_controllers(document: Document, scenario: Scenario) -> list[HostedController]:
    """Return the controllers of a scenario, made with their parameters.

    An entry without ``site`` stands at every site that has a cluster, with a controller of its own
    at each.

    Raises:
        ScenarioError: With the problems of all entries.
    """
    hosted: list[HostedController] = []
    problems: list[Problem] = []
    for index, part in enumerate(_parts(document)):
        try:
            hosted += _read_entry(document, part, scenario, index)
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise ScenarioError(problems)
    return hosted


def controller_problems(document: Document) -> list[Problem]:
    """Return the problems of the entries' types and parameters."""
    problems: list[Problem] = []
    for index, part in enumerate(_parts(document)):
        if isinstance(part.data, dict):
            try:
                _check_entry(document, part, index)
            except ScenarioError as error:
                problems += error.problems
    return problems


def _check_entry(
    document: Document, part: Document, index: int
) -> tuple[ControllerType, BaseModel]:
    place: DataPath = ("controllers", index)
    type_name: Any = part.data.get("type")
    if not isinstance(type_name, ScenarioText):
        _validate_part(part, place, ControllerEntry)  # raises: `type` is missing or no text
    try:
        if isinstance(type_name, GivenController):
            controller, model = _given(type_name)
        else:
            controller = resolve(str(type_name), type_name.base_dir)
            model = parameters_model(str(type_name), controller)
    except ValueError as error:
        raise ScenarioError(problem_at(document, (*place, "type"), str(error))) from error
    return controller, _validate_part(part, place, model)


def _given(given: GivenController) -> tuple[ControllerType, type[BaseModel]]:
    """Return the class of a controller that was given, and the model of its entry.

    That of an object has no parameters: its constructor has had them.

    Raises:
        ValueError: If it is not a complete controller.
    """
    if given.made is not None:
        return type(given.made), ControllerEntry
    controller = complete(given.part, given.origin.class_path)
    return controller, parameters_model(str(given), controller)


def _read_entry(
    document: Document, part: Document, scenario: Scenario, index: int
) -> list[HostedController]:
    place = ("controllers", index)
    controller, checked = _check_entry(document, part, index)
    values = {name: getattr(checked, name) for name in type(checked).model_fields}
    values |= checked.model_extra or {}
    name, site, every, clairvoyant, agnostic, decoy = (values.pop(key) for key in PLACE)
    clusters = [instance.name for instance in scenario.sites if instance.cluster is not None]
    if site is not None and site not in clusters:
        known = ", ".join(clusters) or "none"
        message = f"no site with a cluster is called '{site}' (known: {known})"
        raise ScenarioError(problem_at(document, (*place, "site"), message))
    sites: list[str | None] = [site] if site else list(clusters)
    if issubclass(controller, FleetController):
        sites = [None]
    every_s = scenario.time.step if every is None else every
    if every_s <= 0 or every_s % scenario.time.step:
        message = f"must be a multiple of the step, {scenario.time.step:g} s (got {every_s:g} s)"
        raise ScenarioError(problem_at(document, (*place, "every"), message))
    given = part.data["type"].made if isinstance(part.data["type"], GivenController) else None
    if given is not None and len(sites) > 1:
        message = (
            f"an object stands at one site, and {plural(len(sites), 'site')} have clusters: give "
            "its class, or one object with a `site` for each"
        )
        raise ScenarioError(problem_at(document, place, message))
    try:
        instances: list[Controller | FleetController] = []
        for _ in sites:
            instances.append(controller(**values) if given is None else given)
            Declaration.of(instances[-1])  # anybody's too, if it is a property
        return [
            HostedController(name, instance, each, every_s, clairvoyant, agnostic, decoy_of(decoy))
            for instance, each in zip(instances, sites, strict=True)
        ]
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the constructor may be anybody's, and call sys.exit
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        text = error_text(error) or "no message"
        if isinstance(part.data["type"], GivenController) and (line := where_raised(error)):
            text += f" ({line})"
        raise ScenarioError(problem_at(document, place, f"{kind}{text}")) from error


def _parts(document: Document) -> list[Document]:
    """Return each entry of ``controllers`` as a document of its own.

    The marks are gone through once, not once for each entry.
    """
    entries = document.data.get("controllers")
    if not isinstance(entries, list):
        return []
    marks, key_marks = _by_entry(document.marks), _by_entry(document.key_marks)
    return [
        Document(entry, marks.get(index, {}), key_marks.get(index, {}), document.base_dir)
        for index, entry in enumerate(entries)
    ]


def _by_entry(marks: Mapping[DataPath, str]) -> dict[object, dict[DataPath, str]]:
    by_entry: dict[object, dict[DataPath, str]] = {}
    for path, mark in marks.items():
        if len(path) > 1 and path[0] == "controllers":
            by_entry.setdefault(path[1], {})[path[2:]] = mark
    return by_entry


def _validate_part(part: Document, place: DataPath, model: type[BaseModel]) -> BaseModel:
    """Return an entry as a `model`; its problems are reported at `place` in the document."""
    try:
        return validate_document(part, model)
    except ScenarioError as error:
        dotted = ".".join(map(str, place))
        raise ScenarioError(
            [replace(p, path=f"{dotted}.{p.path}".rstrip(".")) for p in error.problems]
        ) from error
