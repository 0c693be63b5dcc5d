"""Quantities in words: units that suit, no exponent, no zero below zero."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers import ACTUATORS
from cosim.accounting import words

TEXTS = {
    words.number: [
        (0.0, "0"),
        (1234.5, "1,234"),
        (12.3456, "12.35"),
        (0.016, "0.016"),
        (-350.0, "-350"),
        (25_000_000, "2.5e7"),
        (1e-5, "1e-5"),
        (math.inf, "unlimited"),
        (math.nan, "–"),
    ],
    words.mass: [
        (0, "0 g"),
        (0.0123, "12.3 mg"),
        (5, "5 g"),
        (123.4, "123 g"),
        (999.6, "1.00 kg"),
        (1500, "1.50 kg"),
        (999_996, "1.00 t"),
        (2.5e6, "2.50 t"),
    ],
    words.energy: [
        (0.01, "10.0 Wh"),
        (0.99999, "1.00 kWh"),
        (5, "5.00 kWh"),
        (25_000, "25.0 MWh"),
    ],
    words.power: [(0, "0 W"), (999.6, "1.00 kW"), (1234, "1.23 kW"), (2.5e6, "2.50 MW")],
    words.duration: [
        (0, "0 s"),
        (0.25, "0.25 s"),
        (60, "1 min"),
        (90, "90 s"),
        (3600, "1 h"),
        (86_400, "1 day"),
        (21 * 86_400, "21 days"),
        (1e6, "11.57 days"),
    ],
    words.latency: [
        (0.0083, "8.3 ms"),
        (0.9999, "1 s"),
        (61.27, "61.3 s"),
        (150, "2.5 min"),
        (20_000, "5.56 h"),
        (4e6, "1,111 h"),
    ],
    words.percent: [(0.126, "13 %"), (-0.26, "-26 %"), (1, "100 %")],
    words.exact_percent: [
        (0, "0.0 %"),
        (1e-9, "under 0.1 %"),
        (0.5, "50.0 %"),
        (1 - 1e-9, "over 99.9 %"),
        (1, "100.0 %"),
    ],
    words.count: [(836_219, "836,219"), (24_900_000, "24.9 M")],
}


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [(write, value, text) for write, pairs in TEXTS.items() for value, text in pairs],
)
def test_units_suit(write: Callable[[float], str], value: float, text: str) -> None:
    assert write(value) == text


@given(st.floats(-1e12, 1e12) | st.floats(-1e-3, 1e-3))
def test_no_zero_is_below_zero_and_none_is_long(value: float) -> None:
    """Whatever rounds to zero is written without a sign; large values without an exponent."""
    for write in (words.mass, words.energy, words.power, words.percent):
        text = write(value)
        assert not re.fullmatch(r"-0(\.0*)?( .*)?", text), text
        assert "e+" not in text


@given(st.floats(0, 1e10))
def test_times_have_no_exponent(seconds: float) -> None:
    assert "e+" not in words.latency(seconds)
    assert "e+" not in words.duration(seconds)


def test_a_setting_is_a_number_or_the_word_of_its_actuator() -> None:
    assert words.setting("batch_cap", 128.0) == "128"
    assert words.setting("admission_rate", 0.16) == "0.16"
    found = {name: words.setting(name, math.inf) for name in ACTUATORS}
    assert found.pop("battery_power") == "automatic"
    assert set(found.values()) == {"unlimited"}


def test_one_thing_is_singular() -> None:
    assert [words.plural(count, "step") for count in (0, 1, 2000)] == [
        "0 steps",
        "1 step",
        "2,000 steps",
    ]
