"""Calibrated share and band of a run: their definition by hand, and deployments without one."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from cosim.commands.printing.site import site_rows
from cosim.report.headline import headline
from cosim.results.coverage import Coverage
from cosim.results.summary import Summary
from cosim.results.totals import ServingTotals
from inference_sim.execution.measured_errors import ERRORS
from inference_sim.power.ends import find_ends
from tests.cosim.builders import BASE, Ran, edited, run_text

WITHIN = ERRORS.find("vllm-0.11, h100-sxm-80gb, dense, bf16").within
NO_SUPPLY = "sites.0.microgrid={carbon_intensity: {type: constant, value_g_per_kwh: 300}}"


def totals(ran: Ran) -> ServingTotals:
    found = ran.result.summary.totals
    assert isinstance(found, ServingTotals)
    return found


def coverage(ran: Ran) -> Coverage:
    found = totals(ran).coverage
    assert found is not None
    return found


def test_a_band_by_hand(tmp_path: Path) -> None:
    """Grid alone at a constant intensity: energy by the GPUs' error, carbon in proportion."""
    ran = run_text(tmp_path, BASE, NO_SUPPLY, "sites.0.cluster.pue=1.2")
    site, band = totals(ran), coverage(ran)
    assert site.energy_kwh.gpu is not None
    assert site.energy_kwh.host is not None
    assert band.energy_kwh is not None
    assert band.carbon_g is not None
    assert band.gpu_error == WITHIN
    assert band.not_calibrated == ""
    idle_kwh = site.attribution.idle.energy_kwh
    busy_kwh = site.energy_kwh.gpu - idle_kwh
    assert min(idle_kwh, busy_kwh) > 0
    ends = find_ends("idle_w")
    less_kwh = 1.2 * (WITHIN * busy_kwh + (1 - ends.low) * idle_kwh)
    more_kwh = 1.2 * (WITHIN * busy_kwh + (ends.high - 1) * idle_kwh)
    facility_kwh = site.energy_kwh.facility
    assert band.energy_kwh.low == pytest.approx(facility_kwh - less_kwh)
    assert band.energy_kwh.high == pytest.approx(facility_kwh + more_kwh)
    embodied_g = site.carbon_g.embodied
    assert band.carbon_g.low == pytest.approx(300 * (facility_kwh - less_kwh) + embodied_g)
    assert band.carbon_g.high == pytest.approx(300 * (facility_kwh + more_kwh) + embodied_g)
    it_kwh = site.energy_kwh.gpu + site.energy_kwh.host
    assert band.calibrated == pytest.approx((busy_kwh + site.energy_kwh.host) / it_kwh)


def test_energy_beyond_the_sun_comes_from_the_grid(tmp_path: Path) -> None:
    """More use takes exported or imported power, so that emissions are no share of the figure."""
    ran = run_text(tmp_path, BASE, "sites.0.microgrid.battery=null")
    site, band = totals(ran), coverage(ran)
    assert band.energy_kwh is not None
    assert band.carbon_g is not None
    steps = pd.read_parquet(ran.folder / "steps.parquet")
    assert site.energy_kwh.gpu is not None
    more_w = (band.energy_kwh.high / site.energy_kwh.facility - 1) * steps[
        "facility_power_w"
    ].mean()
    shape = steps["gpu_power_w"] / steps["gpu_power_w"].mean()
    import_w = (steps["import_w"] - steps["export_w"] + more_w * shape).clip(lower=0)
    grams = (import_w * steps["carbon_intensity_g_per_kwh"]).sum() * 60 / 3.6e6
    assert band.carbon_g.high - site.carbon_g.embodied == pytest.approx(grams, rel=1e-3)
    assert band.carbon_g.low < site.carbon_g.total < band.carbon_g.high


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["sites.0.cluster.precision=fp8"], "fp8 weights"),
        (["sites.0.cluster.gpu=h200-sxm-141gb"], "power of the H100"),
        (["sites.0.cluster.power={type: two_resource, memory_w: 400}"], "power.memory_w"),
        (["sites.0.cluster.power.type=mfu_power_law"], "power 'mfu_power_law'"),
        (
            ["sites.0.cluster.execution={type: roofline, time_factor: 1.1}"],
            "time_factor: errors are known of times without one",
        ),
        (
            ["sites.0.cluster.execution={type: roofline, engine: none}"],
            "no measured run of a dense model in bf16 by engine 'none' on h100-sxm-80gb",
        ),
    ],
)
def test_without_a_regime_there_is_no_band(
    tmp_path: Path, overrides: list[str], reason: str
) -> None:
    ran = run_text(tmp_path, BASE, *overrides)
    found = coverage(ran)
    assert reason in found.not_calibrated
    assert found.energy_kwh is found.carbon_g is found.gpu_error is None
    site = totals(ran)
    assert site.energy_kwh.gpu is not None
    host_kwh = site.energy_kwh.host or 0.0
    hosts = host_kwh / (site.energy_kwh.gpu + host_kwh)
    estimated = "h200" in overrides[0]  # its host is taken from the H100's
    assert found.calibrated == pytest.approx(0.0 if estimated else hosts)
    said = dict(site_rows(site))["Band"]
    assert said.startswith("none, because not calibrated")
    assert said.endswith("calibrated" if estimated else "calibrated, that of the hosts")
    assert site.deployment is not None
    told = site.deployment.uncalibrated or site.deployment.power_uncalibrated
    assert (reason in said) is not bool(told)  # a reason that stands with the cluster already
    assert "not calibrated" in " ".join(headline(ran.result.summary).sentences)


def test_times_from_profiles_claim_nothing(tmp_path: Path) -> None:
    changes = (
        "sites.0.cluster.gpu=a100-sxm-80gb",
        "sites.0.cluster.execution={type: vidur}",
    )
    site = totals(run_text(tmp_path, BASE, *changes))
    assert site.coverage is None
    assert "Band" not in dict(site_rows(site))


def test_hosts_of_the_scenario_are_not_ours_to_claim(tmp_path: Path) -> None:
    by_default, given = (
        coverage(run_text(tmp_path, BASE, *overrides)).calibrated
        for overrides in ([], ["sites.0.cluster.host_power_w=350"])
    )
    assert given < by_default


SECOND = """\
  - name: second
    share: 0.5
    cluster: {model: meta-llama/Meta-Llama-3-8B, gpu: GPU}
    microgrid: {carbon_intensity: {type: constant, value_g_per_kwh: 300}}
  - name: office
    load: {type: constant, power_w: 300}
    microgrid: {carbon_intensity: {type: constant, value_g_per_kwh: 300}}
"""


@pytest.mark.parametrize("gpu", ["h100-sxm-80gb", "h200-sxm-141gb"])
def test_several_sites(tmp_path: Path, gpu: str) -> None:
    """Bands add up, plain loads without one; a single site without a band leaves all without."""
    more = SECOND.replace("GPU", gpu)
    text = edited(("controllers:", f"{more}controllers:"), ("dc\n", "dc\n    share: 0.5\n"))
    ran = run_text(tmp_path, text, "controllers=[]")
    sites = [site for site in ran.result.summary.sites.values() if isinstance(site, ServingTotals)]
    office = ran.result.summary.sites["office"]
    whole = coverage(ran)
    shares = [site.coverage.calibrated for site in sites if site.coverage is not None]
    assert min(shares) <= whole.calibrated <= max(shares)
    if gpu != "h100-sxm-80gb":
        assert whole.energy_kwh is None
        assert "power of the H100" in whole.not_calibrated
        return
    assert whole.energy_kwh is not None
    assert whole.carbon_g is not None
    bands = [site.coverage for site in sites if site.coverage is not None]
    energies = [band.energy_kwh.high for band in bands if band.energy_kwh is not None]
    carbons = [band.carbon_g.low for band in bands if band.carbon_g is not None]
    assert whole.energy_kwh.high == pytest.approx(sum(energies) + office.energy_kwh.facility)
    assert whole.carbon_g.low == pytest.approx(sum(carbons) + office.carbon_g.total)
    assert whole.gpu_error is None


def test_a_summary_that_was_written_before(tmp_path: Path) -> None:
    ran = run_text(tmp_path, BASE)
    content = json.loads((ran.folder / "summary.json").read_text(encoding="utf-8"))
    assert {"calibrated", "not_calibrated", "gpu_error", "energy_kwh", "carbon_g"} == set(
        content["coverage"]
    )
    for part in (content, *content["sites"].values()):
        del part["coverage"]
    summary = Summary.from_dict(content)
    assert isinstance(summary.totals, ServingTotals)
    assert summary.totals.coverage is None
    assert summary.to_dict() == content
    assert all("calibrated" not in text for text in headline(summary).sentences)


def test_the_words(tmp_path: Path) -> None:
    ran = run_text(tmp_path, BASE)
    assert "by the errors of 9 in 10 measured runs; " in dict(site_rows(totals(ran)))["Band"]
    said = " ".join(headline(ran.result.summary).sentences)
    assert "By the errors of nine in ten measured runs, it used" in said
