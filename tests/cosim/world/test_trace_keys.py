"""Traces in scenarios: their columns and classes, clients of ServeGen, and errors with places."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from cosim.scenario.trace import Trace
from cosim.world.plan import load_plan
from cosim.world.workload import WorkloadSource, workload_source
from tests.conftest import Cli
from tests.cosim.builders import BASE, edited, write
from tests.inference_sim.test_trace_servegen import WINDOWS, folder_of

GENERATED = (
    "  arrivals: {type: poisson, rate_per_s: 0.5}\n"
    "  lengths: {type: fixed, prompt_tokens: 200, output_tokens: 40}\n"
)
LOG = "ts,tier,in,out\n0,chat,10,5\n2,bulk,20,6\n3.5,chat,30,7\n9,chat,8,8\n"
COLUMNS = "columns: {time: ts, prompt: in, output: out, class: tier}, time_unit: s"
CLASSES = "  classes: [{name: chat}, {name: batch, deferrable: true}]\n"
MAPPED = f"  trace: {{format: csv, path: t.csv, {COLUMNS}, classes: {{bulk: batch}}}}\n"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("t.csv", LOG)


def source(trace: str) -> WorkloadSource:
    write("s.yaml", edited((GENERATED, trace)))
    return workload_source(load_plan(Path("s.yaml")).scenario, 0)


def refused(cosim: Cli, trace: str) -> str:
    write("s.yaml", edited((GENERATED, trace)))
    answer = cosim("validate", "s.yaml")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.count("\n") == 1
    return answer.err.removeprefix("error: ").removesuffix("\n")


class TestClasses:
    def test_are_those_of_the_trace(self) -> None:
        found = source(MAPPED + CLASSES)
        assert [(arrival.time_s, arrival.class_id) for arrival in found.stream()] == [
            (0, 0),
            (2, 1),
            (3.5, 0),
            (9, 0),
        ]
        assert [entry.share for entry in found.config.classes] == [0.75, 0.25]

    def test_controllers_learn_their_shares(self) -> None:
        write("s.yaml", edited((GENERATED, MAPPED + CLASSES)))
        plan = load_plan(Path("s.yaml"))
        (context,) = plan.contexts.values()
        assert [(info.name, info.share) for info in context.classes] == [
            ("chat", 0.75),
            ("batch", 0.25),
        ]

    def test_a_class_without_requests(self) -> None:
        classes = CLASSES.replace("}]", "}, {name: idle}]")
        assert [entry.share for entry in source(MAPPED + classes).config.classes][2] == 0

    def test_the_scenario_is_written_and_read_again(self) -> None:
        write("s.yaml", edited((GENERATED, MAPPED + CLASSES)))
        scenario = load_plan(Path("s.yaml")).scenario
        dumped = scenario.model_dump(mode="json", exclude_none=True)
        write("again.yaml", yaml.safe_dump(dumped))
        assert load_plan(Path("again.yaml")).scenario.workload == scenario.workload

    @pytest.mark.parametrize(
        ("trace", "message"),
        [
            (MAPPED + "  classes: [{name: chat}, {name: batch, share: 1}]\n", "have no `share`"),
            (
                MAPPED + "  classes: [{name: chat}]\n",
                "`trace.classes` names a class that there is not (got batch; the workload has",
            ),
            (
                MAPPED.replace(", classes: {bulk: batch}", "") + CLASSES,
                "t.csv:3: column tier has classes that the workload has not: 'bulk' (known: chat",
            ),
            (
                MAPPED.replace(", class: tier", "") + CLASSES,
                "`trace.classes` goes with a column `class`",
            ),
            ("  trace: {path: t.csv}\n" + CLASSES, "the shares of the classes must add up to 1"),
        ],
    )
    def test_refused(self, cosim: Cli, trace: str, message: str) -> None:
        assert message in refused(cosim, trace)


class TestLeftOut:
    def test_is_counted_and_said(self, cosim: Cli) -> None:
        """By validate, by run, and in the summary; the shares are of the others."""
        write("t.csv", LOG + "10,chat,0,5\n11,bulk,5\n")
        skipping = MAPPED.replace("path:", "skip: invalid, path:") + CLASSES
        write("s.yaml", edited((GENERATED, skipping)))
        assert "2 rows of t.csv left out as invalid" in cosim("validate", "s.yaml").out
        answer = cosim("run", "s.yaml", "-o", "results")
        assert answer.code == 0
        assert "2 rows of t.csv left out as invalid" in answer.out + answer.err
        summary = json.loads(Path("results/summary.json").read_text())
        (site,) = summary["sites"].values()
        assert site["trace_left_out"] == {"failed": 0, "invalid": 2}
        assert source(skipping).config.classes[0].share == 0.75

    def test_is_an_error_otherwise(self, cosim: Cli) -> None:
        write("t.csv", LOG + "10,chat,0,5\n")
        assert "t.csv:6: column in is not a whole number" in refused(cosim, MAPPED + CLASSES)


class TestKeys:
    @pytest.mark.parametrize(
        ("keys", "message"),
        [
            (
                "format: csv",
                "s.yaml:8:10 workload.trace: `format: csv` needs `columns`: name its columns, such "
                "as `trace: {format: csv, path: ",
            ),
            ("format: csv, columns: {time: ts, prompt: in, output: out}", "needs `time_unit`: "),
            ("columns: {time: ts}", "`columns` go with `format: csv or jsonl`"),
            ("format: csv, columns: {time: ts}, time_unit: s", "the columns lack prompt, output"),
            (
                "format: csv, columns: {tme: ts}, time_unit: s",
                "(got tme; did you mean 'time'?)",
            ),
            ("prefix_block_tokens: 16", "goes with a column `prefix`"),
            ("", "t.csv:1: no known format of request traces (got 'ts,tier,in,out'; known: "),
        ],
    )
    def test_refused(self, cosim: Cli, keys: str, message: str) -> None:
        assert message in refused(cosim, f"  trace: {{path: t.csv, {keys}}}\n")

    def test_a_log_that_was_written_at_the_ends(self, cosim: Cli) -> None:
        write("t.csv", "ts,tier,in,out\n9,chat,8,8\n0,chat,10,5\n")
        assert "`sort: true` sorts one" in refused(cosim, MAPPED + CLASSES)
        found = source(MAPPED.replace("path:", "sort: true, path:") + CLASSES)
        assert [arrival.time_s for arrival in found.stream()] == [0, 9]

    def test_every_kind_of_column_is_described(self) -> None:
        schema = Trace.model_json_schema()["properties"]["columns"]
        assert "propertyNames" in str(schema)


class TestServeGen:
    TRACE = "  trace: {type: servegen, path: clients, rate_scale: 0.1, begin: 10min}\n"

    def test_stream(self) -> None:
        Path("clients").mkdir()
        folder_of(Path("clients"), {1: WINDOWS, 4: WINDOWS})
        found = source(self.TRACE)
        times = [arrival.time_s for arrival in found.stream()]
        assert len(times) == 60 + 180
        assert times == sorted(times)
        assert found.peak_rate_per_s == pytest.approx(0.3)
        assert times == [arrival.time_s for arrival in found.stream()]
        other = source(self.TRACE.replace("10min", "10min, loop: true"))
        assert next(iter(other.stream())).time_s == times[0]

    def test_is_not_shown_as_a_file(self, cosim: Cli) -> None:
        Path("clients").mkdir()
        folder_of(Path("clients"), {1: WINDOWS})
        answer = cosim("traces", "show", "clients")
        assert answer.code == 2
        assert "`workload.trace: {type: servegen, path: clients}`" in answer.err

    def test_a_run(self, cosim: Cli) -> None:
        """And its results name the folder by the hash of its files."""
        Path("clients").mkdir()
        folder_of(Path("clients"), {1: WINDOWS, 4: WINDOWS})
        write("s.yaml", edited((GENERATED, self.TRACE)))
        answer = cosim("run", "s.yaml", "-o", "results")
        assert (answer.code, answer.err) == (0, "")

    @pytest.mark.parametrize(
        ("trace", "message"),
        [
            (TRACE, "s.yaml:8:33 workload.trace.path: no such folder"),
            (TRACE.replace("clients", "t.csv"), "is a file, a folder is expected"),
            (TRACE.replace("clients", "."), "holds no chunk-N-trace.csv"),
            (
                TRACE.replace("servegen", "servgen").replace("clients", "."),
                "expected 'servegen' (got 'servgen', a string; did you mean 'servegen'?)",
            ),
            (
                TRACE.replace("begin: 10min", "shift: 10min").replace("clients", "."),
                "s.yaml:8:53 workload.trace.shift: unknown key (keys: type, path, rate_scale,",
            ),
        ],
    )
    def test_refused(self, cosim: Cli, trace: str, message: str) -> None:
        assert message in refused(cosim, trace)


def test_the_base_has_what_is_replaced() -> None:
    assert GENERATED in BASE
