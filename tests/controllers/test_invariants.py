"""What holds for every policy, whatever it sees."""

from __future__ import annotations

import inspect
import re
from typing import get_type_hints

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ConfigDict, ValidationError, create_model

import controllers
from controllers import (
    BUILTIN,
    ActuatorLimits,
    ClassInfo,
    Controller,
    ControllerHost,
    HostedController,
    MicrogridReport,
    SiteSignals,
)
from tests.controllers.builders import INF, context, report, service
from tests.samples import examples

REQUIRED = {
    "carbon_budget_pid": {"budget_g_per_h": 50.0},
    "fixed_mix": {"floor": 0.5},
    "quality_lp": {"floor": 0.5},
}
"""Parameters without a default, by policy."""
CHOICES = {"slo_clock": ("clock_fraction", "decode_clock")}
"""Actuators to choose from, of policies that do not throttle by any."""
OBJECTIVE = ClassInfo(name="chat", share=1.0, tpot_slo_s=0.02)


def parameters(name):
    return inspect.signature(BUILTIN[name]).parameters


def actuators_of(name):
    """Two of those that a policy may be told to set; None for one that chooses itself."""
    if "actuator" not in parameters(name):
        return (None,)
    return CHOICES.get(name, ("admission_rate", "batch_cap"))


CASES = [
    (name, actuator)
    for name in sorted(BUILTIN)
    if not BUILTIN[name].forecasts  # the conformance suite checks those that plan
    and name != "fixed_mix"  # of several pools; tests of its own are in test_mix
    for actuator in actuators_of(name)
]
STEPS = 12
POWER = st.floats(0, 2000)
LIMITS = st.fixed_dictionaries(
    {
        "admission_rate": st.builds(
            ActuatorLimits, st.just(0), st.floats(0.1, 100), st.sampled_from([None, INF])
        ),
        "batch_cap": st.builds(ActuatorLimits, st.integers(1, 3), st.integers(3, 512)),
        "clock_fraction": st.builds(ActuatorLimits, st.floats(0.3, 0.9), st.just(1.0)),
        "decode_clock": st.builds(ActuatorLimits, st.floats(0.3, 0.9), st.just(1.0)),
        "power_cap": st.builds(
            ActuatorLimits, st.floats(50, 200), st.floats(200, 700), st.sampled_from([None, INF])
        ),
        "active_replicas": st.builds(ActuatorLimits, st.just(1), st.integers(1, 9)),
        "battery_power": st.builds(ActuatorLimits, st.just(-900), st.floats(0, 900), st.just(INF)),
    }
)
LATENCY = st.floats(0, 9) | st.none()
REPORT = st.builds(
    report,
    facility_power_w=POWER,
    ttft_p99_s=LATENCY,
    tpot_p99_s=LATENCY,
    latency_p99_s_by_class=st.fixed_dictionaries({"chat": st.tuples(LATENCY, LATENCY)}),
    batch_mean=st.floats(0, 9),
    admitted=st.integers(0, 3000),
    running=st.integers(0, 20),
    gateway_waiting=st.integers(0, 99),
)
MICROGRID = st.builds(
    MicrogridReport, battery_soc=st.none() | st.floats(0, 1), import_w=st.floats(0, 9000)
)


@settings(max_examples=examples(20))
@pytest.mark.parametrize(("name", "actuator"), CASES)
@given(data=st.data())
def test_actions_are_within_limits_and_the_same_after_a_reset(name, actuator, data):
    limits = data.draw(LIMITS)
    values = st.lists(st.floats(0, 1000), min_size=STEPS, max_size=STEPS).map(np.array)
    site = context(
        limits=limits,
        steps=STEPS,
        past_carbon_intensity_g_per_kwh=data.draw(st.lists(st.floats(0, 1000), max_size=9)),
        peak_power_w=data.draw(POWER),
        idle_power_w=data.draw(POWER),
        battery_capacity_wh=data.draw(st.none() | POWER),
        battery_min_soc=0.2,
        service=service(),
        classes=(OBJECTIVE,),
    )
    values_of = {"actuator": st.just(actuator), "window_h": st.floats(0.02, 0.3)}
    drawn = {key: data.draw(values_of[key]) for key in parameters(name) if key in values_of}
    controller = BUILTIN[name](**REQUIRED.get(name, {}) | drawn)
    signals = SiteSignals(data.draw(values), data.draw(values))
    host = ControllerHost(
        [HostedController(name, controller, "dc", 60)], {"dc": site}, {"dc": signals}
    )
    telemetry = data.draw(st.lists(REPORT, min_size=STEPS, max_size=STEPS))
    microgrid = data.draw(st.lists(MICROGRID, min_size=STEPS, max_size=STEPS))

    def run():
        host.reset()  # and the host raises on what is not within the limits
        in_force = [
            host.step(step, {"dc": telemetry[step]}, {"dc": microgrid[step]})
            for step in range(STEPS)
        ]
        return in_force, host.changes

    in_force, changes = run()
    assert run() == (in_force, changes)
    assert {change.actuator for change in changes} <= controller.actuators
    if actuator is not None:
        assert controller.actuators == {actuator}
    for change in changes:
        allowed = limits[change.actuator]
        within = allowed.minimum <= change.new <= allowed.maximum
        assert within or change.new == allowed.unthrottled
        assert change.reason


@pytest.mark.parametrize("name", sorted(BUILTIN))
def test_a_strict_model_can_be_made_of_every_signature(name):
    """A scenario checks the parameters of a controller so."""
    hints = get_type_hints(BUILTIN[name].__init__, include_extras=True)
    fields = {}
    for parameter in list(inspect.signature(BUILTIN[name]).parameters.values()):
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        fields[parameter.name] = (hints[parameter.name], default)
    model = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
    schema = model.model_json_schema()
    assert all(value["description"] for value in schema.get("properties", {}).values())
    required = REQUIRED.get(name, {})
    BUILTIN[name](**model(**required).model_dump())
    properties = schema.get("properties", {})
    numbers = [key for key, value in properties.items() if value.get("default")]
    wrong = {numbers[-1]: -1} if numbers else {"actuator": "batch_cap"}
    with pytest.raises(ValidationError):
        model(**required | wrong)


def test_bounds_hold_for_optional_parameters():
    hints = get_type_hints(BUILTIN["carbon_threshold"].__init__, include_extras=True)
    model = create_model("model", high_quantile=(hints["high_quantile"], None))
    with pytest.raises(ValidationError):
        model(high_quantile=70)


def test_public_names_are_the_documented_ones():
    documented = {
        name
        for line in controllers.__doc__.splitlines()
        if line.startswith("- `")
        for name in re.findall(r"`(\w+)`", line.split(":")[0])
    }
    assert set(controllers.__all__) == documented
    assert all(hasattr(controllers, name) for name in controllers.__all__)


def test_a_controller_must_say_how_to_reset():
    class Half(Controller):
        def step(self, observation): ...

    with pytest.raises(TypeError, match="abstract"):
        Half()
