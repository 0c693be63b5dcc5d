"""Forecasts in a scenario: recorded files, and who makes which."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from controllers.forecast import Forecaster, Noisy, Persistence, SameHourYesterday
from cosim.errors import SignalError
from cosim.scenario.control import (
    ForecastModel,
    NoisyForecast,
    PersistenceForecast,
    RecordedForecast,
    SameHourYesterdayForecast,
)
from cosim.world.forecasts import forecaster
from tests.conftest import Cli
from tests.cosim.builders import controlled, write

START = datetime.fromisoformat("2022-06-08T00:00:00Z")
VALUES = np.arange(100.0, 124.0)
HOUR_S = 3600.0
GOOD = """\
request_time,forecast_time,value
2022-06-07T23:00:00Z,2022-06-07T23:30:00Z,10
2022-06-07T23:00:00Z,2022-06-08T04:30:00Z,60
2022-06-08T02:00:00Z,2022-06-08T02:30:00Z,200
2022-06-08T02:00:00Z,2022-06-08T03:30:00Z,300
"""
DAY = "2022-06-08T"


def made(config: ForecastModel, step_s: float = HOUR_S) -> Forecaster:
    return forecaster(config, np.empty(0), VALUES, start=START, step_s=step_s, seed=(1,))


def recorded(folder: Path, text: str, step_s: float = HOUR_S) -> Forecaster:
    path = write(folder / "f.csv", text)
    return made(RecordedForecast(type="recorded", path=path), step_s)


def said(one: Forecaster, step: int, ahead: int) -> list[float]:
    return [round(value, 9) for value in one.issue(step, ahead).mean.tolist()]


def test_each_model_has_its_forecaster() -> None:
    assert type(made(SameHourYesterdayForecast())) is SameHourYesterday
    assert type(made(PersistenceForecast(type="persistence"))) is Persistence
    noisy = made(NoisyForecast(type="noisy", error=0.2, correlation="1h", issue_every="2h"))
    expected = Noisy(
        np.empty(0),
        VALUES,
        HOUR_S,
        error=0.2,
        correlation_s=3600,
        issue_every_s=7200,
        seed=(1,),
    )
    assert said(noisy, 5, 10) == said(expected, 5, 10)


class TestGood:
    def test_values_are_interpolated_and_the_last_one_holds(self, tmp_path: Path) -> None:
        """At the middles of the steps: from 10 at half past eleven to 60 five hours later."""
        one = recorded(tmp_path, GOOD)
        assert said(one, 0, 7) == [100, 30, 40, 50, 60, 60, 60]
        assert said(one, 1, 3) == [101, 40, 50]
        assert said(one, 2, 4) == [102, 300, 300, 300]  # issued as this step begins
        assert said(one, 23, 2) == [123, 300]

    def test_none_is_seen_before_it_is_issued(self, tmp_path: Path) -> None:
        later = GOOD.replace("2022-06-08T02:00:00Z", "2022-06-08T02:00:01Z")
        one = recorded(tmp_path, later)
        assert said(one, 2, 3) == [102, 50, 60]
        assert said(one, 3, 2) == [103, 300]

    def test_order_of_rows_and_columns_and_zones_do_not_matter(self, tmp_path: Path) -> None:
        head, *rows = GOOD.splitlines()
        shuffled = "\n".join([head, *reversed(rows)])
        zoned = GOOD.replace("2022-06-08T02:30:00Z", "2022-06-07T19:30:00-07:00")
        swapped = "\n".join(",".join([*line.split(",")[::-1], "x"]) for line in GOOD.splitlines())
        for text in (shuffled, zoned, swapped):
            one = recorded(tmp_path, text)
            assert [said(one, step, 7) for step in range(5)] == [
                said(recorded(tmp_path, GOOD), step, 7) for step in range(5)
            ]

    def test_shorter_steps(self, tmp_path: Path) -> None:
        one = recorded(tmp_path, GOOD, step_s=1800.0)
        assert said(one, 4, 5) == [104, 225, 275, 300, 300]  # the middles of half hours

    def test_a_forecast_of_its_present_alone(self, tmp_path: Path) -> None:
        rows = ["2022-06-08T01:00:00Z,2022-06-08T01:00:00Z,7"]
        rows += ["2021-06-08T01:00:00Z,2021-06-08T01:00:00Z,1"]  # of another year
        text = "\n".join(["request_time,forecast_time,value", *rows, ""])
        one = recorded(tmp_path, text)
        assert said(one, 0, 3) == [100, 100, 100]
        assert said(one, 1, 3) == [101, 7, 7]

    def test_other_days_are_left_out(self, tmp_path: Path) -> None:
        other = GOOD + "2021-01-01T00:00:00Z,2021-01-01T01:00:00Z,5\n"
        other += "2023-01-01T00:00:00Z,2023-01-01T01:00:00Z,6\n"
        assert said(recorded(tmp_path, other), 0, 7) == said(recorded(tmp_path, GOOD), 0, 7)


def bad(tmp_path: Path, text: str) -> str:
    with pytest.raises(SignalError) as caught:
        recorded(tmp_path, text)
    return str(caught.value).replace(str(tmp_path / "f.csv"), "f.csv")


class TestBad:
    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ("x,2022-06-08T01:00:00Z,1", "'x'"),
            ("2022-06-08T01:00:00Z,2022-06-08T01:00:00,1", "'2022-06-08T01:00:00'"),
            ("2022-06-08T01:00:00Z,2022-06-31T01:00:00Z,1", "'2022-06-31T01:00:00Z'"),
            ("2022-06-08T01:00:00Z,,1", "''"),
            ("2022-06-08T01:00:00Z,2022-06-08T01:00:00Z,many", "'many'"),
            ("2022-06-08T01:00:00Z,2022-06-08T01:00:00Z,inf", "'inf'"),
            ("2022-06-08T01:00:00Z,2022-06-08T01:00:00Z,", "''"),
            (GOOD.splitlines()[1], "this one repeats another"),
        ],
    )
    def test_a_row(self, tmp_path: Path, row: str, message: str) -> None:
        said = bad(tmp_path, f"{GOOD}{row}\n")
        assert said.startswith(("f.csv:6:", "f.csv:2:")), said
        assert message in said

    def test_columns_that_are_missing(self, tmp_path: Path) -> None:
        said = bad(tmp_path, GOOD.replace("value", "values"))
        assert said.startswith("f.csv:1:")
        assert "'value'" in said

    @pytest.mark.parametrize(
        "rows",
        ["2021-06-08T00:00:00Z,2021-06-09T00:00:00Z", "2022-06-09T00:00:00Z,2022-06-09T01:00:00Z"],
    )
    def test_nothing_for_the_run(self, tmp_path: Path, rows: str) -> None:
        later = rows.replace("T00:00:00Z,", "T00:30:00Z,")
        text = f"request_time,forecast_time,value\n{rows},1\n{later},2\n"
        assert bad(tmp_path, text) == "f.csv: none of its forecasts is for the time of the run"

    @pytest.mark.parametrize("text", ["", "request_time,forecast_time,value\n", GOOD + "1,2,3,4\n"])
    def test_no_table_at_all(self, tmp_path: Path, text: str) -> None:
        assert bad(tmp_path, text).startswith("f.csv")


def test_a_run_says_what_is_wrong_with_its_file(cosim: Cli) -> None:
    write("f.csv", GOOD + "x,y,1\n")
    text = controlled("{type: noop}") + (
        "forecasts: {carbon_intensity: {type: recorded, path: f.csv}}\n"
    )
    answer = cosim("run", write("s.yaml", text), "-o", "out")
    assert (answer.code, answer.out) == (2, "")
    assert "f.csv:6: expected an ISO 8601 stamp" in answer.err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            "forecasts: {carbon_intensity: {type: nosy, error: 0.1}}",
            "s.yaml:22:38 forecasts.carbon_intensity.type: unknown type 'nosy'; did you "
            "mean 'noisy'?",
        ),
        (
            "forecasts: {solar: {type: noisy}}",
            "s.yaml:22:20 forecasts.solar: missing key 'error'",
        ),
        (
            "forecasts: {solar: {type: noisy, error: -0.1}}",
            "s.yaml:22:41 forecasts.solar.error: must be at least 0 (got -0.1)",
        ),
        (
            "forecasts: {solar: {type: noisy, error: 0.1, correlation: soon}}",
            "s.yaml:22:59 forecasts.solar.correlation: expected a duration such as 90s, 15min, 25h "
            "or 7d (got 'soon')",
        ),
        (
            "forecasts: {solar: {type: persistence, error: 0.1}}",
            "s.yaml:22:40 forecasts.solar.error: unknown key",
        ),
        (
            "forecasts: {arrivals: {type: recorded, path: no.csv}}",
            "s.yaml:22:46 forecasts.arrivals.path: no such file",
        ),
        (
            "forecasts: {price: {type: persistence}}",
            "s.yaml:22:13 forecasts.price: unknown key",
        ),
        ("slo_guard: {margin: 1}", "s.yaml:22:21 slo_guard.margin: must be less than 1 (got 1)"),
        (
            "slo_guard: {margin: -0.1}",
            "s.yaml:22:21 slo_guard.margin: must be at least 0 (got -0.1)",
        ),
        (
            "slo_guard: {hold: 0s}",
            "s.yaml:22:12 slo_guard: hold must be above 0 and at most max_hold (got 0 s and "
            "21600 s)",
        ),
        (
            "slo_guard: {hold: 2h, max_hold: 1h}",
            "s.yaml:22:12 slo_guard: hold must be above 0 and at most max_hold (got 7200 s and "
            "3600 s)",
        ),
        (
            "slo_guard: {holds: 1h}",
            "s.yaml:22:13 slo_guard.holds: unknown key; did you mean 'hold'?",
        ),
        ("slo_guard: off", "s.yaml:22:12 slo_guard: expected a mapping (got 'off', a string)"),
    ],
)
def test_keys_around_the_controllers(cosim: Cli, keys: str, message: str) -> None:
    text = controlled("{type: noop}").replace("coupling: native\n", "")
    answer = cosim("run", write("s.yaml", f"{text}{keys}\n"), "-o", "out")
    assert (answer.code, answer.out) == (2, "")
    assert len(answer.err.splitlines()) == 1
    assert answer.err.startswith(f"error: {message}")
    assert not Path("out").exists()
