"""Studies of a small scenario, and sweeps that were never run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cosim.studies.frame.spec import run_specs
from cosim.studies.runs.figures import RunFigures
from cosim.studies.sweep.axes import Axis, AxisValue
from cosim.studies.sweep.cases import Case, case_document
from cosim.studies.sweep.study import Study
from cosim.studies.sweep.sweep import Sweep
from cosim.world.plan import Plan
from tests.cosim.builders import edited, write

SCENARIO = edited(
    (
        "  arrivals: {type: poisson, rate_per_s: 0.5}",
        "  arrivals: {type: poisson, rate_per_s: 0.2}",
    ),
    ("  - {type: carbon_threshold, high_g_per_kwh: 270, low_g_per_kwh: 200}\n", ""),
    ("controllers:\n", "controllers: []\n"),
)
STUDY = """\
name: small
scenario: base.yaml
seeds: 2
set: {time.duration: 10min}
grid:
  sites.0.microgrid.solar.peak_power_w: {label: "solar [W]", values: [0, 600]}
  sites.0.cluster.gpu: [h100-sxm-80gb, a100-sxm-80gb]
"""


def study_file(folder: Path, text: str = STUDY, scenario: str = SCENARIO) -> Path:
    """Write a study and its scenario."""
    write(folder / "base.yaml", scenario)
    return write(folder / "study.yaml", text)


def case_plan(study: Study, case: Case, seed: int) -> Plan:
    """The plan of a case with a seed, as the process has it that makes the run."""
    (spec,) = run_specs(case_document(study, case), [seed])
    return spec.plan()


RUN = RunFigures(
    seed=1,
    import_g=900.0,
    embodied_g=100.0,
    gross_g=1500.0,
    facility_kwh=5.0,
    import_kwh=3.0,
    solar_kwh=2.0,
    attainment=1.0,
    ttft_p50_s=0.1,
    ttft_p99_s=0.2,
    tpot_p50_s=0.01,
    tpot_p99_s=0.02,
    arrived=1000,
    completed=1000,
    output_tokens=100_000,
    mfu=0.02,
    facility_power_w=300.0,
    load_state="stable",
)


def emitting(grams: float, ttft_s: float = 0.2, **changes: object) -> RunFigures:
    """A run with a total of emissions and a 99th percentile of the time to the first token."""
    embodied_g = RUN.embodied_g + grams - RUN.total_g
    run = replace(RUN, embodied_g=embodied_g, ttft_p99_s=ttft_s)
    return replace(run, **changes)  # type: ignore[arg-type]


def axis(label: str, values: Sequence[float | str], unit: str = "") -> Axis:
    numbers = None if isinstance(values[0], str) else tuple(float(one) for one in values)
    return Axis(label, tuple(AxisValue(str(one)) for one in values), numbers, unit)


def made_up(axes: Sequence[Axis], runs: Sequence[RunFigures | Sequence[RunFigures]]) -> Sweep:
    """A sweep with the runs of its cases, in their order; one seed where there is one run each."""
    by_case = tuple((one,) if isinstance(one, RunFigures) else tuple(one) for one in runs)
    return Sweep(
        name="made-up",
        description="",
        axes=tuple(axes),
        baseline=0,
        seeds=tuple(range(1, 1 + len(by_case[0]))),
        runs=by_case,
        settings=(),
        text="name: made-up\n",
        versions={"cosim": "0"},
    )
