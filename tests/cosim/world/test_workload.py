"""The workload section of a scenario: what each key makes, and what is refused."""

from __future__ import annotations

import re
import shutil
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import yaml

from cosim.errors import ScenarioError
from cosim.results.folder import resolved_scenario
from cosim.scenario.lengths import Empirical
from cosim.scenario.loading import read_document, validate_document
from cosim.scenario.scenario import Scenario
from cosim.scenario.trace import Trace
from cosim.scenario.workload import Workload
from cosim.world.plan import load_plan
from cosim.world.workload import WorkloadSource, workload_source
from inference_sim.files.catalogue import read_data
from inference_sim.workload import Arrival
from inference_sim.workload.trace_formats import FORMATS
from tests.cosim.builders import BASE, REPOSITORY, SCENARIOS, edited, write
from tests.inference_sim.builders import approx

POISSON = "{type: poisson, rate_per_s: 0.5}"
FIXED = "{type: fixed, prompt_tokens: 200, output_tokens: 40}"
CLASSED = (
    "  classes:\n"
    "    - {name: a, share: 0.4, lengths: {type: fixed, prompt_tokens: 9, output_tokens: 8}}\n"
    "    - {name: b, share: 0.6}\n"
)
TRACE = "TIMESTAMP,ContextTokens,GeneratedTokens\n" + "".join(
    f"2023-11-16 18:15:{second:02}.5,{100 + second},{second + 1}\n" for second in range(0, 60, 6)
)


@pytest.fixture(autouse=True)
def _in_a_folder_with_a_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("trace.csv", TRACE)


def source(*changes: tuple[str, str]) -> WorkloadSource:
    """The workload of the base scenario, edited."""
    scenario = validate_document(read_document(write("s.yaml", edited(*changes)), ()), Scenario)
    return workload_source(scenario, 0)


def requests(count: int, *changes: tuple[str, str]) -> list[Arrival]:
    return list(islice(source(*changes).stream(), count))


def with_trace(keys: str) -> tuple[str, str]:
    """The edit that puts a trace in place of arrivals and lengths."""
    generated = BASE[BASE.index("  arrivals:") : BASE.index("sites:")]
    return generated, f"  trace: {{format: azure, path: trace.csv{keys}}}\n"


def refused(*changes: tuple[str, str]) -> str:
    with pytest.raises(ScenarioError) as caught:
        load_plan(write("s.yaml", edited(*changes)))
    return str(caught.value)


WEIGHTS = [1.0] * 12 + [3.0] * 12


@pytest.mark.parametrize(
    ("arrivals", "mean", "peak"),
    [
        ("{type: gamma, rate_per_s: 4, cv: 2.5}", 4.0, 4.0),
        (
            "{type: bursts, base_rate_per_s: 1, burst_rate_per_s: 21, mean_burst: 30s, "
            "mean_gap: 2min}",
            5.0,
            21.0,
        ),
        ("{type: daily, mean_rate_per_s: 4}", 4.0, 6.4),
        (f"{{type: daily, mean_rate_per_s: 4, hourly_weights: {WEIGHTS}}}", 4.0, 6.0),
    ],
)
def test_arrivals(arrivals: str, mean: float, peak: float) -> None:
    """Their mean rate over two days, and the peak that controllers take fractions of."""
    workload = source((POISSON, arrivals))
    assert workload.peak_rate_per_s == approx(peak, 1e-12)
    days = 2 * 86_400
    arrived = sum(one.time_s < days for one in islice(workload.stream(), int(1.5 * days * mean)))
    assert arrived == approx(days * mean, 0.06)


def test_hourly_weights_are_on_the_clock_of_the_scenario() -> None:
    """With a start at noon, UTC, after the quiet half of the day."""
    weights = [0] * 12 + [1] + [0] * 11
    changes = [(POISSON, f"{{type: daily, mean_rate_per_s: 1, hourly_weights: {weights}}}")]
    at_noon = requests(5000, *changes, ("08T00:00", "08T12:00"))
    assert max(one.time_s for one in at_noon) < 3600
    at_midnight = requests(5000, *changes)
    assert 11 * 3600 < min(one.time_s for one in at_midnight) < 11.2 * 3600


@pytest.mark.parametrize(
    ("lengths", "prompt", "output"),
    [
        (
            "{type: lognormal, prompt: {median_tokens: 300, sigma: 0.5}, "
            "output: {mean_tokens: 80, p99_tokens: 200}}",
            300 * np.exp(0.125),
            80,
        ),
        (
            "{type: lognormal, prompt: {median_tokens: 300, sigma: 0, min_tokens: 500}, "
            "output: {median_tokens: 80, sigma: 0, max_tokens: 5}}",
            500,
            5,
        ),
        ("{type: empirical, source: azure_2023_conversation}", 1154.7, 211.1),
        ("{type: empirical, source: azure_2023_code}", 2047.8, 27.9),
    ],
)
def test_lengths(lengths: str, prompt: float, output: float) -> None:
    drawn = requests(30_000, (FIXED, lengths))
    assert np.mean([one.prompt_tokens for one in drawn]) == approx(prompt, 0.04)
    assert np.mean([one.output_tokens for one in drawn]) == approx(output, 0.06)


def test_every_measured_source_can_be_named() -> None:
    named = get_args(Empirical.model_fields["source"].annotation)
    assert set(named) == set(read_data("inference_sim.workload", "azure_lengths.yaml"))


class TestClasses:
    def test_lengths_of_their_own(self) -> None:
        for one in requests(500, (f"{FIXED}\n", f"{FIXED}\n{CLASSED}")):
            assert one[1:3] == ((9, 8) if one.class_id == 0 else (200, 40))

    def test_the_workload_needs_none_if_every_class_has(self) -> None:
        both = CLASSED.replace("b, share: 0.6", f"b, share: 0.6, lengths: {FIXED}")
        drawn = requests(500, (f"  lengths: {FIXED}\n", both))
        assert {one[1:4] for one in drawn} == {(9, 8, 0), (200, 40, 1)}

    def test_one_that_has_none(self) -> None:
        message = refused((f"  lengths: {FIXED}\n", CLASSED))
        assert "workload: expected either `arrivals` and `lengths`, or `trace`" in message

    def test_not_with_a_trace(self) -> None:
        old, new = with_trace("")
        message = refused((old, new + CLASSED))
        assert "class 'a' has `lengths`, but those of a trace are recorded" in message


class TestTrace:
    def test_pace_and_shift(self) -> None:
        drawn = requests(99, with_trace(", rate_scale: 3, shift: 10min"))
        assert [one.time_s for one in drawn] == approx([600 + 2.0 * i for i in range(10)], 1e-12)
        assert [one.prompt_tokens for one in drawn] == [100 + 6 * i for i in range(10)]
        assert source(with_trace(", rate_scale: 3")).peak_rate_per_s == approx(3 * 10 / 54, 1e-12)

    def test_loop(self) -> None:
        drawn = requests(25, with_trace(", loop: true"))
        assert [one.time_s for one in drawn] == approx([6.0 * i for i in range(25)], 1e-12)
        assert len(requests(25, with_trace(", loop: false"))) == 10

    def test_a_trace_is_recognised_by_its_content(self) -> None:
        """And may be named; failures are counted, and told after the run."""
        rows = "".join(f"{t},m,5,{t % 2},5,API log\n" for t in range(6))
        header = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
        write("trace.csv", header + rows)
        generated, trace = with_trace("")
        for keys in (trace.replace("format: azure, ", ""), trace.replace("azure", "burstgpt")):
            found = source((generated, keys))
            assert [one.time_s for one in found.stream()] == [0, 2, 4]
            assert found.trace_failures == 3
        message = refused((generated, trace))
        assert "workload.trace.path: " in message
        assert "it looks like format 'burstgpt'" in message

    def test_every_format_can_be_named(self) -> None:
        assert Trace.model_fields["format"].description is not None
        assert ", ".join(FORMATS) in Trace.model_fields["format"].description

    def test_invalid_rows_are_left_out_where_that_is_said(self) -> None:
        write("trace.csv", TRACE + "2023-11-16 18:16:00.5,0,5\n")
        message = refused(with_trace(""))
        assert "is not a whole number from 1" in message
        assert message.endswith("(got '0'); `skip: invalid` leaves such rows out")
        trace = source(with_trace(", skip: invalid"))
        assert len(list(trace.stream())) == 10
        assert trace.trace_skipped == 1

    def test_the_unit_of_times_can_be_set(self) -> None:
        write("trace.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\n1000,5,5\n3500,5,5\n")
        assert "set `time_unit` to one of s, ms, us, ns, epoch, iso (got '1000'" in refused(
            with_trace("")
        )
        trace = source(with_trace(", time_unit: ms"))
        assert [arrival.time_s for arrival in trace.stream()] == [0, 2.5]

    def test_a_trace_that_cannot_be_looped(self) -> None:
        write("trace.csv", "".join(f"{line}\n" for line in TRACE.splitlines()[:2]))
        message = refused(with_trace(", loop: true"))
        assert "workload.trace" in message
        assert "a trace whose requests all arrive at once cannot be looped" in message

    @pytest.mark.parametrize(
        ("workload", "endless"),
        [
            (f"  arrivals: {POISSON}\n  lengths: {FIXED}\n", True),
            (f"  requests: 9\n  arrivals: {POISSON}\n  lengths: {FIXED}\n", False),
            (with_trace("")[1], False),
            (with_trace(", loop: true")[1], True),
            (f"  requests: 9\n{with_trace(', loop: true')[1]}", False),
        ],
    )
    def test_endless(self, workload: str, endless: bool) -> None:
        assert source((with_trace("")[0], workload)).config.endless is endless


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (POISSON, "{type: gamma, rate_per_s: 1, cv: 0}", "arrivals.cv: must be at least 0.01"),
        (
            POISSON,
            "{type: bursts, base_rate_per_s: 3, burst_rate_per_s: 3, mean_burst: 5s, mean_gap: 9s}",
            "arrivals: burst_rate_per_s must be above base_rate_per_s (got 3 and 3)",
        ),
        (
            POISSON,
            "{type: bursts, base_rate_per_s: 0, burst_rate_per_s: 3, mean_burst: 0s, mean_gap: 9s}",
            "arrivals: mean_burst and mean_gap must be at least 0.001 s (got 0 s and 9 s)",
        ),
        (
            POISSON,
            f"{{type: daily, mean_rate_per_s: 1, hourly_weights: {WEIGHTS}, peak_hour_utc: 3}}",
            "arrivals: expected either `hourly_weights`, or `peak_to_mean` and `peak_hour_utc`",
        ),
        (
            POISSON,
            f"{{type: daily, mean_rate_per_s: 1, hourly_weights: {[0] * 24}}}",
            "arrivals: one of the hourly_weights must be greater than 0",
        ),
        (
            POISSON,
            f"{{type: daily, mean_rate_per_s: 1, hourly_weights: {[1] * 23}}}",
            "arrivals.hourly_weights: ",
        ),
        (
            FIXED,
            "{type: lognormal, prompt: {median_tokens: 9, sigma: 1, mean_tokens: 9}, "
            "output: {median_tokens: 9, sigma: 1}}",
            "lengths.prompt: expected either `median_tokens` and `sigma`, or `mean_tokens` and "
            "`p99_tokens`",
        ),
        (
            FIXED,
            "{type: lognormal, prompt: {mean_tokens: 9, p99_tokens: 300}, "
            "output: {median_tokens: 9, sigma: 1}}",
            "lengths.prompt: of a lognormal distribution, the 99th percentile lies above the mean "
            "and is at most 14.9 times as large (got 300 and 9)",
        ),
        (
            FIXED,
            "{type: lognormal, prompt: {median_tokens: 9, sigma: 1}, "
            "output: {median_tokens: 9, sigma: 1, min_tokens: 7, max_tokens: 6}}",
            "lengths.output: min_tokens must not exceed max_tokens (got 7 and 6)",
        ),
        (
            FIXED,
            "{type: empirical, source: azure_2024}",
            "lengths.source: ",
        ),
        (*with_trace(", rate_scale: 0"), "trace.rate_scale: must be greater than 0 (got 0)"),
    ],
)
def test_refused(old: str, new: str, message: str) -> None:
    """With the place of the mistake."""
    found = refused((old, new))
    assert found.startswith(("s.yaml:8:", "s.yaml:9:"))
    assert f"workload.{message}" in found


@pytest.mark.parametrize(
    "arrivals",
    [
        "{type: daily, mean_rate_per_s: 4}",
        f"{{type: daily, mean_rate_per_s: 4, hourly_weights: {WEIGHTS}}}",
    ],
)
def test_what_a_run_writes_out_can_be_run_again(arrivals: str) -> None:
    """Defaults are written out, but not those of the cosine beside weights."""

    def workload(text: str) -> Any:
        return resolved_scenario(load_plan(write("s.yaml", text)))["workload"]

    written = workload(edited((POISSON, arrivals)))
    again = yaml.safe_dump(yaml.safe_load(BASE) | {"workload": written})
    assert workload(again) == written
    assert ("peak_to_mean" in written["arrivals"]) is ("hourly_weights" not in arrivals)


def test_every_example_of_the_page_is_a_workload() -> None:
    """And its tables name all types of arrivals and lengths."""
    shutil.copytree(SCENARIOS / "data", "data")
    page = (REPOSITORY / "docs" / "workloads.md").read_text(encoding="utf-8")
    files = re.findall(r"^<!-- file: (\S+) -->\n```\w+\n(.*?)^```$", page, re.M | re.S)
    for name, text in files:
        write(name, text)
    examples = re.findall(r"^```yaml\n(.*?)^```$", page, re.M | re.S)
    keys = [yaml.safe_load(text) for text in examples]  # some are of the cluster
    found = [Workload.model_validate(each["workload"]) for each in keys if "workload" in each]
    assert len(found) >= 4
    models = Workload.model_json_schema()["$defs"].values()
    kinds = [model["properties"].get("type", {}).get("const") for model in models]
    clients = (REPOSITORY / "docs" / "serving.md").read_text(encoding="utf-8")
    for kind in filter(None, kinds):
        assert f"| `{kind}` |" in page + clients
