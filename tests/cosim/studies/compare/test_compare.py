"""Runs side by side: the same figures as elsewhere, and nothing compared in silence."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cosim.errors import ScenarioError
from cosim.report.run_data import RunData
from cosim.results.totals import TokenCounts
from cosim.studies.compare.alike import OTHER_WORK, cautions, in_words, why_no_saving
from cosim.studies.compare.compare import Comparison, compare, compare_folders
from cosim.studies.compare.compared_run import ComparedRun
from cosim.studies.compare.measures import EQUAL_WORK, Measure, measures
from cosim.studies.compare.names import unique_names
from cosim.studies.compare.overlay import TimeCharts, bucket_width_s
from cosim.studies.compare.settings import differing_settings
from cosim.studies.compare.table import figures_table
from cosim.studies.evaluate.statistics import BATTERY, FAILED, LEFT_WORK, MISSED
from cosim.studies.runs.figures import RunFigures
from cosim.studies.runs.measure import run_figures
from cosim.world.plan import load_plan
from tests.conftest import Cli
from tests.cosim.builders import BASE
from tests.cosim.report.folders import PLAIN, ran, stretched
from tests.cosim.studies.compare.runs import COMMON, SETTINGS, three_runs


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return three_runs(tmp_path_factory.mktemp("compare"))


@pytest.fixture(scope="module")
def comparison(folders: list[Path]) -> Comparison:
    return compare_folders(folders)


def measure(comparison: Comparison, column: str) -> Measure:
    return next(row for row in comparison.measures if row.column == column)


def test_names_are_unique() -> None:
    paths = [Path("/a/x/run"), Path("/a/y/run"), Path("/b/y/run"), Path("/a/other")]
    assert unique_names(paths) == ["x/run", "a/y/run", "b/y/run", "other"]


def test_figures_are_those_that_studies_take_from_a_run(
    folders: list[Path], comparison: Comparison
) -> None:
    """Which measure a run in memory, not its folder: a saving is the same in both."""
    for number, (name, settings) in enumerate(SETTINGS.items()):
        scenario = folders[0].parent / f"{name}.yaml"
        expected = run_figures(load_plan(scenario, (*COMMON, *settings)))
        own = comparison.runs[number].figures
        for field in ("import_g", "stored_g", "left_g", "equal_work_g"):
            assert getattr(own, field) == pytest.approx(getattr(expected, field), abs=1e-9), field
        for field in ("attainment", "late_by_class", "left_by_class", "completed", "load_state"):
            assert getattr(own, field) == getattr(expected, field), field
        cycles = measure(comparison, "battery_cycles").values[number]
        assert cycles == pytest.approx(expected.battery_cycles)
        assert measure(comparison, "import_cost_usd").values[number] == pytest.approx(expected.cost)


def test_latencies_are_those_of_the_requests(folders: list[Path], comparison: Comparison) -> None:
    requests = pd.read_parquet(folders[1] / "requests.parquet")
    done = requests[requests["outcome"] == "completed"]
    ttft = done["first_token_s"] - done["arrival_s"]
    batch = ttft[done["class"] == "batch"]
    for column, expected in (
        ("ttft_p50_s", ttft.quantile(0.5)),
        ("ttft_p99_s", ttft.quantile(0.99)),
        ("ttft_p99_batch_s", batch.quantile(0.99)),
        (
            "e2e_p50_chat_s",
            (done["finish_s"] - done["arrival_s"])[done["class"] == "chat"].median(),
        ),
    ):
        assert measure(comparison, column).values[1] == pytest.approx(expected), column
    columns = [row.column for row in comparison.measures]
    assert {f"{key}_p{p}_s" for key in ("ttft", "tpot", "e2e") for p in (50, 99)} <= set(columns)


def test_the_table_has_a_row_for_each_run(comparison: Comparison) -> None:
    table = comparison.table
    assert list(table.index) == ["plain", "windows", "large"]
    own = table["operational_carbon_at_equal_work_kg"]
    assert np.isnan(table.loc["plain", "saving"])
    if not table.loc["windows", "no_saving"]:
        assert table.loc["windows", "saving"] == pytest.approx(1 - own["windows"] / own["plain"])
    assert all(re.search(r"_(kg|kwh|s|g|j|wh|usd)$|^[a-z_0-9]+$", name) for name in table.columns)


@pytest.mark.parametrize(
    ("kind", "values", "shown"),
    [
        ("amount", (100.0, 90.0), "-10.0 %"),
        ("amount", (100.0, 100.0), "same"),
        ("amount", (1.0, 12_345.0), "over × 1,000"),
        ("amount", (-2.0, -1.0), "+50.0 %"),
        ("amount", (0.0, 1.0), ""),
        ("amount", (None, 1.0), ""),
        ("share", (1.0, 0.9), "-10.0 points"),
        ("plain", (1.0, 2.0), ""),
    ],
)
def test_differences(kind: str, values: tuple[float | None, ...], shown: str) -> None:
    row = Measure("", "", "", values, str, kind)  # type: ignore[arg-type]
    assert row.difference(1, 0) == shown
    assert row.difference(0, 0) == ""


def test_prompt_tokens_by_where_they_came_from(comparison: Comparison) -> None:
    """Where any run found or loaded some; a dash for a run whose engines cache no prefixes."""
    base = comparison.runs[0]
    assert base.serving is not None
    assert not any("prompt" in row.column for row in comparison.measures)

    def other(name: str, **tokens: int) -> ComparedRun:
        assert base.serving is not None
        counts = TokenCounts(prompt=9, output=9, **tokens)
        return replace(base, name=name, totals=replace(base.serving, tokens=counts))

    none, off = other("none", prefilled=4000, cached=0), other("off")
    found = other("found", prefilled=1000, cached=3000)
    loaded = other("loaded", prefilled=1000, cached=1000, loaded=2000)
    assert not any("prompt" in row.column for row in measures([none, off]))
    rows = {row.column: row for row in measures([none, off, found, loaded])}
    assert {
        rows[f"prompt_tokens_{name}"].title: [
            rows[f"prompt_tokens_{name}"].text(k) for k in range(4)
        ]
        for name in ("computed", "found", "loaded")
    } == {
        "prompt tokens computed": ["4,000", "–", "1,000", "1,000"],
        "found in KV caches": ["0", "–", "3,000", "1,000"],
        "loaded from host memory": ["–", "–", "–", "2,000"],
    }
    assert rows["prompt_tokens_computed"].difference(2, 0) == "-75.0 %"
    assert "prompt_tokens_loaded" not in {row.column for row in measures([none, found])}


def test_settings_that_differ(comparison: Comparison) -> None:
    assert {setting.path: list(setting.values) for setting in comparison.settings} == {
        "sites.dc.microgrid.battery.capacity_wh": ["100", "100", "400"],
        "controllers.0": ["–", "{type: clean_windows}", "–"],
    }
    scenarios = [
        {"name": "a", "seed": 1, "workload": {"classes": [{"name": "x", "share": 0.5}]}},
        {"name": "b", "seed": 2, "workload": {"classes": [{"name": "x", "share": 1.0}]}},
    ]
    assert {setting.path: setting.values for setting in differing_settings(scenarios)} == {
        "seed": ["1", "2"],
        "workload.classes.x.share": ["0.5", "1"],
    }


def edited(run: ComparedRun, name: str = "other", **figures: object) -> ComparedRun:
    """The run with other figures."""
    changed: RunFigures = replace(run.figures, **figures)  # type: ignore[arg-type]
    return replace(run, name=name, figures=changed)


def test_a_saving_needs_equal_work(comparison: Comparison) -> None:
    base = comparison.runs[0]
    assert why_no_saving(base, base) == ""
    assert list(cautions(base, base)) == []
    for reason, word, short, figures in (
        (LEFT_WORK, "Left work", "not the same work", {"left_by_class": {"chat": 0.5}}),
        (MISSED, "Missed objectives", "SLOs missed", {"late_by_class": {"batch": 0.5}}),
        (BATTERY, "Battery content", "mostly battery", {}),
        (FAILED, "", "not the same work", {"failure": "broke"}),
    ):
        if reason == BATTERY:  # the batteries gave more than all that is saved
            figures = {"stored_g": base.figures.stored_g - 10.0}
        other = edited(base, **figures)
        assert why_no_saving(other, base) == reason
        assert any(word in text for text in in_words(cautions(other, base))) or not word, reason
        row, plain, *_ = measures([base, other])
        assert row.column == EQUAL_WORK
        assert row.difference(1, 0) == f"– {short}"
        assert row.difference(0, 0) == ""
        assert short not in plain.difference(1, 0)
        beside = Comparison([base, other], 0, [row, plain], [])
        assert np.isnan(beside.table.loc["other", "saving"])
        assert f"no saving: {short}" in beside.against(0).sentences[0]
    left = edited(base, left_by_class={"chat": 0.5})
    assert measures([left, base])[0].difference(1, 0) == "– not the same work"
    assert "Did work that other left: plain." in in_words(cautions(base, left))[0]
    assert any("other draws" in text for text in in_words(cautions(edited(base, seed=9), base)))


def test_a_warning_names_all_runs_that_it_holds_for(comparison: Comparison) -> None:
    base = comparison.runs[0]
    others = [edited(base, f"seed {seed}", seed=seed) for seed in (2, 3)]
    beside = Comparison([base, *others], 0, [], [])
    assert list(beside.against(0).warnings) == [
        f"Another seed than plain ({base.figures.seed}): seed 2 (2), seed 3 (3). Part of the "
        "difference is due to other draws."
    ]


def test_equal_figures_stand_once(folders: list[Path], comparison: Comparison) -> None:
    """Where nothing is corrected, the two rows of operational carbon are one; not in files."""
    base = comparison.runs[0]
    once = edited(base, stored_g=0.0, left_g=0.0, import_g=base.totals.carbon_g.import_)
    beside = Comparison([once, replace(once, name="again")], 0, measures([once, once]), [])
    for brief in (False, True):
        titles = [line[0].strip() for line in figures_table(beside, brief=brief).lines]
        assert sum("operational" in title and "embodied" not in title for title in titles) == 1
    assert {EQUAL_WORK, "operational_carbon_kg"} <= set(beside.table.columns)
    assert 'data-column="operational_carbon_kg" hidden>' in beside.page().html()
    assert 'data-column="operational_carbon_kg">' in compare_folders(folders[:2]).page().html()


def test_other_work_is_not_compared_in_silence(tmp_path: Path, folders: list[Path]) -> None:
    longer = ran(BASE, tmp_path / "longer", *COMMON, "time.duration=21min", "controllers=[]")
    load = ran(PLAIN, tmp_path / "load")
    comparison = compare_folders([folders[0], longer, load])
    against = comparison.against(0)
    assert list(against.reasons) == ["", OTHER_WORK, OTHER_WORK]
    text = " ".join(against.warnings)
    for words in (
        "Another length than plain (20 min): longer (21 min)",
        "Serves no requests, unlike plain: load.",
    ):
        assert words in text
    for row in comparison.measures:
        assert ("same work" in row.difference(1, 0)) == (row.column == EQUAL_WORK)
    assert comparison.to_dict()["runs"][1]["no_saving"] == OTHER_WORK
    page = comparison.page().html()
    assert "Serves no requests, unlike plain: load." in page
    assert "20 min to 21 min from 8 Jun 2022" in page


def test_runs_that_cannot_be_compared(folders: list[Path]) -> None:
    data = RunData.load(folders[0])
    with pytest.raises(ScenarioError, match="at least two runs"):
        compare({"one": data})
    with pytest.raises(ScenarioError, match=r"'tow' is none of the runs.*two"):
        compare({"one": data, "two": data}, "tow")
    nothing = replace(data, summary=replace(data.summary, totals=None, sites={}))
    with pytest.raises(ScenarioError, match="'two' cannot be compared: it failed before"):
        compare({"one": data, "two": nothing})
    nine = compare({f"run {k}": data for k in range(9)})
    assert len(nine.table) == 9
    with pytest.raises(ScenarioError, match="at most 8 runs"):
        nine.page()
    with pytest.raises(ScenarioError, match=r"plain' is given twice"):
        compare_folders([folders[0], folders[0]])


def test_the_command(folders: list[Path], cosim: Cli, tmp_path: Path) -> None:
    answer = cosim("compare", *folders, "--baseline", folders[2], "--csv", "out.csv")
    assert answer.code == 0, answer.err
    assert "against large" in answer.out
    assert re.search(r"requests completed +\d+ +same", answer.out)
    assert (folders[0].parent / "comparison.html").is_file()
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["run"] for row in rows] == ["plain", "windows", "large"]

    answer = cosim("compare", *folders[:2], "--json", "-o", "two.html")
    content = json.loads(answer.out)
    assert [run["name"] for run in content["runs"]] == ["plain", "windows"]
    assert content["settings"]["controllers.0"]["plain"] == "–"
    assert (tmp_path / "two.html").is_file()

    copies = [Path(shutil.copytree(folders[0], tmp_path / f"copy{k}")) for k in range(9)]
    answer = cosim("compare", *copies, "-o", "nine.html")
    assert answer.code == 0
    assert "No page: one shows at most 8 runs" in answer.err
    assert "copy8" in answer.out
    assert not (tmp_path / "nine.html").exists()


def test_a_report_beside_a_baseline(folders: list[Path], cosim: Cli, tmp_path: Path) -> None:
    """The run's own report stays as it is; the other page has all that sets the two apart."""
    own = Path(shutil.copytree(folders[1], tmp_path / "windows"))
    before = (own / "report.html").read_bytes()
    answer = cosim("report", own, "--baseline", folders[0], "--figures", "svg")
    assert answer.code == 0, answer.err
    assert answer.out.splitlines()[:2] == [f"{own}/report.html", f"{own}/comparison.html"]
    assert (own / "report.html").read_bytes() == before
    page = (own / "comparison.html").read_text(encoding="utf-8")
    assert re.search("windows against plain: operational carbon .* no saving: mostly battery", page)
    assert "than plain" in page
    assert "plain: " in page[page.index('id="chart-carbon"') :]
    assert (own / "figures" / "comparison-cumulative.svg").is_file()
    scenario = folders[1].parent / "windows.yaml"
    assert cosim("run", scenario, "--quiet", "-o", own).code == 0  # which replaces all of it
    assert not (own / "comparison.html").exists()


@pytest.mark.parametrize(
    ("steps_s", "duration_s", "most", "expected"),
    [
        ([60], 3600, 60, 60),
        ([60], 3601, 60, 120),
        ([300], 86400 * 365, 366, 86400),
        ([60, 90], 7200, 10, 900),
        ([7], 700, 50, 14),
    ],
)
def test_buckets_are_whole_steps_of_all_runs(
    steps_s: list[float], duration_s: float, most: int, expected: float
) -> None:
    assert bucket_width_s(steps_s, duration_s, most) == expected


def test_charts_show_means_and_sums_of_the_steps(
    folders: list[Path], comparison: Comparison
) -> None:
    steps = pd.read_parquet(folders[1] / "steps.parquet")
    wide = TimeCharts(comparison.runs, 120.0)
    charts = {chart.key: chart for chart in wide.charts("dc", "")}
    load = charts["load"].panels[0].series[1].y
    expected = steps["facility_power_w"].to_numpy().reshape(-1, 2).mean(axis=1)
    assert load == pytest.approx(expected, rel=1e-6)
    emitted = charts["cumulative"].panels[0].series[1].y
    assert emitted[-1] == pytest.approx(comparison.runs[1].totals.carbon_g.import_, rel=1e-6)
    assert {"intensity", "import", "load", "soc", "queue", "ttft", "rate", "cumulative"} == set(
        charts
    )


def test_eight_long_runs_at_three_sites_make_a_page_of_bounded_size(
    tmp_path: Path, folders: list[Path]
) -> None:
    long = RunData.load(stretched(folders[0], tmp_path / "long", 12_000, sites=3))
    page = compare({f"run {k}": long for k in range(8)}).page().html()
    assert len(page) < 3_000_000
    assert "Each value is the mean of" in page


@pytest.mark.parametrize("options", [(), ("--wide",)])
def test_many_runs_keep_to_a_width_with_their_differences(
    options: tuple[str, ...], folders: list[Path], cosim: Cli, tmp_path: Path
) -> None:
    runs = [tmp_path / f"{folders[k % 3].name}-{k}" for k in range(8)]
    for k, run in enumerate(runs):
        shutil.copytree(folders[k % 3], run)
    answer = cosim("compare", *runs, "--brief", "-o", tmp_path / "page.html", *options)
    assert answer.code == 0, answer.err
    tables = [line for line in answer.out.splitlines() if line.startswith("against ")]
    widest = max(map(len, answer.out.splitlines()[:-1]))
    assert (len(tables) == 1) == (widest > 120) == bool(options)
    # A part begins with a run, not with the differences of the last one above.
    starts = [re.split(r" {2,}", line)[1] for line in tables]
    names = [name for line in tables for name in re.split(r" {2,}", line.strip())[1:]]
    assert len(names) == len(set(names)) == 8
    assert set(starts) <= set(names)
    carbon = [line for line in answer.out.splitlines() if line.startswith("carbon, operational  ")]
    assert len(carbon) == len(tables)
    assert all("%" not in re.split(r" {2,}", line)[1] for line in carbon)
