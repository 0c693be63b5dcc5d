"""Which cases a user asked for: ``--case KEY=VALUE``."""

from __future__ import annotations

from collections.abc import Sequence

from cosim.errors import Problem, ScenarioError, did_you_mean
from cosim.studies.reproduce.cases import Case, Value, sweep


def select(exps: Sequence[str], wanted: Sequence[str], max_requests: int | None) -> list[Case]:
    """Return the cases of some experiments that a user wants.

    Args:
        exps: The experiments.
        wanted: ``KEY=VALUE`` each. Several of one key: either; of different keys: both.
        max_requests: See :func:`cosim.studies.reproduce.cases.sweep`.

    Raises:
        ScenarioError: If a key or value is in no sweep, or nothing is left.
    """
    cases = [case for exp in exps for case in sweep(exp, max_requests)]
    if max_requests is not None and exps and not cases:
        raise ScenarioError(f"--max-requests {max_requests}: no case has so few requests")
    problems: list[Problem] = []
    values: dict[str, list[str]] = {}
    for text in wanted:
        key, equals, value = text.partition("=")
        known = sorted({name for case in cases for name in case.key})
        if not equals or key not in known:
            expected = f"expected KEY=VALUE with one of {', '.join(known)}" if known else "no cases"
            problems.append(Problem(f"--case {text}: {expected}{did_you_mean(key, known)}"))
            continue
        names = {_name(case.key[key]): None for case in cases if key in case.key}
        if not any(_matches(name, value) for name in names):
            problems.append(Problem(f"--case {text}: expected one of {', '.join(names)}"))
        values.setdefault(key, []).append(value)
    if problems:
        raise ScenarioError(problems)
    chosen = [case for case in cases if _wanted(case, values)]
    if wanted and not chosen:
        raise ScenarioError(f"no case of {', '.join(exps)} has {' and '.join(wanted)}")
    return chosen


def _wanted(case: Case, values: dict[str, list[str]]) -> bool:
    return all(
        key in case.key and any(_matches(_name(case.key[key]), value) for value in either)
        for key, either in values.items()
    )


def _name(value: Value) -> str:
    return str(value).rpartition("/")[2]


def _matches(name: str, wanted: str) -> bool:
    try:
        return float(name) == float(wanted)
    except ValueError:
        return name.lower() == wanted.rpartition("/")[2].lower()
