"""The notes that the table of an evaluation is read by."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controllers import Decoy
from cosim.studies.evaluate.evaluation import Evaluation
from cosim.studies.evaluate.notes import notes
from tests.cosim.studies.evaluate.figures import POLICY, RUN, bound, decoy_of, evaluation

BETTER = replace(POLICY, policy="better", import_g=700.0)


def text_of(found: Evaluation) -> str:
    return "\n".join(notes(found))


def test_over_which_runs_the_means_are() -> None:
    runs = [replace(RUN, seed=seed) for seed in range(4)]
    assert text_of(evaluation(runs[:1])).startswith("One seed: no intervals.")
    text = text_of(evaluation(runs))
    assert text.startswith("4 seeds, the same for all. Means with 95 % intervals")
    assert "They are of the arrivals alone" in text
    text = text_of(evaluation(runs, weeks=("2022-02-01", "2022-08-01")))
    assert text.startswith(
        "2 parts of the year from 2022-02-01 to 2022-08-01, with 2 seeds each, the same for all. "
        "Means with 95 % intervals over these parts"
    )
    assert "of the arrivals alone" not in text


def test_columns_that_are_there_are_explained_and_no_others() -> None:
    text = text_of(evaluation([RUN, BETTER]))
    assert "saving: against noop, pair by pair" in text
    for said in ("against blind:", "by timing:", "by the day:", "right_sized:", "bulk:", "Bounds:"):
        assert said not in text
    blind = [replace(RUN, policy=name) for name in ("right_sized", "bulk")]
    shown = [
        decoy_of(BETTER, Decoy("moved", by_s=3600.0), 900.0),
        decoy_of(BETTER, Decoy("other_days"), 900.0),
    ]
    text = text_of(evaluation([RUN, *blind, BETTER, *shown], [bound(600.0)], bulk_hour_utc=9))
    assert "against blind: against the best of bulk, noop, right_sized." in text
    assert "bulk: deferrable work in bulk from 9:00 UTC on" in text
    assert "by timing: saving beyond that of the same policy" in text
    assert "by the day: beyond" in text
    assert "No bound could be found" not in text
    assert "No bound could be found for 1 of 1 runs." in text_of(evaluation([RUN, BETTER]))
    assert (
        "Bounds: no policy emits less than 0.600 kg by the timing of the work, 0.300 kg by setting "
        "the battery too, 0.150 kg with replicas that sleep, 0.075 kg with clocks"
    ) in text


class TestRanking:
    """The ranking by the marginal intensity, beside that by the average one."""

    NOOP = replace(RUN, marginal_g=1500.0)
    FIRST = replace(POLICY, policy="first", import_g=700.0, marginal_g=1400.0)
    SECOND = replace(POLICY, policy="second", import_g=800.0, marginal_g=1300.0)

    def test_where_it_changes(self) -> None:
        assert (
            "The ranking changes: by average and by marginal intensity first 1 and 2, second 2 "
            "and 1."
        ) in text_of(evaluation([self.NOOP, self.SECOND, self.FIRST]))

    def test_where_it_does_not(self) -> None:
        same = replace(self.FIRST, marginal_g=1200.0)
        text = text_of(evaluation([self.NOOP, same, self.SECOND]))
        assert "By the marginal intensity the policies rank as by the average one." in text
        assert "The ranking changes" not in text

    def test_only_of_policies_and_baselines_that_served_all(self) -> None:
        """Neither of decoys and twins, nor of what has no rank."""
        lazy = replace(self.FIRST, policy="lazy", marginal_g=1.0, left_by_class={"chat": 0.5})
        others = [
            decoy_of(replace(self.SECOND, marginal_g=5000.0), Decoy("moved", by_s=1.0), 1.0),
            replace(self.SECOND, kind="twin", import_g=1.0, marginal_g=5000.0),
        ]
        same = replace(self.FIRST, marginal_g=1200.0)
        text = text_of(evaluation([self.NOOP, same, self.SECOND, lazy, *others]))
        assert "By the marginal intensity the policies rank as by the average one." in text

    def test_nothing_where_no_marginal_intensity_is_given(self) -> None:
        text = text_of(evaluation([RUN, self.FIRST, self.SECOND]))
        assert "By the marginal" not in text
        assert "ranking" not in text


def test_what_a_battery_holds_is_told_apart_from_a_saving() -> None:
    full = replace(POLICY, policy="charges", import_g=RUN.import_g + 50, stored_g=-250.0)
    text = text_of(evaluation([RUN, full, BETTER]))
    assert "Battery content: charges 125 %." in text
    assert "Battery: charges." in text
    assert "Battery content" not in text_of(evaluation([RUN, BETTER]))


def test_a_policy_that_is_in_nobodys_way_is_named() -> None:
    idle = replace(POLICY, policy="idle", changes=197)
    assert "Never mattered: idle." in text_of(evaluation([RUN, idle, BETTER]))
    binds = replace(idle, mattered_s=60.0)
    assert "Never mattered" not in text_of(evaluation([RUN, binds, BETTER]))


@pytest.mark.parametrize("missed", [{"late_by_class": {"batch": 0.02}}, {"attainment": 0.9}])
def test_missed_objectives_are_named(missed: dict[str, Any]) -> None:
    hasty = replace(POLICY, policy="hasty", **missed)
    assert "Objectives: hasty." in text_of(evaluation([RUN, hasty, BETTER]))
    assert "Objectives:" not in text_of(evaluation([RUN, BETTER]))
    both = text_of(evaluation([replace(RUN, **missed), hasty]))
    assert "Missed objectives: noop, hasty." in both


def test_work_that_is_left_is_named_of_policies_and_of_decoys() -> None:
    lazy = replace(BETTER, policy="lazy", left_by_class={"batch": 0.5})
    text = text_of(evaluation([RUN, lazy, BETTER]))
    assert "Left work: lazy. More than 1 % of the requests of a class" in text
    assert "Decoys without a saving" not in text
    shown = decoy_of(BETTER, Decoy("moved", by_s=43200.0), 900.0)
    shown = replace(shown, left_by_class={"batch": 0.5})
    text = text_of(evaluation([RUN, BETTER, shown]))
    assert (
        "Decoys without a saving, so that the policy has none by timing either: better (moved by "
        "12 h): left work."
    ) in text
    assert "Left work:" not in text
