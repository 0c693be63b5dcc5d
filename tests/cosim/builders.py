"""A small scenario to start from, runs of scenarios, and controllers written to files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cosim.studies.runs.execute import Result, execute
from cosim.world.plan import load_plan

REPOSITORY = Path(__file__).parents[2]
SCENARIOS = REPOSITORY / "scenarios"
DATA = REPOSITORY.parent / "shared" / "data"

BASE = """\
name: base
seed: 1
time:
  start: 2022-06-08T00:00:00Z
  duration: 20min
  step: 60s
workload:
  arrivals: {type: poisson, rate_per_s: 0.5}
  lengths: {type: fixed, prompt_tokens: 200, output_tokens: 40}
sites:
  - name: dc
    location: {latitude: 37.87, longitude: -122.27}
    cluster:
      model: meta-llama/Meta-Llama-3-8B
      gpu: h100-sxm-80gb
    microgrid:
      carbon_intensity: {type: typical_day, area: CISO}
      solar: {type: clear_sky, peak_power_w: 600}
      battery: {type: clc, capacity_wh: 100, initial_soc: 0.8, min_soc: 0.2}
controllers:
  - {type: carbon_threshold, high_g_per_kwh: 270, low_g_per_kwh: 200}
coupling: native
"""
"""A scenario of twenty steps that runs in a fraction of a second."""


def edited(*changes: tuple[str, str]) -> str:
    """The base scenario with pieces of its text replaced."""
    text = BASE
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def controlled(*entries: str) -> str:
    """The base scenario with other controllers, one entry each."""
    head, tail = BASE.split("controllers:\n")
    coupling = tail.splitlines()[-1]
    listed = "".join(f"  - {entry}\n" for entry in entries)
    return f"{head}controllers:\n{listed}{coupling}\n" if entries else f"{head}{coupling}\n"


def write(path: str | Path, text: str) -> Path:
    Path(path).write_text(text, encoding="utf-8")
    return Path(path)


def data_file(name: str) -> Path:
    """A file from a real source; such files may not be shipped, so it may be missing."""
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"the data file {name} is not here")
    return path


@dataclass(frozen=True)
class Ran:
    """A run and its result folder."""

    result: Result
    folder: Path

    @cached_property
    def summary(self) -> dict[str, Any]:
        summary: dict[str, Any] = json.loads((self.folder / "summary.json").read_text())
        return summary

    @cached_property
    def steps(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "steps.parquet")

    @cached_property
    def actions(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "actions.parquet")

    @cached_property
    def requests(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "requests.parquet")

    def column(self, name: str, site: str | None = None) -> np.ndarray:
        """A column of the steps, of one site where there are several."""
        steps = self.steps if site is None else self.steps[self.steps["site"] == site]
        return steps[name].to_numpy()

    def final_soc(self, site: str) -> float:
        return self.result.run.recorder.sites[site].final_soc

    def without_wall(self) -> dict[str, Any]:
        return {key: value for key, value in self.summary.items() if key != "wall"}


def run_scenario(path: Path, out: Path, *overrides: str) -> Ran:
    """Run a scenario file into `out`; a run that fails is returned like any other."""
    return Ran(execute(load_plan(path, overrides), out), out)


def run_text(folder: Path, text: str, *overrides: str) -> Ran:
    """Run a scenario given as text, written into `folder`; each run has results of its own."""
    out = folder / f"out{len(list(folder.glob('out*')))}"
    return run_scenario(write(folder / "s.yaml", text), out, *overrides)


CONTROLLER = """\
from controllers import Controller, SiteAction


class Mine(Controller):
    actuators = frozenset({actuators})

    def reset(self, context):
        self.seen = []

    def step(self, observation):
        self.seen.append(observation)
        step = observation.step
        {body}
"""


def write_controller(folder: Path, body: str, actuators: str = '{"batch_cap"}') -> str:
    """Write a controller whose step ends with the statement `body`; return its entry."""
    write(folder / "mine.py", CONTROLLER.replace("{actuators}", actuators).replace("{body}", body))
    return "{type: './mine.py:Mine'}"
