"""What clusters and microgrids report, as controllers see it."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest

from controllers import LatencyView, MicrogridReport, PoolView, QueueView, SiteReport
from controllers.base import ONE_POOL
from cosim.world.observe import microgrid_report, settings, site_report
from inference_sim.pool_config import PoolConfig
from inference_sim.telemetry import StepTelemetry
from tests.deployments import telemetry


class TestSite:
    def test_every_field_has_its_own_value(self) -> None:
        """Nothing that controllers see is left at its default, or is another field's value."""
        numbers = {
            field.name: float(number)
            for number, field in enumerate(fields(StepTelemetry), start=1)
            if field.name not in {"latency_p99_s_by_class", "pools", "settings"}
        }
        made = telemetry(**numbers, latency_p99_s_by_class={"chat": (0.5, math.nan)})
        report = site_report(replace(made, pools={"main": made}))
        for view in (report.queue, report.serving, report.pools["main"], report.latency):
            for field in fields(view):
                assert getattr(view, field.name) == numbers[field.name]
        assert report.facility_power_w == numbers["facility_power_w"]
        assert report.classes == {"chat": LatencyView(ttft_p99_s=0.5, tpot_p99_s=None)}

    def test_where_there_was_nothing_to_tell(self) -> None:
        report = site_report(
            telemetry(deferrable_slack_s=math.inf, ttft_p99_s=math.nan, tpot_p99_s=0.05)
        )
        assert report.queue.deferrable_slack_s is None
        assert report.latency == LatencyView(ttft_p99_s=None, tpot_p99_s=0.05)

    def test_before_the_first_step(self) -> None:
        assert site_report(None) == SiteReport(queue=QueueView(), serving=PoolView())


def test_both_sides_give_the_only_pool_the_same_name() -> None:
    assert {field.name: field.default for field in fields(PoolConfig)}["name"] == ONE_POOL


def test_settings_are_of_the_cluster_and_of_its_pools() -> None:
    pools = {name: telemetry(settings={"batch_cap": cap}) for name, cap in (("a", 4), ("b", 8))}
    reported = telemetry(settings={"admission_rate": 2.0}, pools=pools)
    assert settings(reported) == {
        ("admission_rate", ""): 2.0,
        ("batch_cap", "a"): 4,
        ("batch_cap", "b"): 8,
    }


class TestMicrogrid:
    def test_signs(self) -> None:
        grid = {"current_power": 30.0, "connected": True}
        battery = {"soc": 0.4, "current_power": 12.0}
        assert microgrid_report({"battery": battery, "grid": grid}, None) == MicrogridReport(
            import_w=0.0, export_w=30.0, battery_soc=0.4, battery_power_w=12.0
        )
        assert microgrid_report({"grid": grid}, p_grid=-5.0) == MicrogridReport(import_w=5.0)

    def test_nothing_yet(self) -> None:
        assert microgrid_report({}, 0.0) == MicrogridReport()

    def test_two_batteries(self) -> None:
        with pytest.raises(ValueError, match=r"at most one battery per microgrid \(got 2\)"):
            microgrid_report({"a": {"soc": 1}, "b": {"soc": 1}}, None)
