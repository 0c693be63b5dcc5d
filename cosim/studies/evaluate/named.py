"""Policies that the command line names: the setting that compares them, and its errors."""

from __future__ import annotations

import json
from collections.abc import Sequence

from cosim.errors import Problem, ScenarioError
from cosim.studies.evaluate.variants import NOOP

_POLICIES = "evaluation.policies"


def policies_setting(names: Sequence[str], *, twins: bool) -> str:
    """Return the override that compares controllers by name, each alone.

    Args:
        names: Names of controllers, or ./file.py:Class.
        twins: Whether the carbon-agnostic baseline of each is run too.
    """
    policies = []
    for name in dict.fromkeys(names):
        label = name.rpartition(":")[2] if ":" in name else name
        entry = {"name": label, "twin": twins and name != NOOP}
        policies.append(entry | {"controllers": [] if name == NOOP else [{"type": name}]})
    return f"{_POLICIES}={json.dumps(policies)}"


def at_option(error: ScenarioError) -> ScenarioError:
    """Return an error with the problems of policies at ``--controllers``, which named them."""
    return ScenarioError(
        [
            Problem(problem.message, where="--controllers")
            if problem.where == f"--set {_POLICIES}"
            else problem
            for problem in error.problems
        ]
    )
