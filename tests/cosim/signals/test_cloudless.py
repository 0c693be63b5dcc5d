"""A sky without clouds, used for long, is warned of wherever the run is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.cosim.builders import edited, run_text, write

FRANKFURT = """\
name: frankfurt
time: {start: 2023-06-01T00:00:00Z, duration: 30d, step: 1h}
sites:
  - name: main
    location: {latitude: 50.11, longitude: 8.68, altitude_m: 112}
    load: {type: constant, power_w: 1000}
    microgrid:
      carbon_intensity: {type: constant, value_g_per_kwh: 300}
      solar: {type: clear_sky, peak_power_w: 1000}
"""
CLOUDS = "{type: clear_sky, peak_power_w: 1000, clouds: {mean: 0.6, std: 0.3}}"


@pytest.mark.parametrize("kind", ["clear_sky", "pvlib"])
def test_validate_says_what_it_yields(cosim: Cli, kind: str) -> None:
    if kind == "pvlib":
        pytest.importorskip("pvlib", reason="the extra [solar] is not installed")
    write("s.yaml", FRANKFURT.replace("clear_sky", kind))
    answer = cosim("validate", "s.yaml")
    assert answer.code == 0
    ok, warning = answer.out.splitlines()
    assert ok == "s.yaml: ok"
    assert warning.startswith(f"s.yaml: warning: main: solar from {kind.replace('_', ' ')}: a sky")
    assert ("1,557 in a year" if kind == "clear_sky" else "in a year") in warning
    assert "990 a year on Germany's roofs (Schardt and te Heesen, 2015 to 2019)" in warning
    assert "`clouds` brings clouds" in warning


@pytest.mark.parametrize("days", [365, 366])
def test_a_run_of_a_year_has_one_yield(cosim: Cli, days: int) -> None:
    year = FRANKFURT.replace("duration: 30d", f"duration: {days}d").replace("step: 60s", "step: 1h")
    answer = cosim("validate", write("s.yaml", year))
    assert "kWh/kWp in a year; real skies" in answer.out


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{type: clear_sky, peak_power_w: 1000}", CLOUDS),
        ("duration: 30d", "duration: 3d"),
        ("peak_power_w: 1000", "peak_power_w: 0"),
    ],
)
def test_clouds_and_short_runs_are_not_warned_of(cosim: Cli, old: str, new: str) -> None:
    write("s.yaml", FRANKFURT.replace(old, new))
    assert cosim("validate", "s.yaml").out == "s.yaml: ok\n"


def test_the_run_and_its_report_say_so(cosim: Cli, tmp_path: Path) -> None:
    write("s.yaml", FRANKFURT)
    answer = cosim("run", "s.yaml", "-o", "out")
    assert answer.code == 0, answer.err
    shown = " ".join(answer.out.split())
    assert "Warning main: solar from clear sky: a sky without clouds yields" in shown
    page = Path("out/report.html").read_text(encoding="utf-8")
    head = page[: page.index("<svg")]
    assert "Read with care" in head
    assert "main: solar from clear sky: a sky without clouds yields" in head


def test_a_short_run_has_no_such_words(tmp_path: Path) -> None:
    ran = run_text(tmp_path, edited())
    assert "without clouds" not in (ran.folder / "manifest.json").read_text(encoding="utf-8")
