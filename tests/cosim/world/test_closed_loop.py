"""Closed loops and sessions from a scenario: rates, demand, results, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from calibration.measurements import read
from cosim.calibrate.steady_state import steady_state
from cosim.errors import ScenarioError
from cosim.report.headline import load_warning
from cosim.results.requests import SCHEMA
from cosim.results.totals import ServingTotals
from cosim.studies.bounds.site_bound import site_bounds
from cosim.studies.capacity import find_capacity
from cosim.studies.evaluate.comparison import comparison
from cosim.studies.runs.execute import Result, execute
from cosim.world.plan import Plan, load_plan
from inference_sim.execution import Roofline, find_engine
from inference_sim.hardware import find_gpu
from tests.cosim.builders import REPOSITORY, write

ROWS = REPOSITORY.parent / "shared" / "data" / "mlenergy" / "measured_llm_inference.csv"
SCENARIO = """\
name: loop
seed: 4
time: {start: 2022-06-08T00:00:00Z, duration: 10min, step: 60s}
workload:
  clients: {type: closed, concurrency: 24, think: {type: exponential, mean: 2s}, ramp_up: 10s}
  lengths: {type: uniform, min_tokens: 200, max_tokens: 900, prefill_decode_ratio: 3}
sites:
  - name: here
    cluster: {model: meta-llama/Meta-Llama-3-8B, gpu: h100-sxm-80gb, replicas: 2}
    microgrid: {carbon_intensity: {type: constant, value_g_per_kwh: 300}}
coupling: native
"""
SESSIONS = """\
  sessions:
    turns: {type: geometric, mean: 5}
    think: {type: lognormal, median: 3s, sigma: 0.7}
    system_prompt: {tokens: 800, groups: 2}
"""
OPEN = SCENARIO.replace(
    "  clients: {type: closed, concurrency: 24, think: {type: exponential, mean: 2s}, "
    "ramp_up: 10s}\n",
    "  arrivals: {type: poisson, rate_per_s: 0.6}\n" + SESSIONS,
)
POLICIES = "evaluation: {seeds: 1, policies: [{name: noop}, {name: mpc, controllers: []}]}\n"


def planned(folder: Path, text: str, *overrides: str) -> Plan:
    return load_plan(write(folder / "s.yaml", text), overrides)


def ran(folder: Path, text: str, *overrides: str) -> tuple[Result, ServingTotals, pd.DataFrame]:
    folder.mkdir(exist_ok=True)
    out = folder / "out"
    result = execute(planned(folder, text, *overrides), out)
    totals = result.summary.totals
    assert isinstance(totals, ServingTotals)
    return result, totals, pd.read_parquet(out / "requests.parquet")


def refusal(folder: Path, text: str, *overrides: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        planned(folder, text, *overrides)
    return str(caught.value)


def test_planners_get_the_rate_of_the_steady_state(tmp_path: Path) -> None:
    for overrides in ((), ("workload.clients.concurrency=400", "workload.clients.think.mean=9s")):
        plan = planned(tmp_path, SCENARIO, *overrides)
        (site,) = plan.sites
        assert site.workload is not None
        assert site.demand is not None
        result = execute(plan)
        served = result.run.clusters["here"].completed / 600
        rate = float(site.demand.rate_per_s[3])
        assert rate == pytest.approx(served, rel=0.08)
        assert site.workload.peak_rate_per_s == rate
        assert (site.demand.rate_per_s == rate).all()


def test_an_open_loop_of_sessions_sends_its_turns(tmp_path: Path) -> None:
    plan = planned(tmp_path, OPEN, "time.duration=2h")
    (site,) = plan.sites
    assert site.demand is not None
    assert float(site.demand.rate_per_s[0]) == pytest.approx(0.6 * 5, rel=0.1)
    _, totals, log = ran(tmp_path, OPEN, "time.duration=2h")
    assert len(log) / 7200 == pytest.approx(float(site.demand.rate_per_s[0]), rel=0.1)
    assert log["prompt_tokens"].mean() == pytest.approx(site.demand.prompt_tokens, rel=0.1)
    assert log["output_tokens"].mean() == pytest.approx(site.demand.output_tokens, rel=0.05)
    texts = log["prompt_tokens"].mean() - site.demand.cached_tokens
    assert texts == pytest.approx(0.75 * 550, rel=0.15)
    assert totals.requests.cut_sessions is not None


def test_the_log_has_sessions_and_retries_where_there_are_any(tmp_path: Path) -> None:
    _, _, plain = ran(tmp_path / "a", SCENARIO)
    assert list(plain.columns) == SCHEMA.names
    patience = ("workload.timeout=1s", "workload.retry={most: 1, backoff: 1s}")
    result, totals, log = ran(tmp_path / "b", OPEN, *patience)
    assert list(log.columns) == [*SCHEMA.names, "session", "retries"]
    requests = totals.requests
    counts = log["outcome"].value_counts()
    assert requests.timed_out == counts["timed_out"] > 0
    assert requests.retried == (log["retries"] > 0).sum() > 0
    inside = requests.waiting + requests.running
    assert requests.arrived == len(log)
    assert requests.arrived == (
        requests.completed + requests.rejected + requests.timed_out + inside
    )
    steps = pd.read_parquet(tmp_path / "b" / "out" / "steps.parquet")
    assert steps["timed_out"].sum() == requests.timed_out
    assert steps["retried"].sum() == requests.retried
    assert "timed out" in load_warning(totals)
    # energy and carbon of those who gave up are theirs
    kwh = log["gpu_energy_j"].sum() / 3.6e6
    assert totals.attribution.requests.energy_kwh == pytest.approx(kwh, rel=1e-9)
    spent = totals.attribution.requests.energy_kwh + totals.attribution.idle.energy_kwh
    assert spent == pytest.approx(totals.energy_kwh.gpu, rel=1e-9)
    assert log.loc[log["outcome"] == "timed_out", "gpu_energy_j"].sum() > 0
    # turns of a session follow each other
    tried = log[log["retries"] == 0].sort_values("arrival_s")
    first = tried.groupby("session")["prompt_tokens"]
    assert (first.diff().dropna() > 0).all()
    assert result.summary.totals is totals


def test_requests_that_no_engine_takes_are_warned_of(tmp_path: Path) -> None:
    longest = "sites.0.cluster.scheduler.max_model_len=1000"
    _, totals, _ = ran(
        tmp_path / "all", OPEN, "workload.sessions.system_prompt.tokens=990", longest
    )
    assert "longer than the engine takes" in load_warning(totals)
    _, totals, _ = ran(tmp_path / "none", OPEN)
    assert "longer" not in load_warning(totals)


def test_the_same_seed_gives_the_same_talks_whatever_serves_them(tmp_path: Path) -> None:
    key = ["session", "prompt_tokens", "output_tokens"]
    logs = []
    for number, gpu in enumerate(("h100-sxm-80gb", "a100-sxm-80gb")):
        _, _, log = ran(tmp_path / str(number), OPEN, f"sites.0.cluster.gpu={gpu}")
        logs.append(log.set_index(key).index)
    both = logs[0].intersection(logs[1])
    assert len(both) > 0.95 * len(logs[0])
    assert len(logs[0]) == len(logs[0].unique())


def test_sites_share_the_clients(tmp_path: Path) -> None:
    head, site = SCENARIO.split("sites:\n")
    site, tail = site.split("coupling")
    text = head + "sites:\n" + site.replace("    cluster", "    share: 0.75\n    cluster")
    text += site.replace("here", "there").replace("    cluster", "    share: 0.25\n    cluster")
    plan = planned(tmp_path, text + "coupling" + tail)
    result = execute(plan)
    starts = {one.name: len(list(one.workload.stream())) for one in plan.sites if one.workload}
    assert starts == {"here": 18, "there": 6}
    first, second = (result.run.clusters[name].completed for name in ("here", "there"))
    assert first == pytest.approx(3 * second, rel=0.1)


def test_fixed_lengths_are_spread_unless_they_are_not_to_be(tmp_path: Path) -> None:
    fixed = "workload.lengths={type: fixed, prompt_tokens: 400, output_tokens: 200}"
    _, _, spread = ran(tmp_path / "a", SCENARIO, fixed)
    assert spread["output_tokens"].between(180, 220).all()
    assert spread["output_tokens"].mean() == pytest.approx(200, abs=1)
    _, _, exact = ran(tmp_path / "b", SCENARIO, fixed, "workload.clients.spread=0")
    assert set(exact["output_tokens"]) == {200}


@pytest.mark.parametrize("workload", ["lm-arena-chat"])
@pytest.mark.parametrize("cap", [32, 64, 128])
def test_a_benchmark_row_by_its_own_closed_loop(tmp_path: Path, workload: str, cap: int) -> None:
    """ML.ENERGY fixes the batch: as many clients as it has places, none of whom thinks."""
    if not ROWS.is_file():
        pytest.skip(f"NOT CHECKED: the measurements of ML.ENERGY are not at {ROWS}")
    rows, _ = read(ROWS)
    (row,) = (
        one
        for one in rows
        if (one.label, one.gpu, one.workload, one.cap)
        == ("Qwen/Qwen3-8B", "h100-sxm-80gb", workload, cap)
    )
    load = row.load()
    roofline = Roofline(row.model, find_gpu(row.gpu), find_engine(row.engine), row.gpus)
    sigma = math.sqrt(math.log(1 + load.output_cv2))
    median = load.output_tokens * math.exp(-(sigma**2) / 2)
    text = f"""\
name: row
time: {{start: 2022-06-08T00:00:00Z, duration: 40min, step: 60s}}
workload:
  clients: {{type: closed, concurrency: {cap}, ramp_up: 60s}}
  lengths:
    type: lognormal
    prompt: {{median_tokens: {load.prompt_tokens:g}, sigma: 0.3}}
    output: {{median_tokens: {median:g}, sigma: {sigma:g}}}
sites:
  - name: here
    cluster:
      model: {row.model.name}
      gpu: {row.gpu}
      scheduler: {{type: vllm_v1, batch_cap: {cap}}}
    microgrid: {{carbon_intensity: {{type: constant, value_g_per_kwh: 300}}}}
coupling: native
"""
    _, totals, log = ran(tmp_path, text)
    assert totals.batch is not None
    begun = log[log["first_token_s"] > 300]
    ended = log[log["finish_s"].between(300, 2400)]
    rate = ended["output_tokens"].sum() / 2100
    steady = steady_state(roofline, load, mixed=True)
    assert totals.batch.mean == pytest.approx(cap, rel=0.03)
    assert rate == pytest.approx(steady.tokens_per_s, rel=0.03)
    assert rate == pytest.approx(row.tokens_per_s, rel=0.25)  # as measured
    assert len(begun) > 1000


def test_what_cannot_be_compared_says_so(tmp_path: Path) -> None:
    write(tmp_path / "s.yaml", SCENARIO + POLICIES)
    with pytest.raises(ScenarioError, match="closed loop send fewer requests to a policy"):
        comparison(tmp_path / "s.yaml")
    for text, key in ((SCENARIO, "clients"), (OPEN, "sessions")):
        plan = planned(tmp_path, text)
        with pytest.raises(ScenarioError, match=f"workload.{key}: a capacity is a rate"):
            find_capacity(plan)
        with pytest.raises(ValueError, match="the requests depend on how they are served"):
            site_bounds(plan)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("workload.arrivals={type: poisson, rate_per_s: 1}", "either `clients` or `arrivals`"),
        ("workload.clients.concurrency=0", "workload.clients.closed.concurrency|concurrency"),
        ("workload.clients.think={type: fixed, time: -1s}", "duration"),
        ("workload.clients.spread=1.5", "spread"),
        ("workload.sessions={turns: {type: geometric, mean: 0.5}}", "mean"),
        ("workload.sessions={turns: {type: fixed, turns: 3}}", "missing key 'think'"),
        ("workload.timeout=0s", "timeout"),
        ("workload.retry={most: 0}", "most"),
    ],
)
def test_mistakes_are_refused_at_their_place(tmp_path: Path, setting: str, message: str) -> None:
    text = refusal(tmp_path, SCENARIO, setting)
    assert any(part in text for part in message.split("|"))
    assert "workload" in text


def test_a_loop_ends_where_it_is_bounded(tmp_path: Path) -> None:
    drained = ("time.until=drained", "time.max_duration=1h", "time.duration=null")
    assert "needs a workload that ends" in refusal(tmp_path, SCENARIO, *drained)
    for end in ("requests=100", "classes=[{name: a, share: 1, until: 5min}]"):
        result, totals, log = ran(tmp_path / end[:4], SCENARIO, *drained, f"workload.{end}")
        assert all(cluster.drained for cluster in result.run.clusters.values())
        assert set(log["outcome"]) == {"completed"}
        assert totals.requests.arrived == (100 if end.startswith("req") else len(log))
        assert np.max(log["arrival_s"]) < 300


@pytest.mark.parametrize("router", ["prefix_affinity", "least_uncached"])
@pytest.mark.parametrize("release", ["0.11", "0.33"])
def test_routers_that_look_into_full_caches_see_them_as_they_are(
    tmp_path: Path, router: str, release: str
) -> None:
    """Runs of decodes take blocks when they are looked at, as one event per iteration does.

    And the batch is that of all iterations, those of a run that the end cuts off included.
    """
    cluster = "sites.0.cluster"
    settings = (
        "time.duration=3min",
        "workload.arrivals.rate_per_s=0.9",
        f"{cluster}.router={router}",
        f"{cluster}.scheduler={{release: '{release}', kv_blocks: 520, max_model_len: 8192}}",
    )
    stepwise = f"{cluster}.execution={{type: roofline, stepwise: true}}"
    _, segments, log = ran(tmp_path / "segments", OPEN, *settings)
    _, steps, plain = ran(tmp_path / "steps", OPEN, *settings, stepwise)
    assert segments.requests == steps.requests
    assert segments.requests.preemptions > 5
    assert segments.tokens == steps.tokens
    assert segments.batch is not None
    assert steps.batch is not None
    assert segments.batch.max == steps.batch.max
    assert segments.batch.mean == pytest.approx(steps.batch.mean, rel=1e-12)
    assert log["first_token_s"].to_numpy() == pytest.approx(
        plain["first_token_s"].to_numpy(), rel=1e-9, nan_ok=True
    )
