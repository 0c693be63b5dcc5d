"""Power of one GPU: the paper's Eq. 1 by hand, and the bounds and directions of both models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_sim.errors import InferenceSimError
from inference_sim.hardware import find_gpu, gpu_names
from inference_sim.power import MfuPowerLaw, PowerModel, TwoResource
from tests.inference_sim.builders import approx
from tests.strategies import A100

LAWS = [MfuPowerLaw.of(find_gpu(name)) for name in gpu_names() if find_gpu(name).mfu_power_law]
MODELS: list[PowerModel] = [*LAWS, *(TwoResource.of(find_gpu(name)) for name in gpu_names())]
FRACTION = st.floats(0, 1)


def watts(
    model: PowerModel, mfu: float, bandwidth: float = 0, busy: float = 1, sampling: float = 0
) -> float:
    arrays = (np.array([float(value)]) for value in (mfu, bandwidth, busy, sampling))
    return float(model.busy_w(*arrays)[0])


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
    model = TwoResource.of(find_gpu("h100-sxm-80gb"))
    expected = 60 + 494 * (0.2 * 0.5) ** 0.5 + 476 * 0.4 + 524 * 0.1
    assert watts(model, 0.2, 0.4, 0.5, 0.1) == approx(expected, 1e-12)
    assert model.idle_w == 130
    assert watts(model, 0, 0, 1, 0) == 60  # the fit's base lies below the loaded idle power
    assert watts(model, 1, 1, 1, 0) == 700


@given(
    model=st.sampled_from(MODELS),
    low=st.tuples(FRACTION, FRACTION, FRACTION, FRACTION),
    high=st.tuples(FRACTION, FRACTION, FRACTION, FRACTION),
)
def test_bounds_and_directions(
    model: PowerModel,
    low: tuple[float, float, float, float],
    high: tuple[float, float, float, float],
) -> None:
    """More of anything never draws less; nothing draws more than the board may."""
    more = [max(pair) for pair in zip(low, high, strict=True)]
    assert watts(model, *low) <= watts(model, *more) <= model.max_w
    assert watts(model, *low) >= watts(model, 0) > 0


def test_arrays() -> None:
    """One value per iteration."""
    mfu = np.array([0.1, 0.2, 0.3])
    for model in MODELS:
        power_w = model.busy_w(mfu, mfu, np.ones(3), np.zeros(3))
        assert power_w.shape == (3,)
        assert power_w.tolist() == [watts(model, value, value) for value in mfu.tolist()]
