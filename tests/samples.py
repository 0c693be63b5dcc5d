"""How large the samples of tests are: enough every day, more at night.

``make nightly`` runs the tests that are marked ``nightly``, and those of Hypothesis with ten times
the examples. Everything that they look at is looked at every day too, on a smaller sample.
"""

from __future__ import annotations

import pytest
from hypothesis import settings

DAILY_EXAMPLES, NIGHTLY_EXAMPLES = 100, 1000
"""Of a test of Hypothesis that does not say how many, by profile."""


def load_profiles() -> None:
    """Tell Hypothesis the profiles; ``--hypothesis-profile nightly`` takes the larger one."""
    settings.register_profile("daily", deadline=None, max_examples=DAILY_EXAMPLES)
    settings.register_profile("nightly", deadline=None, max_examples=NIGHTLY_EXAMPLES)
    settings.load_profile("daily")


def examples(daily: int) -> int:
    """Return how many examples to draw where `daily` are enough every day."""
    return daily * settings().max_examples // DAILY_EXAMPLES


def sizes(daily: object, nightly: object, why: str) -> list[object]:
    """Return parameters: one for every day, and a larger one that is marked ``nightly``."""
    return [daily, pytest.param(nightly, marks=pytest.mark.nightly(why))]
