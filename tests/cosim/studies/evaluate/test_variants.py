"""The variants of an evaluation: policies, twins, decoys and blind baselines, each a scenario."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from controllers import Decoy
from cosim.errors import ScenarioError
from cosim.studies.evaluate.comparison import comparison
from cosim.studies.evaluate.documents import case_plan
from cosim.studies.evaluate.named import policies_setting
from cosim.studies.evaluate.variants import Case, Comparison, Variant
from cosim.world.plan import Plan
from tests.cosim.builders import controlled, write

THRESHOLD = (
    "{type: carbon_threshold, actuator: deferrable_rate, high_g_per_kwh: 250, low_g_per_kwh: 200}"
)
CLASSES = """  classes:
    - {name: chat, share: 0.5}
    - {name: batch, share: 0.5, deferrable: true, deadline: 2h}
sites:
"""
BASE = controlled().replace("step: 60s", "step: 300s").replace("20min", "1d")
DEFERRABLE = BASE.replace("sites:\n", CLASSES)
REPLICAS = BASE.replace("    cluster:\n", "    cluster:\n      replicas: 3\n")
REPLICAS_AND_DEFERRABLE = REPLICAS.replace("sites:\n", CLASSES)


def compared_of(folder: Path, text: str, policies: str, keys: str = "", **more: bool) -> Comparison:
    """The comparison of policies, given as YAML."""
    keys = f", {keys}" if keys else ""
    evaluation = f"evaluation: {{seeds: 1{keys}, policies: [{policies}]}}\n"
    return comparison(write(folder / "s.yaml", text + evaluation), **more)


def labels(compared: Comparison) -> list[str]:
    return [variant.label for variant in compared.variants]


class TestDecoys:
    """Policies that look at the carbon intensity, shown another one."""

    POLICY = f"{{name: hold, controllers: [{THRESHOLD}]}}"

    def test_three_moved_and_one_of_other_days_by_default(self, tmp_path: Path) -> None:
        compared = compared_of(tmp_path, DEFERRABLE, self.POLICY)
        assert labels(compared) == [
            "noop",
            "hold",
            "hold (moved by 6 h)",
            "hold (moved by 12 h)",
            "hold (moved by 18 h)",
        ]
        by_week = compared_of(
            tmp_path, DEFERRABLE.replace("typical_day", "hourly_2022"), self.POLICY
        )
        assert labels(by_week)[-1] == "hold (other days 1)"  # all days of a mean day are the same

    def test_their_number_and_times_are_keys(self, tmp_path: Path) -> None:
        text = DEFERRABLE.replace("typical_day", "hourly_2022")
        keys = "decoys: [3h, 24h], other_days: 2"
        assert labels(compared_of(tmp_path, text, self.POLICY, keys))[2:] == [
            "hold (moved by 3 h)",
            "hold (moved by 24 h)",
            "hold (other days 1)",
            "hold (other days 2)",
        ]
        none = compared_of(tmp_path, text, self.POLICY, "decoys: [], other_days: 0")
        assert labels(none) == ["noop", "hold"]
        assert labels(compared_of(tmp_path, text, self.POLICY, decoys=False)) == ["noop", "hold"]

    def test_a_decoy_that_tells_the_truth_is_left_out(self, tmp_path: Path) -> None:
        """A mean day moved by a day is the same day."""
        compared = compared_of(tmp_path, DEFERRABLE, self.POLICY, "decoys: [12h, 24h, 2d]")
        assert labels(compared) == ["noop", "hold", "hold (moved by 12 h)"]

    @pytest.mark.parametrize(
        "controllers",
        ["{type: slo_clock}", "{type: batch_cap_aimd}", THRESHOLD[:-1] + ", agnostic: true}"],
    )
    def test_none_of_policies_that_do_not_look(self, tmp_path: Path, controllers: str) -> None:
        policy = f"{{name: blind, controllers: [{controllers}]}}"
        assert labels(compared_of(tmp_path, DEFERRABLE, policy)) == ["noop", "blind"]

    def test_one_that_looks_is_enough(self, tmp_path: Path) -> None:
        policy = f"{{name: both, controllers: [{{type: slo_clock}}, {THRESHOLD}]}}"
        assert len(compared_of(tmp_path, DEFERRABLE, policy).variants) == 5

    def test_none_of_twins(self, tmp_path: Path) -> None:
        policy = self.POLICY[:-1] + ", twin: true}"
        found = labels(compared_of(tmp_path, DEFERRABLE, policy))
        assert found[1] == "hold"
        assert found.count("hold (agnostic)") == 1
        assert len(found) == 6

    def test_all_controllers_see_it_and_emissions_are_the_true_ones(self, tmp_path: Path) -> None:
        policy = f"{{name: both, controllers: [{{type: slo_clock}}, {THRESHOLD}]}}"
        compared = compared_of(tmp_path, DEFERRABLE, policy)
        plans = {case.label: case_plan(compared, case, 1) for case in compared.cases}
        shown = plans["both (moved by 6 h)"]
        assert [entry.decoy for entry in shown.controllers] == [Decoy("moved", by_s=21600.0)] * 2
        truth = plans["noop"].sites[0].carbon_intensity_g_per_kwh
        np.testing.assert_array_equal(shown.sites[0].carbon_intensity_g_per_kwh, truth)
        assert [entry.decoy for entry in plans["both"].controllers] == [None, None]


class TestBaselines:
    """Baselines that are blind to carbon."""

    def test_right_sized_only_with_replicas(self, tmp_path: Path) -> None:
        assert labels(compared_of(tmp_path, BASE, "{name: still}")) == ["still"]
        compared = compared_of(tmp_path, REPLICAS, "{name: still}")
        assert labels(compared) == ["still", "right_sized"]
        assert [variant.kind for variant in compared.variants] == ["baseline", "baseline"]
        (entry,) = case_plan(compared, Case(compared.variants[1]), 1).controllers
        assert (entry.name, entry.every_s) == ("autoscale", 900.0)
        assert entry.is_blind

    def test_its_period_is_one_of_whole_steps(self, tmp_path: Path) -> None:
        text = REPLICAS.replace("step: 300s", "step: 400s").replace("1d", "20h")
        compared = compared_of(tmp_path, text, "{name: still}")
        (entry,) = case_plan(compared, Case(compared.variants[1]), 1).controllers
        assert entry.every_s == 1200.0

    def test_bulk_only_with_deferrable_work(self, tmp_path: Path) -> None:
        assert compared_of(tmp_path, REPLICAS, "{name: still}").trials == {}
        trials = compared_of(tmp_path, DEFERRABLE, "{name: still}").trials
        assert list(trials) == [0, 3, 6, 9, 12, 15, 18, 21]
        assert all(variant.kind == "baseline" for variant in trials.values())

    @pytest.mark.parametrize(
        ("text", "sleeps"), [(DEFERRABLE, False), (REPLICAS_AND_DEFERRABLE, True)]
    )
    def test_bulk_sets_replicas_where_there_are_several(
        self, tmp_path: Path, text: str, sleeps: bool
    ) -> None:
        trials = compared_of(tmp_path, text, "{name: still}").trials
        assert json.loads(trials[21].added) == [
            {"type": "fixed_hours", "site": "dc", "hour_utc": 21, "replicas": sleeps}
        ]

    def test_what_is_listed_is_not_added_again(self, tmp_path: Path) -> None:
        policies = "{name: right_sized, controllers: [{type: autoscale, utilisation: 0.5}]}"
        assert labels(compared_of(tmp_path, REPLICAS, policies)) == ["noop", "right_sized"]
        policies = "{name: right_sized, controllers: [{type: suspend_resume}]}"
        others = compared_of(tmp_path, REPLICAS_AND_DEFERRABLE, policies, decoys=False)
        assert labels(others)[:3] == ["noop", "right_sized (blind)", "right_sized"]
        policies = "{name: bulk, twin: true, controllers: [{type: suspend_resume}]}"
        twins = compared_of(tmp_path, DEFERRABLE, policies, decoys=False)
        assert [variant.kind for variant in twins.variants] == ["baseline", "policy", "twin"]
        policies = "{name: bulk, controllers: [{type: slo_clock}]}"
        assert compared_of(tmp_path, REPLICAS_AND_DEFERRABLE, policies).trials == {}

    def test_none_if_none_are_wanted(self, tmp_path: Path) -> None:
        compared = compared_of(
            tmp_path, REPLICAS_AND_DEFERRABLE, "{name: still}", "baselines: false"
        )
        assert (labels(compared), compared.trials) == (["still"], {})


class TestListed:
    """The scenario's own policies."""

    def test_the_one_without_controllers_is_first(self, tmp_path: Path) -> None:
        policies = f"{TestDecoys.POLICY}, {{name: still}}"
        compared = compared_of(tmp_path, DEFERRABLE, policies, decoys=False)
        assert labels(compared) == ["still", "hold"]
        assert [variant.kind for variant in compared.variants] == ["baseline", "policy"]

    def test_several_without_controllers_are_compared(self, tmp_path: Path) -> None:
        """Forecasts alone change nothing, and the rows say so."""
        policies = "{name: still}, {name: calm, forecasts: {solar: {type: persistence}}}"
        assert labels(compared_of(tmp_path, DEFERRABLE, policies)) == ["still", "calm"]

    def test_a_twin_sees_the_mean(self, tmp_path: Path) -> None:
        policy = f"{{name: hold, twin: true, controllers: [{THRESHOLD}]}}"
        compared = compared_of(tmp_path, DEFERRABLE, policy, decoys=False)
        shown = {
            variant.kind: [
                entry.agnostic for entry in case_plan(compared, Case(variant), 1).controllers
            ]
            for variant in compared.variants
        }
        assert shown == {"baseline": [], "policy": [False], "twin": [True]}

    def test_forecasts_by_policy(self, tmp_path: Path) -> None:
        hold = TestDecoys.POLICY[:-1] + ", forecasts: {solar: {type: persistence}}}"
        plan = "{name: plan, controllers: [{type: mpc, horizon_h: 4}]}"
        text = f"{hold}, {plan}"
        compared = compared_of(tmp_path, DEFERRABLE, text)
        kinds: dict[str, set[str]] = {}
        for case in compared.cases:
            solar = case_plan(compared, case, 1).scenario.forecasts.solar.type
            kinds.setdefault(case.variant.name, set()).add(solar)
        assert kinds == {
            "noop": {"same_hour_yesterday"},
            "hold": {"persistence"},
            "plan": {"same_hour_yesterday"},
        }
        match = r"s\.yaml:\d+:\d+ .*solar.type: unknown type 'cloudy'"
        with pytest.raises(ScenarioError, match=match):
            compared_of(tmp_path, DEFERRABLE, text.replace("persistence", "cloudy"))

    def test_controllers_by_name(self) -> None:
        setting = policies_setting(["noop", "mpc", "noop", "./mine.py:Mine"], twins=True)
        key, _, value = setting.partition("=")
        assert key == "evaluation.policies"
        assert json.loads(value) == [
            {"name": "noop", "twin": False, "controllers": []},
            {"name": "mpc", "twin": True, "controllers": [{"type": "mpc"}]},
            {"name": "Mine", "twin": True, "controllers": [{"type": "./mine.py:Mine"}]},
        ]


def test_a_case_says_the_scenarios_keys_and_no_evaluation(tmp_path: Path) -> None:
    def plan_of(compared: Comparison, name: str) -> Plan:
        (variant,) = [each for each in compared.variants if each.label == name]
        return case_plan(compared, Case(variant), 7)

    compared = compared_of(tmp_path, DEFERRABLE, TestDecoys.POLICY)
    plan = plan_of(compared, "hold")
    assert (plan.scenario.evaluation, plan.scenario.seed) == (None, 7)
    assert [entry.name for entry in plan.controllers] == ["carbon_threshold"]
    assert plan_of(compared, "noop").controllers == ()


def test_a_variant_in_words() -> None:
    assert Variant("p", 0).label == "p"
    assert Variant("p", 0, "twin").label == "p (agnostic)"
    assert Variant("p", 0, "decoy", Decoy("other_days", draw=3)).label == "p (other days 3)"
