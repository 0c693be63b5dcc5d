"""Lognormal and measured lengths, and lengths that differ by class."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from inference_sim.errors import InferenceSimError, UnknownName
from inference_sim.workload import (
    EmpiricalLengths,
    FixedLengths,
    LognormalLengths,
    LognormalTokens,
    PoissonArrivals,
    UniformLengths,
    find_lengths,
    generated_stream,
    read_trace,
)
from inference_sim.workload.empirical import PROBABILITIES
from tests.cosim.builders import data_file
from tests.inference_sim.builders import approx

DRAWS = 200_000
AZURE = {
    # Requests, mean and greatest prompt, mean and greatest output of the published files.
    "azure_2023_conversation": ("conv", 1154.7, 14_050, 211.1, 1000),
    "azure_2023_code": ("code", 2047.8, 7437, 27.88, 1899),
}


def rng() -> np.random.Generator:
    return np.random.default_rng(11)


class TestLognormal:
    def test_median_and_sigma(self) -> None:
        tokens = LognormalTokens(800.0, 0.7).draw(rng(), DRAWS)
        assert np.median(tokens) == approx(800, 0.01)
        assert np.log(tokens).std() == approx(0.7, 0.01)
        assert stats.kstest(np.log(tokens), "norm", (np.log(800), 0.7)).statistic < 0.005

    @pytest.mark.parametrize(("mean", "p99"), [(300, 310), (300, 1200), (300, 3000), (50, 600)])
    def test_mean_and_p99(self, mean: float, p99: float) -> None:
        tokens = LognormalTokens.from_mean_and_p99(mean, p99)
        reference = stats.lognorm(tokens.sigma, scale=tokens.median_tokens)
        assert reference.mean() == approx(mean, 1e-9)
        assert reference.ppf(0.99) == approx(p99, 1e-9)

    @pytest.mark.parametrize(("mean", "p99"), [(300, 300), (300, 200), (300, 4600)])
    def test_impossible_mean_and_p99(self, mean: float, p99: float) -> None:
        with pytest.raises(InferenceSimError, match=r"above the mean and is at most 14\.9 times"):
            LognormalTokens.from_mean_and_p99(mean, p99)

    def test_a_longer_tail_is_a_larger_sigma(self) -> None:
        sigmas = [LognormalTokens.from_mean_and_p99(1, ratio).sigma for ratio in (2, 5, 9, 14.9)]
        assert sigmas == sorted(sigmas)

    def test_bounds(self) -> None:
        """What lies beyond them is cut, not drawn again."""
        tokens = LognormalTokens(100.0, 1.0, 50, 300).draw(rng(), DRAWS)
        assert (tokens.min(), tokens.max()) == (50, 300)
        normal = stats.norm()
        assert (tokens == 300).mean() == approx(normal.sf(np.log(299.5 / 100)), 0.03)
        assert (tokens == 50).mean() == approx(normal.cdf(np.log(50.5 / 100)), 0.03)

    def test_at_least_one_token(self) -> None:
        assert LognormalTokens(0.1, 0.0).draw(rng(), 3).tolist() == [1, 1, 1]

    def test_prompt_and_output_are_independent(self) -> None:
        lengths = LognormalLengths(LognormalTokens(800, 0.7), LognormalTokens(90, 0.9))
        prompt, output = lengths.draw(rng(), DRAWS)
        assert np.median(output) == approx(90, 0.02)
        assert abs(stats.spearmanr(prompt, output).statistic) < 4 / np.sqrt(DRAWS)


class TestEmpirical:
    @pytest.mark.parametrize("name", AZURE)
    def test_means_and_bounds_of_the_azure_traces(self, name: str) -> None:
        _, prompt_mean, prompt_max, output_mean, output_max = AZURE[name]
        prompt, output = find_lengths(name).draw(rng(), DRAWS)
        assert prompt.mean() == approx(prompt_mean, 0.02)
        assert output.mean() == approx(output_mean, 0.03)
        assert prompt.max() <= prompt_max
        assert output.max() <= output_max
        assert min(prompt.min(), output.min()) >= 1

    @pytest.mark.parametrize("name", AZURE)
    def test_the_data_are_those_of_the_trace(self, name: str) -> None:
        """Quantiles and correlation, and how far draws are from the recorded lengths."""
        path = data_file(f"traces/AzureLLMInferenceTrace_{AZURE[name][0]}.csv")
        trace = read_trace(path, "azure")
        lengths = find_lengths(name)
        assert lengths == EmpiricalLengths.measured(trace.prompt_tokens, trace.output_tokens)
        rho = stats.spearmanr(trace.prompt_tokens, trace.output_tokens).statistic
        assert lengths.rank_correlation == round(rho, 4)
        prompt, output = lengths.draw(rng(), DRAWS)
        assert prompt.mean() == approx(trace.prompt_tokens.mean(), 0.03)
        assert output.mean() == approx(trace.output_tokens.mean(), 0.03)
        assert stats.ks_2samp(prompt, trace.prompt_tokens).statistic < 0.03
        assert stats.ks_2samp(output, trace.output_tokens).statistic < 0.06
        assert stats.spearmanr(prompt, output).statistic == pytest.approx(rho, abs=0.01)

    @pytest.mark.parametrize("rho", [-0.6, 0.0, 0.3, 0.9])
    def test_marginals_and_rank_correlation(self, rho: float) -> None:
        """Of distributions without ties, both are kept."""
        one, other = stats.gamma(2, scale=4000), stats.lognorm(0.8, scale=9000)
        # The quantile of probability 1 is infinite: end a little before.
        within = np.minimum(PROBABILITIES, 0.9999)
        lengths = EmpiricalLengths(tuple(one.ppf(within)), tuple(other.ppf(within)), rho)
        prompt, output = lengths.draw(rng(), DRAWS)
        assert stats.kstest(prompt, one.cdf).statistic < 0.005
        assert stats.kstest(output, other.cdf).statistic < 0.005
        assert stats.spearmanr(prompt, output).statistic == pytest.approx(rho, abs=0.01)

    def test_ranks_of_equal_lengths(self) -> None:
        """As Spearman's correlation has them: each the mean of theirs."""
        prompt, output = rng().integers(1, 6, (2, 500))
        measured = EmpiricalLengths.measured(prompt, prompt + output)
        rho = stats.spearmanr(prompt, prompt + output).statistic
        assert measured.rank_correlation == round(rho, 4)

    def test_unknown_name(self) -> None:
        with pytest.raises(UnknownName, match="did you mean 'azure_2023_code'"):
            find_lengths("azure_2023_cod")


class TestClassLengths:
    SHARES = (0.2, 0.5, 0.3)

    def drawn(self, **changes: object) -> np.ndarray:
        arguments = {"class_shares": self.SHARES, "requests": 9000, **changes}
        lengths = UniformLengths(100, 900, 3.0)
        stream = generated_stream(PoissonArrivals(3.0), lengths, 5, **arguments)
        return np.array([one[:4] for one in stream])

    def test_each_class_has_its_own(self) -> None:
        stream = self.drawn(class_lengths={0: FixedLengths(7, 3), 2: UniformLengths(1000, 2000, 1)})
        _, prompt, output, class_id = stream.T
        assert set(prompt[class_id == 0]) == {7}
        assert set(output[class_id == 0]) == {3}
        total = (prompt + output)[class_id == 2]
        assert 999 <= total.min() < 1010  # both halves of an odd total are rounded down
        assert 1990 < total.max() <= 2000
        assert (prompt + output)[class_id == 1].max() <= 900

    def test_changing_one_leaves_the_others(self) -> None:
        """Times, classes, and the lengths of all other classes stay as they were."""
        base = self.drawn()
        one = self.drawn(class_lengths={0: UniformLengths(5, 50, 1.0)})
        both = self.drawn(
            class_lengths={0: UniformLengths(5, 50, 1.0), 2: UniformLengths(1000, 2000, 1)}
        )
        for other in (one, both):
            np.testing.assert_array_equal(other[:, [0, 3]], base[:, [0, 3]])
        np.testing.assert_array_equal(one[one[:, 3] != 0], base[base[:, 3] != 0])
        np.testing.assert_array_equal(both[both[:, 3] != 2], one[one[:, 3] != 2])
