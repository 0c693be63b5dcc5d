"""The trace of a run: it holds what the run did, and changes nothing."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cosim.results.chrome_trace import traced
from cosim.studies.runs.execute import Result, execute
from cosim.world.plan import load_plan
from tests.conftest import Cli
from tests.cosim.builders import BASE, controlled, edited, run_text, write, write_controller

CONTROLLED = edited(
    ("rate_per_s: 0.5", "rate_per_s: 8"),
    ("high_g_per_kwh: 270, low_g_per_kwh: 200", "high_g_per_kwh: 90, low_g_per_kwh: 80"),
)
Events = list[dict[str, Any]]


def run_traced(folder: Path, text: str, *overrides: str) -> tuple[Result, Events]:
    plan = load_plan(write(folder / "s.yaml", text), overrides)
    path, out = folder / "trace.json", folder / "out"
    with traced(path, out) as trace:
        result = execute(plan, out, observers=[trace])
    events: Events = json.loads(path.read_text())["traceEvents"]
    return result, events


def of(events: Events, phase: str) -> Events:
    return [event for event in events if event["ph"] == phase]


def names(events: Events, what: str) -> dict[tuple[int, int], str]:
    return {
        (event["pid"], event["tid"]): event["args"]["name"]
        for event in of(events, "M")
        if event["name"] == what
    }


@pytest.mark.parametrize("coupling", ["native", "mosaik"])
def test_it_holds_what_the_run_did(tmp_path: Path, coupling: str) -> None:
    result, events = run_traced(tmp_path, CONTROLLED, f"coupling={coupling}")
    assert list(names(events, "process_name").values()) == ["dc", "dc replica 0"]
    assert names(events, "thread_name") == {(2, 1): "engine"}

    (engine,) = result.run.clusters["dc"].engines
    slices = of(events, "X")
    assert {event["cat"] for event in slices} >= {"decode", "mixed"}
    assert sum(event["args"]["iterations"] for event in slices) == engine.meter.iterations
    assert max(event["args"]["batch"] for event in slices) == engine.meter.batch_max
    for event in slices:
        assert event["name"] == f"{event['cat']} of {event['args']['batch']}"

    record = result.run.recorder.sites["dc"]
    counted = defaultdict(list)
    for event in of(events, "C"):
        assert event["pid"] == 1
        counted[event["name"]].append((event["ts"], event["args"]))
    power = [args["facility"] for _, args in counted["power [W]"]]
    assert power == record.column("facility_power_w").tolist()
    assert [at for at, _ in counted["power [W]"]] == [60e6 * step for step in range(20)]
    running = [args["running"] for _, args in counted["running [requests]"]]
    assert running == record.column("running").tolist()
    queue = [args["gateway"] for _, args in counted["queue [requests]"]]
    assert queue == record.column("gateway_waiting").tolist()

    changes = result.run.host.changes
    instants = of(events, "i")
    assert changes
    assert [event["ts"] for event in instants] == [change.time_s * 1e6 for change in changes]
    assert instants[0]["name"].startswith("admission_rate unlimited -> ")
    assert instants[0]["args"]["controller"] == "carbon_threshold"


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("sites.0.cluster.replicas=3",),
        ("sites.0.cluster.pipeline_parallel=2", "workload.arrivals.rate_per_s=2"),
    ],
)
def test_slices_on_a_thread_follow_each_other(tmp_path: Path, settings: tuple[str, ...]) -> None:
    """To the nanosecond, for a viewer takes overlapping slices for nested ones."""
    result, events = run_traced(tmp_path, CONTROLLED, *settings)
    by_thread = defaultdict(list)
    for event in of(events, "X"):
        by_thread[event["pid"], event["tid"]].append(event)
    assert set(by_thread) == set(names(events, "thread_name"))
    busy_us = 0.0
    for slices in by_thread.values():
        slices.sort(key=lambda event: event["ts"])
        for one, other in pairwise(slices):
            assert round((one["ts"] + one["dur"]) * 1000) <= round(other["ts"] * 1000)
        assert slices[-1]["ts"] + slices[-1]["dur"] <= 1200e6
        busy_us += sum(event["dur"] for event in slices)
    stages = len(by_thread)
    busy_fraction = result.summary.totals.gpu.busy_fraction
    assert busy_us / stages / 1200e6 == pytest.approx(busy_fraction, abs=5e-3)  # the last ones


def test_it_changes_nothing(tmp_path: Path) -> None:
    result, _ = run_traced(tmp_path, CONTROLLED)
    plain = run_text(tmp_path, CONTROLLED)
    assert {**result.summary.to_dict(), "wall": 0} == {**plain.summary, "wall": 0}
    (engine,) = plain.result.run.clusters["dc"].engines
    assert engine.meter.on_record is None


def test_a_plain_load_has_its_power(tmp_path: Path) -> None:
    text = controlled().split("    cluster:")[0].split("workload:")
    microgrid = BASE.split("    microgrid:")[1].split("controllers:")[0]
    site = "sites:" + text[1].split("sites:")[1]
    load = f"{text[0]}{site}    load: {{type: constant, power_w: 100}}\n    microgrid:{microgrid}"
    _, events = run_traced(tmp_path, load)
    assert [event["args"] for event in of(events, "C")] == [{"facility": 100.0}] * 20
    assert not of(events, "X")


def test_a_run_that_fails_leaves_a_whole_trace(tmp_path: Path) -> None:
    entry = write_controller(
        tmp_path, 'return {"dc": 1} if step == 5 else SiteAction(batch_cap=9 - step)'
    )
    result, events = run_traced(tmp_path, controlled(entry))
    assert result.summary.status == "failed"
    assert len([event for event in of(events, "C") if "power" in event["name"]]) == 5
    assert [event["name"] for event in of(events, "i")][-1] == "batch_cap 6 -> 5"


# The command line


def test_the_option(cosim: Cli) -> None:
    write("s.yaml", BASE)
    answer = cosim("run", "s.yaml", "--quiet", "--chrome-trace", "trace.json")
    assert (answer.code, answer.out, answer.err) == (0, "", "")
    plain = Path("trace.json").read_bytes()
    assert cosim("run", "s.yaml", "--quiet", "--chrome-trace", "trace.json.gz").code == 0
    assert gzip.decompress(Path("trace.json.gz").read_bytes()) == plain


@pytest.mark.parametrize(
    ("file", "said"),
    [("results/base/t.json", "in the folder of results"), ("no/t.json", "cannot be written")],
)
def test_a_file_that_cannot_be_written_is_refused(cosim: Cli, file: str, said: str) -> None:
    write("s.yaml", BASE)
    answer = cosim("run", "s.yaml", "--chrome-trace", file)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert not Path("results").exists()
