"""The power and PUE keys of a cluster: what each makes, what a run draws, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cosim.errors import ScenarioError
from cosim.world.plan import Plan, load_plan
from inference_sim.deployment import ClusterConfig
from inference_sim.hardware import find_gpu
from inference_sim.power import MfuPowerLaw, PowerModel, PowerTable, TwoResource
from inference_sim.power.pue import LinearPue, LoadPue, TemperaturePue
from tests.conftest import Cli
from tests.cosim.builders import controlled, edited, run_text, write, write_controller

H100 = find_gpu("h100-sxm-80gb")
TABLE = "batch,power_w\n1,300\n8,400\n64,600\n"
TEMPERATURES = "time,temperature\n" + "".join(
    f"2022-06-08T00:{minute:02d}:00Z,{50 + minute}\n" for minute in range(0, 20, 5)
)
MAXIMUM_W = 700 + 100
GPU = "gpu: h100-sxm-80gb"


def with_keys(keys: str) -> str:
    return edited((GPU, f"{GPU}\n      {keys}"))


def planned(folder: Path, keys: str) -> Plan:
    write(folder / "power.csv", TABLE)
    write(folder / "outside.csv", TEMPERATURES)
    return load_plan(write(folder / "s.yaml", with_keys(keys)))


def cluster(folder: Path, keys: str) -> ClusterConfig:
    found = planned(folder, keys).sites[0].cluster
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("power: {type: two_resource}", TwoResource.of(H100)),
        ("power: {type: mfu_power_law}", MfuPowerLaw.of(H100)),
    ],
)
def test_power_of_the_gpu(tmp_path: Path, keys: str, expected: PowerModel) -> None:
    assert cluster(tmp_path, keys).pool.power == expected


def test_power_that_a_user_knows(tmp_path: Path) -> None:
    keys = "power: {type: two_resource, idle_w: 111, sleep_w: 22, clock_exponent: 3}"
    power = cluster(tmp_path, keys).pool.power
    assert (power.idle_w, power.sleep_w, power.clock_exponent) == (111, 22, 3)
    assert power.max_w == 700
    asleep = cluster(tmp_path, "power: {type: mfu_power_law, idle_w: 40}").pool.power
    assert (asleep.idle_w, asleep.sleep_w) == (40, 40)  # not more than idle


def test_power_from_a_table(tmp_path: Path) -> None:
    power = cluster(tmp_path, "power: {type: table, path: power.csv, idle_w: 120}").pool.power
    assert isinstance(power, PowerTable)
    assert power.batches == (1, 8, 64)
    assert power.powers_w == (300, 400, 600)
    assert (power.idle_w, power.max_w) == (120, 600)


def test_a_run_with_a_table_draws_what_the_table_says(tmp_path: Path) -> None:
    """One request at a time: 300 W while it is served, the idle power otherwise."""
    write(tmp_path / "power.csv", TABLE)
    text = with_keys("power: {type: table, path: power.csv, idle_w: 120}\n      scheduler: "
                     "{batch_cap: 1}")  # fmt: skip
    ran = run_text(tmp_path, text)
    busy = ran.column("busy_fraction")
    assert 0.1 < busy.mean() < 0.9
    np.testing.assert_allclose(ran.column("gpu_power_w"), 120 + busy * 180, rtol=1e-9)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("{type: load, fixed_w: 200, proportional: 1.1}", LinearPue(200, 1.1)),
        (
            "{type: load, table: [[0.1, 2], [1, 1.2]]}",
            LoadPue((0.1, 1.0), (2.0, 1.2), 2 * MAXIMUM_W),
        ),
        (
            "{type: temperature, table: [[0, 1.1], [30, 1.4]], outside: {type: constant, "
            "temperature_c: 20}}",
            TemperaturePue((0.0, 30.0), (1.1, 1.4)),
        ),
    ],
)
def test_pue(tmp_path: Path, keys: str, expected: Any) -> None:
    text = f"host_power_w: 100\n      replicas: 2\n      pue: {keys}"
    assert cluster(tmp_path, text).pue == expected


def test_a_temperature_from_a_file(tmp_path: Path) -> None:
    """Five-minute rows, and one that comes in °F."""
    base = (
        "pue: {type: temperature, table: [[10, 1.1], [20, 1.5]], outside: "
        "{type: csv, path: outside.csv%s}}"
    )
    plan = planned(tmp_path, base % ", unit: F")
    found = plan.sites[0].cluster
    assert found is not None
    assert found.outside_temperature_c is not None
    at = {0.0: 50, 240.0: 50, 300.0: 55, 900.0: 65, 1140.0: 65, 9999.0: 65}
    for time_s, fahrenheit in at.items():
        celsius = (fahrenheit - 32) * 5 / 9
        assert found.outside_temperature_c(time_s) == pytest.approx(celsius, rel=1e-12)

    ran = run_text(tmp_path, with_keys(base % ", unit: F"))
    it_w = ran.column("gpu_power_w") + ran.column("host_power_w")
    outside_c = (np.repeat([50, 55, 60, 65], 5) - 32) * 5 / 9
    pue = np.interp(outside_c, [10, 20], [1.1, 1.5])
    np.testing.assert_allclose(ran.column("facility_power_w"), it_w * pue, rtol=1e-12)


def test_pue_is_told(cosim: Cli) -> None:
    write("s.yaml", with_keys("pue: {type: load, table: [[0.1, 2], [1, 1.2]]}"))
    answer = cosim("run", "s.yaml")
    assert answer.code == 0
    assert "PUE 1.2 to 2 by load" in " ".join(answer.out.split())


def test_borrowed_power_is_told(cosim: Cli) -> None:
    write("s.yaml", edited(("gpu: h100-sxm-80gb", "gpu: h200-sxm-141gb")))
    answer = cosim("run", "s.yaml")
    assert answer.code == 0
    expected = "; power uncalibrated: the power of the H100, per FLOP and per byte"
    assert expected in " ".join(answer.out.split())


@pytest.mark.parametrize("coupling", ["native", "mosaik"])
def test_a_power_cap(tmp_path: Path, coupling: str) -> None:
    """Held in every step, by the scenario's key and then by a controller's lower one."""
    body = "return SiteAction(power_cap_w=300.0) if step == 8 else None"
    entry = write_controller(tmp_path, body, '{"power_cap"}')
    text = controlled(entry).replace(GPU, f"{GPU}\n      power_cap_w: 450")
    text = text.replace("rate_per_s: 0.5", "rate_per_s: 12")
    short = ("time.step=15s", "time.duration=5min")
    ran = run_text(tmp_path, text, f"coupling={coupling}", *short)
    caps = ran.column("power_cap_w")
    assert caps.tolist() == [450.0] * 8 + [300.0] * 12
    over = ran.column("over_cap_fraction")
    assert over[8] < 0.001  # of the iteration under way
    assert not np.delete(over, 8).any()
    np.testing.assert_array_less(ran.column("gpu_power_w"), caps * (1 + 1e-9))
    assert 0.3 < ran.summary["sites"]["dc"]["power_cap"]["clock_mean"] < 1


def test_a_cap_that_cannot_be_held_is_told(cosim: Cli) -> None:
    """140 W is less than the driver of an H100 takes."""
    write("h100.yaml", "base: h100-sxm-80gb\nleast_cap_w: 0\n")
    text = with_keys("power_cap_w: 140")
    write("s.yaml", text.replace("gpu: h100-sxm-80gb", "gpu: ./h100.yaml"))
    answer = cosim("run", "s.yaml")
    assert answer.code == 0
    assert "power cap: clock 30 % on average; not held for" in " ".join(answer.out.split())


PLACE = "sites.0.cluster."


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("power: {type: tabel}", "power.type: unknown type 'tabel'; did you mean 'table'?"),
        ("power: {type: table}", "power: missing key 'path'"),
        ("power: {type: table, path: none.csv}", "power.path: no such file"),
        ("power: {type: table, path: bad.csv}", "power.path: {folder}/bad.csv:3: batches must rise "
         "(got 1 after 2)"),
        ("power: {type: table, path: power.csv, idle_w: -1}", "power.idle_w: must be at least 0"),
        ("power: {type: two_resource, path: power.csv}", "power.path: unknown key"),
        ("power: {type: two_resource, clock_exponent: 9}",
         "power.clock_exponent: must be at most 3 (got 9)"),
        ("power: {type: two_resource, idle_w: 900}", ": the idle power of a GPU must not exceed "
         "the most it draws (got 900 and 700 W)"),
        ("power_cap_w: 0", "power_cap_w: must be greater than 0 (got 0)"),
        ("power_cap_w: 199", ": a power cap must be at least 200 W, the lowest cap of "
         "h100-sxm-80gb (got 199 W)"),
        ("power_cap_w: 701", ": a power cap must be at most 700 W, the limit of h100-sxm-80gb "
         "(got 701 W); without one, leave it out"),
        ("power_cap_w: 300\n      execution: {type: vidur}", ": profiles give times at the "
         "highest clock"),
        ("pue: 0.9", "pue: must be at least 1 (got 0.9)"),
        ("pue: good", "pue: expected a number (got 'good', a string)"),
        ("pue: {}", "pue: missing key 'type' (one of load, temperature)"),
        ("pue: {type: lood}", "pue.type: unknown type 'lood'; did you mean 'load'?"),
        ("pue: {type: load}", "pue: expected either `fixed_w` and `proportional`, or `table`"),
        ("pue: {type: load, fixed_w: 10}", "pue: expected either `fixed_w` and `proportional`"),
        ("pue: {type: load, table: [[0.1, 1.5]]}",
         "pue.table: must have at least 2 entries (got 1)"),
        ("pue: {type: load, table: [[0.1, 1.5], [2, 1.1]]}",
         "pue.table.1.0: must be at most 1 (got 2)"),
        ("pue: {type: load, table: [[0.5, 1.5], [0.1, 1.1]]}",
         "pue: loads must rise (got 0.1 after 0.5)"),
        ("pue: {type: load, table: [[0.1, 9], [1, 1]]}",
         "pue: from load 0.1 to 1 the PUE falls so fast"),
        ("pue: {type: temperature, table: [[0, 1], [30, 2]]}", "pue: missing key 'outside'"),
        ("pue: {type: temperature, table: [[30, 1], [0, 2]], outside: {type: constant, "
         "temperature_c: 20}}", "pue: temperatures must rise (got 0 after 30)"),
        ("pue: {type: temperature, table: [[0, 1], [30, 2]], outside: {type: constant, "
         "temperature_c: 300}}", "pue.outside.temperature_c: must be at most 60 (got 300)"),
        ("pue: {type: temperature, table: [[0, 1], [30, 2]], outside: {type: csv, "
         "path: power.csv}}", "pue.outside: "),
        ("pue: {type: temperature, table: [[0, 1], [30, 2]], outside: {type: csv, path: "
         "outside.csv, timezone: Mars}}", "pue.outside.timezone: expected an IANA time zone"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, keys: str, message: str) -> None:
    write(tmp_path / "bad.csv", "batch,power_w\n2,300\n1,400\n")
    with pytest.raises(ScenarioError) as caught:
        planned(tmp_path, keys)
    (problem,) = caught.value.problems
    expected = message.replace("{folder}", str(tmp_path))
    expected = expected if expected.startswith(":") else f".{expected}"
    assert f"{PLACE.rstrip('.')}{expected}" in str(problem)
    assert str(problem).startswith(f"{tmp_path}/s.yaml:")


def test_a_temperature_that_does_not_cover_the_run(tmp_path: Path) -> None:
    write(tmp_path / "power.csv", TABLE)
    write(tmp_path / "outside.csv", TEMPERATURES)
    keys = (
        "pue: {type: temperature, table: [[0, 1], [30, 2]], "
        "outside: {type: csv, path: outside.csv}}"
    )
    path = write(tmp_path / "s.yaml", with_keys(keys))
    with pytest.raises(ScenarioError, match="the signal covers 2022-06-08T00:00:00Z to"):
        load_plan(path, ["time.duration=2h"])
