"""``cosim evaluate --bands``: coefficients at their ends, and the conclusions that hang on one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from cosim.errors import CosimError
from cosim.scenario.loading import read_document, validate_document
from cosim.scenario.scenario import Scenario
from cosim.studies.evaluate.end_rows import EndRuns, with_ends
from cosim.studies.evaluate.ends import at_end, ends_of
from cosim.studies.evaluate.evaluation import Evaluation
from cosim.studies.evaluate.notes import notes
from cosim.studies.evaluate.outcome import EVALUATION, to_dict
from cosim.studies.evaluate.statistics import PolicyRow
from cosim.studies.evaluate.table import evaluation_table
from cosim.studies.evaluate.units import Units
from cosim.studies.evaluate.variants import CoefficientEnd
from inference_sim.hardware import find_gpu
from inference_sim.power.ends import ENDS, find_ends
from tests.conftest import Cli
from tests.cosim.builders import BASE, write
from tests.cosim.studies.evaluate.figures import (
    POLICY,
    RUN,
    PolicyRun,
    by_variant,
    evaluation,
    rows_of,
)
from tests.cosim.studies.evaluate.test_evaluate import PLAN, STUDY, content_of, evaluated

LOW, HIGH = CoefficientEnd("idle_w", high=False), CoefficientEnd("idle_w", high=True)
H100 = find_gpu("h100-sxm-80gb")
TWO_SITES = BASE.replace("- name: dc\n", "- name: dc\n    share: 1.0\n").replace(
    "controllers:",
    "  - name: office\n    load: {type: constant, power_w: 300}\n"
    "    microgrid: {carbon_intensity: {type: constant, value_g_per_kwh: 300}}\ncontrollers:",
)


@pytest.mark.parametrize("high", [False, True])
@pytest.mark.parametrize(
    ("coefficient", "own"),
    [
        ("idle_w", H100.loaded_idle_w),
        ("memory_w", H100.two_resource.memory_w),
        ("clock_exponent", 2.4),
    ],
)
def test_a_scenario_at_an_end(tmp_path: Path, coefficient: str, own: float, high: bool) -> None:
    """The coefficient alone is another one, at the site that serves; the file stays as it was."""
    document = read_document(write(tmp_path / "s.yaml", TWO_SITES))
    before = json.dumps(document.data, default=str)
    ended = at_end(document, CoefficientEnd(coefficient, high))
    assert json.dumps(document.data, default=str) == before
    usual, changed = (validate_document(of, Scenario).sites[0].cluster for of in (document, ended))
    assert usual is not None
    assert changed is not None
    expected = find_ends(coefficient).value(own, high=high)
    power = changed.config().pool.power
    assert getattr(power, coefficient) == pytest.approx(expected)
    assert getattr(usual.config().pool.power, coefficient) == own
    others = {name for name in ENDS.names if name != coefficient}
    for name in others:
        assert getattr(power, name) == getattr(usual.config().pool.power, name)
    assert ended.data["sites"][1] == document.data["sites"][1]


@pytest.mark.parametrize(
    ("power", "expected"),
    [
        ("{type: two_resource, idle_w: 100}", {"idle_w", "clock_exponent", "memory_w"}),
        ("{type: mfu_power_law}", {"idle_w", "clock_exponent"}),
    ],
)
def test_only_coefficients_that_a_power_model_has(
    tmp_path: Path, power: str, expected: set[str]
) -> None:
    path = write(tmp_path / "s.yaml", BASE)
    document = read_document(path, [f"sites.0.cluster.power={power}"])
    ends = list(ends_of(validate_document(document, Scenario)))
    assert {end.coefficient for end in ends} == expected
    assert len(ends) == 2 * len(expected)
    for end in ends:
        cluster = validate_document(at_end(document, end), Scenario).sites[0].cluster
        assert cluster is not None
        assert cluster.power.type == document.data["sites"][0]["cluster"]["power"]["type"]


def runs(noop_g: float, blind_g: float, policy_g: float) -> list[PolicyRun]:
    """One run of each: nothing, a blind baseline and a policy."""
    return [
        replace(RUN, import_g=noop_g),
        replace(RUN, policy="right_sized", import_g=blind_g),
        replace(POLICY, policy="mine", import_g=policy_g),
    ]


def judged(*at_ends: Sequence[PolicyRun]) -> dict[str, PolicyRow]:
    """The rows of runs with savings of 5 and 10 %, by name."""
    ends = [
        EndRuns(end, tuple(by_variant(of_end)))
        for end, of_end in zip((LOW, HIGH), at_ends, strict=False)
    ]
    usual = rows_of(runs(1000.0, 950.0, 900.0))
    return {row.variant.name: row for row in with_ends(usual, ends, Units(1, 1))}


def test_a_saving_that_keeps_its_sign_depends_on_nothing() -> None:
    row = judged(runs(900.0, 850.0, 800.0), runs(1100.0, 1050.0, 1045.0))["mine"]
    assert row.depends_on == ""
    assert row.least_saving == pytest.approx(0.05)
    assert row.most_saving == pytest.approx(1 / 9)


def test_the_policy_that_does_nothing_is_not_judged() -> None:
    row = judged(runs(900.0, 850.0, 800.0))["noop"]
    assert row.depends_on is row.least_saving is row.most_saving is None


@pytest.mark.parametrize(
    ("at_end_runs", "by_name"),
    [
        (runs(1000.0, 950.0, 1001.0), {"right_sized": "", "mine": "idle power"}),
        (runs(1000.0, 890.0, 900.0), {"right_sized": "", "mine": "idle power"}),
        (runs(1000.0, 1001.0, 900.0), {"right_sized": "idle power", "mine": ""}),
    ],
    ids=["sign", "rank against blind", "sign of a baseline"],
)
def test_a_conclusion_that_hangs_on_a_coefficient(
    at_end_runs: list[PolicyRun], by_name: dict[str, str]
) -> None:
    rows = judged(runs(1000.0, 950.0, 900.0), at_end_runs)
    assert {name: rows[name].depends_on for name in by_name} == by_name


def test_a_policy_without_a_saving_at_an_end() -> None:
    """Its sign there is not known: it left work."""
    *others, mine = runs(1000.0, 950.0, 900.0)
    left = replace(mine, left_by_class={"chat": 0.5, "batch": 0.0}, completed=60)
    row = judged([*others, left])["mine"]
    assert row.depends_on == "idle power"
    assert row.least_saving is None


def test_a_policy_that_does_nothing_depends_on_nothing() -> None:
    """What rounding makes of a saving of nothing is not a sign."""
    usual = rows_of(runs(1000.0, 950.0, 1000.0))
    ends = [EndRuns(LOW, tuple(by_variant(runs(1000.0, 950.0, 1000.0 - 1e-10))))]
    row = with_ends(usual, ends, Units(1, 1))[2]
    assert row.depends_on == ""


def ended() -> Evaluation:
    """An evaluation with the runs of two ends, at one of which the policy saves nothing."""
    usual = evaluation(runs(1000.0, 950.0, 900.0))
    ends = (
        EndRuns(LOW, tuple(by_variant(runs(900.0, 850.0, 901.0)))),
        EndRuns(HIGH, tuple(by_variant(runs(1100.0, 1050.0, 1000.0)))),
    )
    rows = tuple(with_ends(usual.rows, ends, usual.units))
    return replace(usual, ends=ends, rows=rows)


def test_a_folder_is_read_again(tmp_path: Path) -> None:
    EVALUATION.write(ended(), tmp_path)
    again = EVALUATION.read(tmp_path)
    assert again == ended()
    assert to_dict(again) == to_dict(ended())
    policies = pd.read_parquet(tmp_path / "policies.parquet")
    assert policies["depends_on"].tolist()[1:] == ["", "idle power"]
    said = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "That depends on: idle power." in said
    assert "idle power times 0.7 and 1.3" in said


def test_a_folder_without_ends_has_nothing_of_them(tmp_path: Path) -> None:
    EVALUATION.write(evaluation(runs(1000.0, 950.0, 900.0)), tmp_path)
    content = content_of(tmp_path)
    assert "ends" not in content
    assert all("depends_on" not in row for row in content["policies"])
    assert EVALUATION.read(tmp_path).ends == ()
    assert "depends on" not in (tmp_path / "evaluation.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "damage", [{"coefficient": "nothing"}, {"runs": []}, {"high": "very"}], ids=str
)
def test_damaged_ends_are_refused(tmp_path: Path, damage: dict[str, object]) -> None:
    EVALUATION.write(ended(), tmp_path)
    content = content_of(tmp_path)
    content["ends"][0] |= damage
    write(tmp_path / "evaluation.json", json.dumps(content))
    with pytest.raises(CosimError, match="ends"):
        EVALUATION.read(tmp_path)


def test_table_and_notes() -> None:
    table = evaluation_table(ended())
    columns = [table.head.index(title) for title in ("at the ends %", "depends on")]
    texts = [[line[column] for column in columns] for line in table.lines]
    assert texts == [["", ""], ["4.5 to 5.6", "nothing"], ["-0.1 to 9.1", "idle power"]]
    assert any("idle power times 0.7 and 1.3, each alone" in note for note in notes(ended()))


@pytest.mark.usefixtures("quick_bounds")
def test_an_evaluation_with_bands(cosim: Cli) -> None:
    """Decoys and twins are not run at the ends; without the option nothing else is."""
    text = STUDY.replace(PLAN, "")
    folder = evaluated(cosim, "out", "--seeds", "1", "--bands", text=text)
    content = content_of(folder)
    ends = [(of_end["coefficient"], of_end["high"]) for of_end in content["ends"]]
    assert ends == [(name, high) for name in ENDS.names for high in (False, True)]
    for of_end in content["ends"]:
        assert [run["policy"] for run in of_end["runs"]] == ["noop", "hold"]
    by_kind = {row["kind"]: row for row in content["policies"]}
    assert by_kind["policy"]["depends_on"] is not None
    assert "depends_on" not in by_kind["decoy"]
    idle = {
        of_end["high"]: of_end["runs"][0]["facility_kwh"]
        for of_end in content["ends"]
        if of_end["coefficient"] == "idle_w"
    }
    usual = content["runs"][0]["facility_kwh"]
    assert idle[False] < usual < idle[True]
    without = content_of(evaluated(cosim, "without", "--seeds", "1", text=text))
    assert without["runs"] == content["runs"]
