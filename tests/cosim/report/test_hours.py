"""Hours, days and months of a run by local time: heat maps, tables, and their files."""

from __future__ import annotations

import json
import re
import struct
import zlib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.report.clock import UTC_CLOCK, Clock
from cosim.report.heat_map import HeatMap
from cosim.report.local_hours import LocalHours
from cosim.report.page import Page, Section
from cosim.report.png import heat_png
from cosim.report.run_data import RunData
from cosim.report.run_heat import heat_maps
from cosim.report.run_report import folder_page
from cosim.report.run_tables import site_tables
from cosim.report.slo_by_month import slo_by_month
from tests.browser import CHROMIUM, WHY_NOT, chromium
from tests.conftest import Cli, Runs
from tests.cosim.builders import SCENARIOS
from tests.cosim.report.folders import PLAIN, ran, two_classes
from tests.cosim.report.pages import check_whole

DAYS_40 = ("time.duration=40d", "time.step=1h", "sites.0.timezone=Europe/Berlin")
BERLIN = Clock("Europe/Berlin", ZoneInfo("Europe/Berlin"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty days from 8 June 2022 at a site in Berlin."""
    return ran(PLAIN, tmp_path_factory.mktemp("hours") / "run", *DAYS_40)


@settings(max_examples=20)
@given(
    st.sampled_from([900, 1200, 3600]),
    st.integers(1, 400),
    st.datetimes(datetime(2022, 3, 20), datetime(2022, 11, 5)),
    st.integers(0, 2**32),
)
def test_cells_are_the_means_of_their_hours(
    step_s: int, count: int, when: datetime, seed: int
) -> None:
    """Each step counts in the hour and on the day that a clock in Berlin shows as it begins."""
    start = when.replace(second=0, microsecond=0, tzinfo=UTC)
    values = np.random.default_rng(seed).random(count)
    values[values < 0.1] = np.nan
    hours = LocalHours.of(start, step_s, count, BERLIN)
    local = [BERLIN.local(start + timedelta(seconds=k * step_s)) for k in range(count)]
    frame = pd.DataFrame({"day": [at.date() for at in local], "hour": [at.hour for at in local]})
    frame["value"] = values
    expected = frame.groupby(["day", "hour"])["value"].mean()
    cells = hours.cells(values)
    for (day, hour), mean in expected.items():
        got = cells[(day - hours.first_day).days, hour]
        assert got == pytest.approx(mean, nan_ok=True)
    assert np.isfinite(cells).sum() == expected.notna().sum()
    np.testing.assert_allclose(
        hours.by_hour(values), frame.groupby("hour")["value"].mean().reindex(range(24))
    )
    months = frame.groupby([f"{at:%Y-%m}" for at in local])["value"].sum()
    assert [f"{month:%Y-%m}" for month in hours.months] == list(months.index)
    np.testing.assert_allclose(hours.sums_by_month(values), months)


def test_the_picture_of_a_heat_map_has_a_pixel_for_each_cell() -> None:
    picture = heat_png(np.array([[0.0, 1.0, np.nan], [0.5, 0.25, 0.75]]))
    assert picture.startswith(b"\x89PNG")
    chunks, at = {}, 8
    while at < len(picture):
        (length,) = struct.unpack(">I", picture[at : at + 4])
        kind, content = picture[at + 4 : at + 8], picture[at + 8 : at + 8 + length]
        assert struct.unpack(">I", picture[at + 8 + length : at + 12 + length])[0] == zlib.crc32(
            kind + content
        )
        chunks[kind], at = content, at + 12 + length
    assert struct.unpack(">II", chunks[b"IHDR"][:8]) == (3, 2)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(2, 4)
    assert rows[:, 1:].tolist() == [[1, 255, 0], [128, 65, 191]]
    colors = np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)
    assert [colors[k].tolist() for k in (1, 255)] == [[0x00, 0x22, 0x4E], [0xFE, 0xE8, 0x38]]
    assert chunks[b"tRNS"] == b"\0"  # the colour of a missing value


def test_a_long_run_has_heat_maps_of_all_that_varies(folder: Path) -> None:
    (tables,) = site_tables(RunData.load(folder))
    maps = heat_maps(tables, "")
    assert [chart.key for chart in maps] == ["hours-carbon", "hours-solar", "hours-import"]
    steps = pq.read_table(folder / "steps.parquet").to_pandas()
    local = steps["time"].dt.tz_convert("Europe/Berlin")
    for chart, column in zip(
        maps, ("carbon_intensity_g_per_kwh", "solar_w", "import_w"), strict=True
    ):
        days = (local.dt.date - chart.first_day).map(lambda past: past.days)
        np.testing.assert_allclose(chart.cells[days, local.dt.hour], steps[column])
    page = folder_page(folder)
    assert [s.key for s in page.sections][:3] == ["power", "hours", "months"]


def test_a_short_run_has_none(runs: Runs) -> None:
    run = runs(SCENARIOS / "two_sites.yaml", "time.duration=30min", "coupling=native")
    for tables in site_tables(RunData.load(run.folder)):
        assert not tables.has_hours
        assert heat_maps(tables, "") == []
    assert {"hours", "months"}.isdisjoint(s.key for s in folder_page(run.folder).sections)


def test_tables_add_up_to_the_summary(folder: Path, cosim: Cli) -> None:
    answer = cosim("report", folder, "--tables", "csv")
    files = [folder / name for name in ("report.html", "by_hour.csv", "by_month.csv")]
    assert (answer.code, answer.out) == (0, "".join(f"{file}\n" for file in files)), answer.err
    hours, months = (pd.read_csv(file) for file in files[1:])
    totals = json.loads((folder / "summary.json").read_bytes())
    assert hours["hour"].tolist() == list(range(24))
    assert set(hours["timezone"]) == {"Europe/Berlin"}
    assert months["month"].tolist() == ["2022-06", "2022-07"]
    assert hours["load_w"].sum() * 40 / 1000 == pytest.approx(totals["energy_kwh"]["facility"])
    carbon = totals["carbon_g"]["import"]
    assert hours["import_carbon_g_per_h"].sum() * 40 == pytest.approx(carbon)
    assert months["import_carbon_g"].sum() == pytest.approx(carbon)
    for name, key in (("facility", "facility"), ("import", "import"), ("solar", "solar")):
        assert months[f"{name}_kwh"].sum() == pytest.approx(totals["energy_kwh"][key])
    page = files[0].read_text(encoding="utf-8")
    assert '<th scope="row">in all</th>' in page
    ran(PLAIN, folder, *DAYS_40)  # a folder with tables can be replaced
    assert not files[1].exists()


def test_a_run_without_tables_says_so(tmp_path: Path, cosim: Cli) -> None:
    answer = cosim("report", ran(PLAIN, tmp_path / "run"), "--tables", "csv")
    assert answer.code == 1
    assert "no tables by hour or month: it must be longer than a day" in answer.err


def test_attainment_by_month_is_that_of_the_run(tmp_path: Path) -> None:
    """All in one month: the share that the summary gives, of requests that have ended."""
    folder = two_classes(tmp_path / "run", "workload.classes.0.slo.ttft_s=0.05")
    run = RunData.load(folder)
    steps = np.zeros(len(run.steps["dc"]["time_s"]), np.int64)
    shares = slo_by_month(run, "dc", steps, 1)
    assert shares is not None
    requests = pd.read_parquet(folder / "requests.parquet")
    chat = requests[
        (requests["class"] == "chat") & requests["outcome"].isin(["completed", "rejected"])
    ]
    met = (chat["outcome"] == "completed") & (chat["first_token_s"] - chat["arrival_s"] <= 0.05)
    assert 0 < met.mean() < 1
    assert shares.tolist() == [pytest.approx(met.mean())]


def test_sites_stand_side_by_side(runs: Runs) -> None:
    run = runs(SCENARIOS / "two_sites.yaml", "time.duration=30min", "coupling=native")
    html = folder_page(run.folder).html()
    top = html[: html.index("<nav>")]
    rows = dict(re.findall(r'<th scope="row">(\w+)</th>(.*?)</tr>', top))
    for name, site in run.result.summary.sites.items():
        cells = re.findall(r"<td[^>]*>(.*?)</td>", rows[name])
        assert float(cells[0]) == pytest.approx(site.carbon_g.total, rel=2e-3)
        assert cells[-1] == f"{site.requests.completed:,}"


@pytest.mark.skipif(CHROMIUM is None, reason=WHY_NOT)
def test_the_value_of_a_cell_is_under_the_pointer(tmp_path: Path) -> None:
    cells = np.arange(40 * 24, dtype=np.float64).reshape(40, 24) * 100
    cells[3, 7] = np.nan
    chart = HeatMap("heat", "Load", "load", "W", date(2022, 2, 25), cells, UTC_CLOCK)
    file = tmp_path / "page.html"
    file.write_text(Page("p", [Section("s", "s", [chart])]).html(), encoding="utf-8")
    with chromium(tmp_path / "profile") as browser:
        for width, day, hour, text in (
            (1280, 10, 5, "7 Mar 2022, 05:00 to 06:00 UTC\nload 24.5 kW"),
            (390, 3, 7, "28 Feb 2022, 07:00 to 08:00 UTC\nload –"),
        ):
            check_whole(browser, file.as_uri(), width, width < 600, ("heat",))
            x, y = browser.evaluate(
                f"""(() => {{
                    const svg = [...document.querySelectorAll('svg[data-heat]')]
                      .find((one) => one.getBoundingClientRect().width > 0);
                    const box = svg.getBoundingClientRect(), d = svg.dataset;
                    const scale = box.width / svg.viewBox.baseVal.width;
                    const x = +d.left + ({day} + 0.5) / 40 * (d.right - d.left);
                    const y = +d.top + ({hour} + 0.5) / 24 * (d.bottom - d.top);
                    return [box.left + x * scale, box.top + y * scale]; }})()"""
            )
            browser.move(x, y)
            assert browser.evaluate("document.querySelector('.tip').innerText") == text
        assert browser.messages == []
