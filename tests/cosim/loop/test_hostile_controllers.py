"""Controllers that misbehave in every way: each ends in a message and an exit code that is not 0,
or in a whole result; never in silence, never in a traceback.
"""

from __future__ import annotations

import json
from pathlib import Path
from socket import gethostname
from xml.etree import ElementTree

import pytest

from tests.conftest import Cli
from tests.cosim.builders import controlled, write
from tests.warm import run_warm

HEAD = """import math, sys
from controllers import Controller, SiteAction

class Mute:
    def __str__(self): raise RuntimeError("no text")
    __repr__ = __str__

class Mine(Controller):
    actuators = frozenset({"admission_rate", "batch_cap"})
    def __init__(self):
        self.steps = 0
    def reset(self, context):
        pass
    def act(self, observation):
        return None
    def step(self, observation):
        self.steps += 1
        return self.act(observation) if self.steps == 3 else None

class Used(Mine):
"""


def hostile(body: str) -> str:
    """The scenario of a controller with these lines in its class."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    write(Path("mine.py"), HEAD + lines)
    return write("s.yaml", controlled("{type: ./mine.py:Used}"))


def act(line: str) -> str:
    return f"def act(self, observation):\n    {line}"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sys.exit(0)", "raised SystemExit"),
        ("raise GeneratorExit('x')", "raised GeneratorExit"),
        ("raise BaseException('base')", "raised BaseException"),
        ("return self.act(observation)", "raised RecursionError"),
        ("return SiteAction(batch_cap=10**400)", "expected a whole number from"),
        ("return SiteAction(batch_cap=10**5000)", "expected a whole number from"),
        ("return Mute()", "whose text raised RuntimeError"),
        ("raise type('E', (Exception,), {'__str__': Mute.__str__})()", "(no text: asking"),
        ("raise RuntimeError('boom\\x1b[31m\\nsecond')", r"boom\x1b[31m\nsecond"),
    ],
)
def test_what_a_step_may_do(cosim: Cli, line: str, message: str) -> None:
    answer = cosim("run", hostile(act(line)), "--quiet", "-o", "out")
    assert answer.code == 1
    assert answer.err.startswith("error: the run failed at step 2: controller")
    assert message in answer.err
    assert "Traceback" not in answer.err
    assert "\x1b" not in answer.err + Path("out/FAILED").read_text()
    assert Path("out/report.html").exists()


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("'bad \\ud800 text'", r"bad \ud800 text"),
        ("'esc \\x1b[2J nul \\x00 </script>'", r"esc \x1b[2J nul \x00 </script>"),
        ("'x' * 5_000_000", "x" * 997 + "..."),
        ("Mute()", "(no reason: its text raised RuntimeError)"),
    ],
)
def test_what_a_reason_may_be(cosim: Cli, reason: str, kept: str) -> None:
    scenario = hostile(act(f"return SiteAction(admission_rate_per_s=0.3, reason={reason})"))
    answer = cosim("run", scenario, "-o", "out", "--chrome-trace", "trace.json")
    assert answer.code == 0, answer.err
    assert "\x1b" not in answer.out
    import pandas as pd

    assert pd.read_parquet("out/actions.parquet")["reason"].tolist() == [kept]
    json.loads(Path("trace.json").read_text())
    assert cosim("report", "out", "--figures", "svg").code == 0
    for path in Path("out/figures").glob("*.svg"):
        ElementTree.parse(path)  # noqa: S314  our own


@pytest.mark.parametrize("command", ["run", "validate"])
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("def __init__(self):\n    sys.exit(0)", "SystemExit: 0"),
        ("def __init__(self):\n    raise MemoryError('m')", "MemoryError: m"),
        ("@property\ndef actuators(self):\n    raise RuntimeError('prop')", "RuntimeError: prop"),
    ],
)
def test_what_a_constructor_may_do(cosim: Cli, command: str, body: str, message: str) -> None:
    answer = cosim(command, hostile(body))
    assert answer.code == 2
    assert message in answer.err
    assert "s.yaml:" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("command", [("run", "s.yaml"), ("validate", "s.yaml")])
def test_what_a_module_may_do(cosim: Cli, command: tuple[str, str]) -> None:
    hostile("pass")
    write(Path("mine.py"), "import sys\nsys.exit(0)\n")
    answer = cosim(*command)
    assert answer.code == 2
    assert "raised SystemExit: 0" in answer.err


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{type: batch_cap_aimd}", "has no SLO for the time per token to hold"),
        ("{type: slo_clock}", "has no SLO for the time per token to hold"),
        ("{type: carbon_time}", "sets deferrable_rate, which site"),
    ],
)
def test_what_a_scenario_does_not_give_is_found_before_a_run(
    cosim: Cli, entry: str, message: str
) -> None:
    scenario = write("s.yaml", controlled(entry))
    answer = cosim("validate", scenario)
    assert answer.code == 2
    assert "s.yaml:" in answer.err
    assert message in answer.err


@pytest.mark.parametrize("coupling", ["native", "mosaik"])
def test_a_run_that_was_left_is_told_of_by_the_next_one(
    cosim: Cli, tmp_path: Path, coupling: str
) -> None:
    """The process is gone before anything can be said: that is all that can be done."""
    scenario = hostile(act("__import__('os')._exit(0)"))
    command = ("run", scenario, "-o", "out", "--set", f"coupling={coupling}")
    assert run_warm("-m", "cosim", *command, cwd=tmp_path).returncode == 0
    assert not Path("out").exists()
    write(Path("mine.py"), HEAD + "    pass\n")
    answer = cosim(*command)
    assert answer.code == 0
    assert answer.err.startswith("An earlier run to 'out' did not end: its process was killed, or")
    assert "An earlier run" not in cosim(*command).err


def test_a_run_says_that_it_replaced_one_of_another_scenario(cosim: Cli) -> None:
    command = ("run", write(Path("s.yaml"), controlled()), "-o", "out")
    assert cosim(*command).err == ""
    assert cosim(*command).err == ""
    assert cosim(*command, "--seed", "7").err == (
        "'out' held a run of another scenario, or with other settings (base, seed 1): this one is "
        "in its place\n"
    )
    assert cosim(*command, "--quiet").err == ""


def test_a_quiet_run_does_not_tell_of_another(cosim: Cli) -> None:
    Path(f".out.partial-{gethostname()}-999999999").mkdir()  # no such process
    answer = cosim("run", write(Path("s.yaml"), controlled()), "--quiet", "-o", "out")
    assert (answer.code, answer.err) == (0, "")
    assert {path.name for path in Path().iterdir()} == {"s.yaml", "out"}
