"""The conformance suite on a controller as the command line names it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from controllers import resolve
from controllers.conformance import Finding, check_controller
from controllers.errors import error_text
from cosim.errors import Problem, ScenarioError
from cosim.scenario.controllers import PLACE, parameters_model
from cosim.scenario.loading import read_settings, validate_document


def checked(type_name: str, settings: Sequence[str] = ()) -> list[Finding]:
    """Return the results of the checks of a controller.

    Args:
        type_name: Name of a controller, or ``./file.py:Class``.
        settings: Its parameters, such as ``high_g_per_kwh=270``; the others have their defaults.

    Raises:
        ScenarioError: If there is no such controller, or a parameter is wrong.
    """
    document = read_settings(settings)
    if places := [key for key in PLACE if key in document.data]:
        message = "says where a controller stands in a scenario; here only parameters can be set"
        raise ScenarioError(Problem(message, places[0], f"--set {places[0]}"))
    try:
        controller = resolve(type_name, Path.cwd())
        model = parameters_model(type_name, controller)
    except ValueError as error:
        raise ScenarioError(str(error)) from error
    document = replace(document, data={"type": type_name, **document.data})
    read = validate_document(document, model)
    values = {name: getattr(read, name) for name in type(read).model_fields if name not in PLACE}
    values |= read.model_extra or {}
    try:
        controller(**values)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the constructor may be anybody's, and call sys.exit
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        text = error_text(error) or "no message"
        raise ScenarioError(f"{type_name}: {kind}{text}") from error
    return check_controller(lambda: controller(**values))
