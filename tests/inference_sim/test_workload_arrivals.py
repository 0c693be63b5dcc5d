"""Arrival processes other than Poisson: their means, their variances, the shape of the day."""

from __future__ import annotations

from itertools import takewhile

import numpy as np
import pytest
from scipy import stats

from inference_sim.workload import BurstArrivals, GammaArrivals, HourlyArrivals
from inference_sim.workload.arrivals import CHUNK, Arrivals
from tests.inference_sim.builders import approx

OFFICE = tuple(0.0 if hour < 6 else float(hour % 12) for hour in range(24))


def times(arrivals: Arrivals, until_s: float, seed: int = 1) -> np.ndarray:
    """Arrival times before `until_s`."""
    rng = np.random.default_rng(seed)
    chunks = takewhile(lambda chunk: len(chunk) == 0 or chunk[0] < until_s, arrivals.times_s(rng))
    drawn = np.concatenate([np.empty(0), *chunks])
    return drawn[drawn < until_s]


@pytest.mark.parametrize(
    "arrivals",
    [
        GammaArrivals(5.0, 3.0),
        GammaArrivals(5.0, 0.1),
        BurstArrivals(1.0, 50.0, 0.2, 0.5),
        BurstArrivals(0.0, 50.0, 20.0, 900.0),
        BurstArrivals(2.0, 3.0, 1e6, 1e6),
        HourlyArrivals(5.0, OFFICE, 22.5),
    ],
)
def test_chunks_are_bounded_and_times_never_go_back(arrivals: Arrivals) -> None:
    """Across chunks, and across the states that are drawn at a time."""
    source = arrivals.times_s(np.random.default_rng(0))
    chunks = [next(source) for _ in range(12)]
    drawn = np.concatenate(chunks)
    assert max(map(len, chunks)) <= CHUNK
    assert len(drawn) > CHUNK
    assert drawn[0] > 0
    assert np.diff(drawn).min() >= 0


class TestGamma:
    @pytest.mark.parametrize("cv", [0.25, 1.0, 2.0])
    def test_gaps(self, cv: float) -> None:
        """Gamma-distributed of shape 1 / cv^2, independent of each other."""
        arrivals = GammaArrivals(8.0, cv)
        assert arrivals.peak_rate_per_s == 8.0
        gaps = np.diff(times(arrivals, 4000.0), prepend=0.0)
        reference = stats.gamma(1 / cv**2, scale=cv**2 / 8)
        assert stats.kstest(gaps, reference.cdf).pvalue > 0.001
        assert gaps.std() / gaps.mean() == approx(cv, 0.05)
        assert abs(np.corrcoef(gaps[1:], gaps[:-1])[0, 1]) < 4 / np.sqrt(len(gaps))

    def test_cv_of_one_is_poisson(self) -> None:
        gaps = np.diff(times(GammaArrivals(8.0, 1.0), 4000.0), prepend=0.0)
        assert stats.kstest(gaps, stats.expon(scale=1 / 8).cdf).pvalue > 0.001


class TestBursts:
    ARRIVALS = BurstArrivals(2.0, 30.0, mean_burst_s=20.0, mean_gap_s=80.0)

    def test_rates(self) -> None:
        assert self.ARRIVALS.burst_share == approx(0.2, 1e-15)
        assert self.ARRIVALS.mean_rate_per_s == approx(0.2 * 30 + 0.8 * 2, 1e-15)
        assert self.ARRIVALS.peak_rate_per_s == 30.0

    @pytest.mark.parametrize("window_s", [1.0, 10.0, 100.0])
    def test_mean_and_variance_of_counts(self, window_s: float) -> None:
        """Both in closed form.

        The rate has variance ``d^2 p (1 - p)``, with d the difference between the rates and p the
        share of bursts, and forgets its state at the rate ``r = 1 / burst + 1 / gap``; integrated
        twice over a window, its covariance adds to the variance of a Poisson count.
        """
        windows = 3000 if window_s == 100 else 20_000
        counts = np.histogram(
            times(self.ARRIVALS, windows * window_s), windows, (0, windows * window_s)
        )[0]
        r = 1 / 20 + 1 / 80
        spread = (30 - 2) ** 2 * 0.2 * 0.8
        mean = 7.6 * window_s
        variance = mean + 2 * spread * (window_s / r - (1 - np.exp(-r * window_s)) / r**2)
        independent = windows * min(1.0, window_s * r / 2)
        assert counts.mean() == approx(mean, 4 * np.sqrt(variance / independent) / mean)
        assert counts.var() == approx(variance, 8 / np.sqrt(independent))

    def test_nothing_arrives_between_bursts_of_a_silent_base(self) -> None:
        drawn = times(BurstArrivals(0.0, 40.0, 5.0, 300.0), 100_000.0)
        gaps = np.diff(drawn)
        silent = gaps[gaps > 2.0]  # no gap within a burst is: e^-80
        assert len(silent) == approx(100_000 / 305, 0.25)
        assert silent.mean() == approx(302, 0.25)  # exponential from 2 s on

    def test_starts_as_it_goes_on(self) -> None:
        """Over many seeds the first seconds have the mean rate, as any others."""
        arrivals = BurstArrivals(0.0, 30.0, mean_burst_s=20.0, mean_gap_s=80.0)
        counts = [len(times(arrivals, 2.0, seed)) for seed in range(600)]
        # Nearly all or nothing: 60 requests with probability 0.2.
        assert np.mean(counts) == approx(12.0, 4 * 24 / np.sqrt(600) / 12)


class TestHourly:
    def test_rate_on_and_between_the_hours(self) -> None:
        weights = (1.0, 3.0, *[2.0] * 21, 5.0)  # of mean 51 / 24
        arrivals = HourlyArrivals(51 / 24, weights, start_hour=0.0)
        hours = np.array([0, 0.5, 1, 1.25, 2, 22.5, 23, 23.75, 24, 48.5])
        expected = [1, 2, 3, 2.75, 2, 3.5, 5, 2, 1, 2]
        assert arrivals.rate_per_s(hours * 3600) == approx(np.array(expected), 1e-12)
        assert arrivals.peak_rate_per_s == approx(5.0, 1e-12)

    def test_only_the_proportions_of_the_weights_matter(self) -> None:
        small = HourlyArrivals(3.0, tuple(weight / 1e6 for weight in OFFICE), 3.0)
        at = np.linspace(0, 86_400, 97)
        assert small.rate_per_s(at) == approx(HourlyArrivals(3.0, OFFICE, 3.0).rate_per_s(at), 1e-9)

    def test_counts(self) -> None:
        """Every half hour's count is the integral of the rate, from the hour of the start."""
        arrivals = HourlyArrivals(0.8, OFFICE, start_hour=21.5)
        days = 6
        drawn = times(arrivals, days * 86_400.0)
        counts = np.bincount((drawn // 1800).astype(int) % 48, minlength=48)
        weights = np.array(OFFICE) * 0.8 * 24 / sum(OFFICE)
        edges = np.interp((21.5 + np.arange(49) / 2) % 24, np.arange(25), [*weights, weights[0]])
        expected = days * 1800 * (edges[1:] + edges[:-1]) / 2
        busy = expected > 0
        assert counts[~busy].sum() == 0
        chi_square = ((counts - expected)[busy] ** 2 / expected[busy]).sum()
        assert chi_square < stats.chi2.ppf(0.999, busy.sum())
        assert len(drawn) == approx(days * 86_400 * 0.8, 4 / np.sqrt(len(drawn)))
