"""The scenarios that come with the repository: they are valid, and their figures stay put.

``python -m tests.golden.update`` writes the figures anew; see ``tests/golden``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cosim.scenario.loading import read_document
from cosim.scenario.schema import scenario_schema, schema_text
from tests.conftest import Cli, Runs
from tests.cosim.builders import BASE, SCENARIOS, edited, write
from tests.golden import COUPLING, GOLDEN, RELATIVE_TOLERANCE, SHORT, figures

FILES = sorted(SCENARIOS.glob("*.yaml"))
NAMES = [path.stem for path in FILES]


def test_there_are_scenarios_and_golden_figures_for_each() -> None:
    assert {"quickstart", "paper_case_study", "paper_table2", "own_controller"} <= set(NAMES)
    assert sorted(SHORT) == NAMES
    assert sorted(path.stem for path in GOLDEN.glob("*.json")) == NAMES


# Valid


def test_every_scenario_validates(cosim: Cli) -> None:
    answer = cosim("validate", *FILES)
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert [line for line in lines if line.endswith(": ok")] == [f"{path}: ok" for path in FILES]


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_a_scenario_is_named_after_its_file(path: Path) -> None:
    document = read_document(path)
    assert document.data["name"] == path.stem.replace("_", "-")
    assert document.data["description"]


# The schema for editors


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = scenario_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_schema_that_is_shipped_is_current(cosim: Cli) -> None:
    shipped = (SCENARIOS / "schema.json").read_text(encoding="utf-8")
    assert shipped == schema_text() == cosim("schema").out


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_every_scenario_keeps_the_schema(path: Path, validator: Any) -> None:
    assert [error.message for error in validator.iter_errors(read_document(path).data)] == []
    assert path.read_text(encoding="utf-8").startswith(
        "# yaml-language-server: $schema=schema.json\n"
    )


WRONG = {
    "an unknown key": ("seed: 1", "sed: 1"),
    "an unknown key of a site": ("min_soc: 0.2", "min_sok: 0.2"),
    "an unknown parameter of a controller": ("high_g_per_kwh", "high_g"),
    "a missing key": ("name: base\n", ""),
    "a wrong type": ("peak_power_w: 600", "peak_power_w: 3 kW"),
    "a wrong unit": ("20min", "20 minutes"),
    "a negative number": ("capacity_wh: 100", "capacity_wh: -100"),
    "an unknown type": ("type: clear_sky", "type: clear_skies"),
    "an unknown controller": ("carbon_threshold", "carbon_treshold"),
    "an unknown area": ("CISO", "NO"),
    "an unknown coupling": ("native", "python"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_breaks_the_schema(tmp_path: Path, validator: Any, wrong: str) -> None:
    document = read_document(write(tmp_path / "right.yaml", BASE))
    assert validator.is_valid(document.data)
    document = read_document(write(tmp_path / "wrong.yaml", edited(WRONG[wrong])))
    assert not validator.is_valid(document.data)


# Figures


@pytest.mark.parametrize("name", NAMES)
def test_the_figures_are_the_golden_ones(runs: Runs, name: str) -> None:
    ran = runs(SCENARIOS / f"{name}.yaml", *SHORT[name], COUPLING)
    assert ran.summary["status"] == "completed"
    golden = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    differences = compare(figures(ran.summary), golden)
    assert not differences, "\n".join(["other figures than before:", *differences])


def compare(found: Any, expected: Any, place: str = "") -> list[str]:
    """Return the differences, one line each with its place."""
    if isinstance(expected, dict) and isinstance(found, dict):
        if found.keys() != expected.keys():
            return [f"{place}: {sorted(found)} instead of {sorted(expected)}"]
        return [
            line
            for key in expected
            for line in compare(found[key], expected[key], f"{place}.{key}".lstrip("."))
        ]
    if isinstance(expected, float) or isinstance(found, float):
        same = found == pytest.approx(expected, rel=RELATIVE_TOLERANCE, abs=1e-12)
    else:
        same = found == expected
    return [] if same else [f"{place}: {found!r} instead of {expected!r}"]


def test_a_difference_is_found() -> None:
    golden = {"a": {"b": 1.0, "c": "stable"}, "n": 3}
    assert compare({"a": {"b": 1.0 + 1e-12, "c": "stable"}, "n": 3}, golden) == []
    assert compare({"a": {"b": 1.0 + 1e-7, "c": "backlogged"}, "n": 4}, golden) == [
        "a.b: 1.0000001 instead of 1.0",
        "a.c: 'backlogged' instead of 'stable'",
        "n: 4 instead of 3",
    ]
    assert compare({"a": {"b": None, "c": "stable"}, "n": 3}, golden) == [
        "a.b: None instead of 1.0"
    ]
    assert compare({"n": 3}, golden) == [": ['n'] instead of ['a', 'n']"]
