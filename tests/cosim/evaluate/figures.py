"""Figures of a run and a bound that were never made."""

from __future__ import annotations

from cosim.evaluate.measure import RunFigures
from cosim.evaluate.oracle import Bound

RUN = RunFigures(
    policy="noop",
    twin=False,
    seed=0,
    import_g=1000.0,
    stored_g=0.0,
    embodied_g=50.0,
    facility_kwh=5.0,
    import_kwh=5.0,
    cost=None,
    attainment=1.0,
    ttft_p99_s=0.2,
    tpot_p99_s=0.02,
    arrived=100,
    completed=100,
    backlog=0,
    late=0,
    output_tokens=1000,
    guard_s=0.0,
    changes=0,
    is_wide=False,
    load_state="stable",
)


def bound(seed_g: float) -> Bound:
    return Bound(
        all_g=seed_g, wide_g=0.5 * seed_g, deferral_g=0, battery_g=0, nothing_g=0, scale=1.0
    )
