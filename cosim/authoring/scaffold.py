"""A new controller: its file, its test and a scenario, all of which work as they are."""

from __future__ import annotations

import keyword
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from string import Template

from cosim.errors import ScenarioError

POLICY = Template('''\
"""Controller `$name`: releases deferrable requests while the grid is clean."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from controllers import Controller, SiteAction, SiteContext, SiteObservation


class $class_name(Controller):
    """Releases deferrable requests while the grid is clean for the day ahead.

    Args:
        share: Share of the mean intensity forecast for the day up to which the grid is clean.
    """

    # What it may set, and what it gets forecasts of. `cosim controllers show` a built-in one to see
    # others; all that it sees is in controllers.SiteObservation.
    actuators = frozenset({"deferrable_rate"})
    forecasts = frozenset({"carbon_intensity"})

    # Parameters are keyword-only. A scenario is checked against their types and bounds.
    def __init__(
        self,
        *,
        share: Annotated[
            float, Field(gt=0, description="share of the day's mean up to which it is clean")
        ] = 1.0,
    ) -> None:
        self.share = share

    # Called before a run. Whatever changes in the run must start here.
    def reset(self, context: SiteContext) -> None:
        # Half of what the site can do leaves room for requests that may not wait.
        self.rate_per_s = 0.5 * context.limits["deferrable_rate"].maximum

    # Called before each step; what it sets holds from this step on. A deadline wins over it.
    def step(self, observation: SiteObservation) -> SiteAction:
        now = observation.carbon_intensity_g_per_kwh
        mean = float(observation.forecasts["carbon_intensity"].mean.mean())
        clean = now <= self.share * mean
        return SiteAction(
            deferrable_rate_per_s=self.rate_per_s if clean else 0.0,
            reason=f"{now:.0f} g/kWh, {mean:.0f} in the mean of the day ahead",
        )
''')

TEST = Template('''\
"""Tests of the controller in $name.py: ``pytest test_$name.py``."""

from __future__ import annotations

from pathlib import Path

import pytest

from controllers import resolve
from controllers.conformance import check_controller
from controllers.example import example_context, example_observation

$class_name = resolve("./$name.py:$class_name", Path(__file__).parent)


def test_conforms() -> None:
    """Rules for every controller; see ``cosim controllers check``."""
    assert [str(rule) for rule in check_controller($class_name) if not rule.passed] == []


@pytest.mark.parametrize(("now", "rate_per_s"), [(100.0, 4.0), (200.0, 4.0), (201.0, 0.0)])
def test_releases_while_the_grid_is_clean(now: float, rate_per_s: float) -> None:
    controller = $class_name()
    controller.reset(example_context())  # where at most 8 requests/s can be released
    observation = example_observation(
        carbon_intensity_g_per_kwh=now, forecasts={"carbon_intensity": [150.0, 250.0]}
    )
    assert controller.step(observation).deferrable_rate_per_s == rate_per_s
''')

SCENARIO = Template("""\
name: $dashed
description: >-
  A night and a morning of June in California: an H100 serves a chat, and batch requests that may
  wait for up to six hours, under the controller in $name.py.
seed: 42
time:
  start: 2022-06-08T08:00:00Z # one at night there
  duration: 14h
  step: 60s
workload:
  requests: 2000 # all have arrived after some six hours, so that every policy finishes them
  arrivals: {type: poisson, rate_per_s: 0.1}
  lengths: {type: zipf, theta: 0.6, min_tokens: 1024, max_tokens: 4096, prefill_decode_ratio: 4}
  classes:
    - {name: chat, share: 0.3, slo: {ttft_s: 2.0, tpot_s: 0.1}}
    - {name: batch, share: 0.7, deferrable: true, deadline: 6h}
sites:
  - name: california
    cluster:
      model: meta-llama/Meta-Llama-3-8B
      gpu: h100-sxm-80gb
      pue: 1.2
    microgrid:
      carbon_intensity: {type: typical_day, area: CISO}
controllers:
  - type: ./$name.py:$class_name
    share: 1.0
""")

_OWN = frozenset({"controllers", "cosim", "inference_sim"})


def scaffold(name: str, folder: Path) -> tuple[Path, Path, Path]:
    """Write a controller, its test and a scenario, and return their paths.

    Args:
        name: Name of the controller, in small letters with underscores.
        folder: Where to write them; made if it is not there.

    Raises:
        ScenarioError: If the name will not do, or if one of the files is there already: nothing
            is written then.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise ScenarioError(
            f"expected a name in small letters, digits and underscores, such as night_shift "
            f"(got '{name}')"
        )
    if name in _OWN or name in sys.stdlib_module_names or name in packages_distributions():
        raise ScenarioError(
            f"{name}.py would hide the Python module '{name}' from its test; choose another name"
        )
    values = {
        "name": name,
        "dashed": name.strip("_").replace("_", "-"),
        "class_name": class_name(name),
    }
    files = {
        folder / f"{name}.py": POLICY,
        folder / f"test_{name}.py": TEST,
        folder / f"{name}.yaml": SCENARIO,
    }
    if there := [str(path) for path in files if path.exists() or path.is_symlink()]:
        raise ScenarioError(
            f"{' and '.join(there)} {'is' if len(there) == 1 else 'are'} there already, and "
            "nothing is written over; choose another name, or another folder with -o"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for path, template in files.items():
        with path.open("x", encoding="utf-8") as file:
            file.write(template.substitute(values))
    policy, test, scenario = files
    return policy, test, scenario


def class_name(name: str) -> str:
    """Return the name of the class of a controller: night_shift becomes NightShift."""
    return "".join(part.capitalize() for part in name.split("_"))
