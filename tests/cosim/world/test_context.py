"""What controllers are told of a site before a run: what they may set, and within which limits."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from controllers import ACTUATORS, ActuatorLimits, SiteContext
from cosim.scenario.microgrid import ClcBattery, SimpleBattery
from cosim.world.context import battery_limits_w, site_context
from cosim.world.microgrid import battery
from cosim.world.plan import load_plan
from tests.cosim.builders import BASE, edited, write

GPU = "gpu: h100-sxm-80gb"
CLC = "{type: clc, capacity_wh: 100, initial_soc: 0.8, min_soc: 0.2}"
DEFERRABLE = """  classes:
    - {name: chat, share: 0.4, slo: {ttft_s: 2, tpot_s: 0.1}}
    - {name: batch, share: 0.6, deferrable: true, deadline: 2h}
sites:
"""
INF = math.inf
CACHING = "scheduler: {type: vllm_v1, prefix_caching: true}"
OFFLOAD = "{host_gib: 256, host_gb_per_s: 50, w_per_gib: 0.5}"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def told(*changes: tuple[str, str]) -> SiteContext:
    plan = load_plan(write("s.yaml", edited(*changes)))
    time = plan.scenario.time
    return site_context(plan.sites[0], time.start, time.step_s, time.steps)


def keys(text: str) -> tuple[str, str]:
    """The edit that adds keys to the cluster."""
    return GPU, f"{GPU}\n      {text}"


def test_a_plain_site() -> None:
    found = told()
    others = {"deferrable_rate", "cache_host_gib", "tier_share"}
    assert set(found.limits) == set(ACTUATORS) - others
    assert found.limits["admission_rate"] == ActuatorLimits(0, 0.5, INF)
    assert found.limits["batch_cap"] == ActuatorLimits(1, 1024)
    assert found.limits["active_replicas"] == ActuatorLimits(1, 1)
    assert found.limits["clock_fraction"].maximum == found.limits["clock_fraction"].unthrottled == 1
    assert found.limits["prefill_clock"] == found.limits["decode_clock"]
    assert found.limits["decode_clock"] == found.limits["clock_fraction"]
    assert found.service is not None
    assert found.service.output_tokens == 40
    assert (found.idle_power_w, found.battery_min_soc) == (found.service.idle_w, 0.2)


def test_every_actuator_has_a_range_at_a_site_with_everything() -> None:
    """One that is left out here could be set nowhere."""
    found = told(("sites:\n", DEFERRABLE), keys(f"{CACHING}\n      kv_offload: {OFFLOAD}"))
    assert set(found.limits) == set(ACTUATORS) - {"tier_share"}  # of several pools


def test_host_memory_may_be_lowered_and_draws_power() -> None:
    without, found = told(keys(CACHING)), told(keys(f"{CACHING}\n      kv_offload: {OFFLOAD}"))
    assert found.limits["cache_host_gib"] == ActuatorLimits(0.0, 256.0)
    assert found.pools["main"].limits["cache_host_gib"] == ActuatorLimits(0.0, 256.0)
    assert without.service is not None
    assert found.service is not None
    assert found.idle_power_w - without.idle_power_w == pytest.approx(128.0)  # of half a W/GiB
    assert found.peak_power_w - without.peak_power_w == pytest.approx(128.0)
    assert found.service.idle_w - without.service.idle_w == pytest.approx(128.0)
    assert found.service.power_w - without.service.power_w == pytest.approx(128.0)


def test_the_rate_of_the_gateway() -> None:
    limits = told(keys("gateway: {admission_rate_per_s: 3}")).limits
    assert limits["admission_rate"] == ActuatorLimits(0, 3, 3)


class TestBattery:
    def test_none(self) -> None:
        found = told((f"      battery: {CLC}\n", ""))
        assert "battery_power" not in found.limits
        assert (found.battery_capacity_wh, found.battery_min_soc) == (None, None)

    @pytest.mark.parametrize(
        ("battery", "charge_w", "discharge_w", "efficiency"),
        [
            (CLC, 70, 150, (0.978, 1 / 1.014)),
            ("{type: simple, capacity_wh: 200, c_rate: 0.5}", 100, 100, (1, 1)),
            ("{type: simple, capacity_wh: 200}", 12000, 12000, (1, 1)),  # all of it in a minute
        ],
    )
    def test_what_it_charges_and_discharges_with(
        self, battery: str, charge_w: float, discharge_w: float, efficiency: tuple[float, float]
    ) -> None:
        found = told((CLC, battery))
        limits = found.limits["battery_power"]
        assert limits.minimum == pytest.approx(-discharge_w)
        assert limits.maximum == pytest.approx(charge_w)
        assert limits.unthrottled == INF  # left to itself
        assert found.battery_efficiency == pytest.approx(efficiency)

    @pytest.mark.parametrize("step_s", [60.0, 3600.0])
    @pytest.mark.parametrize(
        "config",
        [
            SimpleBattery(type="simple", capacity_wh=80, c_rate=2.0),
            SimpleBattery(type="simple", capacity_wh=80),
            ClcBattery(type="clc", capacity_wh=80),
        ],
    )
    def test_no_state_allows_more(self, config: SimpleBattery | ClcBattery, step_s: float) -> None:
        charge_w, discharge_w = battery_limits_w(config, step_s)
        for soc in (0.0, 0.1, 0.5, 0.9, 1.0):
            made = battery(config.model_copy(update={"initial_soc": soc}))
            least_w, most_w = made.feasible_range(step_s)
            assert most_w <= charge_w * (1 + 1e-9)
            assert -least_w <= discharge_w * (1 + 1e-9)


class TestDeferrable:
    def test_only_where_a_class_may_be_held_back(self) -> None:
        assert "deferrable_rate" not in told().limits
        nobody = DEFERRABLE.replace("share: 0.4", "share: 1").replace("share: 0.6", "share: 0")
        assert "deferrable_rate" not in told(("sites:\n", nobody)).limits

    def test_as_fast_as_the_cluster_serves(self) -> None:
        found = told(("sites:\n", DEFERRABLE))
        assert found.service is not None
        capacity = found.service.capacity_per_s()
        assert capacity > 0.5
        assert found.limits["deferrable_rate"] == ActuatorLimits(0, capacity, INF)
        busy = told(("sites:\n", DEFERRABLE), ("rate_per_s: 0.5", "rate_per_s: 500"))
        assert busy.limits["deferrable_rate"] == ActuatorLimits(0, 500, INF)

    def test_classes(self) -> None:
        chat, batch = told(("sites:\n", DEFERRABLE)).classes
        assert (chat.name, chat.share, chat.deferrable) == ("chat", 0.4, False)
        assert (chat.ttft_slo_s, chat.tpot_slo_s, chat.deadline_s) == (2, 0.1, INF)
        assert (batch.name, batch.deferrable, batch.deadline_s) == ("batch", True, 7200)
        assert (batch.ttft_slo_s, batch.tpot_slo_s) == (None, None)
        assert 0 < batch.latest_start_s < 7200
        assert [(info.prompt_tokens, info.output_tokens) for info in (chat, batch)] == [
            (200, 40)
        ] * 2
        assert (chat.weight, batch.weight) == (1, 1)

    def test_classes_of_lengths_of_their_own(self) -> None:
        own = "share: 0.6, lengths: {type: fixed, prompt_tokens: 800, output_tokens: 400}"
        found = told(("sites:\n", DEFERRABLE.replace("share: 0.6", own)))
        chat, batch = found.classes
        assert (chat.prompt_tokens, chat.output_tokens) == (200, 40)
        assert (batch.prompt_tokens, batch.output_tokens) == (800, 400)
        assert batch.weight > 4 * chat.weight > 0
        assert 0.4 * chat.weight + 0.6 * batch.weight == pytest.approx(1)
        assert found.service is not None
        served_per_s = found.service.capacity_per_s() / batch.weight
        assert found.limits["deferrable_rate"].maximum == pytest.approx(served_per_s)


class TestPowerCap:
    def test_up_to_what_a_gpu_draws(self) -> None:
        found = told(keys("host_power_w: 0"))
        assert found.limits["power_cap"] == ActuatorLimits(200, found.peak_power_w, INF)

    def test_the_scenarios_own_cap_is_the_most(self) -> None:
        assert told(keys("power_cap_w: 400")).limits["power_cap"] == ActuatorLimits(200, 400, 400)

    def test_a_cap_that_never_binds_is_none(self) -> None:
        peak_w = told(keys("host_power_w: 0")).peak_power_w
        limits = told(keys(f"power_cap_w: {peak_w}")).limits["power_cap"]
        assert (limits.maximum, limits.unthrottled) == (peak_w, INF)

    def test_profiles_know_the_highest_clock_alone(self) -> None:
        found = told((GPU, "gpu: a100-sxm-80gb\n      execution: {type: vidur}"))
        assert found.service is not None
        assert found.service.clocks.tolist() == [1.0]
        clocks = {"clock_fraction", "prefill_clock", "decode_clock"}
        assert not (clocks | {"power_cap"}) & set(found.limits)


def test_a_plain_load_has_nothing_to_set() -> None:
    cluster = BASE[BASE.index("    cluster:") : BASE.index("    microgrid:")]
    workload = BASE[BASE.index("workload:") : BASE.index("sites:")]
    controllers = BASE[BASE.index("controllers:") : BASE.index("coupling:")]
    found = told(
        (cluster, "    load: {type: constant, power_w: 300}\n"), (workload, ""), (controllers, "")
    )
    assert not found.limits
    assert (found.peak_power_w, found.idle_power_w) == (300, 300)
    assert (found.classes, found.service) == ((), None)
