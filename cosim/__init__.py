"""Closed-loop co-simulation of LLM serving, a microgrid and carbon-aware controllers.

The names below are the stable API; ``docs/api.md`` has an example of each. They are imported when
they are first used, so that ``import cosim`` takes no time.

Functions:

- `load`: a scenario, read and checked.
- `run`: run one, and get its result.
- `evaluate`, `sweep`, `sweep_file`: compare policies, or variants of a scenario.
- `compare`: runs side by side.
- `open_result`: the result in a folder.
- `shipped_scenario`: the file of a scenario that comes with the package.

Types of scenarios and results:

- `Scenario`, `ScenarioSource`, `ControllerSpec`: scenarios, and what stands for them.
- `Result`, `Summary`, `RunTotals`, `ServingTotals`, `LoadTotals`: a run and its figures.
- `Comparison`, `RunSource`: runs side by side, and what stands for one.
- `StudyResult`: many runs.
- `World`, `SiteEntities`: a mosaik world to connect further simulators to.

The contract of controllers:

- `Controller`, `FleetController`: a policy for one site, and one for all sites.
- `SiteAction`, `Action`: the settings that they return.
- `SiteObservation`, `Observation`: a site, and all sites, as they see them.
- `GridView`, `BatteryView`, `QueueView`, `PoolView`, `LatencyView`: the parts of a site.
- `SiteContext`, `PoolContext`, `ActuatorLimits`: facts that they get before a run.
- `Forecast`, `Forecasts`: forecasts of the signals that a controller declares.

Errors:

- `CosimError`: all of them; `ScenarioError`, `SignalError`, `RunFailed`.
"""

from importlib import import_module

from cosim._own_packages import take_names

TYPE_CHECKING = False  # as type checkers know it; `typing` takes longer to import than all of this
if TYPE_CHECKING:
    from controllers.actuators import ActuatorLimits
    from controllers.base import (
        Action,
        Controller,
        FleetController,
        PoolContext,
        SiteAction,
        SiteContext,
    )
    from controllers.forecast import Forecast, Forecasts
    from controllers.observation import Observation, SiteObservation
    from controllers.site_views import BatteryView, GridView, LatencyView, PoolView, QueueView
    from cosim.api.comparison import Comparison, RunSource, compare
    from cosim.api.result import Result, open_result
    from cosim.api.runs import run
    from cosim.api.scenario import ControllerSpec, Scenario, ScenarioSource, load
    from cosim.api.studies import StudyResult, evaluate, sweep, sweep_file
    from cosim.authoring.shipped import shipped_scenario
    from cosim.errors import CosimError, RunFailed, ScenarioError, SignalError
    from cosim.loop.participants import SiteEntities, World
    from cosim.results.summary import Summary
    from cosim.results.totals import LoadTotals, RunTotals, ServingTotals

__version__ = "0.1.0"

take_names()

__all__ = [
    "Action",
    "ActuatorLimits",
    "BatteryView",
    "Comparison",
    "Controller",
    "ControllerSpec",
    "CosimError",
    "FleetController",
    "Forecast",
    "Forecasts",
    "GridView",
    "LatencyView",
    "LoadTotals",
    "Observation",
    "PoolContext",
    "PoolView",
    "QueueView",
    "Result",
    "RunFailed",
    "RunSource",
    "RunTotals",
    "Scenario",
    "ScenarioError",
    "ScenarioSource",
    "ServingTotals",
    "SignalError",
    "SiteAction",
    "SiteContext",
    "SiteEntities",
    "SiteObservation",
    "StudyResult",
    "Summary",
    "World",
    "compare",
    "evaluate",
    "load",
    "open_result",
    "run",
    "shipped_scenario",
    "sweep",
    "sweep_file",
]

_NAMES_OF = {
    "controllers": (
        "Action",
        "ActuatorLimits",
        "BatteryView",
        "Controller",
        "FleetController",
        "Forecast",
        "Forecasts",
        "GridView",
        "LatencyView",
        "Observation",
        "PoolContext",
        "PoolView",
        "QueueView",
        "SiteAction",
        "SiteContext",
        "SiteObservation",
    ),
    "cosim.api.comparison": ("Comparison", "RunSource", "compare"),
    "cosim.api.result": ("Result", "open_result"),
    "cosim.api.runs": ("run",),
    "cosim.api.scenario": ("ControllerSpec", "Scenario", "ScenarioSource", "load"),
    "cosim.api.studies": ("StudyResult", "evaluate", "sweep", "sweep_file"),
    "cosim.authoring.shipped": ("shipped_scenario",),
    "cosim.errors": ("CosimError", "RunFailed", "ScenarioError", "SignalError"),
    "cosim.loop.participants": ("SiteEntities", "World"),
    "cosim.results.summary": ("Summary",),
    "cosim.results.totals": ("LoadTotals", "RunTotals", "ServingTotals"),
}
MODULES = {name: module for module, names in _NAMES_OF.items() for name in names}
"""The modules that the names come from."""


if not TYPE_CHECKING:  # or every name would seem to exist

    def __getattr__(name: str) -> object:
        """Import a name of the API when it is first used."""
        if name not in MODULES:
            raise AttributeError(f"module 'cosim' has no attribute '{name}'")
        value = getattr(import_module(MODULES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
