"""Every actuator that a controller sets reaches the cluster, in its step, in either coupling."""

from __future__ import annotations

from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from tests.conftest import Runs
from tests.cosim.builders import Ran, controlled, write

CODE = """
from controllers import Controller, SiteAction

class Everything(Controller):
    actuators = frozenset(
        {
            "admission_rate", "batch_cap", "deferrable_rate", "active_replicas", "clock_fraction",
            "prefill_clock", "decode_clock",
        }
    )

    def reset(self, context):
        pass

    def step(self, observation):
        if observation.step == 5:
            return SiteAction(
                admission_rate_per_s=0.3, batch_cap=7, deferrable_rate_per_s=0.0,
                active_replicas=1, clock_fraction=0.5, prefill_clock=0.4, decode_clock=0.7,
            )
        if observation.step == 15:
            assert observation.clock_fraction == 0.5 and observation.active_replicas == 1
            assert observation.prefill_clock == 0.4 and observation.decode_clock == 0.7
            assert observation.deferrable_waiting > 0 and observation.deferrable_slack_s > 0
            return SiteAction(
                active_replicas=2, clock_fraction=1.0, decode_clock=1.0, deferrable_rate_per_s=0.2
            )
"""
GPU = "gpu: h100-sxm-80gb"
CLASSES = """  classes:
    - {name: chat, share: 0.5}
    - {name: batch, share: 0.5, deferrable: true, deadline: 2h}
"""


def scenario(folder: Path) -> Path:
    """Two replicas, deferrable requests, and a controller that sets everything."""
    write(folder / "all.py", CODE)
    text = controlled("{type: './all.py:Everything'}").replace("sites:\n", CLASSES + "sites:\n")
    return write(folder / "s.yaml", text.replace(GPU, f"{GPU}\n      replicas: 2"))


@pytest.fixture(scope="module", params=["native", "mosaik"])
def ran(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, runs: Runs
) -> Ran:
    path = scenario(tmp_path_factory.mktemp("actuators"))
    return runs(path, f"coupling={request.param}")


def test_each_is_in_force_from_its_step_on(ran: Ran) -> None:
    steps = ran.steps
    assert steps["admission_rate_per_s"].tolist()[4:6] == [float("inf"), 0.3]
    assert steps["batch_cap"].tolist()[4:6] == [1024, 7]
    assert steps["deferrable_rate_per_s"].tolist()[4:6] == [float("inf"), 0.0]
    assert steps["active_replicas"].tolist() == [2] * 5 + [1] * 10 + [2] * 5
    assert steps["clock_fraction"].tolist() == [1.0] * 5 + [0.5] * 10 + [1.0] * 5
    assert steps["prefill_clock"].tolist() == [1.0] * 5 + [0.4] * 15
    assert steps["decode_clock"].tolist() == [1.0] * 5 + [0.7] * 10 + [1.0] * 5
    assert len(ran.actions) == 11


def test_each_does_what_it_says(ran: Ran) -> None:
    steps = ran.steps
    held = steps["deferrable_waiting"].to_numpy()
    assert (held[:5] == 0).all()
    assert held[14] > 0.2 * steps["arrived"][5:15].sum()
    assert steps["awake_replicas"].tolist()[7:15] == [1] * 8
    assert steps["asleep_fraction"][7:15].to_numpy() == pytest.approx(0.5)
    assert held[19] - held[14] < 0.5 * (held[14] - held[9])  # released again, at 0.2 a second
    clock = steps["clock_mean"]
    assert clock[:5].to_numpy() == pytest.approx(1.0)
    assert clock[6:15].between(0.4, 0.5, inclusive="neither").all()  # prompts, and all others
    assert clock[16:].between(0.4, 1.0, inclusive="neither").all()


def test_both_couplings_agree(tmp_path: Path, runs: Runs) -> None:
    path = scenario(tmp_path)
    native, mosaik = (runs(path, f"coupling={name}").steps for name in ("native", "mosaik"))
    assert len(native) == 20
    assert_frame_equal(native, mosaik, check_exact=True)
