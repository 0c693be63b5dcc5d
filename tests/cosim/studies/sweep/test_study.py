"""A study's file: what it varies, in which order, and what is wrong with it and where."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cosim.errors import ScenarioError
from cosim.scenario.yaml_reader import parse_yaml
from cosim.studies.sweep.axes import axis_of
from cosim.studies.sweep.cases import cases, first_seed, with_baseline
from cosim.studies.sweep.study import MAX_CASES, is_study, read_study
from cosim.world.plan import load_plan
from tests.conftest import Cli
from tests.cosim.builders import BASE, write
from tests.cosim.studies.sweep.studies import STUDY, case_plan, study_file

HEAD = "name: s\nscenario: base.yaml\n"
CASES = """\
cases:
  - {name: as it is}
  - {name: two small, set: {sites.0.cluster.replicas: 2, sites.0.cluster.gpu: a100-sxm-80gb}}
"""


def names(path: Path) -> list[str]:
    study = read_study(path)
    return [" ".join(value.text for value in case.values) for case in cases(study.axes)]


def problems(folder: Path, text: str, *overrides: str) -> list[str]:
    """What is wrong with a study, without the folder."""
    path = study_file(folder, text)
    with pytest.raises(ScenarioError) as error:
        first_seed(read_study(path, overrides))
    return [str(one).replace(f"{folder}/", "") for one in error.value.problems]


class TestExpansion:
    def test_every_combination_the_last_key_first(self, tmp_path: Path) -> None:
        assert names(study_file(tmp_path)) == [
            "0 h100-sxm-80gb",
            "0 a100-sxm-80gb",
            "600 h100-sxm-80gb",
            "600 a100-sxm-80gb",
        ]

    def test_cases_with_the_whole_grid(self, tmp_path: Path) -> None:
        text = f"{HEAD}{CASES}grid: {{sites.0.cluster.pue: [1.1, 1.25]}}\n"
        path = study_file(tmp_path, text)
        assert names(path) == ["as it is 1.1", "as it is 1.25", "two small 1.1", "two small 1.25"]
        study = read_study(path)
        sites = [case_plan(study, case, 1).scenario.sites[0] for case in cases(study.axes)]
        clusters = [site.cluster for site in sites]
        assert [(one and one.replicas, one and one.gpu, one and one.pue) for one in clusters] == [
            (1, "h100-sxm-80gb", 1.1),
            (1, "h100-sxm-80gb", 1.25),
            (2, "a100-sxm-80gb", 1.1),
            (2, "a100-sxm-80gb", 1.25),
        ]

    def test_a_case_is_the_scenario_with_its_settings(self, tmp_path: Path) -> None:
        """What `cosim run --set` of the same values would run."""
        path = study_file(tmp_path)
        study = read_study(path, ["sites.0.cluster.pue=1.3"])
        plan = case_plan(study, cases(study.axes)[3], 5)
        by_hand = load_plan(
            tmp_path / "base.yaml",
            [
                "time.duration=10min",
                "sites.0.cluster.pue=1.3",
                "sites.0.microgrid.solar.peak_power_w=600",
                "sites.0.cluster.gpu=a100-sxm-80gb",
                "seed=5",
            ],
        )
        assert plan.scenario == by_hand.scenario

    def test_a_setting_within_another_changes_no_other_case(self, tmp_path: Path) -> None:
        """The same mapping is set in all cases, and a part of it is varied."""
        text = (
            f"{HEAD}set: {{sites.0.microgrid.battery: {{type: simple, capacity_wh: 9}}}}\n"
            "grid: {sites.0.microgrid.battery.capacity_wh: [100, 200],\n"
            "  sites.0.microgrid.battery.c_rate: [null, 2]}\n"
        )
        study = read_study(study_file(tmp_path, text))
        batteries = [
            case_plan(study, case, 1).scenario.sites[0].microgrid.battery
            for case in cases(study.axes)
        ]
        found = [one and (one.capacity_wh, one.model_dump()["c_rate"]) for one in batteries]
        assert found == [(100, None), (100, 2), (200, None), (200, 2)]

    def test_a_battery_and_panels_of_nothing_are_none(self, tmp_path: Path) -> None:
        text = (
            f"{HEAD}grid: {{sites.0.microgrid.battery.capacity_wh: [0, 10],\n"
            "  sites.0.microgrid.solar.peak_power_w: [0, 10]}\n"
        )
        study = read_study(study_file(tmp_path, text))
        grids = [case_plan(study, one, 1).scenario.sites[0].microgrid for one in cases(study.axes)]
        there = [(one.battery is not None, one.solar is not None) for one in grids]
        assert there == [(False, False), (False, True), (True, False), (True, True)]

    @given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    def test_as_many_cases_as_values_multiplied(self, sizes: list[int]) -> None:
        axes = [axis_of(f"a{k}", "seed", parsed(list(range(n)))) for k, n in enumerate(sizes)]
        found = [tuple(value.text for value in case.values) for case in cases(axes)]
        assert found == list(product(*([str(k) for k in range(n)] for n in sizes)))


def parsed(values: list[Any]) -> Any:
    root = parse_yaml(yaml.safe_dump(values), Path(), lambda line, column: f"{line}:{column}")
    return root.value


@pytest.mark.parametrize(
    ("label", "values", "texts", "numbers", "title"),
    [
        ("a", [1, 2.5], ["1", "2.5"], (1, 2.5), "a"),
        ("a [W]", [1, 2], ["1", "2"], (1, 2), "a [W]"),
        ("wait", ["3h", "1d"], ["3", "24"], (3, 24), "wait [h]"),
        ("wait", ["90s", "5min"], ["1.5", "5"], (1.5, 5), "wait [min]"),
        ("a", [None, 1], ["none", "1"], None, "a"),
        ("a", [True, False], ["true", "false"], None, "a"),
        ("a", ["x", "3h"], ["x", "3h"], None, "a"),
        ("a", [{"type": "p", "b": 1}, {"type": "q"}], ["p", "q"], None, "a"),
        ("a", [{"type": "p"}, {"type": "p", "b": 1}], ["{type: p}", "{b: 1, type: p}"], None, "a"),
        ("a", ["x" * 50 + "1", "x" * 50 + "2"], [f"{k}: {'x' * 39}…" for k in (1, 2)], None, "a"),
    ],
)
def test_how_values_are_written(
    label: str,
    values: list[Any],
    texts: list[str],
    numbers: tuple[float, ...] | None,
    title: str,
) -> None:
    axis = axis_of(label, "p", parsed(values))
    assert [one.text for one in axis.values] == texts
    assert axis.numbers == numbers
    assert axis.title == title


@pytest.mark.parametrize(
    ("baseline", "named"),
    [
        ("", "x a 1"),
        ("baseline: y\n", "y a 1"),
        ("baseline: {name: b}\n", "x b 1"),
        ("baseline: {case: y, name: b, seeds: 2}\n", "y b 2"),
    ],
)
def test_the_baseline_among_the_cases(tmp_path: Path, baseline: str, named: str) -> None:
    text = f"{HEAD}cases: [{{name: x}}, {{name: y}}]\ngrid: {{name: [a, b], seeds: [1, 2]}}\n"
    write(tmp_path / "base.yaml", BASE)
    study = read_study(Path(write(tmp_path / "study.yaml", text + baseline)))
    case = cases(study.axes)[study.baseline]
    assert " ".join(value.text for value in case.values) == named


def test_a_baseline_of_the_command_line(tmp_path: Path) -> None:
    """By the name that the tables give it."""
    study = read_study(study_file(tmp_path))
    assert study.baseline == 0
    assert with_baseline(study, "solar 600 W, gpu h100-sxm-80gb").baseline == 2
    with pytest.raises(ScenarioError) as error:
        with_baseline(study, "solar 600 W, gpu h100")
    assert str(error.value) == (
        "--baseline: no case has this name (got 'solar 600 W, gpu h100'); did you mean 'solar 600 "
        "W, gpu h100-sxm-80gb'?"
    )
    with pytest.raises(ScenarioError, match="the cases are: solar 0 W, gpu h100-sxm-80gb; solar"):
        with_baseline(study, "x")


class TestErrors:
    @pytest.mark.parametrize(
        ("rest", "message"),
        [
            ("", "study.yaml:1:1: nothing is varied: expected values under `grid`"),
            ("grid: {}\n", "study.yaml:3:7 grid: nothing is varied"),
            ("grid: {seed: [1, 2]}\n", "study.yaml:3:8 grid.seed: seeds are varied by `seeds: N`"),
            ("grid: {name: []}\n", "study.yaml:3:14 grid.name: expected at least one value"),
            (
                "grid: {name: 4}\n",
                "study.yaml:3:14 grid.name: expected a list or a mapping (got 4)",
            ),
            ("grid: {a..b: [1]}\n", "study.yaml:3:8 grid.a..b: a key of this path is empty"),
            ("grid: {name: [a, b, a]}\n", "study.yaml:3:21 grid.name.2: this value stands twice"),
            (
                "grid: {name: {label: total_g, values: [1]}}\n",
                "study.yaml:3:22 grid.name.label: 'total_g' is a column of the results",
            ),
            (
                "grid: {name: {label: a, values: [1]}, seeds: {label: a, values: [1]}}\n",
                "study.yaml:3:54 grid.seeds.label: labels must differ (got 'a' twice)",
            ),
            ("gird: {name: [a]}\n", "study.yaml:3:1 gird: unknown key; did you mean 'grid'?"),
            (
                "grid: {sites.0.cluster: [1], sites.0.cluster.gpu: [b]}\n",
                "study.yaml:3:30 grid.sites.0.cluster.gpu: this is varied by sites.0.cluster too",
            ),
            (
                "grid: {name: [a]}\nset: {name: b}\n",
                "study.yaml:4:7 set.name: this is varied by name and would be overwritten",
            ),
            (
                "grid: {name: [a]}\ncases: [{name: x, set: {name: b}}]\n",
                "study.yaml:3:8 grid.name: this is varied by `cases` too",
            ),
            (
                "cases: [{name: x}, {name: x}]\n",
                "study.yaml:3:27 cases.1.name: cases need different names (got 'x' twice)",
            ),
            (
                "grid: {name: [a, b]}\nbaseline: {name: c}\n",
                "study.yaml:4:18 baseline.name: not among the values a, b (got 'c')",
            ),
            (
                "grid: {name: [a, b]}\nbaseline: {nome: a}\n",
                "study.yaml:4:12 baseline.nome: this is not varied; expected name; did you mean",
            ),
            (
                "grid: {name: [a, b]}\nbaseline: a\n",
                "study.yaml:4:11 baseline: there are no `cases` to name one of; expected name",
            ),
        ],
    )
    def test_of_the_file_itself(self, tmp_path: Path, rest: str, message: str) -> None:
        (found, *_) = problems(tmp_path, HEAD + rest)
        assert found.startswith(message)

    def test_all_of_all_cases_at_once_where_the_values_stand(self, tmp_path: Path) -> None:
        text = (
            f"{HEAD}grid:\n"
            "  sites.0.cluster.gpu: [h100-sxm-80gb, rtx]\n"
            "  sites.0.microgrid.battery.capacity_wh: [-5, 100]\n"
            "  sites.0.cluster.replica: [1]\n"
        )
        gpu, negative, unknown = problems(tmp_path, text)
        assert unknown.startswith("study.yaml:6:29 sites.0.cluster.replica: unknown key; did you")
        assert negative == (
            "study.yaml:5:43 sites.0.microgrid.battery.capacity_wh: must be at least 0 (got -5)"
        )
        assert gpu.startswith("study.yaml:4:40 sites.0.cluster.gpu: unknown GPU (got 'rtx')")

    def test_of_values_that_do_not_go_together(self, tmp_path: Path) -> None:
        text = (
            f"{HEAD}grid:\n"
            "  sites.0.microgrid.battery.min_soc: [0.1, 0.7]\n"
            "  sites.0.microgrid.battery.initial_soc: [0.9, 0.5]\n"
            "  sites.0.cluster.pue: [1.1, 1.2]\n"
        )
        (found,) = problems(tmp_path, text)
        assert found.startswith(
            "study.yaml:4:44: with min_soc 0.7, initial_soc 0.5: base.yaml:19:16 "
            "sites.0.microgrid.battery: initial_soc must be at least min_soc"
        )

    def test_of_the_scenario_stand_there_once(self, tmp_path: Path) -> None:
        path = study_file(tmp_path)
        base = tmp_path / "base.yaml"
        write(base, base.read_text().replace("area: CISO", "area: NOWHERE"))
        with pytest.raises(ScenarioError) as error:
            first_seed(read_study(path))
        (found,) = error.value.problems
        assert found.where.startswith(f"{base}:17:")

    def test_of_one_value_by_name_and_by_index(self, tmp_path: Path) -> None:
        text = f"{HEAD}grid:\n  sites.0.cluster.pue: [1.1]\n  sites.dc.cluster: [{{}}]\n"
        (found,) = problems(tmp_path, text)
        assert found.startswith("study.yaml:5:3 grid.sites.dc.cluster: this is varied by sites.0")
        (found,) = problems(tmp_path, STUDY, "sites.dc.cluster.gpu=a40")
        assert "the study varies sites.0.cluster.gpu, which would overwrite this" in found

    def test_of_the_command_line(self, tmp_path: Path) -> None:
        (found,) = problems(tmp_path, STUDY, "sites.0.cluster.gpu=a40")
        assert found == (
            "--set sites.0.cluster.gpu: the study varies sites.0.cluster.gpu, which would "
            "overwrite this"
        )

    def test_too_many(self, tmp_path: Path) -> None:
        values = ", ".join(map(str, range(101)))
        text = f"{HEAD}grid: {{seeds: [{values}], name: [{values}]}}\n"
        (found,) = problems(tmp_path, text)
        assert found.startswith(
            f"study.yaml:3:1 grid: 10,201 combinations are too many; expected at most {MAX_CASES:,}"
        )


def test_nothing_is_written_before_all_is_checked(cosim: Cli, tmp_path: Path) -> None:
    path = study_file(tmp_path, STUDY.replace("a100-sxm-80gb", "a101"))
    answer = cosim("sweep", path)
    assert answer.code == 2
    assert "unknown GPU (got 'a101')" in answer.err
    assert answer.out == ""
    assert not Path("results").exists()


def test_validate_takes_studies_too(cosim: Cli, tmp_path: Path) -> None:
    good = study_file(tmp_path)
    assert is_study(good)
    assert not is_study(tmp_path / "base.yaml")
    assert cosim("validate", good, "base.yaml").out.startswith(f"{good}: ok\nbase.yaml: ok\n")
    bad = write("bad.yaml", STUDY.replace("a100-sxm-80gb", "a101"))
    answer = cosim("validate", bad)
    assert answer.code == 2
    assert answer.err.startswith("error: bad.yaml:7:40 sites.0.cluster.gpu: unknown GPU")
