"""Controllers of a site with several pools: their actuators, one for each pool."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest

from controllers import ActuatorLimits, PoolContext, SiteAction, SiteContext
from controllers.errors import ControllerError
from controllers.throttle import Throttle
from tests.controllers.builders import Scripted, context, host

SHARES = frozenset({"tier_share"})


def share(initial: float) -> ActuatorLimits:
    return ActuatorLimits(0.0, 1.0, initial=initial)


def site(**tiers: float) -> SiteContext:
    """A site with a large default pool, and tiers that have shares at the start."""
    caps = {"large": 64} | dict.fromkeys(tiers, 128)
    pools = {
        name: PoolContext(
            limits={"batch_cap": ActuatorLimits(1, cap)}
            | ({"tier_share": share(tiers[name])} if name in tiers else {})
        )
        for name, cap in caps.items()
    }
    return context(pools=pools, limits={"batch_cap": ActuatorLimits(1, 64)})


def settings(controller: Scripted, at: SiteContext, steps: int = 1) -> list[Mapping[str, Any]]:
    """The values in force that the cluster is sent, step by step."""
    hosted = host(controller, contexts={"dc": at})
    hosted.reset()
    return [hosted.step(step, {}, {})["dc"] for step in range(steps)]


def test_an_actuator_that_only_some_pools_have_is_one_of_the_site() -> None:
    hosted = host(contexts={"dc": site(small=0.2)})
    assert hosted.actuators("dc") == ("batch_cap", "tier_share")


def test_a_share_is_sent_by_pool() -> None:
    controller = Scripted(None, SiteAction(tier_share={"small": 0.75}), actuators=SHARES)
    before, after = settings(controller, site(small=0.2), steps=2)
    assert before["tier_share"] == {"small": 0.2}
    assert after["tier_share"] == {"small": 0.75}
    assert after["batch_cap"] == {"large": 64, "small": 128}


def test_a_number_is_sent_where_all_pools_have_it() -> None:
    controller = Scripted(SiteAction(batch_cap=8), actuators={"batch_cap"})
    assert settings(controller, site(small=0.2)) == [{"batch_cap": 8, "tier_share": {"small": 0.2}}]


def test_a_controller_reads_the_share_in_force() -> None:
    controller = Scripted(SiteAction(tier_share={"small": 0.75}), None, actuators=SHARES)
    settings(controller, site(small=0.2), steps=2)
    assert [seen.value("tier_share", "small") for seen in controller.seen] == [0.2, 0.75]
    assert controller.seen[0].value("tier_share", "large") is None


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"smal": 0.5}, "no such pool, expected small or tiny; did you mean 'small'?"),
        ({"large": 0.5}, "no such pool, expected small or tiny"),
        ({"small": 1.5}, "expected a number from 0 to 1 for pool 'small'"),
        ({"small": math.nan}, "expected a number from 0 to 1 for pool 'small'"),
        ({"small": 0.9}, "set tier_share so that the pools have small 0.9, tiny 0.3 at step 1"),
        ({"small": 0.6, "tiny": 0.6}, "expected a sum of 1 at most (got 1.2)"),
    ],
)
def test_a_wrong_share_names_controller_and_step(shares: Mapping[str, float], message: str) -> None:
    controller = Scripted(None, SiteAction(tier_share=shares), actuators=SHARES)
    with pytest.raises(ControllerError) as raised:
        settings(controller, site(small=0.2, tiny=0.3), steps=2)
    text = str(raised.value)
    assert message in text
    assert "mine.py:Scripted" in text
    assert "step 1" in text


def test_shares_may_change_places() -> None:
    swapped = {"small": 0.3, "tiny": 0.7}
    controller = Scripted(SiteAction(tier_share=swapped), actuators=SHARES)
    assert settings(controller, site(small=0.7, tiny=0.3))[0]["tier_share"] == swapped


def test_a_throttle_is_a_fraction_of_the_maximum_of_each_pool() -> None:
    throttle = Throttle("batch_cap", site(small=0.2))
    assert throttle.action(0.5, "").batch_cap == {"large": 32, "small": 64}
    assert throttle.action(1.0, "").batch_cap == {"large": 64, "small": 128}


def test_an_open_throttle_restores_each_pool() -> None:
    at = site(small=0.2)
    throttle = Throttle("batch_cap", at)
    controller = Scripted(
        throttle.action(0.25, "dirty"), throttle.action(1.0, "clean"), actuators={"batch_cap"}
    )
    narrow, restored = settings(controller, at, steps=2)
    assert narrow["batch_cap"] == {"large": 16, "small": 32}
    assert restored["batch_cap"] == {"large": 64, "small": 128}
