"""The end of a compared run: deferrable requests stop in time, and the others go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cosim.scenario.loading import validate_document
from cosim.scenario.scenario import Scenario
from cosim.studies.evaluate.comparison import comparison
from cosim.studies.evaluate.documents import case_plan, compared_document
from cosim.studies.evaluate.drain import drained
from cosim.studies.runs.measure import run_figures
from tests.cosim.builders import controlled, write


def scenario(duration: str | None = "2d", **keys: Any) -> dict[str, Any]:
    batch = {"name": "batch", "deferrable": True, "deadline": "12h", **keys}
    time = {"step": "5min"} if duration is None else {"step": "5min", "duration": duration}
    return {
        "time": time,
        "workload": {"classes": [{"name": "chat"}, batch]},
        "sites": [{"name": "dc"}],
    }


def ends_of(data: dict[str, Any]) -> list[Any]:
    return [entry.get("until") for entry in data["workload"]["classes"]]


def test_deferrable_requests_come_until_their_deadline_before_the_end() -> None:
    data = scenario()
    assert ends_of(drained(data)) == [None, 36 * 3600]
    assert ends_of(data) == [None, None]  # which is as it was


@pytest.mark.parametrize(
    "as_it_was",
    [
        scenario(until="6h"),
        scenario(deferrable=False),
        scenario(deadline=None),
        scenario(deadline="2d"),
        scenario(deadline="3d"),
        scenario(duration=None),
        scenario() | {"workload": {"requests": 5}},
    ],
    ids=["own", "not deferrable", "no deadline", "as long", "longer", "requests", "no classes"],
)
def test_what_is_as_it_was(as_it_was: dict[str, Any]) -> None:
    assert drained(as_it_was) == as_it_was


@pytest.mark.parametrize(("drain", "until"), [("true", 36 * 3600.0), ("false", None)])
def test_the_scenario_of_the_page_has_the_end(tmp_path: Path, drain: str, until: object) -> None:
    classes = "[{name: batch, share: 1, deferrable: true, deadline: 12h}]"
    path = write(tmp_path / "s.yaml", controlled())
    compared = comparison(
        path,
        [
            "time.duration=2d",
            f"workload.classes={classes}",
            f"evaluation={{policies: [{{name: noop}}], drain: {drain}}}",
        ],
    )
    shown = validate_document(compared_document(compared), Scenario)
    assert shown.workload is not None
    assert [request_class.until for request_class in shown.workload.classes] == [until]


def test_sites_with_workloads_of_their_own() -> None:
    data = scenario()
    workload = data.pop("workload")
    data["sites"] = [{"name": "dc", "workload": workload}, {"name": "load"}]
    (site, load) = drained(data)["sites"]
    assert ends_of(site) == [None, 36 * 3600]
    assert load == {"name": "load"}


CLASSES = """  classes:
    - {name: chat, share: 0.5, slo: {ttft_s: 2.0, tpot_s: 0.1}}
    - {name: batch, share: 0.5, deferrable: true, deadline: 30min}
sites:
"""
HOLD = """evaluation:
  seeds: 1
  decoys: []
  other_days: 0
  baselines: false
  policies:
    - name: hold
      controllers: [{type: carbon_threshold, actuator: deferrable_rate, throttled: 0,
                     high_g_per_kwh: 1, low_g_per_kwh: 0}]
"""
TEXT = (controlled().replace("20min", "1h") + HOLD).replace("sites:\n", CLASSES)


@pytest.mark.parametrize("drain", [True, False])
def test_a_policy_that_waits_as_long_as_it_may_has_served_all(tmp_path: Path, drain: bool) -> None:
    """Without the drain it holds what came in the last half hour."""
    path = write(tmp_path / "s.yaml", TEXT)
    compared = comparison(path, [] if drain else ["evaluation.drain=false"])
    noop, hold = (
        run_figures(case_plan(compared, case, compared.seeds[0])) for case in compared.cases
    )
    assert noop.left_by_class["batch"] < 0.02
    assert (hold.left_by_class["batch"] < 0.02) == drain
    assert hold.left_by_class["chat"] == noop.left_by_class["chat"]
    assert hold.arrived == noop.arrived
