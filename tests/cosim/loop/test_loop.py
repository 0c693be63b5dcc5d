"""The loop: what happens when in a step, what is carried from step to step, and what repeats."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from tests.conftest import Runs
from tests.cosim.builders import (
    BASE,
    SCENARIOS,
    Ran,
    controlled,
    edited,
    run_scenario,
    run_text,
    write,
    write_controller,
)

COUPLINGS = ["native", "mosaik"]
ETA_CHARGE, ETA_DISCHARGE = 0.978, 1.014
"""Efficiencies of the C-L-C battery's cells."""

QUEUED = edited(
    ("duration: 20min", "duration: 2h"),
    ("rate_per_s: 0.5", "rate_per_s: 1"),
    ("2022-06-08T00:00:00Z", "2022-06-08T01:00:00Z"),
    ("low_g_per_kwh: 200", "low_g_per_kwh: 200, throttled: 0.1"),
    ("peak_power_w: 600", "peak_power_w: 2000"),
    ("coupling", "  - {type: battery_aware, actuator: batch_cap}\ncoupling"),
)
"""Held back from 02:00 on, when the intensity rises to 281 g/kWh, an hour before the end."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("loop")


@pytest.fixture(scope="module")
def queued(folder: Path, runs: Runs) -> Ran:
    return runs(write(folder / "queued.yaml", QUEUED), "coupling=native")


# Couplings


TWO_SITES = (
    "time.duration=2h",
    "workload.arrivals.rate_per_s=0.5",
    "controllers=[{type: carbon_proportional, actuator: batch_cap, every: 15min},"
    " {type: carbon_threshold, site: california, high_g_per_kwh: 240, low_g_per_kwh: 210}]",
)
MIXED = BASE.replace(
    "controllers:",
    """\
  - name: plain
    load: {type: constant, power_w: 300}
    microgrid:
      carbon_intensity: {type: typical_day, area: PJM}
      battery: {type: simple, capacity_wh: 50, c_rate: 1}
controllers:""",
)


@pytest.mark.parametrize("case", ["queued", "two_sites", "cluster_and_load", "drained"])
def test_couplings_give_the_same_numbers(folder: Path, runs: Runs, case: str) -> None:
    path, overrides = {
        "queued": (write(folder / "queued.yaml", QUEUED), ()),
        "two_sites": (SCENARIOS / "two_sites.yaml", TWO_SITES),
        "cluster_and_load": (write(folder / "mixed.yaml", MIXED), ()),
        "drained": (write(folder / "drained.yaml", DRAINED), ()),
    }[case]
    native, mosaik = (runs(path, *overrides, f"coupling={name}") for name in COUPLINGS)
    assert_frame_equal(native.steps, mosaik.steps, check_exact=True)
    assert_frame_equal(native.actions, mosaik.actions, check_exact=True)
    assert_frame_equal(native.requests, mosaik.requests, check_exact=True)
    same, other = native.without_wall(), mosaik.without_wall()
    assert same.pop("scenario")["hash"] != other.pop("scenario")["hash"]
    assert same == other
    if case in ("queued", "two_sites"):
        assert set(native.actions["actuator"]) == {"admission_rate", "batch_cap"}


# The order of a step


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_a_controller_sees_the_step_before_and_the_signals_of_this_one(
    tmp_path: Path, coupling: str
) -> None:
    entry = write_controller(tmp_path, "return SiteAction(batch_cap=1 + step % 7)")
    ran = run_text(tmp_path, controlled(entry), "time.duration=90min", f"coupling={coupling}")
    seen = ran.result.run.plan.controllers[0].controller.seen  # type: ignore[union-attr]
    steps = ran.steps
    assert [one.step for one in seen] == list(range(90))
    assert [one.time_s for one in seen] == steps["time_s"].tolist()
    assert [one.time for one in seen] == steps["time"].tolist()

    for name in ("carbon_intensity_g_per_kwh", "solar_w"):  # of this step
        assert [getattr(one, name) for one in seen] == steps[name].tolist()
        assert steps[name].nunique() > 1
    first, later = seen[0], seen[1:]
    assert first.battery_soc == 0.8
    assert (first.facility_power_w, first.import_w, first.arrived, first.ttft_p99_s) == (
        0,
        0,
        0,
        None,
    )
    for name in (  # of the step before
        "facility_power_w",
        "import_w",
        "export_w",
        "battery_soc",
        "battery_power_w",
        "arrived",
        "admitted",
        "completed",
        "gateway_waiting",
        "replica_waiting",
        "running",
        "kv_utilisation",
        "batch_mean",
    ):
        assert [getattr(one, name) for one in later] == steps[name].tolist()[:-1], name
    for name in ("ttft_p99_s", "tpot_p99_s"):
        shown = [math.nan if v is None else v for v in (getattr(one, name) for one in later)]
        assert np.array_equal(shown, steps[name][:-1], equal_nan=True)
    assert [one.batch_cap for one in seen] == [1024, *(1 + step % 7 for step in range(89))]
    assert (first.battery_capacity_wh, first.battery_min_soc) == (100, 0.2)


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_an_action_takes_effect_in_its_own_step(tmp_path: Path, coupling: str) -> None:
    body = """
        if step == 5:
            return SiteAction(admission_rate_per_s=0, reason="closed")
        if step == 8:
            return SiteAction(admission_rate_per_s=float("inf"), batch_cap=2)"""
    entry = write_controller(tmp_path, body, '{"admission_rate", "batch_cap"}')
    ran = run_text(tmp_path, controlled(entry), f"coupling={coupling}")
    admitted, arrived = ran.column("admitted"), ran.column("arrived")
    assert arrived.min() > 0
    assert admitted[:5].tolist() == arrived[:5].tolist()
    assert admitted[5:8].tolist() == [0, 0, 0]
    assert admitted[5:9].sum() == arrived[5:9].sum()  # the line, and what comes
    assert ran.column("admission_rate_per_s")[4:9].tolist() == [math.inf, 0, 0, 0, math.inf]
    assert ran.column("batch_cap").tolist() == [1024] * 8 + [2] * 12
    power_w = ran.column("facility_power_w")
    assert power_w[6] == power_w[7] == power_w.min()  # idle: the last request has ended
    changes = ran.actions[["step", "actuator", "old", "new", "reason"]].values.tolist()
    assert changes == [
        [5, "admission_rate", math.inf, 0, "closed"],
        [8, "admission_rate", 0, math.inf, ""],
        [8, "batch_cap", 1024, 2, ""],
    ]


def test_a_control_period_is_kept(tmp_path: Path) -> None:
    entry = write_controller(tmp_path, "return SiteAction(batch_cap=1 + step)")
    ran = run_text(tmp_path, controlled(entry.replace("}", ", every: 5min}")))
    assert ran.actions["step"].tolist() == [0, 5, 10, 15]
    assert ran.column("batch_cap").tolist() == [1] * 5 + [6] * 5 + [11] * 5 + [16] * 5


# What is carried from step to step


def test_the_queue_carries_over(queued: Ran) -> None:
    steps = queued.steps
    waiting, served = steps["gateway_waiting"], steps["replica_waiting"] + steps["running"]
    assert waiting.iloc[-1] > 1000  # it is never emptied in between
    moved = steps["arrived"] - steps["admitted"] - steps["rejected"]
    assert waiting.diff().fillna(waiting).tolist() == moved.tolist()
    moved = steps["admitted"] - steps["completed"]
    assert served.diff().fillna(served).tolist() == moved.tolist()


def test_every_request_is_accounted_for(queued: Ran) -> None:
    counts, requests, steps = queued.summary["requests"], queued.requests, queued.steps
    assert counts["arrived"] == steps["arrived"].sum() == len(requests)
    assert counts["arrived"] == sum(
        counts[name] for name in ("completed", "rejected", "waiting", "running")
    )
    assert requests["outcome"].value_counts().to_dict() == {
        name: counts[name] for name in ("completed", "waiting", "running") if counts[name]
    }
    assert requests["request_id"].is_unique
    done = requests[requests["outcome"] == "completed"]
    order = ["arrival_s", "admitted_s", "scheduled_s", "first_token_s", "finish_s"]
    for earlier, later in pairwise(order):
        assert (done[later] >= done[earlier]).all()
    assert (done["generated_tokens"] == done["output_tokens"]).all()


@pytest.mark.parametrize("kind", ["clc", "simple"])
def test_the_state_of_charge_integrates_the_power(tmp_path: Path, kind: str) -> None:
    gpu = "gpu: h100-sxm-80gb"  # the sun exceeds its power alone
    text = QUEUED.replace("clc", kind).replace(gpu, f"{gpu}\n      host_power_w: 0")
    ran = run_text(tmp_path, text)
    soc = np.append(ran.column("battery_soc"), ran.final_soc("dc"))
    power_w = ran.column("battery_power_w")
    stored = np.where(power_w > 0, ETA_CHARGE, ETA_DISCHARGE) if kind == "clc" else 1.0
    assert power_w.min() < 0 < power_w.max()
    np.testing.assert_allclose(np.diff(soc), stored * power_w * 60 / 3600 / 100, atol=1e-12)
    assert soc[0] == 0.8
    assert soc.min() >= 0.2 - 1e-12
    assert soc.max() <= 1 + 1e-12


# Energy


def test_the_sum_of_the_steps_is_the_integral(queued: Ran) -> None:
    energy, steps = queued.summary["energy_kwh"], queued.steps
    for column, name in (("facility_power_w", "facility"), ("gpu_power_w", "gpu")):
        assert energy[name] == pytest.approx(steps[column].sum() * 60 / 3.6e6, rel=1e-12)
    intensity = steps["carbon_intensity_g_per_kwh"]
    drawn_g = (steps["import_w"] * intensity).sum() * 60 / 3.6e6
    assert queued.summary["carbon_g"]["import"] == pytest.approx(drawn_g, rel=1e-12)


def test_energy_does_not_depend_on_the_step(folder: Path, runs: Runs) -> None:
    """Nothing is lost at the steps' edges: without control, steps only cut the time."""
    path = write(folder / "free.yaml", controlled())
    fine, coarse = (runs(path, f"time.step={step}") for step in ("1s", "300s"))
    assert len(fine.steps) == 300 * len(coarse.steps)
    gpu_kwh = fine.summary["energy_kwh"]["gpu"]
    assert gpu_kwh == pytest.approx(coarse.summary["energy_kwh"]["gpu"], rel=1e-9)
    cut = fine.column("gpu_power_w").reshape(-1, 300).mean(axis=1)
    np.testing.assert_allclose(cut, coarse.column("gpu_power_w"), rtol=1e-9)
    assert fine.summary["latency_s"] == coarse.summary["latency_s"]


# The end

DRAINED = edited(
    ("  duration: 20min", "  until: drained\n  max_duration: 6h"),
    ("workload:\n", "workload:\n  requests: 700\n"),
)


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_drained_ends_at_the_first_step_by_which_all_have_ended(
    folder: Path, runs: Runs, coupling: str
) -> None:
    ran = runs(write(folder / "drained.yaml", DRAINED), f"coupling={coupling}")
    assert ran.summary["status"] == "completed"
    assert ran.summary["requests"]["completed"] == 700
    ended = ran.column("completed").cumsum()
    assert ended[-1] == 700 > ended[-2]
    last_s = ran.requests["finish_s"].max()
    assert ran.summary["time"]["steps"] == math.ceil(last_s / 60) == len(ran.steps) < 360
    # The battery is brought to the end of the last step.
    power_w, soc = ran.column("battery_power_w")[-1], ran.column("battery_soc")[-1]
    eta = ETA_CHARGE if power_w > 0 else ETA_DISCHARGE
    assert power_w
    assert ran.final_soc("dc") == pytest.approx(soc + eta * power_w * 60 / 3.6e5, rel=1e-12)


def test_drained_gives_up_at_the_longest_duration(tmp_path: Path) -> None:
    ran = run_text(tmp_path, DRAINED, "time.max_duration=5min")
    assert len(ran.steps) == 5
    assert ran.summary["requests"]["completed"] < 700
    assert ran.summary["status"] == "completed"


# What repeats, and what does not

FILES = ("steps.parquet", "requests.parquet", "actions.parquet")


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_the_same_seed_gives_the_same_bytes(
    folder: Path, runs: Runs, tmp_path: Path, coupling: str
) -> None:
    path, setting = write(folder / "queued.yaml", QUEUED), f"coupling={coupling}"
    first = runs(path, setting).folder
    second = run_scenario(path, tmp_path / "out", setting).folder
    for file in FILES:
        assert (first / file).read_bytes() == (second / file).read_bytes(), file
    one, other = ((ran / "summary.json").read_text().split('"wall"') for ran in (first, second))
    assert len(one) == 2
    assert one[0] == other[0]


def test_another_seed_gives_other_results(folder: Path, runs: Runs, queued: Ran) -> None:
    other = runs(folder / "queued.yaml", "coupling=native", "seed=2")
    assert other.summary["requests"]["arrived"] != queued.summary["requests"]["arrived"]
    assert other.summary["scenario"]["hash"] != queued.summary["scenario"]["hash"]
    shared = min(len(other.requests), len(queued.requests))
    same = arrivals(other)["arrival_s"][:shared] == arrivals(queued)["arrival_s"][:shared]
    assert not same.any()


def arrivals(ran: Ran) -> pd.DataFrame:
    """What came, whatever was made of it."""
    columns = ["request_id", "arrival_s", "class", "prompt_tokens", "output_tokens"]
    return ran.requests.sort_values("request_id")[columns].reset_index(drop=True)


@pytest.mark.parametrize(
    "lengths",
    [
        "{type: fixed, prompt_tokens: 200, output_tokens: 40}",
        "{type: zipf, theta: 0.6, min_tokens: 64, max_tokens: 2048, prefill_decode_ratio: 4}",
    ],
)
def test_another_controller_leaves_the_arrivals_as_they_were(
    folder: Path, runs: Runs, lengths: str
) -> None:
    classes = "workload.classes=[{name: a, share: 0.3}, {name: b, share: 0.7}]"
    common: tuple[Any, ...] = (folder / "queued.yaml", f"workload.lengths={lengths}", classes)
    write(folder / "queued.yaml", QUEUED)
    held, free = runs(*common), runs(*common, "controllers=[{type: noop}]")
    assert_frame_equal(arrivals(held), arrivals(free), check_exact=True)
    assert held.summary["requests"]["completed"] < free.summary["requests"]["completed"]
    assert set(arrivals(free)["class"]) == {"a", "b"}


def test_another_battery_leaves_the_work_as_it_was(folder: Path, runs: Runs, queued: Ran) -> None:
    path = folder / "queued.yaml"
    controllers = "controllers=[{type: carbon_threshold}]"
    small, large = (
        runs(path, controllers, f"sites.0.microgrid.battery.capacity_wh={wh}") for wh in (10, 5000)
    )
    work = [ran.requests.drop(columns="carbon_g") for ran in (small, large)]
    assert_frame_equal(*work, check_exact=True)
    assert small.summary["energy_kwh"]["facility"] == large.summary["energy_kwh"]["facility"]
    assert small.summary["energy_kwh"]["import"] > large.summary["energy_kwh"]["import"]
