"""Values that are legal and absurd: an error with its place, never a traceback or a lost run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.cosim.builders import controlled, edited, write, write_controller

RESAMPLED = "{{type: csv, path: ci.csv, resample: {{method: linear, to: {to}}}}}"


def refused(cosim: Cli, text: str) -> str:
    """Validate a wrong scenario; return the one line that says what is wrong with it."""
    answer = cosim("validate", write("s.yaml", text))
    assert (answer.code, answer.out) == (2, "")
    (line,) = answer.err.splitlines()
    assert len(line) < 1000
    return line.removeprefix("error: ")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "{type: typical_day, area: CISO}",
            "{type: constant, value_g_per_kwh: 1e308}",
            "17:59 sites.0.microgrid.carbon_intensity.value_g_per_kwh: must be at most 1e+18 in "
            "size (got 1e+308)",
        ),
        (
            "gpu: h100-sxm-80gb",
            "gpu: h100-sxm-80gb\n      host_power_w: 1e306",
            "16:21 sites.0.cluster.host_power_w: must be at most 1e+18 in size (got 1e+306)",
        ),
        (
            "gpu: h100-sxm-80gb",
            "gpu: h100-sxm-80gb\n      pue: 1e308",
            "16:12 sites.0.cluster.pue: must be at most 1e+18 in size (got 1e+308)",
        ),
        (
            "peak_power_w: 600",
            "peak_power_w: 1e308",
            "18:46 sites.0.microgrid.solar.peak_power_w: must be at most 1e+18 in size "
            "(got 1e+308)",
        ),
        (
            "gpu: h100-sxm-80gb",
            "gpu: h100-sxm-80gb\n      gateway: {admission_rate_per_s: 5e-324}",
            "16:39 sites.0.cluster.gateway.admission_rate_per_s: must be 0, or at least 1e-18 in "
            "size (got 5e-324)",
        ),
        (
            "gpu: h100-sxm-80gb",
            "gpu: h100-sxm-80gb\n      scheduler: {batch_cap: 1" + 60 * "0" + "}",
            "16:30 sites.0.cluster.scheduler.batch_cap: must be at most 1e+40 in size "
            "(got 1" + 59 * "0" + "…)",
        ),
        (
            "gpu: h100-sxm-80gb",
            "gpu: h100-sxm-80gb\n      replicas: 1e9",
            "16:17 sites.0.cluster.replicas: must be at most 100,000 (got 1,000,000,000); split "
            "them over several sites",
        ),
        (
            "gpu: h100-sxm-80gb",
            "gpu: h100-sxm-80gb\n      replicas: 100000\n      tensor_parallel: 16",
            "14:7 sites.0.cluster: a cluster may have 1,000,000 GPUs (got 1,600,000: replicas x "
            "tensor_parallel x pipeline_parallel); split them over several sites",
        ),
        (
            "gpu: h100-sxm-80gb",
            "gpu: h100-sxm-80gb\n      scheduler: {batch_cap: 1000001}",
            "16:30 sites.0.cluster.scheduler.batch_cap: must be at most 1,000,000 (got 1,000,001); "
            "engines run some thousands at most",
        ),
        (
            "gpu: h100-sxm-80gb",
            "gpu: h100-sxm-80gb\n      scheduler: {kv_blocks: 1e12}",
            "16:30 sites.0.cluster.scheduler.kv_blocks: must be at most 100,000,000 (got "
            "1,000,000,000,000); a replica's GPUs hold some millions at most",
        ),
        (
            "start: 2022-06-08T00:00:00Z",
            "start: 9999-12-31T23:50:00Z",
            "4:10 time.start: must be in the years 1900 to 2200 (got '9999-12-31T23:50:00Z')",
        ),
        (
            "start: 2022-06-08T00:00:00Z",
            "start: 2022-06-08T00:00:00",
            "4:10 time.start: must end in Z or an offset from UTC, such as 2023-06-08T00:00:00Z "
            "(got '2022-06-08T00:00:00')",
        ),
        (
            "duration: 20min\n  step: 60s",
            "duration: 40000d\n  step: 1d",
            "4:3 time: duration may be 18300d at most (got 3.456e+09 s)",
        ),
        (
            "name: base",
            f"name: {300 * 'n'}",
            f"1:7 name: must have at most 100 characters (got '{60 * 'n'}…')",
        ),
        (
            "{type: poisson, rate_per_s: 0.5}",
            f"{{type: {5000 * 'p'}}}",
            f"8:20 workload.arrivals.type: unknown type '{60 * 'p'}…' (expected one of: poisson, "
            "static, gamma, bursts, daily)",
        ),
        (
            "{type: poisson, rate_per_s: 0.5}",
            '{type: "pois\\nson"}',
            "8:20 workload.arrivals.type: unknown type 'pois\\nson'; did you mean 'poisson'? "
            "(expected one of: poisson, static, gamma, bursts, daily)",
        ),
        (
            "model: meta-llama/Meta-Llama-3-8B",
            f"model: {5000 * 'm'}",
            f"14:14 sites.0.cluster.model: unknown model (got '{100 * 'm'}…'); 85 are known",
        ),
        (
            "model: meta-llama/Meta-Llama-3-8B",
            'model: "a\\e[31m\\u202eb"',
            "14:14 sites.0.cluster.model: unknown model (got 'a\\x1b[31m\\u202eb'); 85 are known (",
        ),
        (
            "seed: 1",
            '"se\\ned": 1',
            "2:1 se\\ned: unknown key; did you mean 'seed'?",
        ),
    ],
)
def test_refused_with_its_place(cosim: Cli, old: str, new: str, message: str) -> None:
    # The list of models is longer than a line should be, and not the point here.
    answer = cosim("validate", write("s.yaml", edited((old, new))))
    assert (answer.code, answer.out) == (2, "")
    (line,) = answer.err.splitlines()
    assert line.startswith(f"error: s.yaml:{message}")


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("5e-324", "must be 0, or at least 1e-18 in size (got 5e-324)"),
        ("1e-6", "`to` must be at least 0.001 s (got 1e-06 s)"),
        ("0", "`to` must be at least 0.001 s (got 0 s)"),
        ("0.001", "a signal may have 50,000,000 values (`to` of 0.001 s makes 86,400,000)"),
    ],
)
def test_resampling(cosim: Cli, to: str, message: str) -> None:
    rows = "".join(f"2022-06-08T{hour:02}:00:00Z,{hour}\n" for hour in range(24))
    write("ci.csv", f"time,g_per_kwh\n{rows}")
    text = edited(("{type: typical_day, area: CISO}", RESAMPLED.format(to=to)))
    assert refused(cosim, text).endswith(message)


def test_a_value_of_every_size_that_there_is(cosim: Cli) -> None:
    answer = cosim("validate", write("s.yaml", edited(("seed: 1", f"seed: {2**128 - 1}"))))
    assert answer.code == 0, answer.err


@pytest.mark.parametrize(
    "command",
    [
        ("run",),
        ("validate",),
        ("sweep",),
        ("traces", "show"),
        ("signals", "show"),
        ("calibrate", "power"),
    ],
)
def test_pipes_are_refused_before_they_are_opened(cosim: Cli, command: tuple[str, ...]) -> None:
    """Opened for reading, a pipe without a writer would wait for ever."""
    os.mkfifo("pipe")
    options = ("--gpu", "h100-sxm-80gb") if command[0] == "calibrate" else ()
    answer = cosim(*command, "pipe", *options)
    assert answer.code == 2, answer.err
    assert "is not a regular file (a pipe, a device or a socket)" in answer.err


def test_pipes_in_a_scenario(cosim: Cli) -> None:
    os.mkfifo("pipe")
    old, here = "{type: typical_day, area: CISO}", Path.cwd()
    message = refused(cosim, edited((old, "{type: csv, path: pipe}")))
    assert message.endswith(
        f"is not a regular file (a pipe, a device or a socket) (got '{here}/pipe')"
    )


def test_what_a_controller_raises_steers_no_terminal(cosim: Cli) -> None:
    entry = write_controller(Path(), "raise ValueError('a\\n\\x1b[31mb')")
    answer = cosim("run", write("s.yaml", controlled(entry)), "-o", "out")
    assert answer.code == 1
    assert "a\\n\\x1b[31mb" in answer.err
    assert "\x1b" not in answer.err
    assert "\x1b" not in Path("out/FAILED").read_text()
