"""Controllers: what may be decided between two steps of a run, and policies that decide it.

A policy of one's own is a class with two methods::

    from controllers import Controller, SiteAction, SiteContext, SiteObservation

    class NightShift(Controller):
        actuators = frozenset({"batch_cap"})

        def reset(self, context: SiteContext) -> None:
            self.most = int(context.limits["batch_cap"].maximum)

        def step(self, observation: SiteObservation) -> SiteAction:
            night = observation.time.hour < 6
            return SiteAction(batch_cap=self.most if night else self.most // 2)

The contract:

- `Controller`, `FleetController`: a policy for one site, and one for all sites.
- `SiteObservation`, `Observation`: what they see.
- `GridView`, `BatteryView`, `QueueView`, `PoolView`, `LatencyView`: its parts.
- `SiteAction`, `Action`: what they return.
- `SiteContext`, `PoolContext`, `ActuatorLimits`: what they are told before a run.
- `ACTUATORS`, `Actuator`, `Setting`: what can be set, and where.
- `ServiceModel`, `ClassInfo`: what the deployment can do, and for whom.
- `Forecast`, `Forecasts`: what it may know of the future, if it declares so.

Policies, and parts to build others from:

- `Noop`, `CarbonThreshold`, `CarbonProportional`, `BatteryAware`: throttles by carbon and sun.
- `BatchCapAimd`, `BatchCapPrimalDual`: batch caps by what the time per token allows.
- `PowerCap`, `SloClock`: watts per GPU by carbon; the lowest clock that will do.
- `CarbonBudgetPid`: a throttle that keeps to a budget of carbon.
- `BatteryDispatch`: when a battery charges and discharges.
- `Mpc`, `DayAheadPlan`: deferrable work and the battery planned ahead.
- `SuspendResume`, `LowestWindow`, `CarbonTime`: for deferrable work.
- `Autoscale`: for the number of replicas.
- `BUILTIN`, `installed`, `resolve`: controllers by the names that scenarios use.
- `IntensityWindow`, `IntensityBand`, `Band`: what counts as a high or a low carbon intensity.
- `Throttle`: an actuator set to a fraction of its maximum.
- `BucketPolicy`: deferrable work that starts as one job.
- `TpotObjective`: how near the time per token is to its objective.

Running them:

- `ControllerHost`, `HostedController`, `SiteSignals`: the controllers of a run, each in its place.
- `check_conflicts`: whether two of them want the same actuator.
- `Forecaster`: who forecasts a signal; the models are in ``controllers.forecast``.
- `SloGuard`, `GuardSettings`: releases throttles when objectives are in danger.
- `ActuatorChange`: the record of what they did.
- `ControllerError`: what is raised when one misbehaves.
- `SiteReport`, `MicrogridReport`: what a simulator reports of a step.

``controllers.participant`` couples them to mosaik. ``controllers.conformance`` checks what must
hold for every one of them, on the site of ``controllers.example``.
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
from controllers.policies.day_ahead_plan import DayAheadPlan
from controllers.policies.lowest_window import LowestWindow
from controllers.policies.mpc import Mpc
from controllers.policies.noop import Noop
from controllers.policies.power_cap import PowerCap
from controllers.policies.slo_clock import SloClock
from controllers.policies.suspend_resume import SuspendResume
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
    "Controller",
    "ControllerError",
    "ControllerHost",
    "DayAheadPlan",
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
    "check_conflicts",
    "installed",
    "names_a_file",
    "read_part",
    "resolve",
]
