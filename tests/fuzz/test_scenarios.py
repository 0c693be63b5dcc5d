"""Any scenario is taken, or refused in words that say where; whatever is taken runs and adds up."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cosim.errors import ScenarioError
from cosim.scenario.schema import scenario_schema
from cosim.studies.runs.execute import execute
from cosim.world.plan import load_plan
from tests.cosim.builders import BASE, SCENARIOS, Ran
from tests.fuzz.calls import Hang, called, check_answer, limited
from tests.fuzz.mutations import as_yaml, damaged, mutated, valid
from tests.samples import by_profile

DAILY_FILES, NIGHTLY_FILES = 60, 20_000
DAILY_RUNS, NIGHTLY_RUNS = 6, 300
STEPS = 5
"""Of a short run."""
SCHEMA = scenario_schema()


class _Loader(yaml.SafeLoader):
    """Leaves times as they are written."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(text: str) -> Any:
    return yaml.load(text, _Loader)  # noqa: S506 - a subclass of the safe one


ORIGINALS = [read(BASE)] + [
    read(path.read_text(encoding="utf-8")) for path in sorted(SCENARIOS.glob("*.yaml"))
]


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the files that the scenarios name, as the working folder."""
    place = tmp_path_factory.mktemp("fuzz") / "scenarios"
    shutil.copytree(SCENARIOS, place)
    before = Path.cwd()
    os.chdir(place)
    yield place
    os.chdir(before)


def documents() -> st.SearchStrategy[Any]:
    return st.sampled_from(ORIGINALS).flatmap(lambda one: mutated(one, SCHEMA)) | valid(
        SCHEMA, SCHEMA
    )


QUICK = settings(
    max_examples=by_profile(DAILY_FILES, NIGHTLY_FILES),
    suppress_health_check=list(HealthCheck),
    database=None,
)


@QUICK
@given(documents().map(as_yaml) | st.sampled_from(ORIGINALS).map(as_yaml).flatmap(damaged))
def test_any_scenario_is_taken_or_refused_with_its_place(text: str) -> None:
    Path("s.yaml").write_text(text, encoding="utf-8", newline="")
    check_answer(called("validate", "s.yaml"))


@settings(QUICK, max_examples=by_profile(DAILY_RUNS, NIGHTLY_RUNS))
@given(st.sampled_from(ORIGINALS).flatmap(lambda one: mutated(one, SCHEMA, gentle=True)))
def test_whatever_is_taken_runs_and_adds_up(document: Any) -> None:
    assume(isinstance(document.get("time"), dict))
    step = document["time"].get("step", "60s")
    assume(isinstance(step, str) and step.endswith("s"))
    document = {key: value for key, value in document.items() if key != "evaluation"}
    document["time"] = {"start": document["time"].get("start"), "step": step}
    document["time"]["duration"] = f"{STEPS * float(step[:-1]):g}s"
    document["coupling"] = "native"
    Path("s.yaml").write_text(as_yaml(document), encoding="utf-8")
    shutil.rmtree("out", ignore_errors=True)
    try:
        with limited():
            plan = load_plan(Path("s.yaml"))
            plan.check_resets()
            ran = Ran(execute(plan, Path("out")), Path("out"))
    except (ScenarioError, Hang):  # a large one is run elsewhere
        assume(False)
    check_run(ran)


def check_run(ran: Ran) -> None:
    """Check that a run came to its end, and the invariants that its files can show."""
    assert ran.result.run.failure is None
    assert ran.summary["time"]["steps"] == STEPS
    assert len(ran.steps) == STEPS * len(ran.summary["sites"])
    steps, hours = ran.steps, ran.summary["time"]["step_s"] / 3600
    assert ran.summary["status"] == "completed"
    for site in ran.result.run.plan.sites:
        mine = steps[steps["site"] == site.name]
        supply_w = mine["solar_w"] + mine["import_w"]
        use_w = mine["facility_power_w"] + mine["battery_power_w"] + mine["export_w"]
        assert np.allclose(supply_w, use_w, rtol=1e-9, atol=1e-6)
        powers = mine[["facility_power_w", "solar_w", "import_w", "export_w"]]
        assert (powers >= 0).all(axis=None)
        assert (mine[["import_w", "export_w"]].min(axis=1) == 0).all()
        battery = site.config.microgrid.battery
        if battery is not None:
            assert mine["battery_soc"].between(battery.min_soc - 1e-9, 1 + 1e-9).all()
        section = ran.summary["sites"][site.name]
        energy, carbon = section["energy_kwh"], section["carbon_g"]
        for key, column in (("facility", "facility_power_w"), ("import", "import_w")):
            assert energy[key] == pytest.approx(mine[column].sum() * hours / 1000, rel=1e-9)
        grams = (mine["import_w"] * mine["carbon_intensity_g_per_kwh"]).sum() * hours / 1000
        assert carbon["import"] == pytest.approx(grams, rel=1e-9, abs=1e-9)
        assert carbon["total"] == carbon["import"] + carbon["embodied"]
        if "requests" not in section:
            continue
        requests = ran.requests[ran.requests["site"] == site.name]
        counts = section["requests"]
        assert len(requests) == counts["arrived"] == mine["arrived"].sum()
        for outcome in ("completed", "rejected", "waiting", "running"):
            assert (requests["outcome"] == outcome).sum() == counts[outcome]
        assert sorted(requests["request_id"]) == list(range(len(requests)))
        times = requests[["arrival_s", "admitted_s", "scheduled_s", "first_token_s", "finish_s"]]
        for earlier, later in zip(times.columns, times.columns[1:], strict=False):
            both = times[[earlier, later]].dropna()
            assert (both[earlier] <= both[later]).all()
        assert (requests["generated_tokens"] <= requests["output_tokens"]).all()
        assert (requests["gpu_energy_j"] >= 0).all()
        idle_j = (mine["gpu_power_w"] - mine["attributed_power_w"]).sum() * hours * 3600
        spent_j = requests["gpu_energy_j"].sum() + idle_j
        assert spent_j == pytest.approx(energy["gpu"] * 3.6e6, rel=1e-9, abs=1e-6)
        share = section["slo"]["attainment"]
        assert share is None or 0 <= share <= 1
