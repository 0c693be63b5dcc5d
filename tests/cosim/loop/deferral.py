"""A short scenario with deferrable requests, to see a policy at work beside none."""

from __future__ import annotations

from tests.conftest import Runs
from tests.cosim.builders import SCENARIOS, Ran

SHORT = (
    "coupling=native",
    "time.start=2022-06-08T12:00:00Z",  # five in the morning in California
    "time.duration=10h",
    "time.step=300s",
    "workload.requests=2500",  # all have arrived after some five hours
    "workload.arrivals.rate_per_s=0.13",
    "workload.classes.1.deadline=4h",
    "sites.0.cluster.host_power_w=0",
)


def run_beside_noop(runs: Runs, entry: str, *settings: str) -> tuple[Ran, Ran]:
    """Run the scenario with deferrable requests under a policy, and without one."""
    policy, noop = (
        runs(SCENARIOS / "deferrable.yaml", *SHORT, *settings, f"controllers={controllers}")
        for controllers in (f"[{entry}]", "[]")
    )
    for ran in (policy, noop):
        assert ran.summary["status"] == "completed", ran.summary
    return policy, noop
