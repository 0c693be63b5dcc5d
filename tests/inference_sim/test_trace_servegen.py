"""Clients of ServeGen: their rates, gaps and lengths, on small folders made up here."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from inference_sim.errors import TraceError
from inference_sim.workload import Replay
from inference_sim.workload.trace_servegen import ServeGen
from inference_sim.workload.trace_servegen_files import read_servegen, weibull_shape
from tests.samples import examples

LENGTHS = {"input_tokens": "{100: 0.25, 200: 0.75}", "output_tokens": "{0: 0.5, 9: 0.5}"}
LATER = {"input_tokens": "{300: 1.0}", "output_tokens": "{5: 1.0}"}
WINDOWS = "0,2,3,Gamma,1,1\n600,0.5,0.5,Gamma,1,1\n1200,0,0,,0,0\n1800,1.5,2,Weibull,1,1\n"


def folder_of(
    path: Path, windows: dict[int, str], lengths: dict[str, dict[str, str]] | None = None
) -> Path:
    lengths = lengths or {"0": LENGTHS, "1200": LATER}
    for number, text in windows.items():
        (path / f"chunk-{number}-trace.csv").write_text(text)
        (path / f"chunk-{number}-dataset.json").write_text(json.dumps(lengths))
    return path


def arrays(clients: ServeGen) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    parts = [*clients.parts()]
    times, prompts, outputs = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("times_s", "prompt_tokens", "output_tokens")
    )
    return times, prompts, outputs


class TestRequests:
    def test_rates_are_those_of_the_windows(self, tmp_path: Path) -> None:
        """To the request, where rate times width is whole."""
        clients = read_servegen(folder_of(tmp_path, {3: WINDOWS, 5: WINDOWS}))
        times, _, _ = arrays(clients)
        counts = np.histogram(times, [0, 600, 1200, 1800, 2400])[0]
        assert counts.tolist() == [2400, 600, 0, 1800]
        assert (np.diff(times) >= 0).all()
        assert clients.requests == len(times) == 4800
        assert clients.span_s == 2400
        assert clients.peak_rate_per_s == 4.0
        scaled = read_servegen(tmp_path, rate_scale=0.25)
        assert np.histogram(arrays(scaled)[0], [0, 600, 1200, 2400])[0].tolist() == [600, 150, 450]

    def test_a_broken_count_is_rounded_at_random(self, tmp_path: Path) -> None:
        folder = folder_of(tmp_path, {3: "0,0.0005,1,Gamma,1,1\n600,0,0,,0,0\n"})
        counts = []
        for seed in range(400):
            try:
                counts.append(read_servegen(folder, seed=(seed,)).requests)
            except TraceError as error:
                assert "send no request at this rate" in str(error)  # noqa: PT017
                counts.append(0)
        assert set(counts) == {0, 1}
        assert np.mean(counts) == pytest.approx(0.3, abs=4 * math.sqrt(0.3 * 0.7 / 400))

    @pytest.mark.parametrize("kind", ["Gamma", "Weibull"])
    @pytest.mark.parametrize("cv", [0.5, 1.0, 2.0])
    def test_gaps_vary_as_they_should(self, tmp_path: Path, kind: str, cv: float) -> None:
        folder = folder_of(tmp_path, {1: f"0,100,{cv},{kind},1,1\n600,0,0,,0,0\n"})
        gaps = np.diff(arrays(read_servegen(folder))[0])
        assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.03)
        assert gaps.mean() == pytest.approx(0.01, rel=0.002)

    def test_weibull_shapes(self) -> None:
        """1 is the exponential distribution; of 2, the Rayleigh, it is sqrt(4 / pi - 1)."""
        cvs = np.array([1.0, math.sqrt(4 / math.pi - 1), math.sqrt(5)])
        assert weibull_shape(cvs) == pytest.approx([1, 2, 0.5], rel=1e-6)

    def test_lengths_are_those_of_their_window(self, tmp_path: Path) -> None:
        times, prompts, outputs = arrays(read_servegen(folder_of(tmp_path, {3: WINDOWS})))
        early = times < 1200
        assert set(prompts[early].tolist()) == {100, 200}
        assert (prompts[early] == 200).mean() == pytest.approx(0.75, abs=0.05)
        assert set(outputs[early].tolist()) == {1, 9}  # an output has a token at least
        assert np.corrcoef(prompts[early], outputs[early])[0, 1] == pytest.approx(0, abs=0.1)
        assert set(prompts[~early].tolist()) == {300}

    def test_the_seed_says_all(self, tmp_path: Path) -> None:
        folder = folder_of(tmp_path, {3: WINDOWS, 5: WINDOWS})
        first, again = (arrays(read_servegen(folder, seed=(1, 2))) for _ in range(2))
        assert [each.tolist() for each in first] == [each.tolist() for each in again]
        assert arrays(read_servegen(folder, seed=(1, 3)))[0].tolist() != first[0].tolist()
        (folder / "chunk-5-trace.csv").unlink()
        alone = arrays(read_servegen(folder, seed=(1, 2)))[0]
        assert set(alone.tolist()) < set(first[0].tolist())

    def test_begins_within_the_recording(self, tmp_path: Path) -> None:
        folder = folder_of(tmp_path, {3: WINDOWS})
        whole = arrays(read_servegen(folder))
        late = read_servegen(folder, begin_s=250)
        kept = whole[0] >= 250
        assert arrays(late)[0] == pytest.approx(whole[0][kept] - 250, abs=1e-9)
        assert arrays(late)[1].tolist() == whole[1][kept].tolist()
        assert late.requests == int(kept.sum())
        assert late.span_s == 2150

    def test_looped(self, tmp_path: Path) -> None:
        clients = read_servegen(folder_of(tmp_path, {3: WINDOWS}))
        replay = Replay(trace=clients, loop=True)
        times: list[float] = []
        for part in replay.parts():
            times += part.times_s.tolist()
            if times[-1] > 5000:
                break
        assert times == sorted(times)

    @pytest.mark.parametrize("seed", range(examples(3)))
    def test_bursty_clients(self, tmp_path: Path, seed: int) -> None:
        """Nearly all gaps of a cv of 50 are 0, and a rate that is small comes seldom."""
        folder = folder_of(tmp_path, {1: "0,0.1,50,Gamma,1,1\n600,0.1,300,Weibull,1,1\n"})
        times = arrays(read_servegen(folder, seed=(seed,)))[0]
        assert len(times) == 120
        assert np.isfinite(times).all()
        assert (np.diff(times) >= 0).all()
        assert times[-1] <= 1200


class TestRefused:
    @pytest.mark.parametrize(
        ("windows", "message"),
        [
            ("", "chunk-3-trace.csv: is empty"),
            ("0,1\n", "chunk-3-trace.csv:1: expected start, rate, cv, distribution"),
            ("0,x,1,Gamma,1,1\n", "chunk-3-trace.csv:1: expected start, rate, cv, distribution"),
            ("0,1,1,Pareto,1,1\n", "chunk-3-trace.csv:1: expected Gamma or Weibull (got 'Pareto')"),
            ("0,-1,1,Gamma,1,1\n", "chunk-3-trace.csv:1: start and rate are numbers of 0 or more"),
            ("0,nan,1,Gamma,1,1\n", "chunk-3-trace.csv:1: start and rate are numbers"),
            ("0,1,0,Gamma,1,1\n", "chunk-3-trace.csv:1: a rate of 1 requests/s needs a cv above 0"),
            ("0,1,1,,1,1\n", "chunk-3-trace.csv:1: a rate of 1 requests/s needs a distribution"),
            (WINDOWS + "1200,1,1,Gamma,1,1\n", "chunk-3-trace.csv:5: begins before the window"),
            ("0,0,0,,0,0\n", "its clients send no request at this rate"),
        ],
    )
    def test_windows(self, tmp_path: Path, windows: str, message: str) -> None:
        with pytest.raises(TraceError) as error:
            read_servegen(folder_of(tmp_path, {3: windows}))
        assert str(error.value).startswith(str(tmp_path))
        assert message in str(error.value)

    @pytest.mark.parametrize(
        ("lengths", "message"),
        [
            ({"0": {"text_tokens": "{1: 1}"}}, "window 0 lacks input_tokens"),
            ({"0": {**LENGTHS, "input_tokens": "{1: 0.5}"}}, "probabilities that add up to 1"),
            ({"0": {**LENGTHS, "input_tokens": "{-1: 1.0}"}}, "probabilities that add up to 1"),
            ({"0": {**LENGTHS, "input_tokens": "{1: many}"}}, "input_tokens are not numbers"),
            ({"0": {**LENGTHS, "input_tokens": "__import__('os')"}}, "input_tokens are not"),
            ({"600": LENGTHS}, "has no lengths of 0 s, where requests are sent"),
            ({"0": LENGTHS, "1200": {**LATER, "output_tokens": "{}"}}, "no lengths of 1800 s"),
            ({"noon": LENGTHS}, "expected an object of windows"),
        ],
    )
    def test_lengths(
        self, tmp_path: Path, lengths: dict[str, dict[str, str]], message: str
    ) -> None:
        with pytest.raises(TraceError) as error:
            read_servegen(folder_of(tmp_path, {3: WINDOWS}, lengths))
        assert str(error.value).startswith(str(tmp_path / "chunk-3-dataset.json"))
        assert message in str(error.value)

    def test_folders(self, tmp_path: Path) -> None:
        with pytest.raises(TraceError, match=r"holds no chunk-N-trace\.csv"):
            read_servegen(tmp_path)
        with pytest.raises(TraceError, match="cannot be read"):
            read_servegen(tmp_path / "none")
        folder = folder_of(tmp_path, {3: WINDOWS, 5: WINDOWS.replace("600", "700")})
        with pytest.raises(TraceError, match="has other windows than chunk-3-trace"):
            read_servegen(folder)
        (folder / "chunk-3-dataset.json").unlink()
        with pytest.raises(TraceError, match=r"chunk-3-dataset\.json: cannot be read"):
            read_servegen(folder)

    def test_a_begin_after_the_end(self, tmp_path: Path) -> None:
        with pytest.raises(TraceError, match=r"goes on to 2400 s \(got a begin at 9000 s\)"):
            read_servegen(folder_of(tmp_path, {3: WINDOWS}), begin_s=9000)


CLIENTS = Path(__file__).parents[3] / "shared" / "data" / "traces" / "servegen_clients"


@pytest.mark.parametrize(("model", "number"), [("m-large", 57), ("m-mid", 14), ("m-small", 17)])
def test_real_clients(tmp_path: Path, model: str, number: int) -> None:
    """Whose windows hold whole numbers of requests: a day of them has as many as they say."""
    for kind in ("trace.csv", "dataset.json"):
        source = CLIENTS / f"{model}_chunk-{number}-{kind}"
        if not source.exists():
            pytest.skip(f"{source} is not here")
        (tmp_path / f"chunk-{number}-{kind}").symlink_to(source)
    clients = read_servegen(tmp_path, begin_s=5 * 86400.0)
    rates = np.loadtxt(tmp_path / f"chunk-{number}-trace.csv", delimiter=",", usecols=1)
    windows = rates[5 * 144 : 5 * 144 + 6]
    times: list[float] = []
    for part in clients.parts():
        times += part.times_s.tolist()
        if times[-1] >= 3600:
            break
    within = [time_s for time_s in times if time_s < 3600]
    counts = np.histogram(within, np.arange(7) * 600.0)[0]
    assert counts == pytest.approx(windows * 600, abs=1e-6)
