"""The names that the scenario's schema lists are those that the simulator has."""

from __future__ import annotations

from typing import get_args

from cosim.scenario.site import Cluster, Scheduler
from inference_sim.routing import ROUTERS
from inference_sim.scheduling import SCHEDULERS
from tests.conftest import Cli
from tests.cosim.builders import edited, write


def test_routers_and_schedulers() -> None:
    assert set(get_args(Cluster.model_fields["router"].annotation)) == set(ROUTERS)
    assert set(get_args(Scheduler.model_fields["type"].annotation)) == set(SCHEDULERS)


def test_a_run_that_could_not_drain_says_so(cosim: Cli) -> None:
    text = edited(
        ("duration: 20min", "until: drained\n  max_duration: 2min"),
        ("workload:", "workload:\n  requests: 500"),
    )
    answer = cosim("run", write("s.yaml", text))
    assert answer.code == 0
    assert "reached max_duration before every request had ended" in answer.out
    assert "reached max_duration" not in cosim("run", "s.yaml", "--set", "workload.requests=5").out
