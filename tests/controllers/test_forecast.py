"""Forecasters: what each says of the future, and that the honest ones do not look at it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from controllers.forecast import (
    NO_FORECASTS,
    Forecast,
    Forecaster,
    Forecasts,
    Noisy,
    Perfect,
    Persistence,
    Recorded,
    SameHourYesterday,
)

HOUR_S = 3600.0
NOTHING = np.empty(0)


def recorded(past: np.ndarray, values: np.ndarray, step_s: float) -> Recorded:
    """Issued before the run, in its first step, and later."""
    return Recorded(
        past,
        values,
        step_s,
        issued_s=np.array([-2 * step_s, 0.0, 2.5 * step_s]),
        forecasts=[np.array([1.0, 2, 3, 4, 5]), np.array([10.0, 20, 30]), np.array([7.0, 8])],
    )


def noisy(past: np.ndarray, values: np.ndarray, step_s: float) -> Noisy:
    return Noisy(past, values, step_s, error=0.3, issue_every_s=3 * step_s, seed=(4,))


HONEST: dict[str, Callable[..., Forecaster]] = {
    "persistence": Persistence,
    "same hour yesterday": SameHourYesterday,
    "recorded": recorded,
}
ALL = {**HONEST, "perfect": Perfect, "noisy": noisy}

signals = st.lists(st.floats(0, 1e4), min_size=1, max_size=60).map(np.array)
pasts = st.lists(st.floats(0, 1e4), max_size=60).map(lambda values: np.array(values, float))
steps_s = st.sampled_from([HOUR_S, 2 * HOUR_S, 5000.0, 86400.0, 3 * 86400.0])


class TestEvery:
    @settings(deadline=None)  # the first noisy one loads a library
    @given(st.sampled_from(sorted(ALL)), pasts, signals, steps_s, st.data())
    def test_the_first_value_is_the_present(
        self, model: str, past: np.ndarray, values: np.ndarray, step_s: float, data: st.DataObject
    ) -> None:
        step = data.draw(st.integers(0, len(values) - 1))
        ahead = data.draw(st.integers(1, 80))
        forecast = ALL[model](past, values, step_s).issue(step, ahead)
        assert forecast.mean[0] == forecast.at(0) == values[step]
        assert forecast.spread[0] == 0  # the present is known
        assert forecast.mean.shape == forecast.spread.shape == (ahead,)
        assert len(forecast) == ahead
        assert (forecast.issued_s, forecast.step_s) == (step * step_s, step_s)
        assert np.isfinite(forecast.mean).all()
        assert (forecast.spread >= 0).all()

    @given(st.sampled_from(sorted(HONEST)), pasts, signals, steps_s, st.data())
    def test_the_honest_ones_do_not_look_ahead(
        self, model: str, past: np.ndarray, values: np.ndarray, step_s: float, data: st.DataObject
    ) -> None:
        """Whatever comes after the step of the issue, the forecast is the same."""
        step = data.draw(st.integers(0, len(values) - 1))
        other = values.copy()
        other[step + 1 :] = data.draw(st.floats(0, 1e4))
        said, again = (
            ALL[model](past, one, step_s).issue(step, 70).mean.tobytes() for one in (values, other)
        )
        assert said == again

    @pytest.mark.parametrize("model", sorted(ALL))
    def test_what_is_said_is_read_only_and_leaves_the_truth_alone(self, model: str) -> None:
        values = np.arange(10.0)
        forecast = ALL[model](NOTHING, values, HOUR_S).issue(2, 5)
        for array in (forecast.mean, forecast.spread):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1
        values[2] = 99.0  # still writable, and not what the forecast holds
        assert forecast.mean[0] == 2

    def test_only_the_truth_is_clairvoyant(self) -> None:
        told = (Perfect, Persistence, SameHourYesterday, Noisy, Recorded)
        assert [model for model in told if model.clairvoyant] == [Perfect]


class TestPerfect:
    def test_beyond_the_end_of_the_run_the_last_value_holds(self) -> None:
        perfect = Perfect(NOTHING, np.array([1.0, 2, 3]), HOUR_S)
        assert perfect.issue(1, 5).mean.tolist() == [2, 3, 3, 3, 3]
        assert perfect.issue(0, 2).mean.tolist() == [1, 2]


class TestPersistence:
    def test_the_present_for_ever(self) -> None:
        forecast = Persistence(np.array([9.0]), np.array([5.0, 6, 7]), HOUR_S).issue(1, 4)
        assert forecast.mean.tolist() == [6, 6, 6, 6]
        assert not forecast.spread.any()


class TestSameHourYesterday:
    @given(st.integers(0, 23), st.integers(1, 60))
    def test_a_daily_signal_is_forecast_exactly(self, step: int, ahead: int) -> None:
        day = np.arange(24.0) ** 2
        forecast = SameHourYesterday(day, np.tile(day, 4), HOUR_S).issue(step, ahead)
        assert forecast.mean.tolist() == np.tile(day, 5)[step : step + ahead].tolist()

    def test_it_says_what_was_a_day_before(self) -> None:
        past, values = np.arange(24.0), np.arange(100.0, 148.0)
        forecast = SameHourYesterday(past, values, HOUR_S).issue(5, 30)
        assert forecast.mean[0] == 105
        assert forecast.mean[1:19].tolist() == list(range(6, 24))  # of the day before the run
        assert forecast.mean[19:25].tolist() == list(range(100, 106))  # of the day of the run
        assert forecast.mean[25:].tolist() == [6, 7, 8, 9, 10]  # two days ahead: the last known

    def test_what_is_not_known_is_as_now(self) -> None:
        forecast = SameHourYesterday(np.array([1.0, 2]), np.full(9, 50.0), HOUR_S).issue(0, 30)
        assert forecast.mean[:22].tolist() == [50] * 22
        assert forecast.mean[22:24].tolist() == [1, 2]


class TestNoisy:
    TRUTH = 200 + 100 * np.sin(np.arange(300) / 40)

    def make(self, seed: int = 0, error: float = 0.2, **changes: float) -> Noisy:
        return Noisy(NOTHING, self.TRUTH, HOUR_S, error=error, seed=(seed,), **changes)

    def test_the_error_grows_from_nothing_to_that_asked_for(self) -> None:
        """Over many seeds: its standard deviation is the one of the autoregression, to 5 %."""
        step, ahead = 20, 100
        forecasts = [self.make(seed).issue(step, ahead) for seed in range(2000)]
        errors = np.array([one.mean for one in forecasts]) - self.TRUTH[step : step + ahead]
        assert not errors[:, 0].any()
        rho, far = math.exp(-1 / 4), 0.2 * self.TRUTH.mean()
        expected = far * np.sqrt(1 - rho ** (2 * np.arange(ahead)))
        assert errors.std(axis=0)[1:] == pytest.approx(expected[1:], rel=0.06)
        assert forecasts[0].spread == pytest.approx(expected, rel=1e-9)
        assert (np.diff(forecasts[0].spread) >= 0).all()
        assert forecasts[0].spread[-1] == pytest.approx(far, rel=1e-6)
        assert np.abs(errors.mean(axis=0)).max() < 4 * far / math.sqrt(2000)
        lagged = np.corrcoef(errors[:, 60], errors[:, 64])[0, 1]  # correlated over four hours
        assert lagged == pytest.approx(math.exp(-1), abs=0.07)

    @given(st.integers(0, 299), st.integers(1, 80), st.integers(0, 5))
    def test_the_same_seed_says_the_same(self, step: int, ahead: int, seed: int) -> None:
        one, again, other = (self.make(number) for number in (seed, seed, seed + 1))
        other.issue(0, 5)  # what was asked before does not matter
        again.issue(max(0, step - 1), 33)
        assert one.issue(step, ahead).mean.tobytes() == again.issue(step, ahead).mean.tobytes()
        if ahead > 1:
            mine, others = (each.issue(step, ahead).mean[1:] for each in (one, other))
            above_zero = (mine > 0) | (others > 0)  # below it both are cut off
            assert (mine != others)[above_zero].all()

    @given(st.integers(0, 40), st.integers(0, 5), st.integers(2, 30))
    def test_it_stands_until_the_next_issue(self, issue: int, lead: int, ahead: int) -> None:
        every = 6
        forecaster = self.make(issue_every_s=every * HOUR_S)
        first = forecaster.issue(issue * every, lead + ahead)
        later = forecaster.issue(issue * every + lead, ahead)
        assert later.mean[1:].tolist() == first.mean[lead + 1 :].tolist()
        assert later.spread[1:].tolist() == first.spread[lead + 1 :].tolist()
        renewed = forecaster.issue((issue + 1) * every, ahead)
        stood = forecaster.issue((issue + 1) * every - 1, ahead + 1)
        assert (renewed.mean[1:] != stood.mean[2:]).all()

    def test_without_an_error_it_is_the_truth(self) -> None:
        forecast = self.make(error=0.0).issue(290, 40)
        truth = Perfect(NOTHING, self.TRUTH, HOUR_S).issue(290, 40)
        assert forecast.mean.tolist() == truth.mean.tolist()
        assert not forecast.spread.any()

    def test_errors_that_are_not_correlated(self) -> None:
        forecast = self.make(correlation_s=0.0).issue(0, 300)
        far = 0.2 * self.TRUTH.mean()
        assert forecast.spread[1:] == pytest.approx(far)
        errors = (forecast.mean - self.TRUTH)[1:]
        assert abs(np.corrcoef(errors[1:], errors[:-1])[0, 1]) < 0.2
        assert errors.std() == pytest.approx(far, rel=0.15)

    def test_no_value_falls_below_zero(self) -> None:
        assert self.make(error=5.0).issue(0, 300).mean.min() == 0


class TestRecorded:
    VALUES = np.arange(100.0, 110.0)

    def test_the_latest_that_was_issued_counts(self) -> None:
        forecaster = recorded(NOTHING, self.VALUES, HOUR_S)
        assert forecaster.issue(0, 4).mean.tolist() == [100, 20, 30, 30]  # the last value holds
        assert forecaster.issue(1, 3).mean.tolist() == [101, 30, 30]
        assert forecaster.issue(2, 3).mean.tolist() == [102, 30, 30]  # the next is in this step
        assert forecaster.issue(3, 3).mean.tolist() == [103, 8, 8]
        assert forecaster.issue(9, 3).mean.tolist() == [109, 8, 8]  # long after its end

    def test_one_that_was_issued_before_the_run(self) -> None:
        forecaster = Recorded(
            NOTHING,
            self.VALUES,
            HOUR_S,
            issued_s=np.array([-2 * HOUR_S]),
            forecasts=[np.arange(1.0, 6.0)],
        )
        assert forecaster.issue(0, 3).mean.tolist() == [100, 4, 5]

    def test_before_the_first_all_stays_as_it_is(self) -> None:
        forecaster = Recorded(
            NOTHING, self.VALUES, HOUR_S, issued_s=np.array([HOUR_S]), forecasts=[np.ones(3)]
        )
        assert forecaster.issue(0, 3).mean.tolist() == [100, 100, 100]
        assert forecaster.issue(1, 3).mean.tolist() == [101, 1, 1]

    @pytest.mark.parametrize("issued", [[], [0.0, 1.0]])
    def test_a_forecast_for_each_issue(self, issued: list[float]) -> None:
        with pytest.raises(ValueError, match="a forecast for each time of issue, and at least one"):
            Recorded(
                NOTHING,
                self.VALUES,
                HOUR_S,
                issued_s=np.array(issued),
                forecasts=[np.ones(2)] * (len(issued) // 2),
            )


class TestForecast:
    ONE = Forecast(0.0, 60.0, np.arange(10.0), np.full(10, 2.0))

    def test_at(self) -> None:
        found = [self.ONE.at(ahead_s) for ahead_s in (0, 59.9, 60, 599)]
        assert found == [0, 0, 1, 9]
        assert [Forecast(0, 0.1, np.arange(9.0), np.zeros(9)).at(0.1 * k) for k in range(9)] == [
            *range(9)
        ]
        beyond = r"^a forecast starts at the present step \(got -1 s\)$"
        with pytest.raises(ValueError, match=beyond):
            self.ONE.at(-1)
        with pytest.raises(ValueError, match=r"the forecast ends 600 s ahead \(got 600 s\); the"):
            self.ONE.at(600)

    @given(st.integers(1, 12), st.integers(1, 40), st.floats(1, 1e5))
    def test_means_of_periods(self, size: int, count: int, step_s: float) -> None:
        values = np.linspace(0, 7, count) ** 2
        forecast = Forecast(0.0, step_s, values, np.zeros(count))
        assume(size <= count)
        means = forecast.by_period(size * step_s)
        assert len(means) == count // size  # what is left over is no period
        for k, mean in enumerate(means):
            assert mean == pytest.approx(values[k * size : (k + 1) * size].mean(), abs=1e-12)

    @pytest.mark.parametrize("period_s", [0.0, 20.0, 90.0, -60.0])
    def test_a_period_that_is_not_of_whole_steps(self, period_s: float) -> None:
        with pytest.raises(
            ValueError, match=rf"must be a whole number of steps of 60 s \(got {period_s:g}\)"
        ):
            self.ONE.by_period(period_s)

    def test_a_period_that_is_too_long(self) -> None:
        assert self.ONE.by_period(600).tolist() == [4.5]
        with pytest.raises(
            ValueError,
            match="the forecast ends 600 s ahead, before a period of 660 s does; "
            "the controller's `forecast_horizon_h` says how far it looks",
        ):
            self.ONE.by_period(660)

    def test_quantiles_are_of_a_normal_distribution(self) -> None:
        assert self.ONE.quantile(0.5) == pytest.approx(self.ONE.mean, abs=1e-12)
        assert self.ONE.quantile(0.975) == pytest.approx(self.ONE.mean + 2 * 1.959964)
        assert self.ONE.quantile(0.025) == pytest.approx(self.ONE.mean - 2 * 1.959964)
        for q in (0.0, 1.0, -0.1, 1.5):
            with pytest.raises(ValueError, match=r"0(\.0)? < p < 1"):
                self.ONE.quantile(q)


class TestForecasts:
    def test_one_is_made_once_and_when_it_is_asked_for(self) -> None:
        asked = []

        def issue(signal: str) -> Forecast:
            asked.append(signal)
            return TestForecast.ONE

        forecasts = Forecasts(issue, frozenset({"solar", "arrivals"}))
        assert list(forecasts) == ["arrivals", "solar"]
        assert len(forecasts) == 2
        assert not asked
        assert forecasts["solar"] is forecasts["solar"]
        assert asked == ["solar"]

    def test_one_that_is_not_declared(self) -> None:
        forecasts = Forecasts(lambda signal: TestForecast.ONE, frozenset({"solar", "arrivals"}))
        assert "carbon_intensity" not in forecasts
        with pytest.raises(
            KeyError,
            match="forecast of 'carbon_intensity': the controller declares forecasts of arrivals, "
            r"solar \(set its attribute `forecasts`\)",
        ):
            forecasts["carbon_intensity"]
        with pytest.raises(KeyError, match="declares forecasts of none"):
            NO_FORECASTS["solar"]
