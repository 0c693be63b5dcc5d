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
    Controller,
    ControllerHost,
    HostedController,
    SiteSignals,
)
from tests.controllers.builders import INF, context

THROTTLING = sorted(
    name for name, one in BUILTIN.items() if "actuator" in inspect.signature(one).parameters
)
STEPS = 12
POWER = st.floats(0, 2000)
LIMITS = st.fixed_dictionaries(
    {
        "admission_rate": st.builds(
            ActuatorLimits, st.just(0), st.floats(0.1, 100), st.sampled_from([None, INF])
        ),
        "batch_cap": st.builds(ActuatorLimits, st.integers(1, 3), st.integers(3, 512)),
    }
)
TELEMETRY = st.fixed_dictionaries(
    {"facility_power_w": POWER, "ttft_p99_s": st.floats(0, 9) | st.just(float("nan"))}
)
MICROGRID = st.fixed_dictionaries({"battery_soc": st.none() | st.floats(0, 1)})


@settings(max_examples=40, deadline=None)
@pytest.mark.parametrize("actuator", ["admission_rate", "batch_cap"])
@pytest.mark.parametrize("name", THROTTLING)
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
    )
    controller = BUILTIN[name](actuator=actuator, window_h=data.draw(st.floats(0.02, 0.3)))
    signals = SiteSignals(data.draw(values), data.draw(values))
    host = ControllerHost(
        [HostedController(name, controller, "dc", 60)], {"dc": site}, {"dc": signals}
    )
    telemetry = data.draw(st.lists(TELEMETRY, min_size=STEPS, max_size=STEPS))
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
    assert {change.actuator for change in changes} <= {actuator}
    for values in in_force:
        value = values["dc"][actuator]
        unthrottled = limits[actuator].unthrottled
        assert limits[actuator].minimum <= value <= limits[actuator].maximum or value == unthrottled


@pytest.mark.parametrize("name", sorted(BUILTIN))
def test_a_strict_model_can_be_made_of_every_signature(name):
    """A scenario checks the parameters of a controller so."""
    hints = get_type_hints(BUILTIN[name].__init__, include_extras=True)
    fields = {}
    for parameter in list(inspect.signature(BUILTIN[name]).parameters.values()):
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        fields[parameter.name] = (hints[parameter.name], parameter.default)
    model = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
    schema = model.model_json_schema()
    assert all(value["description"] for value in schema.get("properties", {}).values())
    BUILTIN[name](**model().model_dump())
    numbers = [key for key, value in schema.get("properties", {}).items() if value["default"]]
    wrong = {numbers[-1]: -1} if numbers else {"actuator": "batch_cap"}
    with pytest.raises(ValidationError):
        model(**wrong)


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
