"""Controllers: the decisions between two steps of a run, and policies that take them.

A policy of one's own is a class with two methods::

    from controllers import Controller, SiteAction, SiteContext, SiteObservation

    class NightShift(Controller):
        actuators = frozenset({"batch_cap"})

        def reset(self, context: SiteContext) -> None:
            self.maximum = int(context.limits["batch_cap"].maximum)

        def step(self, observation: SiteObservation) -> SiteAction:
            night = observation.time.hour < 6
            return SiteAction(batch_cap=self.maximum if night else self.maximum // 2)

The contract:

- `Controller`, `FleetController`: a policy for one site, and one for all sites.
- `SiteObservation`, `Observation`: a site, and all sites, as they see them.
- `GridView`, `BatteryView`, `QueueView`, `PoolView`, `LatencyView`: the parts of a site.
- `SiteAction`, `Action`: the settings that they return.
- `SiteContext`, `PoolContext`, `ActuatorLimits`: the controller context, given before a run.
- `ACTUATORS`, `Actuator`, `Setting`: the values that can be set, and where.
- `ServiceModel`, `ClassInfo`: the capability of the deployment, and its classes of requests.
- `Forecast`, `Forecasts`: forecasts of the signals that a controller declares.

Policies, and parts to build others from:

- `Noop`, `CarbonThreshold`, `CarbonProportional`, `BatteryAware`: throttles by carbon and sun.
- `BatchCapAimd`, `BatchCapPrimalDual`: the batch cap that the time per token allows.
- `PowerCap`, `SloClock`: watts per GPU by carbon; the lowest clock that holds the SLO.
- `CarbonBudgetPid`: a throttle that keeps to a budget of carbon.
- `BatteryDispatch`: the times at which a battery charges and discharges.
- `Mpc`, `DayAheadPlan`: deferrable work and the battery planned ahead.
- `SuspendResume`, `WaitAwhile`, `LowestWindow`, `CarbonTime`: for deferrable work.
- `Autoscale`: for the number of replicas.
- `CleanWindows`, `FixedHours`: deferrable work on all replicas, which else sleep.
- `BUILTIN`, `installed`, `resolve`: controllers by the names that scenarios use.
- `IntensityWindow`, `IntensityBand`, `Band`: the limits of a high and a low carbon intensity.
- `Throttle`: an actuator set to a fraction of its maximum.
- `BucketPolicy`: deferrable work that starts as one job.
- `TpotObjective`: the time per token over its SLO.

Running them:

- `ControllerHost`, `HostedController`, `SiteSignals`: the controllers of a run, each in its place.
- `names_a_file`, `read_part`: parts in files of a user.
- `check_conflicts`: the check that no two of them set the same actuator.
- `Decoy`: a carbon signal that tells nothing of the grid, to see what timing is worth.
- `Forecaster`: a model that forecasts a signal; the models are in ``controllers.forecast``.
- `SloGuard`, `GuardSettings`: the guard that releases throttles when an SLO is in danger.
- `ActuatorChange`: the record of what they did.
- `ControllerError`: the error that a misbehaving controller causes.
- `SiteReport`, `MicrogridReport`: the figures of a step that a simulator reports.

``controllers.participant`` couples them to mosaik. ``controllers.conformance`` checks the rules
that hold for every controller, on the site of ``controllers.example``.
"""

from controllers.actuators import ACTUATORS, Actuator, ActuatorLimits, Setting
from controllers.base import (
    Action,
    Controller,
    FleetController,
    PoolContext,
    SiteAction,
    SiteContext,
)
from controllers.bucket import BucketPolicy
from controllers.changes import ActuatorChange
from controllers.decoy import Decoy
from controllers.errors import ControllerError
from controllers.forecast import Forecast, Forecaster, Forecasts
from controllers.guard import GuardSettings, SloGuard
from controllers.host import ControllerHost
from controllers.objective import TpotObjective
from controllers.observation import Observation, SiteObservation
from controllers.placement import HostedController, check_conflicts
from controllers.policies.autoscale import Autoscale
from controllers.policies.batch_cap_aimd import BatchCapAimd
from controllers.policies.batch_cap_primal_dual import BatchCapPrimalDual
from controllers.policies.battery_aware import BatteryAware
from controllers.policies.battery_dispatch import BatteryDispatch
from controllers.policies.carbon_budget_pid import CarbonBudgetPid
from controllers.policies.carbon_proportional import CarbonProportional
from controllers.policies.carbon_threshold import CarbonThreshold
from controllers.policies.carbon_time import CarbonTime
from controllers.policies.clean_windows import CleanWindows
from controllers.policies.day_ahead_plan import DayAheadPlan
from controllers.policies.fixed_hours import FixedHours
from controllers.policies.lowest_window import LowestWindow
from controllers.policies.mpc import Mpc
from controllers.policies.noop import Noop
from controllers.policies.power_cap import PowerCap
from controllers.policies.slo_clock import SloClock
from controllers.policies.suspend_resume import SuspendResume
from controllers.policies.wait_awhile import WaitAwhile
from controllers.registry import BUILTIN, installed, resolve
from controllers.service import ClassInfo, ServiceModel
from controllers.site_views import (
    BatteryView,
    GridView,
    LatencyView,
    MicrogridReport,
    PoolView,
    QueueView,
    SiteReport,
)
from controllers.throttle import Throttle
from controllers.user_file import names_a_file, read_part
from controllers.views import SiteSignals
from controllers.window import Band, IntensityBand, IntensityWindow

__all__ = [
    "ACTUATORS",
    "BUILTIN",
    "Action",
    "Actuator",
    "ActuatorChange",
    "ActuatorLimits",
    "Autoscale",
    "Band",
    "BatchCapAimd",
    "BatchCapPrimalDual",
    "BatteryAware",
    "BatteryDispatch",
    "BatteryView",
    "BucketPolicy",
    "CarbonBudgetPid",
    "CarbonProportional",
    "CarbonThreshold",
    "CarbonTime",
    "ClassInfo",
    "CleanWindows",
    "Controller",
    "ControllerError",
    "ControllerHost",
    "DayAheadPlan",
    "Decoy",
    "FixedHours",
    "FleetController",
    "Forecast",
    "Forecaster",
    "Forecasts",
    "GridView",
    "GuardSettings",
    "HostedController",
    "IntensityBand",
    "IntensityWindow",
    "LatencyView",
    "LowestWindow",
    "MicrogridReport",
    "Mpc",
    "Noop",
    "Observation",
    "PoolContext",
    "PoolView",
    "PowerCap",
    "QueueView",
    "ServiceModel",
    "Setting",
    "SiteAction",
    "SiteContext",
    "SiteObservation",
    "SiteReport",
    "SiteSignals",
    "SloClock",
    "SloGuard",
    "SuspendResume",
    "Throttle",
    "TpotObjective",
    "WaitAwhile",
    "check_conflicts",
    "installed",
    "names_a_file",
    "read_part",
    "resolve",
]
