"""How large the samples of tests are: enough every day, more at night.

``make nightly`` runs the tests that are marked ``nightly``, and those of Hypothesis with many
times the examples. Everything that they look at is looked at every day too, on a smaller sample.
"""

from __future__ import annotations

import pytest
from hypothesis import settings

USUAL_EXAMPLES, DAILY_EXAMPLES, NIGHTLY_EXAMPLES = 100, 60, 1000
"""Of a test of Hypothesis that does not say how many: as Hypothesis has it, and by profile."""


def load_profiles() -> None:
    """Tell Hypothesis the profiles; ``--hypothesis-profile nightly`` takes the larger one."""
    settings.register_profile("daily", deadline=None, max_examples=DAILY_EXAMPLES)
    settings.register_profile("nightly", deadline=None, max_examples=NIGHTLY_EXAMPLES)
    settings.load_profile("daily")


def examples(wanted: int) -> int:
    """Return how many examples to draw: `wanted` where others draw 100, and the profile's share."""
    return wanted * settings().max_examples // USUAL_EXAMPLES


def by_profile(daily: int, nightly: int) -> int:
    """Return a number of examples that is not in proportion to the profile's."""
    return daily if settings().max_examples == DAILY_EXAMPLES else nightly


def sizes(daily: object, nightly: object, why: str) -> list[object]:
    """Return parameters: one for every day, and a larger one that is marked ``nightly``."""
    return [daily, pytest.param(nightly, marks=pytest.mark.nightly(why))]
