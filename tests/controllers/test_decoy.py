"""Decoys of the carbon signal: the same hours and days, at other times."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers import Decoy, HostedController
from tests.controllers.builders import Scripted, context
from tests.controllers.test_views import CARBON, MEAN, PAST, said, shown, site_signals

HOUR_S = 3600.0
WEEK = np.arange(7 * 24, dtype=float)


def test_a_moved_signal_comes_later() -> None:
    past, values = Decoy("moved", by_s=6 * HOUR_S).of(WEEK[:72], WEEK[72:], HOUR_S)
    assert values.tolist() == (WEEK[72:] - 6).tolist()
    assert past[6:].tolist() == (WEEK[6:72] - 6).tolist()
    assert past[:6].tolist() == [18, 19, 20, 21, 22, 23]  # the hours of the first day itself


@given(
    days=st.integers(2, 9),
    head=st.integers(0, 23),
    tail=st.integers(0, 23),
    past_days=st.integers(0, 3),
    draw=st.integers(1, 50),
)
def test_other_days_keep_their_hours_and_none_its_place(
    days: int, head: int, tail: int, past_days: int, draw: int
) -> None:
    before = head + 24 * past_days
    series = np.arange(before + 24 * days + tail, dtype=float)  # the hour of the signal
    past, values = Decoy("other_days", draw=draw).of(series[:before], series[before:], HOUR_S)
    assert (len(past), len(values)) == (before, len(series) - before)
    seen = np.concatenate([past, values])
    assert ((seen - series) % 24 == 0).all()
    assert (
        seen[head : head + 24 * (days + past_days)] != series[head:][: 24 * (days + past_days)]
    ).all()
    whole = seen[head : head + 24 * (days + past_days)]
    assert sorted(whole) == series[head:][: len(whole)].tolist()


def test_noise_has_the_same_hours_in_another_order() -> None:
    past, values = Decoy("noise", draw=3).of(np.empty(0), WEEK, HOUR_S)
    assert not len(past)
    assert sorted(values) == WEEK.tolist()
    assert abs(np.corrcoef(values, WEEK)[0, 1]) < 0.3
    again = Decoy("noise", draw=4).of(np.empty(0), WEEK, HOUR_S)[1]
    assert again.tolist() != values.tolist()


def test_one_day_has_no_other_day() -> None:
    with pytest.raises(ValueError, match="at least two blocks of 24 steps"):
        Decoy("other_days").of(np.empty(0), WEEK[:40], HOUR_S)


@pytest.mark.parametrize("fleet", [False, True])
@pytest.mark.parametrize("clairvoyant", [False, True])
def test_a_decoy_is_all_that_a_controller_sees_of_the_intensity(
    fleet: bool, clairvoyant: bool
) -> None:
    decoy = Decoy("moved", by_s=5 * HOUR_S)
    past, values = decoy.of(PAST, CARBON, HOUR_S)
    told, seen = shown(site_signals(), fleet=fleet, clairvoyant=clairvoyant, decoy=decoy)
    assert told.past_carbon_intensity_g_per_kwh.tolist() == past.tolist()
    assert [one.carbon_intensity_g_per_kwh for one in seen] == values[:3].tolist()
    ahead = values[2:5] if clairvoyant else [values[2], past[3], past[4]]
    assert said(seen[2])["carbon_intensity"] == list(ahead)


def test_the_sun_is_moved_with_the_intensity() -> None:
    """Else a policy that looks at the sun would know when the supply is clean all the same."""
    decoy = Decoy("moved", by_s=5 * HOUR_S)
    day = np.arange(24, dtype=float)
    signals = site_signals(np.tile(day, 2), solar_w=np.tile(10 * day, 2))
    _, seen = shown(signals, decoy=decoy)
    for one in seen:
        assert one.solar_w == 10 * ((one.step - 5) % 24)
        assert one.solar_w == said(one)["solar"][0]


def test_one_that_does_not_look_at_carbon_is_shown_the_mean() -> None:
    class Blind(Scripted):
        actuators = frozenset[str]()
        sees_carbon = False

    entry = HostedController("b", Blind(None), "dc", HOUR_S)
    assert entry.is_blind
    from controllers import ControllerHost

    host = ControllerHost(
        [entry],
        {"dc": context(step_s=HOUR_S, steps=48, past_carbon_intensity_g_per_kwh=PAST)},
        {"dc": site_signals()},
    )
    host.reset()
    host.step(0, {}, {})
    assert entry.controller.seen[0].carbon_intensity_g_per_kwh == pytest.approx(MEAN)
    assert set(entry.controller.context.past_carbon_intensity_g_per_kwh) == {MEAN}
