"""Power of one GPU: the models by hand, their bounds and directions, clocks and caps, tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_sim.errors import InferenceSimError
from inference_sim.hardware import find_gpu, gpu_names
from inference_sim.power import MfuPowerLaw, PowerModel, PowerTable, TwoResource, Use
from tests.inference_sim.builders import approx
from tests.strategies import A100

LAWS = [MfuPowerLaw.of(find_gpu(name)) for name in gpu_names() if find_gpu(name).mfu_power_law]
TABLE = PowerTable(
    idle_w=65, sleep_w=50, max_w=380, batches=(1, 8, 64, 256), powers_w=(90, 150, 300, 380)
)
MODELS: list[PowerModel] = [
    *LAWS,
    *(TwoResource.of(find_gpu(name)) for name in gpu_names()),
    TABLE,
]
FRACTION = st.floats(0, 1)
BATCH = st.floats(0, 1000)


def use(
    mfu: float,
    bandwidth: float = 0,
    busy: float = 1,
    sampling: float = 0,
    batch: float = 0,
    clock: float = 1,
) -> Use:
    """One iteration."""
    return Use(*(np.array([float(x)]) for x in (mfu, bandwidth, busy, sampling, batch, clock)))


def watts(model: PowerModel, *values: float) -> float:
    return float(model.busy_w(use(*values))[0])


@pytest.mark.parametrize(
    ("mfu", "expected"),
    [
        (0.0, 100.0),
        (0.45, 400.0),
        (0.9, 400.0),  # saturated
        (0.225, 100 + 300 * 2**-0.7),
        (0.045, 100 + 300 * 10**-0.7),
        (0.42405, 387.7825406),  # 300 x (0.42405 / 0.45)^0.7 + 100
    ],
)
def test_eq_1_on_an_a100(mfu: float, expected: float) -> None:
    assert watts(MfuPowerLaw.of(A100), mfu) == approx(expected, 1e-9)


def test_eq_1_on_an_h100() -> None:
    law = MfuPowerLaw.of(find_gpu("h100-sxm-80gb"))
    assert watts(law, 0) == 60
    assert watts(law, 0.45) == 700
    assert watts(law, 0.1) == approx(60 + 640 * (0.1 / 0.45) ** 0.7, 1e-12)


@pytest.mark.parametrize(
    ("mfu_percent", "published_w"),
    [
        (7.312, 153.60), (12.607, 189.40), (19.591, 235.24), (27.145, 283.37),
        (33.344, 321.52), (42.405, 373.15), (0.892, 106.52), (42.621, 374.76), (5.121, 153.37),
    ],
)  # fmt: skip
def test_published_means_lie_below_the_curve(mfu_percent: float, published_w: float) -> None:
    """Batch sizes and rates of the paper: means of both over a run.

    Eq. 1 is concave: the mean of its values is at most its value at the mean.
    """
    assert 100 < published_w < watts(MfuPowerLaw.of(A100), mfu_percent / 100)


def test_eq_1_is_not_known_for_every_gpu() -> None:
    with pytest.raises(InferenceSimError) as caught:
        MfuPowerLaw.of(find_gpu("b200-sxm-180gb"))
    assert str(caught.value) == (
        "no mfu_power_law coefficients are known for GPU 'b200-sxm-180gb'; use two_resource"
    )


def test_two_resource_by_hand() -> None:
    model = replace(
        TwoResource.of(find_gpu("h100-sxm-80gb")),
        base_w=170, compute_w=900, memory_w=360, sampling_w=330,
    )  # fmt: skip
    assert watts(model, 0.2, 0.4, 0.5, 0.1) == approx(170 + 180 + 144 + 33, 1e-12)
    assert watts(model, 0, 0, 1, 0) == 170
    assert watts(model, 1, 1, 1, 0) == 700
    assert (model.idle_w, model.sleep_w) == (130, 70)


def test_asleep_is_cold_idle_unless_told_otherwise() -> None:
    gpu = find_gpu("b200-sxm-180gb")
    assert gpu.asleep_w == gpu.cold_idle_w == 140
    assert replace(gpu, sleep_w=0.0).asleep_w == 0
    assert replace(gpu, cold_idle_w=None).asleep_w == gpu.loaded_idle_w
    assert MfuPowerLaw.of(A100).sleep_w == 53
    assert MfuPowerLaw.of(find_gpu("h100-sxm-80gb")).sleep_w == 60  # Eq. 1 idles at less than cold


@given(
    model=st.sampled_from(MODELS),
    low=st.tuples(FRACTION, FRACTION, FRACTION, FRACTION, BATCH),
    high=st.tuples(FRACTION, FRACTION, FRACTION, FRACTION, BATCH),
    clocks=st.tuples(st.floats(0.2, 1), st.floats(0.2, 1)),
)
def test_bounds_and_directions(
    model: PowerModel,
    low: tuple[float, ...],
    high: tuple[float, ...],
    clocks: tuple[float, float],
) -> None:
    """More of anything, or a higher clock, never draws less; nothing more than the board may."""
    more = [max(pair) for pair in zip(low, high, strict=True)]
    assert watts(model, *low) <= watts(model, *more) <= model.max_w
    assert watts(model, *low) >= watts(model, 0) >= model.static_w > 0
    at_full = use(*low)
    slow, fast = (model.busy_w(at_full.at_clock(clock))[0] for clock in sorted(clocks))
    assert model.static_w <= slow <= fast * (1 + 1e-12)
    assert fast <= watts(model, *low) * (1 + 1e-12)


def test_arrays() -> None:
    """One value per iteration."""
    mfu, none = np.array([0.1, 0.2, 0.3]), np.zeros(3)
    for model in MODELS:
        power_w = model.busy_w(Use(mfu, mfu, none + 1, none, mfu, np.ones(1)))
        assert power_w.shape == (3,)
        assert power_w.tolist() == [watts(model, value, value, 1, 0, value) for value in mfu]


# Clocks and caps


def test_clock_by_hand() -> None:
    """Half the clock, compute-bound: half the MFU, 2^-n of what follows the clock."""
    model = replace(
        TwoResource.of(A100), base_w=75, compute_w=400, memory_w=200, hbm_w=50, clock_exponent=2
    )
    assert watts(model, 0.5, 0.1) == approx(75 + 200 + 20, 1e-12)
    assert watts(model, 0.25, 0.1, 1, 0, 0, 0.5) == approx(75 + 5 + (200 + 15) / 4, 1e-12)
    # Memory-bound: the same work in the same time keeps the units twice as busy.
    assert watts(model, 0.05, 0.6, 1, 0, 0, 0.5) == approx(75 + 30 + (40 + 90) / 4, 1e-12)


def test_below_the_floor_of_the_voltage_power_falls_with_the_clock_alone() -> None:
    model = replace(TwoResource.of(A100), clock_exponent=3)
    assert model.clock_scale(np.array([1.0, 0.8, 0.5, 0.25])) == approx(
        [1, 0.512, 0.125, 0.0625], 1e-12
    )


# Tables


def written(folder: Path, text: str) -> Path:
    path = folder / "power.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_is_interpolated(tmp_path: Path) -> None:
    path = written(tmp_path, "gpu,power_w, batch\nx, 100,1\n\nx,200 ,9\nx,150,17\n")
    table = PowerTable.of(A100, path)
    assert (table.idle_w, table.sleep_w, table.max_w) == (A100.loaded_idle_w, A100.asleep_w, 200)
    expected = {0.5: 100, 1: 100, 3: 125, 9: 200, 11: 187.5, 17: 150, 500: 150}
    for batch, power_w in expected.items():
        assert watts(table, 0.9, 0.9, 1, 0.5, batch) == approx(power_w, 1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "{path}:1: a table of power has columns batch and power_w; missing: batch, power_w "
             "(got no header)"),
        ("batch,watts\n1,2\n", "{path}:1: a table of power has columns batch and power_w; missing: "
                               "power_w (got batch, watts)"),
        ("batch,power_w\n", "{path}: a table of power needs two rows or more (got 0)"),
        ("batch,power_w\n1,100\n", "{path}: a table of power needs two rows or more (got 1)"),
        (
            "batch,power_w\n1,100\n1,120\n8,-1\n4,many\n16\n",
            "{path}:3: batches must rise (got 1 after 1); "
            "{path}:4: power_w must be a number from 0 (got '-1'); "
            "{path}:5: power_w must be a number from 0 (got 'many'); "
            "{path}:5: batches must rise (got 4 after 8); "
            "{path}:6: power_w must be a number from 0 (got '')",
        ),
        ("batch,power_w\n1,100\n2,nan\n3,inf\n", "{path}:3: power_w must be a number from 0 (got "
         "'nan'); {path}:4: power_w must be a number from 0 (got 'inf')"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InferenceSimError) as caught:
        PowerTable.of(A100, path)
    assert str(caught.value) == message.replace("{path}", str(path))


def test_no_table(tmp_path: Path) -> None:
    with pytest.raises(InferenceSimError, match="cannot be read as CSV"):
        PowerTable.of(A100, tmp_path / "none.csv")


def test_idle_power_of_a_small_board(tmp_path: Path) -> None:
    table = PowerTable.of(A100, written(tmp_path, "batch,power_w\n1,30\n2,40\n"))
    assert (table.idle_w, table.sleep_w) == (30, 30)
    with pytest.raises(InferenceSimError) as caught:
        replace(table, idle_w=65)
    assert str(caught.value) == (
        "the idle power of a GPU must not exceed the most it draws (got 65 and 40 W)"
    )
