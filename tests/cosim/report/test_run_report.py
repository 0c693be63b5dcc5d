"""The report of a run: it says what happened, all of it, for every kind of site, and quickly."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from cosim.errors import CosimError, ScenarioError
from cosim.report.breakdown import carbon_sources, energy_sources, energy_uses
from cosim.report.run_charts import SiteCharts
from cosim.report.run_data import RunData, read_summary
from cosim.report.run_report import folder_page
from cosim.results.totals import RunTotals
from cosim.studies.kinds import KINDS
from tests.conftest import Cli, Runs
from tests.cosim.builders import BASE, SCENARIOS
from tests.cosim.report.folders import NO_BATTERY, PLAIN, ran, stretched, two_classes

YEAR_STEPS = 525_600


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two classes and two busy actuators."""
    return two_classes(tmp_path_factory.mktemp("report") / "run")


def html(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def data(page: str) -> dict[str, Any]:
    match = re.search(r'<script type="application/json" id="chart-data">(.*?)</script>', page)
    assert match is not None
    found: dict[str, Any] = json.loads(match[1])
    return found


def charts(page: str) -> list[str]:
    return re.findall(r'<figure id="chart-([^"]+)">', page)


def test_every_chart_is_there(folder: Path) -> None:
    assert charts(html(folder)) == [
        "power",
        "soc",
        "serving",
        "latency",
        "latency-class",
        "energy-use",
        "energy-source",
        "carbon",
    ]


def test_the_values_of_the_page_are_those_of_the_steps(folder: Path) -> None:
    """Every one, exactly; infinite ones by name."""
    steps = pq.read_table(folder / "steps.parquet").to_pandas()
    page = data(html(folder))
    shown = {
        one["column"]: one["mean"]
        for key in ("power", "soc", "serving")
        for one in page[key]["series"]
    }
    assert {"facility_power_w", "import_w", "battery_soc", "running", "batch_cap"} <= set(shown)
    assert "inf" in shown["admission_rate_per_s"]
    for column, values in shown.items():
        numbers = [np.nan if v is None else np.inf if v == "inf" else v for v in values]
        np.testing.assert_array_equal(numbers, steps[column].to_numpy(float), err_msg=column)
    assert page["power"]["at"] == steps["time_s"].tolist()
    assert page["power"]["origin"] == steps["time"].iloc[0].timestamp()


def test_latencies_are_those_of_the_summary(folder: Path) -> None:
    summary = json.loads((folder / "summary.json").read_bytes())["latency_s"]
    chart = data(html(folder))["latency"]
    by_name = {one["name"]: one["mean"] for one in chart["series"]}
    for name, key in (("time to first token", "ttft"), ("whole request", "e2e")):
        for share, mark in ((0.5, "p50"), (0.9, "p90"), (0.99, "p99")):
            at = int(np.argmin(np.abs(np.array(chart["at"]) - share)))
            assert chart["at"][at] == pytest.approx(share)
            assert by_name[name][at] == pytest.approx(summary[key][mark], rel=1e-6)


def test_every_change_leads_to_what_its_controller_saw(folder: Path) -> None:
    page = html(folder)
    actions = pq.read_table(folder / "actions.parquet").to_pylist()
    assert len(actions) == 40
    rows = re.findall(r'<tr id="(change-\d+)">(.*?)</tr>', page)
    assert [key for key, _ in rows] == [f"change-{k}" for k in range(len(actions))]
    for (_, row), one in zip(rows, actions, strict=True):
        cells = re.findall(r"<td[^>]*>(.*?)</td>", row)
        assert cells[2] == one["actuator"]
        assert escape(one["reason"]) in row
        assert float(cells[6]) == pytest.approx(one["carbon_intensity_g_per_kwh"], rel=1e-3)
        assert float(cells[8]) == pytest.approx(one["battery_soc"] * 100, rel=1e-3)
    linked = set(re.findall(r'href="#(change-\d+)"', page))
    assert linked == {key for key, _ in rows}


def test_an_actuator_without_a_column_is_drawn_from_its_changes(folder: Path) -> None:
    run = RunData.load(folder)
    steps = dict(run.steps["dc"])
    caps, rates = (steps.pop(name) for name in ("batch_cap", "admission_rate_per_s"))
    chart = SiteCharts(replace(run, steps={"dc": steps}), "dc", "").serving()
    assert chart is not None
    drawn = {panel.label: panel.series[0].y for panel in chart.panels}
    np.testing.assert_array_equal(drawn["batch cap"], caps)
    np.testing.assert_array_equal(drawn["admission rate"], rates)


def test_the_prompts_that_were_found(runs: Runs, tmp_path: Path) -> None:
    """In a card, a table and over time; an old folder, without the figures, is read too."""
    run = runs(SCENARIOS / "agents.yaml", "time.duration=20min")
    page, steps = html(run.folder), pd.read_parquet(run.folder / "steps.parquet")
    tokens = json.loads((run.folder / "summary.json").read_bytes())["tokens"]
    share = tokens["cached"] / (tokens["cached"] + tokens["prefilled"])
    assert f"<span>Found in KV caches</span><b>{share * 100:.1f} %</b>" in page
    for name, key in (("computed", "prefilled"), ("found in KV caches", "cached")):
        assert f"<td>prompt tokens {name}</td><td>{tokens[key]:,} (" in page
    assert "<td>KV cache of a replica</td><td>421,376 tokens, " in page
    drawn = {one["name"]: one["mean"] for one in data(page)["serving"]["series"]}
    prompts = steps["cached_tokens"] + steps["prefilled_tokens"]
    shares = np.array(drawn["found in KV caches"], float)
    np.testing.assert_allclose(shares, steps["cached_tokens"] / prompts)
    assert "loaded from host memory" not in drawn

    old = shutil.copytree(run.folder, tmp_path / "old")
    steps.drop(columns=["cached_tokens", "prefilled_tokens"]).to_parquet(old / "steps.parquet")
    summary = json.loads((old / "summary.json").read_bytes())
    for totals in (summary, *summary["sites"].values()):
        totals["tokens"] = {key: totals["tokens"][key] for key in ("prompt", "output")}
        totals.get("deployment", {}).pop("kv_cache", None)
    (old / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    folder_page(old).write(old)
    assert not re.search("KV cache|tokens computed", html(old))


def test_steps_without_a_prompt_leave_a_gap(runs: Runs) -> None:
    data = RunData.load(runs(SCENARIOS / "agents.yaml", "time.duration=20min").folder)
    steps = dict(data.steps["california"])
    count = len(steps["time_s"])
    none, some = np.zeros(count), np.zeros(count)
    some[1:3] = 30.0
    steps |= {"prefilled_tokens": some, "cached_tokens": some, "loaded_tokens": 2 * some}
    chart = SiteCharts(replace(data, steps={"california": steps}), "california", "").serving()
    assert chart is not None
    drawn = {line.name: line.y for panel in chart.panels for line in panel.series}
    gap = [np.nan] * (count - 3)
    np.testing.assert_array_equal(drawn["found in KV caches"], [np.nan, 0.25, 0.25, *gap])
    np.testing.assert_array_equal(drawn["loaded from host memory"], [np.nan, 0.5, 0.5, *gap])
    steps |= {"cached_tokens": none, "loaded_tokens": none}
    chart = SiteCharts(replace(data, steps={"california": steps}), "california", "").serving()
    assert chart is not None
    assert not any("prompts" in panel.label for panel in chart.panels)


def test_every_column_of_numbers_can_be_drawn(folder: Path) -> None:
    """Those without a value are left out; a name that is not in the file is an error."""
    columns = RunData.load(folder).steps["dc"]
    table = pd.read_parquet(folder / "steps.parquet").drop(columns=["site", "time"])
    assert list(columns) == list(table.dropna(axis="columns", how="all"))
    for name, values in columns.items():
        np.testing.assert_array_equal(values, table[name])
    with pytest.raises(KeyError):
        columns["no_such_column"]


def test_it_says_what_the_summary_says(folder: Path) -> None:
    summary = json.loads((folder / "summary.json").read_bytes())
    page = html(folder)
    assert f"<b>{summary['carbon_g']['total']:.3g} g</b>" in page
    assert f"<b>{summary['energy_kwh']['facility'] * 1000:.1f} Wh</b>" in page
    assert f"<b>{summary['slo']['attainment'] * 100:.1f} %</b>" in page
    scenario = (folder / "scenario.resolved.yaml").read_text(encoding="utf-8")
    assert scenario.split("\n")[0] in page
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert f"<td>vessim</td><td>{manifest['libraries']['vessim']}</td>" in page
    assert "<td>seed</td><td>1</td>" in page


@pytest.mark.parametrize(
    ("text", "there", "missing"),
    [
        (PLAIN, {"power", "soc", "energy-use"}, {"serving", "latency"}),
        (NO_BATTERY, {"power", "serving", "latency"}, {"soc"}),
    ],
    ids=["plain load", "no battery"],
)
def test_what_a_site_lacks_is_left_out(
    tmp_path: Path, text: str, there: set[str], missing: set[str]
) -> None:
    page = html(ran(text, tmp_path / "run"))
    found = set(charts(page))
    assert there <= found
    assert not missing & found
    assert ("<span>First token</span>" in page) == (text is not PLAIN)


def test_each_site_has_its_charts(runs: Runs) -> None:
    run = runs(SCENARIOS / "two_sites.yaml", "time.duration=30min", "coupling=native")
    found = charts(html(run.folder))
    for key in ("power", "serving", "latency", "energy-use", "carbon"):
        assert {f"{key}_california", f"{key}_oregon"} <= set(found)
    assert {"energy-use", "carbon"} <= set(found)  # of all
    assert "soc_california" in found
    assert "soc_oregon" not in found


def _sites(runs: Runs, tmp_path: Path) -> Iterator[RunTotals]:
    two = runs(SCENARIOS / "two_sites.yaml", "time.duration=30min", "coupling=native")
    yield from two.result.summary.sites.values()
    for name, text in (("plain", PLAIN), ("none", NO_BATTERY)):
        yield from read_summary(ran(text, tmp_path / name)).sites.values()


def test_causes_add_up(runs: Runs, tmp_path: Path) -> None:
    for site in _sites(runs, tmp_path):
        used = site.energy_kwh.facility
        assert sum(energy_uses(site).values()) == pytest.approx(used)
        sources = energy_sources(site)
        sources.pop("exported", None)
        assert sum(sources.values()) == pytest.approx(used)
        assert sum(carbon_sources(site).values()) == pytest.approx(site.carbon_g.total)


def test_a_failed_run_says_so_first(tmp_path: Path, cosim: Cli) -> None:
    controller = tmp_path / "bad.py"
    controller.write_text(
        "from controllers import Controller, SiteAction\n\n"
        "class Bad(Controller):\n"
        "    actuators = frozenset({'batch_cap'})\n"
        "    def reset(self, context): self.steps = 0\n"
        "    def step(self, observation):\n"
        "        self.steps += 1\n"
        "        return SiteAction(batch_cap=-1 if self.steps > 7 else 4)\n",
        encoding="utf-8",
    )
    page = html(ran(BASE, tmp_path / "run", f"controllers=[{{type: '{controller}:Bad'}}]"))
    header = page[: page.index("<nav>")]
    alarm = header.index("This run failed at step 7, 8 Jun 00:07 UTC.")
    assert alarm < header.index('class="cards"')
    assert "returned batch_cap=-1" in header
    assert len(data(page)["power"]["at"]) == 7


def test_a_run_that_failed_before_its_first_step(tmp_path: Path) -> None:
    controller = tmp_path / "bad.py"
    controller.write_text(
        "from controllers import Controller\n\n"
        "class Bad(Controller):\n"
        "    actuators = frozenset({'batch_cap'})\n"
        "    def reset(self, context): raise RuntimeError('no <licence>')\n"
        "    def step(self, observation): return None\n",
        encoding="utf-8",
    )
    folder = ran(BASE, tmp_path / "run", f"controllers=[{{type: '{controller}:Bad'}}]")
    page = html(folder)
    assert "This run failed at step 0" in page
    assert "no &lt;licence&gt;" in page
    assert charts(page) == []


def test_the_page_is_the_same_again(folder: Path, cosim: Cli) -> None:
    before = html(folder)
    assert cosim("report", folder).code == 0
    assert html(folder) == before


@pytest.mark.parametrize(("text", "kind"), [(BASE, "svg"), (PLAIN, "pdf")])
def test_figures(tmp_path: Path, cosim: Cli, text: str, kind: str) -> None:
    folder = ran(text, tmp_path / "run")
    answer = cosim("report", folder, "--figures", kind)
    assert answer.code == 0, answer.err
    files = [Path(line) for line in answer.out.splitlines()[1:]]
    assert [path.stem for path in files] == charts(html(folder))
    begins = b"%PDF" if kind == "pdf" else b"<svg"
    assert all(path.read_bytes().startswith(begins) for path in files)


def test_a_folder_with_figures_can_be_replaced(tmp_path: Path, cosim: Cli) -> None:
    folder = ran(BASE, tmp_path / "run", "time.duration=5min")
    assert cosim("report", folder, "--figures", "svg").code == 0
    ran(BASE, folder, "time.duration=5min")
    assert not (folder / "figures").exists()
    (folder / "figures").mkdir()
    (folder / "figures" / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"it holds figures/mine\.txt"):
        ran(BASE, folder, "time.duration=5min")


def test_what_is_no_result_folder(tmp_path: Path, cosim: Cli) -> None:
    answer = cosim("report", tmp_path)
    assert answer.code == 2
    assert answer.err.startswith(
        f"error: '{tmp_path}' is not a result folder: expected one with summary.json (cosim run), "
    )
    for kind in KINDS:
        assert f"{kind.marker} ({kind.command})" in answer.err
    answer = cosim("report", "nowhere")
    assert answer.code == 2
    assert answer.err == "error: 'nowhere' does not exist; expected a result folder\n"


@pytest.mark.parametrize("name", ["steps.parquet", "actions.parquet", "manifest.json"])
def test_a_damaged_folder_is_named(tmp_path: Path, folder: Path, name: str) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / name).write_bytes(b"{")
    with pytest.raises(CosimError, match=f"{name}' cannot be read"):
        folder_page(copy)


def test_a_year_at_a_minute_stays_small(tmp_path: Path, folder: Path) -> None:
    year = stretched(folder, tmp_path / "year", YEAR_STEPS)
    path = folder_page(year).write(year)
    assert path.stat().st_size < 5e6
    chart = data(html(year))["power"]
    load = next(one for one in chart["series"] if one["column"] == "facility_power_w")
    series = RunData.load(year).steps["dc"]["facility_power_w"]
    size = round(chart["width"] / 60)
    assert size == 1440
    edges = [round(at / 60) for at in chart["at"]] + [YEAR_STEPS]
    assert edges[1] == 7 * 60 + 1440  # midnight in California
    for k in (0, 1, 350, len(chart["at"]) - 1):
        mine = series[edges[k] : edges[k + 1]]
        assert size <= len(mine) < 2 * size
        assert load["low"][k] == np.nanmin(mine)
        assert load["high"][k] == np.nanmax(mine)
        assert load["mean"][k] == pytest.approx(np.nanmean(mine))
    assert sum(one["low"] is not None for one in chart["series"]) == len(chart["series"])
