"""Figures of runs, bounds and evaluations that were never made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cosim.studies.evaluate.evaluation import Evaluation
from cosim.studies.evaluate.oracle import Bound
from cosim.studies.evaluate.statistics import PolicyRuns, rows
from cosim.studies.runs.figures import RunFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRun(RunFigures):
    """A run and the policy that it is of."""

    policy: str = "noop"
    twin: bool = False


RUN = PolicyRun(
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
        all_g=seed_g,
        wide_g=0.5 * seed_g,
        deferral_g=0.0,
        battery_g=0.0,
        nothing_g=0.0,
        scale=1.0,
    )


def by_policy(runs: Sequence[PolicyRun]) -> list[PolicyRuns]:
    """Return runs by their policy."""
    policies: dict[tuple[str, bool], list[RunFigures]] = {}
    for run in runs:
        figures = RunFigures(**run.columns(RunFigures.__dataclass_fields__))
        policies.setdefault((run.policy, run.twin), []).append(figures)
    return [PolicyRuns(policy, twin, tuple(group)) for (policy, twin), group in policies.items()]


def evaluation(runs: Sequence[PolicyRun], bounds: Mapping[int, Bound] | None = None) -> Evaluation:
    """Return what comes of runs that are given, of the policy that does nothing first."""
    found = dict(bounds or {})
    policies = by_policy(runs)
    return Evaluation(
        name="week",
        seeds=tuple(sorted({run.seed for run in runs})),
        policies=tuple(policies),
        bounds=found,
        rows=tuple(rows(policies, found)),
        scenario={"name": "week", "evaluation": {"policies": [{"name": "noop"}]}},
        versions={"cosim": "0.1.0", "Python": "3.12.1"},
    )


def many(policies: int = 24) -> Evaluation:
    """Two dozen policies in two seeds, most of which do nearly the same."""
    runs = []
    for k in range(policies):
        for twin in (False, True) if k % 5 == 2 else (False,):
            for seed in (0, 1):
                saved = 0.0 if k < 4 else 0.02 * (k - 3 - twin)
                run = replace(
                    RUN,
                    policy=f"policy_with_a_name_{k}" if k else "noop",
                    twin=twin,
                    seed=seed,
                    import_g=(1 - saved) * (16_000 + 100 * seed) + (seed * k if k > 3 else 0),
                    ttft_p99_s=0.2 * (1 + (k % 7 == 6) * 0.1 * k),
                )
                runs.append(run)
    return evaluation(runs, {0: bound(9000.0), 1: bound(9000.0)})
