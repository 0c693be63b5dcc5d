"""How long settings were in force, and for how much of that they mattered."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Cli, Runs
from tests.cosim.builders import controlled, write, write_controller

STEP_S = 60.0


def used(runs: Runs, folder: Path, code: str, *overrides: str, actuator: str) -> tuple[float, ...]:
    """Minutes in force and minutes that mattered, of 20."""
    entry = write_controller(folder, code, f'{{"{actuator}"}}')
    ran = runs(write(folder / "s.yaml", controlled(entry)), *overrides)
    (controller,) = ran.summary["controllers"]
    use = controller["settings"][actuator]
    return use["in_force_s"] / STEP_S, use["mattered_s"] / STEP_S


def test_a_cap_that_no_batch_reaches_never_matters(tmp_path: Path, runs: Runs) -> None:
    code = "return SiteAction(batch_cap=100 if 5 <= observation.step < 15 else 1024)"
    assert used(runs, tmp_path, code, actuator="batch_cap") == (10, 0)


def test_a_closed_gateway_matters(tmp_path: Path, runs: Runs) -> None:
    code = "return SiteAction(admission_rate_per_s=0.0)"
    in_force, mattered = used(runs, tmp_path, code, actuator="admission_rate")
    assert in_force == 20
    assert 15 <= mattered <= 20  # until the first request comes nobody is in line


def test_a_lower_clock_matters_where_there_is_work(tmp_path: Path, runs: Runs) -> None:
    code = "return SiteAction(clock_fraction=0.5)"
    busy = used(runs, tmp_path, code, actuator="clock_fraction")
    idle = used(
        runs, tmp_path, code, "workload.arrivals.rate_per_s=1e-6", actuator="clock_fraction"
    )
    assert busy[0] == idle[0] == 20
    assert busy[1] > 10
    assert idle[1] == 0


@pytest.mark.parametrize(
    ("code", "actuators", "mattered"),
    [
        ("decode_clock=0.5", "decode_clock", {"decode_clock": True}),
        ("prefill_clock=0.5", "prefill_clock", {"prefill_clock": True}),
        (
            "clock_fraction=0.5, prefill_clock=0.8, decode_clock=0.4",
            "clock_fraction prefill_clock decode_clock",
            {"clock_fraction": True, "prefill_clock": False, "decode_clock": True},
        ),
        (
            "clock_fraction=0.8, prefill_clock=0.7, decode_clock=0.4",
            "clock_fraction prefill_clock decode_clock",
            {"clock_fraction": False, "prefill_clock": True, "decode_clock": True},
        ),
        (
            "decode_clock=0.5, power_cap_w=700.0",
            "decode_clock power_cap",
            {"decode_clock": True, "power_cap": False},
        ),
        (
            "decode_clock=0.9, power_cap_w=200.0",
            "decode_clock power_cap",
            {"decode_clock": True, "power_cap": True},
        ),
    ],
)
def test_the_lowest_bound_of_a_clock_matters(
    tmp_path: Path, runs: Runs, code: str, actuators: str, mattered: dict[str, bool]
) -> None:
    entry = write_controller(tmp_path, f"return SiteAction({code})", str(set(actuators.split())))
    ran = runs(write(tmp_path / "s.yaml", controlled(entry)))
    (controller,) = ran.summary["controllers"]
    found = {name: use["mattered_s"] > 0 for name, use in controller["settings"].items()}
    assert found == mattered


def test_nothing_set_is_nothing_in_force(tmp_path: Path, runs: Runs) -> None:
    assert used(runs, tmp_path, "return None", actuator="batch_cap") == (0, 0)


@pytest.mark.parametrize(("cap", "says"), [(100, True), (1, False)])
def test_a_run_says_so(cosim: Cli, cap: int, says: bool) -> None:
    entry = write_controller(Path(), f"return SiteAction(batch_cap={cap})", '{"batch_cap"}')
    answer = cosim("run", write("s.yaml", controlled(entry)), "-o", "out")
    text = " ".join(answer.out.split())
    assert ("batch_cap was set for 20 min and never mattered" in text) is says
    assert ("and mattered for" in text) is not says
