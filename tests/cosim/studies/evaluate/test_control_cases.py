"""Cases of which an evaluation once made too much: bounds that were beaten, savings that were none.

Each is a small cut of a larger one, which runs at night where its file is.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from cosim.studies.evaluate.comparison import comparison
from cosim.studies.evaluate.documents import case_plan
from cosim.studies.evaluate.evaluation import evaluation_of
from cosim.studies.evaluate.outcome import EVALUATION
from cosim.studies.evaluate.statistics import BATTERY, LEFT_WORK, PolicyRow
from cosim.studies.runs.measure import run_figures
from tests.conftest import Cli
from tests.cosim.builders import REPOSITORY, SCENARIOS, write

CASES = REPOSITORY.parent / "shared" / "cases" / "control"
Rows = Mapping[str, PolicyRow]

HAND_MADE = """
import math
from controllers import Controller, SiteAction


class Bulk(Controller):
    actuators = frozenset({"deferrable_rate"})
    sees_carbon = False

    def __init__(self, *, at_h: float) -> None:
        self.at_h = at_h

    def reset(self, context):
        self.most = context.limits["deferrable_rate"].maximum

    def step(self, seen):
        return SiteAction(deferrable_rate_per_s=self.most if seen.time_s >= 3600 * self.at_h else 0)


class FillEnd(Controller):
    actuators = frozenset({"battery_power"})
    sees_carbon = False

    def __init__(self, *, at_h: float) -> None:
        self.at_h = at_h

    def reset(self, context):
        self.most = context.limits["battery_power"].maximum

    def step(self, seen):
        fills = seen.time_s >= 3600 * self.at_h
        return SiteAction(battery_setpoint_w=self.most if fills else math.inf)
"""
FIVE_HOURS = """\
name: cut
seed: 1
time: {{start: 2022-06-08T00:00:00Z, duration: 5h, step: 300s}}
workload:
  arrivals: {{type: poisson, rate_per_s: {rate}}}
  lengths: {{type: fixed, prompt_tokens: 800, output_tokens: 400}}
  classes:
    - {{name: chat, {chat}, slo: {{ttft_s: 2.0, tpot_s: 0.1}}}}
    - {{name: batch, {batch}, deferrable: true, deadline: 5h}}
sites:
  - name: here
    cluster: {{model: meta-llama/Meta-Llama-3-8B, gpu: h100-sxm-80gb, replicas: {replicas}}}
    microgrid:
      carbon_intensity: {{type: csv, path: dirty_then_clean.csv, column: ci}}
{battery}
evaluation:
  seeds: 1
  decoys: []
  other_days: 0
  baselines: false
  policies:
    - {{name: noop}}
{policies}
coupling: native
"""
WAIT = "    - {name: wait_awhile, controllers: [{type: wait_awhile, clairvoyant: true}]}"
AUTOSCALE = (
    "    - {name: autoscale, controllers: [{type: autoscale, every: 15min, deferrable: true}]}"
)
BULK = "    - {name: bulk, controllers: [{type: './hand_made.py:Bulk', at_h: 3}]}"


def compared_rows(path: Path, *overrides: str) -> Rows:
    """The rows of an evaluation, by label; its files are not written."""
    compared = comparison(path, overrides)
    by_case = [
        tuple(run_figures(case_plan(compared, case, seed)) for seed in compared.seeds)
        for case in compared.cases
    ]
    found = evaluation_of(compared, by_case, workers=1)
    return {row.variant.label: row for row in found.rows}


def five_hours(folder: Path, **keys: object) -> Rows:
    """The rows of five hours, of which the last two are clean."""
    hours = [f"2022-06-08T{hour:02}:00:00Z,{400 if hour < 3 else 100}" for hour in range(8)]
    write(folder / "dirty_then_clean.csv", "\n".join(["time,ci", *hours]) + "\n")
    write(folder / "hand_made.py", HAND_MADE)
    values = {"chat": "share: 0.1", "batch": "share: 0.9", "replicas": 1, "battery": ""} | keys
    return compared_rows(write(folder / "s.yaml", FIVE_HOURS.format(**values)))


def check_bounds(rows: Rows) -> None:
    """No policy is above the bound of its freedom, and the best comes near it."""
    shares = [row.of_bound.mean for row in rows.values() if row.of_bound is not None]
    assert len(shares) == len(rows)
    assert max(shares) <= 1
    assert max(shares) > 0.8


def test_no_policy_saves_more_than_its_bound(tmp_path: Path) -> None:
    """Bulk at a clean hour was at 104 % of a bound that knew one speed alone."""
    check_bounds(five_hours(tmp_path, rate=0.1, replicas=2, policies=f"{BULK}\n{AUTOSCALE}"))


def test_nor_where_classes_have_lengths_of_their_own(tmp_path: Path) -> None:
    """A mean request that stood for both classes made it 794 %."""
    chat = "share: 0.9, lengths: {type: fixed, prompt_tokens: 200, output_tokens: 50}"
    batch = "share: 0.1, lengths: {type: fixed, prompt_tokens: 6000, output_tokens: 2000}"
    rows = five_hours(tmp_path, rate=0.15, chat=chat, batch=batch, policies=f"{BULK}\n{WAIT}")
    check_bounds(rows)


@pytest.mark.usefixtures("quick_bounds")
def test_work_that_is_left_is_neither_a_saving_nor_a_rank(tmp_path: Path) -> None:
    """However few tokens it would have given out."""
    chat = "share: 0.3, lengths: {type: fixed, prompt_tokens: 500, output_tokens: 200}"
    batch = "share: 0.7, lengths: {type: fixed, prompt_tokens: 8000, output_tokens: 2}"
    leaves = BULK.replace("bulk", "leaves").replace("at_h: 3", "at_h: 100")
    rows = five_hours(tmp_path, rate=0.1, chat=chat, batch=batch, policies=f"{BULK}\n{leaves}")
    assert rows["leaves"].import_g.mean < rows["bulk"].import_g.mean
    assert rows["leaves"].no_saving == LEFT_WORK
    assert rows["leaves"].late == rows["leaves"].backlog > 900
    assert rows["leaves"].of_bound is None
    assert rows["bulk"].no_saving == ""
    assert rows["bulk"].saving.mean > 0


@pytest.mark.usefixtures("quick_bounds")
def test_a_battery_charged_at_the_end_saves_nothing(tmp_path: Path) -> None:
    """At the mean intensity of the run it is worth more than it took."""
    battery = "      battery: {type: clc, capacity_wh: 2000, initial_soc: 0.1, min_soc: 0.1}"
    fills = BULK.replace("bulk", "fills").replace("Bulk", "FillEnd")
    rows = five_hours(tmp_path, rate=0.05, battery=battery, policies=fills)
    assert rows["fills"].saving.mean > 0.1
    assert rows["fills"].import_g.mean > rows["noop"].import_g.mean
    assert rows["fills"].no_saving == BATTERY


TWO_DAYS = (
    "name=dry", "time.duration=2d", "time.step=900s", "workload.requests=5000",
    "workload.arrivals.mean_rate_per_s=0.03", "sites.0.cluster.host_power_w=0",
    "evaluation.seeds=1", "evaluation.baselines=false",
    'sites.0.microgrid={"carbon_intensity": {"type": "typical_day", "area": "CISO"}}',
    'evaluation.policies=[{"name": "suspend_resume", "controllers": [{"type": "suspend_resume"}]}]',
)  # fmt: skip


def check_dry(row: PolicyRow) -> None:
    """What is saved by serving in bulk is not a saving by timing."""
    assert row.saving.mean > 0.05
    assert row.timing is not None
    assert abs(row.timing.mean) < 0.04


@pytest.mark.usefixtures("quick_bounds")
def test_a_saving_by_bulk_is_not_one_by_timing(tmp_path: Path) -> None:
    """A policy that waits for clean hours saves as much if it waits for others."""
    check_dry(compared_rows(SCENARIOS / "evaluate_policies.yaml", *TWO_DAYS)["suspend_resume"])


def check_left(rows: Rows) -> None:
    assert rows["leave_all"].no_saving == LEFT_WORK
    assert rows["bulk"].no_saving == ""


def check_filled(rows: Rows) -> None:
    assert rows["fill_end"].no_saving == BATTERY


def check_all_below(rows: Rows) -> None:
    shares = {name: row.of_bound.mean for name, row in rows.items() if row.of_bound is not None}
    assert shares
    assert max(shares.values()) <= 1, shares


def check_load(rows: Rows) -> None:
    """Planners hold the objectives at a load that leaves them little room."""
    mpc = rows["mpc"]
    assert (mpc.missed, mpc.no_saving) == (0, "")
    assert mpc.saving.mean >= 0
    assert mpc.guard_s < 0.05 * 38 * 3600


@pytest.mark.nightly("the cases of control whole; every day cuts of them")
@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("s3", check_all_below),
        ("s4", check_all_below),
        ("s5", check_left),
        ("s6", check_filled),
        ("dry", lambda rows: check_dry(rows["suspend_resume"])),
        ("load", check_load),
    ],
)
def test_the_whole_case(
    name: str, check: Callable[[Rows], None], tmp_path: Path, cosim: Cli
) -> None:
    if not (CASES / f"{name}.yaml").is_file():
        pytest.skip(f"the case {name}.yaml is not here: expected it in {CASES}")
    for path in (*CASES.iterdir(), SCENARIOS / "evaluate_policies.yaml"):
        shutil.copy(path, tmp_path)
    # the decoys that dry makes by hand are of an observation that is no more
    own = ("--controllers", "suspend_resume,lowest_window") if name == "dry" else ()
    answer = cosim("evaluate", f"{name}.yaml", "-o", "out", "--quiet", *own)
    assert answer.code == 0, answer.err
    rows = {row.variant.label: row for row in EVALUATION.read(tmp_path / "out").rows}
    print(json.dumps({label: [row.saving.mean, row.no_saving] for label, row in rows.items()}))
    check(rows)
