"""The benchmarks run and print figures that can be; how fast is for ``--smoke`` to judge."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.__main__ import main
from benchmarks.cases import CASES, GROUPS, find
from benchmarks.measure import Measurement, bare_events_per_s
from benchmarks.work import CloseLoop, Report, Serve
from tests.samples import sizes

ROOT = Path(__file__).parents[1]
ONE = Measurement(
    seconds=2.0,
    requests=1000,
    simulated_s=600.0,
    bare_events_per_s=1e6,
    bare_events=2e6,
    peak_memory_mib=100.0,
)


@pytest.mark.parametrize(
    "names",
    sizes(
        ["engine.chunked", "start_up.help", "traces"],
        [],
        "smoke runs of all benchmarks, as in make smoke; every day three, and others at work",
    ),
)
def test_a_smoke_run_prints_every_case(names: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--smoke", "--repeat", "1", *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    assert bool(done.returncode) == ("is too slow" in done.stderr)
    rows = [re.split(r" *\| *", line)[1:-1] for line in done.stdout.splitlines() if "." in line]
    printed = {row[0]: row[2:] for row in rows if row and "." in row[0]}
    assert set(printed) == {case.title for case in find(names) if case.smoke}
    for title, cells in printed.items():
        values = [float(cell.replace(",", "")) for cell in cells]
        assert all(value > 0 and math.isfinite(value) for value in values), title
        assert 5 < values[-1] < 2000  # MiB


def test_serving_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "serving", "--smoke", "--repeat", "1"]) in (0, 1)
    figures = json.loads(capsys.readouterr().out)
    assert set(figures) == {"saturated", "stable"}
    for values in figures.values():
        assert set(values) == {"requests_per_s", "requests_per_bare_event", "bare_events_per_s"}
        ratio = values["requests_per_s"] / values["bare_events_per_s"]
        assert values["requests_per_bare_event"] == pytest.approx(ratio)
        assert 1e-4 < ratio < 10


def test_serving_serves_every_request() -> None:
    done = Serve(requests=200, rate_per_s=3.2, replicas=2).prepare()()
    assert done.requests == 200
    assert 200 / 3.2 * 0.7 < done.simulated_s < 200 / 3.2 * 1.3 + 60


@pytest.mark.filterwarnings("ignore:Implicitly cleaning up")  # a process of its own, elsewhere
@pytest.mark.parametrize("coupling", ["mosaik", "native"])
def test_the_loop_serves_every_request_and_is_reported(coupling: str) -> None:
    settings = (f"coupling={coupling}", "time.duration=10min")
    done = CloseLoop(settings).prepare()()
    assert done.requests > 0
    assert done.simulated_s == 600
    assert Report(settings).prepare()() == (0, 0.0)


def test_bare_simpy_is_measured() -> None:
    assert 1e4 < bare_events_per_s(1000) < 1e9


def test_what_is_derived() -> None:
    assert (ONE.requests_per_s, ONE.x_real_time, ONE.per_bare_event) == (500, 300, 0.0005)
    start = replace(ONE, requests=0, simulated_s=0.0)
    assert math.isnan(start.requests_per_s)
    assert math.isnan(start.x_real_time)
    assert start.per_bare_event == 1 / 2e6


def test_too_slow_is_below_the_floor() -> None:
    case = replace(CASES[0], floor=0.0005)
    assert report.too_slow({case: ONE}) == []
    (line,) = report.too_slow({replace(case, floor=0.001): ONE})
    assert line == (
        "serving.saturated is too slow: 0.0005 requests per bare event, at least 0.001 expected"
    )
    assert all(case.floor > 0 for case in CASES if case.smoke)


def test_names() -> None:
    assert find([]) == list(CASES)
    assert [case.title for case in find(["serving", "serving.stable", "loop.native"])] == [
        "serving.saturated",
        "serving.stable",
        "loop.native",
    ]
    with pytest.raises(ValueError, match="no benchmark 'servin'; known: serving, engine"):
        find(["servin"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["servin"],
        ["loop", "--json", "serving"],
        ["--json", "x"],
        ["--repeat", "0"],
        ["loop", "--write-docs"],
        ["--smoke", "--write-docs"],
        ["requests", "--smoke"],
    ],
)
def test_a_wrong_call_is_an_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert capsys.readouterr().out == ""


def test_the_page_shows_every_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is renewed between its markers only."""
    page = report.PAGE.read_text(encoding="utf-8")
    assert re.findall(r"^\| (\w+\.\w+) ", page, re.M) == [case.title for case in CASES]
    copy = tmp_path / "page.md"
    copy.write_text(page, encoding="utf-8")
    monkeypatch.setattr(report, "PAGE", copy)
    report.write_docs(dict.fromkeys(CASES, ONE))
    renewed = copy.read_text(encoding="utf-8")
    assert renewed != page
    assert renewed.split("<!-- benchmarks: begin")[0] == page.split("<!-- benchmarks: begin")[0]
    assert renewed.split("benchmarks: end -->")[1] == page.split("benchmarks: end -->")[1]
    assert list(dict.fromkeys(case.group for case in CASES)) == list(GROUPS)
