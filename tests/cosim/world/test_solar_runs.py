"""Computed solar power in whole scenarios."""

from pathlib import Path

import pytest

from cosim.world.plan import Plan, load_plan
from tests.cosim.builders import edited, run_text, write

PLAIN = "{type: clear_sky, peak_power_w: 600}"
CLOUDS = "clouds: {mean: 0.6, std: 0.3, correlation_time: 20min}"


def plan(folder: Path, solar: str, *overrides: str) -> Plan:
    path = write(folder / "s.yaml", edited((PLAIN, solar)))
    return load_plan(path, ["time.start=2022-06-08T16:00:00Z", "time.duration=6h", *overrides])


@pytest.mark.parametrize("kind", ["clear_sky", "pvlib"])
def test_clouds_come_from_the_seed_and_the_site(tmp_path: Path, kind: str) -> None:
    solar = f"{{type: {kind}, peak_power_w: 600, {CLOUDS}}}"
    first, again = (plan(tmp_path, solar).sites[0].solar_w for _ in range(2))
    other = plan(tmp_path, solar, "seed=2").sites[0].solar_w
    assert first.tobytes() == again.tobytes()
    assert (first != other).mean() > 0.9

    site = "{name: two, location: {latitude: 37.87, longitude: -122.27}, load: {type: constant, "
    site += "power_w: 1}, microgrid: {carbon_intensity: {type: constant, value_g_per_kwh: 1}, "
    site += f"solar: {solar}}}}}"
    both = plan(tmp_path, solar, f"sites.1={site}")
    assert both.sites[0].solar_w.tobytes() == first.tobytes()
    assert (both.sites[1].solar_w != first).mean() > 0.9


def test_a_run_with_pvlib_says_which_one(tmp_path: Path) -> None:
    import json

    import pvlib

    solar = "{type: pvlib, peak_power_w: 600}"
    for text, version in ((edited((PLAIN, solar)), pvlib.__version__), (edited(), None)):
        ran = run_text(tmp_path, text)
        manifest = json.loads((ran.folder / "manifest.json").read_text(encoding="utf-8"))
        assert manifest["libraries"].get("pvlib") == version


def test_height_is_that_of_the_site(tmp_path: Path) -> None:
    low, high = (
        plan(tmp_path, PLAIN, f"sites.0.location.altitude_m={height}").sites[0].solar_w
        for height in (0, 2000)
    )
    assert high.sum() > 1.02 * low.sum()
