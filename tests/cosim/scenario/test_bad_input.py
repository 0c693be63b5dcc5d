"""What a user gets wrong comes back as one clear message, and leaves nothing behind."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pytest

from controllers import ACTUATORS, SiteAction
from inference_sim.hardware import gpu_names
from tests.conftest import Cli
from tests.cosim.builders import BASE, controlled, edited, write, write_controller
from tests.warm import run_warm

AREA = "{type: typical_day, area: CISO}"
DURATION = "expected a duration such as 90s, 15min, 25h or 7d"


def refused(cosim: Cli, text: str, *args: str) -> str:
    """Run a wrong scenario; return the messages, which are all that it may leave."""
    write("s.yaml", text)
    before = sorted(Path.cwd().rglob("*"))
    answer = cosim("run", "s.yaml", *args)
    assert answer.code == 2
    assert answer.out == ""
    assert sorted(Path.cwd().rglob("*")) == before  # no results, and nothing hidden
    lines = answer.err.splitlines()
    assert lines
    assert all(line.startswith("error: ") for line in lines)
    return "\n".join(line.removeprefix("error: ") for line in lines)


# Keys


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed: 1", "sed: 1", "s.yaml:2:1 sed: unknown key; did you mean 'seed'?"),
        (
            "gpu: h100-sxm-80gb",
            "gpu: h100-sxm-80gb\n      replica: 2",
            "s.yaml:16:7 sites.0.cluster.replica: unknown key; did you mean 'replicas'?",
        ),
        (
            "min_soc: 0.2",
            "min_sok: 0.2",
            "s.yaml:19:64 sites.0.microgrid.battery.min_sok: unknown key; did you mean 'min_soc'?",
        ),
        (
            "high_g_per_kwh",
            "high_g",
            "s.yaml:21:30 controllers.0.high_g: unknown key; did you mean 'high_g_per_kwh'?",
        ),
        (
            "duration: 20min\n",
            "duration: 20min\n  zzz: 1\n",
            "s.yaml:6:3 time.zzz: unknown key (keys: start, duration, until, max_duration, step)",
        ),
        (
            "name: dc",
            "name: dc\n    name: dc2",
            "s.yaml:12:5: key 'name' is given twice; first at s.yaml:11:5",
        ),
    ],
)
def test_unknown_and_repeated_keys(cosim: Cli, old: str, new: str, message: str) -> None:
    assert refused(cosim, edited((old, new))).startswith(message)  # lists may grow


def test_a_time_zone_that_there_is_not(cosim: Cli) -> None:
    zone = edited(("  - name: dc\n", "  - name: dc\n    timezone: Europe/Berlim\n"))
    message = refused(cosim, zone)
    assert message.startswith("s.yaml:12:15 sites.0.timezone: expected an IANA time zone (got ")
    assert "did you mean 'Europe/Berlin'?" in message


def test_a_missing_key(cosim: Cli) -> None:
    message = refused(cosim, edited(("  - name: dc\n    location", "  - location")))
    assert message == "s.yaml:11:5 sites.0: missing key 'name' (Name of the site)"


# Types, units and ranges

SOLAR = "s.yaml:18:46 sites.0.microgrid.solar.peak_power_w: "
CAPACITY = "s.yaml:19:41 sites.0.microgrid.battery.capacity_wh: "


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "peak_power_w: 600",
            "peak_power_w: 3 kW",
            SOLAR + "expected a number (got '3 kW', a string; write the plain number in the unit "
            "of the key)",
        ),
        ("peak_power_w: 600", "peak_power_w: .nan", SOLAR + "must be a finite number (got nan)"),
        ("peak_power_w: 600", "peak_power_w: .inf", SOLAR + "must be a finite number (got inf)"),
        (
            "peak_power_w: 600",
            "peak_power_w: nan",
            SOLAR + "expected a number (got 'nan', a string)",
        ),
        ("peak_power_w: 600", "peak_power_w: -600", SOLAR + "must be at least 0 (got -600)"),
        ("capacity_wh: 100", "capacity_wh: true", CAPACITY + "expected a number (got true)"),
        ("capacity_wh: 100", "capacity_wh: ~", CAPACITY + "expected a number (got nothing)"),
        (
            "capacity_wh: 100",
            "capacity_wh: '100'",
            CAPACITY + "expected a number (got '100', a string; write it without quotes or leading "
            "zeros)",
        ),
        (
            "prompt_tokens: 200",
            "prompt_tokens: 200.5",
            "s.yaml:9:41 workload.lengths.prompt_tokens: expected a whole number (got 200.5)",
        ),
        ("seed: 1", "seed: -1", "s.yaml:2:7 seed: must be at least 0 (got -1)"),
        (
            "rate_per_s: 0.5",
            "rate_per_s: 0",
            "s.yaml:8:41 workload.arrivals.rate_per_s: must be greater than 0 (got 0)",
        ),
        (
            "initial_soc: 0.8",
            "initial_soc: 80",
            "s.yaml:19:59 sites.0.microgrid.battery.initial_soc: must be at most 1 (got 80)",
        ),
        (
            "initial_soc: 0.8",
            "initial_soc: 0.1",
            "s.yaml:19:16 sites.0.microgrid.battery: initial_soc must be at least min_soc "
            "(got 0.1 < 0.2)",
        ),
        (
            "min_soc: 0.2}",
            "min_soc: 0.2, max_soc: 1}",
            "s.yaml:19:78 sites.0.microgrid.battery.max_soc: unknown key; did you mean 'min_soc'?",
        ),
        ("20min", "15 minutes", f"s.yaml:5:13 time.duration: {DURATION} (got '15 minutes')"),
        ("20min", "-20min", f"s.yaml:5:13 time.duration: {DURATION} (got '-20min')"),
        ("20min", "[20]", f"s.yaml:5:13 time.duration: {DURATION}"),
        (
            "20min",
            "-60",
            "s.yaml:5:13 time.duration: a duration must be finite and not negative (got -60)",
        ),
        (
            "2022-06-08T00:00:00Z",
            "noon",
            "s.yaml:4:10 time.start: expected a date and time such as 2023-06-08T00:00:00Z "
            "(got 'noon')",
        ),
        (
            "low_g_per_kwh: 200",
            "low_g_per_kwh: 200, throttled: 2",
            "s.yaml:21:82 controllers.0.throttled: must be at most 1 (got 2)",
        ),
    ],
)
def test_wrong_types_units_and_ranges(cosim: Cli, old: str, new: str, message: str) -> None:
    assert refused(cosim, edited((old, new))).startswith(message)  # lists may grow


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("90.5s", "step must be a whole number of seconds, at least 1 (got 90.5 s)"),
        ("0.5", "step must be a whole number of seconds, at least 1 (got 0.5 s)"),
        ("0", "step must be a whole number of seconds, at least 1 (got 0 s)"),
        (
            "7s",
            "duration must be a whole number of steps, at least one "
            "(got 1200 s with a step of 7 s)",
        ),
    ],
)
def test_a_step_that_is_not_whole(cosim: Cli, step: str, message: str) -> None:
    found = refused(cosim, edited(("step: 60s", f"step: {step}")))
    assert found == f"s.yaml:4:3 time: {message}"


def test_overrides_are_checked_like_the_file(cosim: Cli) -> None:
    assert refused(cosim, BASE, "--set", "sites.0.cluster.replicas=two") == (
        "--set sites.0.cluster.replicas: expected a whole number (got 'two', a string)"
    )
    assert refused(cosim, BASE, "--set", "sites.3.name=x") == (
        "--set sites.3.name: index 3 is out of range: 'sites' has 1 entries, 1 appends"
    )
    assert refused(cosim, BASE, "--seed", "-1") == "--set seed: must be at least 0 (got -1)"


LONG = "x" * 5000


@pytest.mark.parametrize(
    ("old", "new", "begin", "end"),
    [
        ("20min", LONG, f"s.yaml:5:13 time.duration: {DURATION} (got 'xxx", "xxx')"),
        ("name: base", f"extends: {LONG}", "s.yaml:1:10 extends: 'xxx", "xxx' cannot be read: "),
        ("carbon_threshold", LONG, "s.yaml:21:12 controllers.0.type: no controller 'x", ":Class"),
        (AREA, f"{{type: file, path: {LONG}}}", "s.yaml:17:44 sites.0.micro", "xxx')"),
    ],
)
def test_of_a_long_text_the_middle_is_left_out(
    cosim: Cli, old: str, new: str, begin: str, end: str
) -> None:
    line = refused(cosim, edited((old, new)))
    assert line.startswith(begin)
    assert "x…x" in line
    assert end in line[-60:]
    assert len(line) < 2000


# Names


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "Meta-Llama-3-8B",
            "Meta-Llama-3-8b",
            "s.yaml:14:14 sites.0.cluster.model: unknown model (got 'meta-llama/Meta-Llama-3-8b'); "
            "did you mean 'meta-llama/Meta-Llama-3-8B'? known: Qwen/Qwen-72B, ",
        ),
        (
            "h100-sxm-80gb",
            "h100-sxm-80g",
            "s.yaml:15:12 sites.0.cluster.gpu: unknown GPU (got 'h100-sxm-80g'); did you mean "
            f"'h100-sxm-80gb'? known: {', '.join(sorted(gpu_names()))}",
        ),
        (
            "carbon_threshold",
            "carbon_treshold",
            "s.yaml:21:12 controllers.0.type: no controller 'carbon_treshold'; did you mean "
            "'carbon_threshold'? expected one of noop, carbon_threshold, ",
        ),
        (
            "type: clear_sky",
            "type: clear_skies",
            "s.yaml:18:21 sites.0.microgrid.solar.type: unknown type 'clear_skies'; did you mean "
            "'clear_sky'? (expected one of: constant, csv, fleet_2022, solcast, clear_sky, "
            "pvlib)",
        ),
        (
            "type: poisson",
            "type: poison",
            "s.yaml:8:20 workload.arrivals.type: unknown type 'poison'; did you mean 'poisson'? "
            "(expected one of: ",
        ),
        (
            "area: CISO",
            "area: CISQ",
            "s.yaml:17:51 sites.0.microgrid.carbon_intensity.area: expected 'CISO', 'ERCO', "
            "'PJM', 'NYIS' or 'BPAT' (got 'CISQ', a string; did you mean 'CISO'?)",
        ),
    ],
)
def test_unknown_names(cosim: Cli, old: str, new: str, message: str) -> None:
    assert refused(cosim, edited((old, new))).startswith(message)  # lists may grow


def test_a_model_that_does_not_fit(cosim: Cli) -> None:
    assert refused(cosim, edited(("Meta-Llama-3-8B", "Llama-2-70b-hf"))) == (
        "s.yaml:14:7 sites.0.cluster: vLLM 0.11 does not start with 'meta-llama/Llama-2-70b-hf' on "
        "1 x h100-sxm-80gb: of 71.26 GiB on each GPU (90% of 79.18) weights take 128.48, the "
        "profiling run 1.56 for a max_batch_tokens (max_num_batched_tokens) of 8,192, and 0.13 are "
        "outside PyTorch's; 58.91 GiB are missing, and the KV cache has none: raise "
        "tensor_parallel, or take a larger GPU"
    )
    model = "Llama-2-70b-hf\n      scheduler: {type: sarathi}"
    assert refused(cosim, edited(("Meta-Llama-3-8B", model))) == (
        "s.yaml:14:7 sites.0.cluster: 'meta-llama/Llama-2-70b-hf' does not fit on 1 x "
        "h100-sxm-80gb: each GPU needs 128.5 GiB for weights and 0.6 GiB for one request of 2048 "
        "tokens, and has 72.0 GiB (90% of 80): 57.1 GiB are missing; raise tensor_parallel or take "
        "a larger GPU"
    )


# Controllers


def test_controllers_that_conflict(cosim: Cli) -> None:
    text = controlled(
        "{type: noop}",
        "{type: carbon_threshold, actuator: batch_cap}",
        "{type: battery_aware, actuator: batch_cap}",
    )
    assert refused(cosim, text) == (
        "s.yaml:21:3 controllers: controllers 'carbon_threshold' and 'battery_aware' both set "
        "batch_cap on site 'dc': an actuator takes one controller per site"
    )


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "{type: carbon_threshold, every: 90s}",
            "s.yaml:21:37 controllers.0.every: must be a multiple of the step, 60 s (got 90 s)",
        ),
        (
            "{type: carbon_threshold, site: cd}",
            "s.yaml:21:36 controllers.0.site: no site with a cluster is called 'cd' (known: dc)",
        ),
        (
            "{type: carbon_threshold, low_g_per_kwh: 200}",
            "s.yaml:21:5 controllers.0: low_g_per_kwh needs high_g_per_kwh beside it",
        ),
        (
            "{type: ./nothere.py:Mine}",
            "s.yaml:21:12 controllers.0.type: no such file for controller './nothere.py:Mine' "
            "(got '{here}/nothere.py')",
        ),
        (
            "{type: ./broken.py:Mine}",
            "s.yaml:21:12 controllers.0.type: importing '{here}/broken.py' raised "
            "ZeroDivisionError: division by zero ({here}/broken.py:2)",
        ),
        (
            "{type: ./mine.py:Mnie}",
            "s.yaml:21:12 controllers.0.type: '{here}/mine.py' has no class 'Mnie': its "
            "controllers are Mine; did you mean 'Mine'?",
        ),
        (
            "{type: ./mine.py:Mine}",
            "s.yaml:21:3 controllers: actuators of controller './mine.py:Mine' must be a "
            "frozenset of names, out of {actuators} (got 'batch_kap'); did you mean "
            "'batch_cap'?",
        ),
        ("7", "s.yaml:21:5 controllers.0: expected a mapping (got 7)"),
        ("{every: 1h}", "s.yaml:21:5 controllers.0: missing key 'type' (Name of a built-in "
         "controller, or `./file.py:Class` for one of your own)"),
    ],
)  # fmt: skip
def test_controllers_that_cannot_be(cosim: Cli, entry: str, message: str) -> None:
    write("broken.py", "x = 0\n1 / x\n")
    write_controller(Path(), "return None", '{"batch_kap"}')
    here, known = str(Path.cwd()), ", ".join(ACTUATORS)
    assert refused(cosim, controlled(entry)) == message.replace("{here}", here).replace(
        "{actuators}", known
    )


# Signal files

ROWS = [f"2022-06-08T00:{minute:02}:00Z,{100 + minute}" for minute in range(0, 60, 5)]
NEEDED = (
    "but 2022-06-08T00:00:00Z to 2022-06-08T00:20:00Z is needed; change time.start or "
    "time.duration, or set align: start to move a file's first row to the start of the run"
)


def with_row(row: str) -> list[str]:
    return [*ROWS[:3], row, *ROWS[4:]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [*ROWS[:3], *ROWS[5:]],
            ":5: there is a gap: expected 0:05:00 between rows as elsewhere, not the 0:15:00 from "
            "2022-06-08T00:10:00Z; 'fill' says how to fill gaps (got '2022-06-08T00:25:00Z')",
        ),
        (
            with_row("2022-06-08T00:15:00Z,"),
            ":5: the value is missing; 'fill' says how to fill gaps (got '')",
        ),
        (
            with_row("2022-06-08T00:15:00Z,NaN"),
            ":5: the value is missing; 'fill' says how to fill gaps (got 'NaN')",
        ),
        (with_row("2022-06-08T00:15:00Z,3 kW"), ":5: expected a number (got '3 kW')"),
        (
            with_row("2022-06-08T00:15:00Z,-4"),
            ":5: expected a value that is not negative (got '-4')",
        ),
        (
            with_row("08.06.2022,4"),
            ":5: expected an ISO 8601 stamp such as 2023-06-08T00:00:00Z (got '08.06.2022')",
        ),
        (
            [*ROWS[:3], ROWS[2], *ROWS[3:]],
            ":5: expected one row per stamp; this one repeats the last "
            "(got '2022-06-08T00:10:00Z')",
        ),
        (
            [*ROWS[:3], ROWS[4], ROWS[3], *ROWS[5:]],
            ":6: expected stamps in order of time; this one is before the last "
            "(got '2022-06-08T00:15:00Z')",
        ),
        ([], ":1: a signal needs two rows of data or more (got 0)"),
        (
            ROWS[:3],
            f": the signal covers 2022-06-08T00:00:00Z to 2022-06-08T00:15:00Z, {NEEDED}",
        ),
        (
            ROWS[2:],
            f": the signal covers 2022-06-08T00:10:00Z to 2022-06-08T01:00:00Z, {NEEDED}",
        ),
    ],
)
def test_signal_files(cosim: Cli, rows: list[str], message: str) -> None:
    write("ci.csv", "\n".join(["time,g_per_kwh", *rows]) + "\n")
    found = refused(cosim, edited((AREA, "{type: csv, path: ci.csv}")))
    head = "s.yaml:17:25 sites.0.microgrid.carbon_intensity: "
    assert found == f"{head}{Path.cwd() / 'ci.csv'}{message}"


def test_a_file_that_is_not_there(cosim: Cli) -> None:
    head = "s.yaml:17:43 sites.0.microgrid.carbon_intensity.path: "
    here = Path.cwd()
    found = refused(cosim, edited((AREA, "{type: csv, path: data/ci.csv}")))
    assert found == f"{head}no such file (got '{here}/data/ci.csv')"
    found = refused(cosim, edited((AREA, "{type: csv, path: .}")))
    assert found == f"{head}is a folder, a file is expected (got '{here}')"
    answer = cosim("run", "nothere.yaml")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == "error: no such file (got 'nothere.yaml')\n"


def test_a_trace_that_cannot_be_read(cosim: Cli) -> None:
    write("t.csv", "TIMESTAMP,ContextTokens\n2024-01-01 00:00:00,5\n")
    workload = BASE[BASE.index("workload:") : BASE.index("sites:")]
    trace = "workload:\n  trace: {format: azure, path: t.csv}\n"
    found = refused(cosim, edited((workload, trace)))
    assert found.startswith("s.yaml:8:32 workload.trace.path: ")
    assert "GeneratedTokens" in found


# YAML


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("20min", "`15 minutes`", "5:13: found character '`' that cannot start any token"),
        ("seed: 1", "seed: [1", "3:5: expected ',' or ']', but got ':'"),
        ("seed: 1", "\tseed: 1", "2:1: a tab cannot indent YAML; use spaces"),
        ("seed: 1", "seed: a: b", "2:8: a ':' is not allowed here; quote the text, or check the "
         "indentation"),
        ("seed: 1", "seed: &a [*a]", "2:7: an anchor contains itself"),
        ("seed: 1", "seed: *a", "2:7: found undefined alias 'a'"),
    ],
)  # fmt: skip
def test_yaml_that_does_not_parse(cosim: Cli, old: str, new: str, message: str) -> None:
    assert refused(cosim, edited((old, new))) == f"s.yaml:{message}"


@pytest.mark.parametrize(
    ("tagged", "shown"),
    [
        ("!!python/object/apply:os.system ['touch built']", "!!python/object/apply:os.system"),
        ("!!python/object/new:os.mkdir ['built']", "!!python/object/new:os.mkdir"),
        ("!!python/name:os.system ''", "!!python/name:os.system"),
        ("!mine 7", "!mine"),
    ],
)
def test_a_tag_builds_no_object(cosim: Cli, tagged: str, shown: str) -> None:
    message = refused(cosim, edited(("seed: 1", f"seed: {tagged}")))
    assert message == f"s.yaml:2:7: tags that build objects are not allowed (got {shown})"
    assert not Path("built").exists()


def test_surprises_of_yaml_1_1_do_not_happen(cosim: Cli) -> None:
    assert refused(cosim, edited(("area: CISO", "area: NO"))) == (
        "s.yaml:17:51 sites.0.microgrid.carbon_intensity.area: expected 'CISO', 'ERCO', 'PJM', "
        "'NYIS' or 'BPAT' (got 'NO', a string)"  # not false
    )
    found = refused(cosim, edited(("step: 60s", "step: 1:30")))
    assert found == f"s.yaml:6:9 time.step: {DURATION} (got '1:30')"  # not 90
    found = refused(cosim, edited(("seed: 1", "seed: 010")))
    assert found.startswith(
        "s.yaml:2:7 seed: expected a whole number (got '010', a string"
    )  # not 8
    assert cosim("run", write("s.yaml", edited(("name: dc", "name: NO"))), "-o", "out").code == 0
    assert list(json.loads(Path("out/summary.json").read_text())["sites"]) == ["NO"]


def test_an_empty_file_and_one_that_is_no_mapping(cosim: Cli) -> None:
    assert refused(cosim, "") == "s.yaml:1:1: the file is empty"
    assert refused(cosim, "- 1\n") == (
        "s.yaml:1:1: a scenario is a mapping of keys such as 'name: …' (got a list)"
    )


# All at once


def test_all_errors_are_listed_at_once_in_the_order_of_the_file(cosim: Cli) -> None:
    text = edited(
        ("seed: 1", "seed: -1"),
        ("20min", "20 minutes"),
        ("area: CISO", "area: CISQ"),
        ("high_g_per_kwh", "hi_g_per_kwh"),
    )
    assert [line.partition(": ")[0] for line in refused(cosim, text).splitlines()] == [
        "s.yaml:2:7 seed",
        "s.yaml:5:13 time.duration",
        "s.yaml:17:51 sites.0.microgrid.carbon_intensity.area",
        "s.yaml:21:30 controllers.0.hi_g_per_kwh",
    ]


def test_errors_in_files_are_listed_with_those_of_controllers(cosim: Cli) -> None:
    write("ci.csv", "time,g\n2022-06-08T00:00:00Z,1\n")
    text = edited((AREA, "{type: csv, path: ci.csv}"), ("carbon_threshold", "carbon_treshold"))
    first, second = refused(cosim, text).splitlines()
    assert "ci.csv:1: a signal needs two rows" in first
    assert "no controller 'carbon_treshold'" in second


def test_validate_lists_the_errors_of_all_files(cosim: Cli) -> None:
    write("good.yaml", BASE)
    write("a.yaml", edited(("seed: 1", "sed: 1")))
    write("b.yaml", edited(("20min", "0")))
    answer = cosim("validate", "a.yaml", "good.yaml", "b.yaml")
    assert (answer.code, answer.out.splitlines()[0]) == (2, "good.yaml: ok")
    assert answer.err.splitlines() == [
        "error: a.yaml:2:1 sed: unknown key; did you mean 'seed'?",
        "error: b.yaml:4:3 time: duration must be a whole number of steps, at least one "
        "(got 0 s with a step of 60 s)",
    ]


# Where results go


def test_a_folder_that_holds_something_else_is_refused(cosim: Cli) -> None:
    Path("mine").mkdir()
    write("mine/thesis.txt", "two years of work")
    write("mine/manifest.json", "{}")  # a name that others use too
    for place, why in (("mine", "it holds thesis.txt"), ("mine/thesis.txt", "a file")):
        assert refused(cosim, BASE, "-o", place) == (
            f"'{place}' is not a folder of results, or not only that ({why}); choose another with "
            "-o, or remove it"
        )
    assert Path("mine/thesis.txt").read_text() == "two years of work"


def test_results_below_a_file_are_refused(cosim: Cli) -> None:
    write("thesis.txt", "two years of work")
    message = refused(cosim, BASE, "-o", "thesis.txt/results")
    assert message.startswith("results cannot be written to 'thesis.txt/results'")


def test_a_process_of_its_own_says_the_same(tmp_path: Path) -> None:
    write(tmp_path / "s.yaml", edited(("seed: 1", "sed: 1")))
    done = run_warm("-m", "cosim", "run", "s.yaml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: s.yaml:2:1 sed: unknown key; did you mean 'seed'?\n"
    assert [path.name for path in tmp_path.iterdir()] == ["s.yaml"]


# Controllers that misbehave in the run

AT = "at step 5 (2022-06-08T00:05:00Z)"
CAP = "expected a whole number from 1 to 1024"
RATE = "expected a number from 0 to 0.5, or inf for no limit"
CALM = "return SiteAction(batch_cap=8) if step < 5 else "


def failed(steps: int, message: str) -> None:
    """Check that the folder holds the run as far as it came, marked as failed."""
    folder = Path("out")
    assert {path.name for path in folder.iterdir()} == {
        "FAILED",
        "actions.parquet",
        "experiment.json",
        "manifest.json",
        "report.html",
        "requests.parquet",
        "scenario.resolved.yaml",
        "steps.parquet",
        "summary.json",
        "timeseries.csv",
    }
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["status"] == "failed"
    assert summary["failure"] == {"step": steps, "message": message}
    assert summary["time"]["steps"] == steps
    assert (folder / "FAILED").read_text() == f"The run failed at step {steps}.\n{message}\n"
    assert pd.read_parquet(folder / "steps.parquet")["step"].tolist() == list(range(steps))
    assert not list(Path().glob(".*"))


@pytest.mark.parametrize("coupling", ["native", "mosaik"])
@pytest.mark.parametrize(
    ("actuators", "returned", "message"),
    [
        ({"batch_cap"}, "1 / 0", "raised ZeroDivisionError {at}: division by zero ({file}:13)"),
        ({"batch_cap"}, "SiteAction(batch_cap=float('nan'))", "returned batch_cap=nan {at}: {cap}"),
        ({"batch_cap"}, "SiteAction(batch_cap=-1)", "returned batch_cap=-1 {at}: {cap}"),
        ({"batch_cap"}, "SiteAction(batch_cap=0)", "returned batch_cap=0 {at}: {cap}"),
        ({"batch_cap"}, "SiteAction(batch_cap=2.5)", "returned batch_cap=2.5 {at}: {cap}"),
        ({"batch_cap"}, "SiteAction(batch_cap=1025)", "returned batch_cap=1025 {at}: {cap}"),
        ({"batch_cap"}, "SiteAction(batch_cap='8')", "returned batch_cap='8' (a str) {at}: {cap}"),
        ({"batch_cap"}, "8", "returned 8 (a int) {at}: expected a SiteAction or None"),
        (
            {"batch_cap"},
            "SiteAction(batch_kap=8)",
            "raised TypeError {at}: SiteAction.__init__() got an unexpected keyword argument "
            "'batch_kap'{hint} ({file}:13)",
        ),
        (
            {"batch_cap"},
            "{'batch_kap': 8}",
            "returned 'batch_kap' {at}: no such actuator, expected {actuators}; "
            "did you mean 'batch_cap'?",
        ),
        (
            {"batch_cap"},
            "SiteAction(admission_rate_per_s=0.1)",
            "returned admission_rate_per_s=0.1 {at}: expected only the actuators that it declares "
            "(batch_cap)",
        ),
        (
            {"batch_cap", "admission_rate"},
            "SiteAction(admission_rate_per_s=-0.1)",
            "returned admission_rate_per_s=-0.1 {at}: {rate}",
        ),
        (
            {"batch_cap", "admission_rate"},
            "SiteAction(admission_rate_per_s=float('nan'))",
            "returned admission_rate_per_s=nan {at}: {rate}",
        ),
    ],
)
def test_a_controller_that_misbehaves_ends_the_run(
    cosim: Cli, coupling: str, actuators: Iterable[str], returned: str, message: str
) -> None:
    entry = write_controller(Path(), CALM + returned, str(set(actuators)))
    answer = cosim(
        "run", write("s.yaml", controlled(entry)), "-o", "out", "--set", f"coupling={coupling}"
    )
    with pytest.raises(TypeError) as caught:
        SiteAction(batch_kap=8)  # type: ignore[call-arg]
    hint = str(caught.value).partition("'batch_kap'")[2]  # newer Pythons add one
    message = message.format(
        at=AT,
        cap=CAP,
        rate=RATE,
        actuators=" or ".join(ACTUATORS),
        file=Path.cwd() / "mine.py",
        hint=hint,
    )
    message = f"controller './mine.py:Mine' on site 'dc' {message}"
    assert answer.code == 1
    assert answer.err == (
        f"error: the run failed at step 5: {message}\n"
        "The results until then are in out, marked as failed.\n"
    )
    failed(5, message)


@pytest.mark.parametrize("coupling", ["native", "mosaik"])
def test_a_controller_that_fails_at_once(cosim: Cli, coupling: str) -> None:
    entry = write_controller(Path(), "raise OSError('no disk')")
    answer = cosim(
        "run", write("s.yaml", controlled(entry)), "-o", "out", "--set", f"coupling={coupling}"
    )
    assert answer.code == 1
    failed(
        0,
        "controller './mine.py:Mine' on site 'dc' raised OSError at step 0 "
        f"(2022-06-08T00:00:00Z): no disk ({Path.cwd()}/mine.py:13)",
    )
    assert len(pd.read_parquet("out/requests.parquet")) == 0


@pytest.mark.parametrize("coupling", ["native", "mosaik"])
def test_a_controller_that_cannot_be_reset(tmp_path: Path, coupling: str) -> None:
    """In a process of its own: what is left open is only complained of as the process ends."""
    entry = write_controller(tmp_path, "return None")
    code = (tmp_path / "mine.py").read_text().replace("self.seen = []", "raise OSError('no disk')")
    write(tmp_path / "mine.py", code)
    write(tmp_path / "s.yaml", controlled(entry))
    coupled = f"coupling={coupling}"
    done = run_warm("-m", "cosim", "run", "s.yaml", "--set", coupled, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        "error: the run failed at step 0: controller './mine.py:Mine' on site 'dc' raised OSError "
        f"in reset: no disk ({tmp_path}/mine.py:8)\n"
        "The results until then are in results/base, marked as failed.\n"
    )


@pytest.mark.parametrize("coupling", ["native", "mosaik"])
def test_an_interrupted_run_keeps_what_it_had(
    cosim: Cli, coupling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from controllers import CarbonThreshold

    asked = CarbonThreshold.step

    def interrupted(self: CarbonThreshold, observation: object) -> object:
        if observation.step == 7:  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        return asked(self, observation)  # type: ignore[arg-type]

    monkeypatch.setattr(CarbonThreshold, "step", interrupted)
    answer = cosim("run", write("s.yaml", BASE), "-o", "out", "--set", f"coupling={coupling}")
    assert answer.code == 1
    assert answer.err.startswith("error: the run failed at step 7: interrupted\n")
    failed(7, "interrupted")


def test_the_requests_of_a_failed_run_are_all_there(cosim: Cli) -> None:
    entry = write_controller(Path(), CALM + "1 / 0")
    cosim("run", write("s.yaml", controlled(entry)), "-o", "out")
    requests = pd.read_parquet("out/requests.parquet")
    summary = json.loads(Path("out/summary.json").read_text())
    steps = pd.read_parquet("out/steps.parquet")
    assert len(requests) == summary["requests"]["arrived"] == steps["arrived"].sum() > 0
    spent_j = requests["gpu_energy_j"].sum()
    assert spent_j == pytest.approx((steps["attributed_power_w"] * 60).sum(), rel=1e-9)


def test_a_traceback_is_shown_only_when_asked_for(cosim: Cli) -> None:
    entry = write_controller(Path(), CALM + "1 / 0")
    write("s.yaml", controlled(entry))
    assert "Traceback" not in cosim("run", "s.yaml", "-o", "out").err
    with pytest.raises(Exception, match="division by zero"):
        cosim("--debug", "run", "s.yaml", "-o", "out")
