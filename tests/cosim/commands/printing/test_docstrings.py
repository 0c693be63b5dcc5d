"""Docstrings kept to a width: no word is lost, formulas are not torn."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from controllers import BUILTIN, resolve
from cosim.commands.printing.docstrings import fitted

TEXT = """Throttles an actuator while the carbon intensity is high.

Args:
    high: Intensity from which it throttles [g/kWh].
    low: Intensity down to which it opens, with a text that goes on
        and on [g/kWh].

With two thresholds::

    open       if CI <= low, which is longer than forty characters
    throttled  if CI >= high

- one thing that is longer than forty characters
  and goes on
- another
"""


def test_entries_paragraphs_and_lists_are_wrapped_and_formulas_are_not() -> None:
    assert (
        fitted(TEXT, 40)
        == """Throttles an actuator while the carbon
intensity is high.

Args:
    high: Intensity from which it
        throttles [g/kWh].
    low: Intensity down to which it
        opens, with a text that goes on
        and on [g/kWh].

With two thresholds::

    open       if CI <= low, which is longer than forty characters
    throttled  if CI >= high

- one thing that is longer than forty
  characters and goes on
- another"""
    )


def test_what_fits_stays_as_it_is() -> None:
    assert fitted(TEXT, 100) == TEXT.rstrip("\n")


@pytest.mark.parametrize("name", BUILTIN)
@pytest.mark.parametrize("width", [60, 80])
def test_no_word_of_a_policy_is_lost(name: str, width: int) -> None:
    controller = resolve(name, Path())
    text = "\n\n".join(
        (inspect.getdoc(controller) or "", inspect.getdoc(inspect.getmodule(controller)) or "")
    )
    shown = fitted(text, width)
    assert shown.split() == text.split()
    kept = set(text.splitlines())
    long = [line for line in shown.splitlines() if len(line) > width]
    assert all(line in kept and line.startswith("    ") for line in long), long
