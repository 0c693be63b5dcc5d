"""Bounds of whole plans: closed forms, and hand-made policies that once beat a bound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from controllers import ACTUATORS, Controller, SiteAction
from controllers.base import SiteContext
from controllers.observation import SiteObservation
from controllers.policies.mpc import Mpc
from cosim.studies.bounds.best_found import best_found, holds
from cosim.studies.bounds.bound import FREEDOMS, Bound, bound_of, freedom_of
from cosim.studies.bounds.site_bound import site_bounds
from cosim.studies.runs.measure import run_figures
from cosim.world.plan import Plan, load_plan
from tests.cosim.builders import write
from tests.cosim.studies.bounds.draws import hosted

CASE = """\
name: case
seed: 1
time: {{start: 2022-06-08T00:00:00Z, duration: 3h, step: 60s}}
workload:
  requests: {requests}
  arrivals: {{type: poisson, rate_per_s: {rate}}}
  {lengths}
sites:
  - name: here
    cluster: {{model: {model}, gpu: h100-sxm-80gb, pue: 1.2, replicas: {replicas}}}
    microgrid:
      carbon_intensity: {{type: csv, path: ci.csv, column: ci}}
coupling: native
"""
BULK = CASE.format(
    requests=500,
    rate=0.07,
    model="Qwen/Qwen3-14B",
    replicas=2,
    lengths="""lengths:
    type: lognormal
    prompt: {median_tokens: 800, sigma: 0.7, max_tokens: 8000}
    output: {median_tokens: 1000, sigma: 0.7, max_tokens: 8000}
  classes:
    - {name: chat, share: 0.02, slo: {ttft_s: 2.0, tpot_s: 0.1}}
    - {name: batch, share: 0.98, deferrable: true, deadline: 3h}""",
)
OWN_LENGTHS = CASE.format(
    requests=700,
    rate=0.1,
    model="meta-llama/Meta-Llama-3-8B",
    replicas=1,
    lengths="""classes:
    - name: chat
      share: 0.9
      slo: {ttft_s: 2.0, tpot_s: 0.1}
      lengths: {type: fixed, prompt_tokens: 200, output_tokens: 50}
    - name: batch
      share: 0.1
      deferrable: true
      deadline: 3h
      lengths: {type: fixed, prompt_tokens: 6000, output_tokens: 2000}""",
)
INTENSITY = "time,ci\n" + "".join(
    f"2022-06-08T0{hour}:00:00Z,{400 if hour < 2 else 100}\n" for hour in range(4)
)


class Bulk(Controller):
    """All deferrable work held until two hours have gone by."""

    actuators = frozenset({"deferrable_rate"})

    def reset(self, context: SiteContext) -> None:
        self._most = context.limits["deferrable_rate"].maximum

    def step(self, observation: SiteObservation) -> SiteAction:
        rate = self._most if observation.time_s >= 7200 else 0.0
        return SiteAction(deferrable_rate_per_s=rate, reason="bulk")


def planned(folder: Path, text: str) -> Plan:
    write(folder / "ci.csv", INTENSITY)
    return load_plan(write(folder / "s.yaml", text))


@pytest.mark.parametrize("text", [BULK, OWN_LENGTHS], ids=["bulk", "own lengths"])
def test_serving_in_bulk_comes_near_the_bound_and_not_below(text: str, tmp_path: Path) -> None:
    """The first once reached 104 % of a bound, the second 794 %."""
    plan = planned(tmp_path, text)
    least_g = site_bounds(plan)["here"].solve("timing")[0]
    noop, bulk, mpc = (
        run_figures(each)
        for each in (
            plan,
            hosted(plan, Bulk()),
            hosted(plan, Mpc(battery=False), clairvoyant=True),
        )
    )
    assert holds(bulk)
    assert bulk.carbon_g >= least_g
    assert not holds(mpc) or mpc.carbon_g >= least_g
    assert noop.carbon_g - bulk.carbon_g > 0.9 * (noop.carbon_g - least_g)


IDLE = """\
name: idle
time: {start: 2022-06-08T00:00:00Z, duration: 4h, step: 10min}
workload:
  requests: 1
  arrivals: {type: static, rate_per_s: 0.0001}
  lengths: {type: fixed, prompt_tokens: 1, output_tokens: 1}
sites:
  - name: here
    cluster:
      model: meta-llama/Meta-Llama-3-8B
      gpu: h100-sxm-80gb
      pue: 1.5
      replicas: 3
      host_power_w: 50
    microgrid:
      carbon_intensity: {type: csv, path: ci.csv, column: ci}
      battery: {type: simple, capacity_wh: 1000, initial_soc: 0.5, min_soc: 0.1, c_rate: 0.5}
coupling: native
"""


def test_bounds_of_a_site_with_next_to_nothing_to_do(tmp_path: Path) -> None:
    """Three replicas of 130 W, or of 70 W asleep, and hosts of 50 W each, at a PUE of 1.5.

    Half the time costs 400 g/kWh, half 100. In the first half the battery can give 400 Wh, and in
    the second it takes 900 Wh, 600 at most beside the 250 g/kWh that its content counts at.
    """
    bound = bound_of(planned(tmp_path, IDLE))
    awake_kw, asleep_kw = 1.5 * 3 * 0.18, 1.5 * (0.18 + 2 * 0.12)
    assert bound.timing_g == pytest.approx(awake_kw * 1000 - 0.4 * (400 - 250), rel=1e-4)
    moved = 0.4 * (400 - 250) + 0.9 * (250 - 100)
    assert bound.battery_g == pytest.approx(awake_kw * 1000 - moved, rel=1e-4)
    assert bound.sleep_g == pytest.approx(asleep_kw * 1000 - moved, rel=1e-3)
    assert bound.clocks_g == pytest.approx(bound.sleep_g, rel=1e-4)


def test_a_run_that_ends_with_its_requests_is_bound_until_the_last_one(tmp_path: Path) -> None:
    text = IDLE.replace("duration: 4h", "until: drained, max_duration: 4h")
    text = text.replace("rate_per_s: 0.0001", "rate_per_s: 0.001")
    without = text[: text.index("      battery")] + "coupling: native\n"
    plan = planned(tmp_path, without)
    bound, figures = bound_of(plan), run_figures(plan)
    assert bound.timing_g <= figures.carbon_g < 120
    assert (
        bound_of(planned(tmp_path, text)).timing_g <= run_figures(planned(tmp_path, text)).carbon_g
    )


def test_the_best_plan_found_lies_above_the_bound_and_below_doing_nothing(tmp_path: Path) -> None:
    plan = planned(tmp_path, BULK.replace("requests: 500", "requests: 100"))
    least_g = site_bounds(plan)["here"].solve("timing")[0]
    found = best_found(plan, "timing", runs=5)
    assert found is not None
    assert least_g <= found.carbon_g < run_figures(plan).carbon_g
    assert found.runs <= 5


@pytest.mark.parametrize(
    ("actuators", "freedom"),
    [
        ((), "timing"),
        (("deferrable_rate", "admission_rate", "batch_cap"), "timing"),
        (("battery_power",), "battery"),
        (("active_replicas", "deferrable_rate"), "sleep"),
        (("battery_power", "power_cap"), "clocks"),
        (ACTUATORS, "clocks"),
    ],
)
def test_the_freedom_that_holds_some_actuators(actuators: tuple[str, ...], freedom: str) -> None:
    assert freedom_of(actuators) == freedom


def test_bounds_are_taken_by_their_freedom() -> None:
    bound = Bound(timing_g=4.0, battery_g=3.0, sleep_g=2.0, clocks_g=1.0)
    assert [bound.of(freedom) for freedom in FREEDOMS] == list(np.arange(4.0, 0.0, -1.0))


def test_chat_beyond_all_replicas_has_a_bound_all_the_same(tmp_path: Path) -> None:
    """Sixty chats at once on two replicas that serve one each."""
    text = CASE.format(
        requests=60,
        rate=60,
        model="Qwen/Qwen3-14B",
        replicas="2, scheduler: {type: vllm_v1, batch_cap: 1}",
        lengths="""lengths: {type: fixed, prompt_tokens: 100, output_tokens: 1000}
  classes:
    - {name: chat, share: 1.0, slo: {ttft_s: 1.0}}""",
    )
    assert bound_of(planned(tmp_path, text)).clocks_g > 0
