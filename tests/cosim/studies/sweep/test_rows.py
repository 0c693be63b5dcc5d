"""Which case is best: carbon at the same work, the Pareto front, and none that left work behind."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.studies.frame.table import markdown_page
from cosim.studies.runs.figures import RunFigures
from cosim.studies.sweep.headline import headline
from cosim.studies.sweep.outcome import shown
from cosim.studies.sweep.rows import choose, rows
from cosim.studies.sweep.sweep import Sweep
from cosim.studies.sweep.table import cases_frame, runs_frame, short_table
from tests.cosim.studies.sweep.studies import RUN, axis, emitting, made_up

THREE = axis("battery", [0, 500, 2000], "Wh")


def told(found: Sweep) -> str:
    every = rows(found)
    return "\n".join(headline(found.axes, every, choose(every, found.baseline)))


def best_of(found: Sweep) -> str | None:
    best = choose(rows(found)).best
    return None if best is None else best.values[0].text


def test_the_least_carbon_is_best() -> None:
    found = made_up([THREE], [emitting(1000), emitting(750, 0.4), emitting(800, 0.3)])
    assert best_of(found) == "500"
    assert told(found).splitlines() == [
        "Least carbon: battery 500 Wh, with 0.75 kg, 25 % less than the baseline, battery 0 Wh "
        "(1 kg).",
        "It emits 6.2 % less than the next, battery 2000 Wh; with one seed, its uncertainty is "
        "unknown.",
        "Its first tokens take 400 ms at the 99th percentile, and 20 ms per token after that; the "
        "fastest to the first token is battery 0 Wh with 200 ms.",
        "Pareto front of carbon and time to the first token (p99), "
        "from the least carbon on: battery 500 Wh (0.75 kg, 400 ms); battery 2000 Wh (0.8 kg, "
        "300 ms); battery 0 Wh (1 kg, 200 ms).",
    ]


def test_the_baseline_is_the_first_or_chosen() -> None:
    found = made_up([THREE], [emitting(1000), emitting(750), emitting(800)])
    assert "less than the baseline, battery 0 Wh (1 kg)" in told(found)
    assert "6.2 % less than the baseline, battery 2000 Wh" in told(replace(found, baseline=2))
    assert "0.75 kg: the baseline itself." in told(replace(found, baseline=1))
    behind = made_up([THREE], [emitting(1000, load_state="overloaded"), *[emitting(750)] * 2])
    assert "The baseline did not complete its work" in told(behind)


@pytest.mark.parametrize(("stored_g", "share"), [(-100.0, "50 %"), (-10.0, ""), (100.0, "-50 %")])
def test_what_a_battery_holds_is_told_apart_from_a_saving(stored_g: float, share: str) -> None:
    best = replace(RUN, import_g=RUN.import_g - 200 - stored_g, stored_g=stored_g)
    text = told(made_up([THREE], [RUN, best, RUN]))
    assert "20 % less than the baseline" in text
    told_apart = f"{share} of that is the difference of what the batteries hold at the end"
    assert (told_apart in text) is bool(share)
    assert ("batteries hold" in text) is bool(share)


@pytest.mark.parametrize(
    "behind",
    [
        emitting(100, backlog=20, completed=980),
        emitting(100, rejected=20, completed=980),
        emitting(100, load_state="overloaded"),
        emitting(100, load_state="backlogged"),
        emitting(100, failure="OSError: no disk"),
    ],
)
def test_work_not_done_is_not_a_saving(behind: RunFigures) -> None:
    found = made_up([THREE], [emitting(1000), behind, emitting(800)])
    every = rows(found)
    assert [row.whole for row in every] == [True, False, True]
    assert best_of(found) == "2000"
    text = told(found)
    assert "battery 500 Wh" in text.splitlines()[-1]
    assert ("Failed runs" if behind.failure else "is never named best") in text
    table = short_table(found, every, choose(every))
    assert table.head[-1] == "left"
    assert ["!" in line[-1] for line in table.lines] == [False, True, False]
    assert " !" in markdown_page(found.name, *shown(found))
    assert list(cases_frame(found)["whole"]) == [True, False, True]


def test_one_bad_seed_is_enough() -> None:
    bad = emitting(100, seed=2, load_state="overloaded")
    found = made_up([THREE], [(RUN, replace(RUN, seed=2)), (emitting(100), bad), (RUN, RUN)])
    assert best_of(found) == "0"


def test_what_was_still_being_served_at_the_end_is_no_backlog() -> None:
    found = made_up([THREE], [RUN, emitting(900, backlog=3, completed=997), RUN])
    assert best_of(found) == "500"


def test_no_case_did_its_work() -> None:
    found = made_up([THREE], [emitting(g, load_state="overloaded") for g in (1, 2, 3)])
    assert best_of(found) is None
    assert told(found).startswith("No case completed its work, so none is named best.")
    assert "*" not in "".join(
        map("".join, short_table(found, rows(found), choose(rows(found))).lines)
    )


def test_other_work_is_compared_by_the_token() -> None:
    """Twice the work for one and a half times the carbon."""
    more = emitting(1500, output_tokens=200_000)
    found = made_up([THREE], [RUN, more, emitting(1100)])
    choice = choose(rows(found))
    assert choice.figure == "per_1k_tokens_g"
    assert best_of(found) == "500"
    assert "with 7.5 g per 1,000 output tokens" in told(found)


def test_a_lead_within_the_spread_is_said() -> None:
    pairs = [(1000, 1100), (990, 1101), (1500, 1600)]
    found = made_up([THREE], [[emitting(g, seed=k) for k, g in enumerate(one)] for one in pairs])
    assert "not significant" in told(found)
    pairs[1] = (900, 990)
    found = made_up([THREE], [[emitting(g, seed=k) for k, g in enumerate(one)] for one in pairs])
    assert "It emits 10 % less than the next, battery 0 Wh (± 1.3e-13 %" not in told(found)
    assert "It emits 10 % less than the next, battery 0 Wh (± " in told(found)


def test_equals_are_said_to_be_equal() -> None:
    found = made_up([THREE], [RUN, RUN, emitting(2000)])
    assert best_of(found) == "0"
    assert "The next, battery 500 Wh, emits the same." in told(found)


def test_objectives_missed_are_said_with_the_best_that_keeps_them() -> None:
    found = made_up([THREE], [emitting(700, attainment=0.9), emitting(800), emitting(900)])
    assert (
        "Only 90.00 % of its requests met their SLOs; of the cases that reach 99 %, battery "
        "500 Wh emits least (800 g)." in told(found)
    )
    found = made_up([THREE], [emitting(g, attainment=0.9) for g in (7, 8, 9)])
    assert "met their SLOs; no case reaches 99 %." in told(found)


def test_a_plain_load_has_no_latency() -> None:
    none = dict.fromkeys(
        ("ttft_p50_s", "ttft_p99_s", "tpot_p50_s", "tpot_p99_s", "attainment", "mfu")
    )
    load = emitting(500, arrived=0, completed=0, output_tokens=0,
                    load_state="", **none)  # fmt: skip
    found = made_up([THREE], [replace(load, stored_g=grams) for grams in (5.0, 3.0, 4.0)])
    assert best_of(found) == "500"
    assert choose(rows(found)).front == ()
    assert "first token" not in told(found)
    assert runs_frame(found)["ttft_p99_s"].isna().all()
    assert runs_frame(found)["ttft_p99_s"].dtype == "float64"


@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6), st.booleans()), min_size=3, max_size=8)
)
def test_the_front_is_what_no_other_beats(drawn: list[tuple[int, int, bool]]) -> None:
    runs = [
        emitting(float(grams), float(latency), load_state="stable" if whole else "overloaded")
        for grams, latency, whole in drawn
    ]
    found = made_up([axis("n", list(range(len(runs))))], runs)
    front = {int(row.values[0].text) for row in choose(rows(found)).front}
    places = {k: (grams, latency) for k, (grams, latency, whole) in enumerate(drawn) if whole}
    beaten = {
        k
        for k, (a, b) in places.items()
        if any((c, d) != (a, b) and c <= a and d <= b for c, d in places.values())
    }
    assert {places[k] for k in front} == {places[k] for k in places.keys() - beaten}
    assert len(front) == len({places[k] for k in front})  # of equals, one
    if places:
        assert places[int(best_of(found) or -1)][0] == min(grams for grams, _ in places.values())
