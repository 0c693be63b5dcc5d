"""Arrivals, lengths and streams: their means, their laziness, their random numbers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice, pairwise, takewhile

import numpy as np
import pytest

from inference_sim.workload import (
    Arrival,
    DailyArrivals,
    FixedLengths,
    PoissonArrivals,
    StaticArrivals,
    UniformLengths,
    ZipfLengths,
    generated_stream,
    thinned,
    trace_stream,
)
from inference_sim.workload.arrivals import CHUNK, Arrivals
from inference_sim.workload.lengths import Lengths
from inference_sim.workload.traces import RequestTrace
from tests.inference_sim.builders import approx

DEFAULT = ZipfLengths(0.6, 1024, 4096, 20)
SHORT = FixedLengths(10, 5)


def times(arrivals: Arrivals, until_s: float, seed: int = 1) -> np.ndarray:
    """Arrival times before `until_s`."""
    stream = generated_stream(arrivals, SHORT, seed)
    return np.array([one.time_s for one in takewhile(lambda one: one.time_s < until_s, stream)])


class TestZipfLengths:
    def test_default_of_the_paper(self) -> None:
        """1841 prompt and 92 output tokens on average; the standard error is 2 and 0.1."""
        prompt, output = DEFAULT.draw(np.random.default_rng(42), 200_000)
        assert prompt.mean() == approx(1841, 8 / 1841)
        assert output.mean() == approx(91.7, 0.4 / 91.7)
        total = prompt + output
        assert total.min() == 1023  # of 1024, with both parts rounded down
        assert 4000 < total.max() <= 4096

    @pytest.mark.parametrize(
        ("theta", "shortest", "longest"),
        [(0.6, 1024, 4096), (1.1, 16, 4096), (0.9, 1, 50), (0.6, 7, 8), (0.6, 30, 30)],
    )
    def test_each_draw_is_that_of_ycsb(self, theta: float, shortest: int, longest: int) -> None:
        """The generator's definition, one number at a time."""
        n = longest - shortest + 1
        zeta_n = sum(k**-theta for k in range(1, n))
        uniform = np.random.default_rng(3).random(3000)
        expected = []
        for u in uniform.tolist():
            if u * zeta_n < 1:
                rank = 0
            elif u * zeta_n < 1 + 0.5**theta:
                rank = 1
            else:
                eta = (1 - (2 / n) ** (1 - theta)) / (1 - 1 / (zeta_n + 1e-8))
                rank = int(n * (eta * u - eta + 1) ** (1 / (1 - theta)))
            expected.append(min(shortest + rank, longest))
        lengths = ZipfLengths(theta, shortest, longest, 1e9)  # all of it prompt, but one token
        prompt, output = lengths.draw(np.random.default_rng(3), 3000)
        assert set(output.tolist()) == {1}
        np.testing.assert_array_equal(prompt, np.maximum(np.array(expected) - 1, 1))

    def test_shortest_most_often(self) -> None:
        prompt, _ = ZipfLengths(0.9, 10, 500, 1.0).draw(np.random.default_rng(0), 50_000)
        counts = np.bincount(prompt)
        assert counts.argmax() == 5
        assert counts[5:50].sum() > 5 * counts[150:195].sum()


@pytest.mark.parametrize(
    "lengths",
    [DEFAULT, UniformLengths(1, 40, 0.02), UniformLengths(2, 40, 50.0), FixedLengths(7, 3)],
)
def test_lengths_are_whole_and_at_least_one(lengths: Lengths) -> None:
    prompt, output = lengths.draw(np.random.default_rng(0), 5000)
    for tokens in (prompt, output):
        assert tokens.shape == (5000,)
        assert np.issubdtype(tokens.dtype, np.integer)
        assert tokens.min() >= 1


def test_uniform_lengths() -> None:
    prompt, output = UniformLengths(30, 90, 2.0).draw(np.random.default_rng(0), 100_000)
    # total / 3 has a fraction for two totals of three: there both parts are rounded down.
    assert (prompt + output).min() == 30
    assert (prompt + output).max() == 90
    assert (prompt + output).mean() == approx(60 - 2 / 3, 0.003)
    assert np.abs(prompt - 2 * output).max() <= 1


class TestArrivals:
    def test_poisson(self) -> None:
        """Mean, and counts per second whose variance is their mean."""
        counts = np.bincount(times(PoissonArrivals(8.0), 4000.0).astype(int), minlength=4000)
        assert counts.mean() == approx(8.0, 4 / np.sqrt(32_000))
        assert counts.var() == approx(8.0, 4 * np.sqrt(2 / 4000))

    def test_static(self) -> None:
        np.testing.assert_allclose(
            times(StaticArrivals(4.0), 3000.0), np.arange(1, 12_000) / 4, rtol=1e-15
        )

    def test_daily_profile(self) -> None:
        """Every hour's count follows the cosine, from the hour at which the run starts."""
        arrivals = DailyArrivals(0.5, peak_to_mean=1.8, peak_hour=14.0, start_hour=20.0)
        assert arrivals.peak_rate_per_s == approx(0.9, 1e-15)
        days = 10
        drawn = times(arrivals, days * 86_400.0)
        counts = np.bincount((drawn // 3600).astype(int) % 24, minlength=24)
        # The mean of the cosine over an hour.
        hours = np.arange(24) + 20 - 14.0
        wave = np.diff(np.sin(2 * np.pi * np.append(hours, hours[-1] + 1) / 24)) * 24 / (2 * np.pi)
        expected = days * 3600 * 0.5 * (1 + 0.8 * wave)
        chi_square = ((counts - expected) ** 2 / expected).sum()
        assert chi_square < 50  # 24 degrees of freedom: exceeded once in 700 seeds
        assert len(drawn) == approx(days * 86_400 * 0.5, 4 / np.sqrt(len(drawn)))
        assert np.roll(counts, 20).argmax() in {13, 14}
        assert arrivals.rate_per_s(np.array([18.0, 6.0]) * 3600) == approx([0.9, 0.1], 1e-12)

    def test_a_flat_day_is_poisson(self) -> None:
        drawn = times(DailyArrivals(2.0, 1.0, 14.0, 0.0), 5000.0)
        assert len(drawn) == approx(10_000, 0.04)

    @pytest.mark.parametrize(
        "arrivals",
        [PoissonArrivals(5.0), StaticArrivals(5.0), DailyArrivals(5.0, 2.0, 1.0, 23.0)],
    )
    def test_times_never_go_back(self, arrivals: Arrivals) -> None:
        """Across chunks too."""
        drawn = [one.time_s for one in islice(generated_stream(arrivals, SHORT, 0), 3 * CHUNK)]
        assert drawn[0] > 0
        assert np.diff(drawn).min() >= 0


class TestGeneratedStream:
    def test_lazy(self) -> None:
        """An endless stream is read as far as it is asked for, in chunks."""
        chunks = 0

        class Counting(PoissonArrivals):
            def times_s(self, rng: np.random.Generator) -> Iterator[np.ndarray]:
                nonlocal chunks
                for chunk in PoissonArrivals(self.rate_per_s).times_s(rng):
                    chunks += 1
                    yield chunk

        stream = generated_stream(Counting(3.0), SHORT, 0)
        assert chunks == 0
        assert len(list(islice(stream, CHUNK))) == CHUNK
        assert chunks == 1
        next(stream)
        assert chunks == 2

    def test_number_of_requests(self) -> None:
        assert len(list(generated_stream(PoissonArrivals(3.0), SHORT, 0, requests=5000))) == 5000
        assert not list(generated_stream(PoissonArrivals(3.0), SHORT, 0, requests=0))

    def test_same_seed_same_stream(self) -> None:
        def drawn(seed: int) -> list[Arrival]:
            stream = generated_stream(PoissonArrivals(3.0), DEFAULT, seed, requests=5000)
            return list(stream)

        assert drawn(4) == drawn(4)
        assert drawn(4) != drawn(5)

    def test_common_random_numbers(self) -> None:
        """Other lengths or classes leave the times as they are, and the other way round."""
        base = list(generated_stream(PoissonArrivals(3.0), DEFAULT, 9, requests=9000))
        other = UniformLengths(5, 50, 1.0)
        longer = list(generated_stream(PoissonArrivals(3.0), other, 9, requests=9000))
        assert column(longer, 0) == column(base, 0)
        assert column(longer, 1) != column(base, 1)
        faster = list(generated_stream(PoissonArrivals(6.0), DEFAULT, 9, requests=9000))
        assert column(faster, 1) == column(base, 1)
        assert column(faster, 2) == column(base, 2)
        assert [2 * time for time in column(faster, 0)] == approx(column(base, 0), 1e-12)
        shares = (0.2, 0.5, 0.3)
        classed = list(
            generated_stream(PoissonArrivals(3.0), DEFAULT, 9, requests=9000, class_shares=shares)
        )
        assert [one[:3] for one in classed] == [one[:3] for one in base]
        assert set(column(base, 3)) == {0}
        counts = np.bincount(np.array(column(classed, 3), dtype=int))
        np.testing.assert_allclose(counts / 9000, shares, atol=4 * 0.5 / np.sqrt(9000))


def column(stream: list[Arrival], index: int) -> list[float]:
    return [one[index] for one in stream]


def test_trace_stream() -> None:
    """All of a trace once, across chunks; or its first requests."""
    size = CHUNK + 100
    trace = RequestTrace(np.arange(size) / 2, np.arange(size) + 1, np.arange(size) % 7 + 1)
    stream = list(trace_stream(trace, 0))
    assert len(stream) == size
    assert stream[-1][:4] == ((size - 1) / 2, size, (size - 1) % 7 + 1, 0)
    assert stream[: CHUNK + 3] == list(trace_stream(trace, 0, requests=CHUNK + 3))
    assert all(type(value) in {int, float} for value in stream[0][:4])
    classes = column(list(trace_stream(trace, 0, class_shares=(0.5, 0.5))), 3)
    assert 0.45 < np.mean(classes) < 0.55
    assert classes != column(list(trace_stream(trace, 1, class_shares=(0.5, 0.5))), 3)


def test_peak_rate_of_a_trace() -> None:
    times_s = np.array([0.0, 1, 2, 59, 60, 61, 62, 63, 64, 200])
    tokens = np.ones(10, dtype=int)
    assert RequestTrace(times_s, tokens, tokens).peak_rate_per_s == approx(5 / 60, 1e-12)


def test_thinned_streams_partition_the_whole() -> None:
    """Sites with the shares .25, .45 and .3 take every request exactly once, in order."""
    whole = list(generated_stream(PoissonArrivals(3.0), DEFAULT, 2, requests=10_000))
    bounds = [0.0, 0.25, 0.7, 1.0]
    parts = [list(thinned(whole, 2, low, high)) for low, high in pairwise(bounds)]
    assert sorted(chain(*parts)) == whole
    for part, share in zip(parts, (0.25, 0.45, 0.3), strict=True):
        assert part == sorted(part)
        assert len(part) / 10_000 == approx(share, 0.06)
    assert list(thinned(whole, 2, 0.0, 1.0)) == whole
    assert list(thinned(whole, 2, 0.4, 0.4)) == []
    assert list(thinned(whole, 3, 0.0, 0.25)) != parts[0]


def test_thinning_an_endless_stream() -> None:
    endless = generated_stream(PoissonArrivals(3.0), DEFAULT, 2)
    assert len(list(islice(thinned(endless, 2, 0.5, 1.0), 7000))) == 7000
