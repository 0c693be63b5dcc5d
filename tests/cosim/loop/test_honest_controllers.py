"""No controller reads the future, changes what it sees, or sets what it does not declare."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.cosim.builders import controlled, write

HEAD = """\
from controllers import Controller, SiteAction


class Mine(Controller):
    actuators = frozenset({"batch_cap"})
    DECLARED

    def reset(self, context):
        self.context = context

    def step(self, observation):
        if observation.step < 3:
            return None
        BODY
"""
AT = "at step 3 (2022-06-08T00:03:00Z)"
READ_ONLY = "; observations and actions are read-only: return a new SiteAction"
FORECAST = 'forecasts = frozenset({"carbon_intensity"})'


def run(cosim: Cli, body: str, declared: str = "", entry: str = "", *args: str) -> tuple[int, str]:
    """The exit code, and the error without its head and tail, of a run whose step does this."""
    code = HEAD.replace("DECLARED", declared or "pass").replace("BODY", body)
    write("mine.py", code)
    text = controlled(f"{{type: './mine.py:Mine'{entry}}}")
    answer = cosim("run", write("s.yaml", text), "-o", "out", "--quiet", *args)
    return answer.code, answer.err


def stopped(cosim: Cli, body: str, declared: str = "", *args: str) -> str:
    """What the run is stopped for; it must be stopped in the step that does it."""
    status, error = run(cosim, body, declared, "", *args)
    assert status == 1
    head = "error: the run failed at step 3: controller './mine.py:Mine' on site 'dc' "
    first, *rest = error.splitlines()
    assert first.startswith(head), error
    assert rest == ["The results until then are in out, marked as failed."]
    return first.removeprefix(head).replace(f" ({Path.cwd()}/mine.py:14)", " (line 14)")


@pytest.mark.parametrize("coupling", ["native", "mosaik"])
def test_a_forecast_that_is_not_declared(cosim: Cli, coupling: str) -> None:
    setting = ("--set", f"coupling={coupling}")
    assert stopped(cosim, "observation.forecasts['solar']", FORECAST, *setting) == (
        f"raised KeyError {AT}: forecast of 'solar': the controller declares forecasts of "
        "carbon_intensity (set its attribute `forecasts`) (line 14)"
    )
    assert stopped(cosim, "observation.forecasts['solar']", "", *setting) == (
        f"raised KeyError {AT}: forecast of 'solar': the controller declares forecasts of none "
        "(set its attribute `forecasts`) (line 14)"
    )


def test_a_forecast_that_there_is_not(cosim: Cli) -> None:
    code, error = run(cosim, "pass", 'forecasts = frozenset({"wind"})')
    assert code == 2
    assert error.endswith(
        "forecasts of controller './mine.py:Mine' must be out of carbon_intensity, solar, "
        "arrivals, deferrable_arrivals (got 'wind')\n"
    )


@pytest.mark.parametrize(
    ("reading", "message"),
    [
        (".at(3600)", "ValueError {at}: the forecast ends 3600 s ahead (got 3600 s); {look}"),
        (
            ".by_period(7200)",
            "ValueError {at}: the forecast ends 3600 s ahead, before a period of 7200 s does; "
            "{look}",
        ),
        (".at(-60)", "ValueError {at}: a forecast starts at the present step (got -60 s)"),
        (".mean[60]", "IndexError {at}: index 60 is out of bounds for axis 0 with size 60"),
    ],
)
def test_beyond_the_horizon(cosim: Cli, reading: str, message: str) -> None:
    declared = f"{FORECAST}; forecast_horizon_h = 1"
    found = stopped(cosim, f"observation.forecasts['carbon_intensity']{reading}", declared)
    look = "the controller's `forecast_horizon_h` says how far it looks"
    assert found == f"raised {message.format(at=AT, look=look)} (line 14)"


def test_the_last_value_within_the_horizon_is_there(cosim: Cli) -> None:
    declared = f"{FORECAST}; forecast_horizon_h = 1"
    body = (
        "ahead = observation.forecasts['carbon_intensity']; assert ahead.at(3599) == ahead.mean[59]"
    )
    assert run(cosim, body, declared) == (0, "")


def test_perfect_forecasts_are_only_for_those_that_a_scenario_calls_clairvoyant(cosim: Cli) -> None:
    code, error = run(cosim, "pass", f"{FORECAST}; needs_clairvoyance = True")
    assert code == 2
    assert error.endswith(
        "controllers: controller './mine.py:Mine' needs perfect forecasts: its entry must say "
        "clairvoyant: true\n"
    )
    assert not Path("out").exists()
    declared = f"{FORECAST}; needs_clairvoyance = True"
    assert run(cosim, "pass", declared, ", clairvoyant: true") == (0, "")


def test_without_clairvoyance_a_forecast_is_not_the_truth(cosim: Cli) -> None:
    """It notes what is forecast for the next step, and looks whether that was right."""
    body = (
        "now = observation.solar_w\n"
        "        if observation.step > 3: assert abs(self.next - now) < 1e-9, 'not the truth'\n"
        "        self.next = observation.forecasts['solar'].at(60)"
    )
    declared = FORECAST.replace("carbon_intensity", "solar")
    settings = ("--set", "forecasts={solar: {type: persistence}}")
    code, error = run(cosim, body, declared, "", *settings)
    assert code == 1
    assert "raised AssertionError at step 5" in error
    assert "not the truth" in error
    assert run(cosim, body, declared, ", clairvoyant: true", *settings) == (0, "")


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("observation.solar_w = 0.0", "FrozenInstanceError {at}: cannot assign to field 'solar_w'"),
        (
            "observation.latency_p99_s_by_class['chat'] = (None, None)",
            "TypeError {at}: 'mappingproxy' object does not support item assignment",
        ),
        (
            "observation.forecasts['carbon_intensity'].mean[0] = 0",
            "ValueError {at}: assignment destination is read-only",
        ),
        (
            "self.context.past_carbon_intensity_g_per_kwh[:1] = 0",
            "ValueError {at}: assignment destination is read-only",
        ),
        (
            "self.context.service.power_w[:] = 0",
            "ValueError {at}: assignment destination is read-only",
        ),
        (
            "self.context.limits['batch_cap'] = None",
            "TypeError {at}: 'mappingproxy' object does not support item assignment",
        ),
        ("self.context.steps = 1", "FrozenInstanceError {at}: cannot assign to field 'steps'"),
        (
            "SiteAction().batch_cap = 3",
            "FrozenInstanceError {at}: cannot assign to field 'batch_cap'",
        ),
    ],
)
def test_what_is_seen_and_returned_cannot_be_changed(
    cosim: Cli, statement: str, message: str
) -> None:
    found = stopped(cosim, statement, FORECAST)
    assert found == f"raised {message.format(at=AT)}{READ_ONLY} (line 14)"


def test_an_actuator_that_is_not_declared(cosim: Cli) -> None:
    assert stopped(cosim, "return SiteAction(admission_rate_per_s=0.1)") == (
        f"returned admission_rate_per_s=0.1 {AT}: expected only the actuators that it declares "
        "(batch_cap)"
    )


@pytest.mark.parametrize("coupling", ["native", "mosaik"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "self.actuators = frozenset({'batch_cap', 'admission_rate'})",
            "expected `actuators` to stay batch_cap (got admission_rate, batch_cap)",
        ),
        (
            "self.forecasts = frozenset({'solar'})",
            "expected `forecasts` to stay empty (got solar)",
        ),
        ("self.forecast_horizon_h = 99", "expected `forecast_horizon_h` to stay 24 (got 99)"),
    ],
)
def test_what_is_declared_stays(cosim: Cli, coupling: str, change: str, message: str) -> None:
    """Otherwise a controller could set what another one sets, or look further."""
    setting = ("--set", f"coupling={coupling}")
    assert stopped(cosim, change, "", *setting) == f"changed what it declares {AT}: {message}"


def test_what_is_declared_stays_in_reset_too(cosim: Cli) -> None:
    code = HEAD.replace("DECLARED", "pass").replace("BODY", "pass")
    write("mine.py", code.replace("self.context = context", "self.actuators = frozenset()"))
    answer = cosim("run", write("s.yaml", controlled("{type: './mine.py:Mine'}")), "--quiet")
    assert answer.code == 1
    assert (
        "controller './mine.py:Mine' on site 'dc' changed what it declares in reset: expected "
        "`actuators` to stay batch_cap (got empty)"
    ) in answer.err
