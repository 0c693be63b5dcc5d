"""The guard of the objectives in a run: it frees a cluster that a controller throttles too far."""

from __future__ import annotations

from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from tests.conftest import Runs
from tests.cosim.builders import Ran, controlled, write, write_controller

CLASSES = """  classes:
    - {name: chat, share: 0.5, slo: {ttft_s: 5}}
    - {name: batch, share: 0.5, deferrable: true, deadline: 2h}
sites:
"""
BODY = (
    "self.guarded = observation.guarded\n"
    "        if step == 0: return SiteAction(admission_rate_per_s=0.05, "
    "deferrable_rate_per_s=0.02, reason='to save')"
)
ACTUATORS = '{"admission_rate", "deferrable_rate"}'
GUARD = "slo_guard={hold: 3min, max_hold: 6min}"


def scenario(folder: Path, body: str = BODY) -> Path:
    """A controller lets a fifth of the requests in, for ever."""
    entry = write_controller(folder, body, ACTUATORS)
    return write(folder / "s.yaml", controlled(entry).replace("sites:\n", CLASSES))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, runs: Runs) -> list[Ran]:
    path = scenario(tmp_path_factory.mktemp("guarded"))
    return [runs(path, GUARD, f"coupling={name}") for name in ("native", "mosaik")]


def test_both_couplings_agree(both: list[Ran]) -> None:
    native, mosaik = both
    assert native.summary["status"] == mosaik.summary["status"] == "completed"
    assert_frame_equal(native.steps, mosaik.steps, check_exact=True)
    assert_frame_equal(native.actions, mosaik.actions, check_exact=True)


def test_holds_open_what_the_controller_closes(both: list[Ran]) -> None:
    steps = both[0].steps
    rate = steps["admission_rate_per_s"].to_numpy()
    assert rate[0] == 0.05
    held = rate == float("inf")
    first = int(held.argmax())
    assert steps["ttft_p99_s"].to_numpy()[first - 1] > 4.5  # near the objective of 5 s
    assert (steps["ttft_p99_s"].to_numpy()[: first - 1].max(initial=0)) <= 4.5
    assert held[first : first + 3].all()
    released = steps["deferrable_rate_per_s"].to_numpy()
    assert (released[held] == 0).all()
    assert (released[~held] == 0.02).all()
    assert (rate[~held] == 0.05).all()


def test_records_its_changes_under_its_name(both: list[Ran]) -> None:
    actions = both[0].actions
    own = actions[actions["controller"] == "slo_guard"]
    assert set(actions["controller"]) == {"./mine.py:Mine", "slo_guard"}
    assert set(own["actuator"]) == {"admission_rate", "deferrable_rate"}
    first = own.iloc[0]
    assert (first["actuator"], first["old"], first["new"]) == ("admission_rate", 0.05, float("inf"))
    assert first["reason"].startswith("TTFT p99 of chat ")
    assert first["reason"].endswith(" s, SLO 5 s")


def test_tells_for_how_long(both: list[Ran]) -> None:
    for ran in both:
        held = (ran.steps["admission_rate_per_s"] == float("inf")).sum()
        assert ran.result.run.host.guards["dc"].active_s == 60 * held > 0


def test_none_where_it_is_off(tmp_path: Path, runs: Runs) -> None:
    off = runs(scenario(tmp_path), "slo_guard=null")
    assert not off.result.run.host.guards
    assert (off.steps["admission_rate_per_s"] == 0.05).all()
    assert set(off.actions["controller"]) == {"./mine.py:Mine"}


def test_keeps_users_from_waiting(tmp_path: Path, runs: Runs, both: list[Ran]) -> None:
    off = runs(scenario(tmp_path), "slo_guard=null")
    assert both[0].steps["gateway_waiting"].iloc[-1] < off.steps["gateway_waiting"].iloc[-1]
    assert both[0].steps["completed"].sum() > off.steps["completed"].sum()


def test_a_controller_that_throttles_nothing_is_left_alone(tmp_path: Path, runs: Runs) -> None:
    quiet = runs(scenario(tmp_path, "pass"), GUARD)
    plain = runs(write(tmp_path / "plain.yaml", controlled().replace("sites:\n", CLASSES)), GUARD)
    assert quiet.result.run.host.guards["dc"].active_s == 0
    assert_frame_equal(quiet.steps, plain.steps, check_exact=True)
