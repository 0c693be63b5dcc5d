"""Causality: what has not happened yet changes nothing that a controller sees."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from controllers import SiteObservation
from tests.cosim.builders import controlled, run_text, write, write_controller

STEPS, CHANGE = 20, 10
"""Steps of a run, and the first of them in which the two futures differ."""


def trace(rate_later_per_min: int, long_tokens: int) -> str:
    """Three requests a minute; the last of them are of a length that is not known in time."""
    rows = ["TIMESTAMP,ContextTokens,GeneratedTokens"]
    for minute in range(STEPS):
        rate = 3 if minute < CHANGE else rate_later_per_min
        for number in range(rate):
            second = number * 60 // rate + (1 if minute else 0)
            in_flight = minute == CHANGE - 1 and second > 30
            output_tokens = long_tokens if in_flight else 50
            rows.append(f"2022-06-08 00:{minute:02}:{second:02}.0000000,200,{output_tokens}")
    return "\n".join(rows) + "\n"


def intensity(later_g_per_kwh: int) -> str:
    rows = ["time,g"]
    rows += [
        f"2022-06-08T00:{minute:02}:00Z,{200 if minute < CHANGE else later_g_per_kwh}"
        for minute in range(STEPS)
    ]
    return "\n".join(rows) + "\n"


def seen(folder: Path, coupling: str, future: tuple[int, int, int]) -> list[dict[str, Any]]:
    """What a controller sees, step by step, in a run that has this future."""
    rate, tokens, later_g_per_kwh = future
    folder.mkdir()
    write(folder / "trace.csv", trace(rate, tokens))
    write(folder / "grid.csv", intensity(later_g_per_kwh))
    entry = write_controller(folder, "return SiteAction(batch_cap=1 + step % 7)")
    text = controlled(entry)
    for old, new in (
        ("  arrivals: {type: poisson, rate_per_s: 0.5}\n", ""),
        (
            "  lengths: {type: fixed, prompt_tokens: 200, output_tokens: 40}\n",
            "  trace: {format: azure, path: trace.csv}\n",
        ),
        ("{type: typical_day, area: CISO}", "{type: csv, path: grid.csv}"),
    ):
        assert old in text
        text = text.replace(old, new)
    ran = run_text(folder, text, f"coupling={coupling}")
    observations = ran.result.run.plan.controllers[0].controller.seen  # type: ignore[union-attr]
    shown = [one.name for one in fields(SiteObservation) if one.name != "forecasts"]
    return [{name: getattr(one, name) for name in shown} for one in observations]


@pytest.mark.parametrize("coupling", ["native", "mosaik"])
def test_the_future_changes_nothing_that_a_controller_sees(tmp_path: Path, coupling: str) -> None:
    """Later arrivals, output lengths of requests in flight, the intensity of later steps."""
    one = seen(tmp_path / "one", coupling, (3, 5000, 200))
    other = seen(tmp_path / "other", coupling, (12, 7000, 500))
    assert one[CHANGE]["serving"].running > 0
    assert one[:CHANGE] == other[:CHANGE]
    changed = {name for name in one[CHANGE] if one[CHANGE][name] != other[CHANGE][name]}
    assert changed == {"grid"}  # its intensity is that of the step that begins
    assert one[CHANGE + 1 :] != other[CHANGE + 1 :]
