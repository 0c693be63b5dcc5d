"""Further simulators in the mosaik world of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import mosaik_api_v3
import pandas as pd
import pytest
from mosaik.async_scenario import Entity

import cosim
from cosim.errors import ScenarioError
from cosim.loop.run import run
from cosim.world.plan import load_plan
from tests.cosim.api.samples import base
from tests.cosim.builders import SCENARIOS


class Meter(mosaik_api_v3.Simulator):
    """Keeps what it gets, and is itself a load at times."""

    got: ClassVar[list[tuple[int, Mapping[str, Any]]]] = []

    def __init__(self) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            {
                "type": "time-based",
                "models": {
                    "Meter": {"public": True, "params": [], "attrs": ["heat", "power", "grid"]}
                },
            }
        )

    def init(  # type: ignore[override]
        self, sid: str, time_resolution: float = 1.0, *, step_s: int, fails_at: int = -1
    ) -> mosaik_api_v3.Meta:
        self.step_s, self.fails_at = step_s, fails_at
        self.got.clear()
        return self.meta

    def create(self, num: int, model: str) -> list[mosaik_api_v3.CreateResult]:  # type: ignore[override]
        return [{"eid": "meter", "type": model}]

    def step(self, time: int, inputs: Mapping[str, Mapping[str, Any]], max_advance: int) -> int:
        self.time = time
        if time == self.fails_at:
            raise RuntimeError("the pump broke")
        values = {name: next(iter(by.values())) for name, by in inputs.get("meter", {}).items()}
        self.got.append((time, values))
        return time + self.step_s

    def get_data(self, outputs: Mapping[str, list[str]]) -> dict[str, dict[str, Any]]:
        return {"meter": {"power": -500.0 if self.time < 600 else 0.0}}


def test_one_that_listens_changes_nothing() -> None:
    def connect(world: cosim.World) -> None:
        meter = world.start(Meter, step_s=world.step_s).Meter()
        site = world.sites["dc"]
        assert site.has_cluster
        world.connect(site.cluster, meter, ("power", "heat"))
        world.connect(site.microgrid, meter, ("p_grid", "grid"))

    alone, joined = cosim.run(base()), cosim.run(base(), connect=connect)
    pd.testing.assert_frame_equal(joined.steps, alone.steps)
    assert [time for time, _ in Meter.got] == list(alone.steps["time_s"])
    assert [-values["heat"] for _, values in Meter.got] == list(alone.steps["facility_power_w"])
    exchange_w = alone.steps["export_w"] - alone.steps["import_w"]
    assert [values["grid"] for _, values in Meter.got] == list(exchange_w)
    assert joined.data.scenario["coupling"] == "mosaik"


def test_a_second_load_is_carried_by_the_microgrid() -> None:
    def connect(world: cosim.World) -> None:
        meter = world.start(Meter, "Office", step_s=600).Meter()
        world.connect(meter, world.sites["dc"].microgrid, "power")

    content = base()
    del content["sites"][0]["microgrid"]["battery"], content["sites"][0]["microgrid"]["solar"]
    content["controllers"] = []
    alone, joined = cosim.run(content).steps, cosim.run(content, connect=connect).steps
    more_w = joined["import_w"] - alone["import_w"]
    assert more_w[:10].to_list() == pytest.approx([500.0] * 10)
    assert more_w[10:].to_list() == pytest.approx([0.0] * 10)
    assert joined["facility_power_w"].equals(alone["facility_power_w"])


def test_values_may_come_a_step_later() -> None:
    def connect(world: cosim.World) -> None:
        meter = world.start(Meter, step_s=world.step_s).Meter()
        site = world.sites["dc"]
        world.connect(meter, site.microgrid, "power")
        pair = ("p_grid", "grid")
        world.connect(site.microgrid, meter, pair, next_step=True, first={"p_grid": 7.0})

    steps = cosim.run(base(), connect=connect).steps
    got = [values["grid"] for _, values in Meter.got]
    assert got[0] == 7.0
    assert got[1:] == list((steps["export_w"] - steps["import_w"])[:-1])


def test_its_error_ends_the_run_with_the_line() -> None:
    def connect(world: cosim.World) -> None:
        meter = world.start(Meter, step_s=world.step_s, fails_at=300).Meter()
        world.connect(meter, world.sites["dc"].microgrid, "power")

    failed = cosim.run(base(), connect=connect)
    assert failed.failure is not None
    assert "the pump broke" in str(failed.failure)
    assert "test_participants.py:" in str(failed.failure)
    assert len(failed.steps) == failed.failure.step == 5


def test_an_error_of_connecting_goes_to_the_caller() -> None:
    def connect(world: cosim.World) -> None:
        raise LookupError("no such site")

    with pytest.raises(LookupError, match="no such site"):
        cosim.run(base(), connect=connect)


def test_a_plain_load_has_no_cluster_to_connect() -> None:
    site = cosim.SiteEntities(
        Entity(cast("Any", "grid"), cast("Any", "dc"), "Microgrid", cast("Any", None), None)
    )
    assert not site.has_cluster
    for name in ("cluster", "controller"):
        with pytest.raises(cosim.CosimError, match="no cluster or controllers to connect"):
            getattr(site, name)


def test_the_native_coupling_has_no_world() -> None:
    plan = load_plan(SCENARIOS / "quickstart.yaml", ["coupling=native"])
    with pytest.raises(ScenarioError, match="coupling: mosaik"):
        run(plan, connect=lambda world: None)
