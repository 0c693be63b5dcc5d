"""A word where a forecast by the day before has no day before to go by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cosim.world.plan import Plan, load_plan
from tests.conftest import Cli
from tests.cosim.builders import edited, write

CARBON = "carbon_intensity: {type: typical_day, area: CISO}"
OWN = "carbon_intensity: {type: csv, path: ci.csv, column: ci}"
CONTROLLER = "- {type: carbon_threshold, high_g_per_kwh: 270, low_g_per_kwh: 200}"

CLASSES = """  classes:
    - {name: chat, share: 0.4}
    - {name: batch, share: 0.6, deferrable: true, deadline: 2h}
sites:
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def planned(controllers: str, *, hours_before: int, forecasts: str = "") -> Plan:
    """The base scenario with a signal of one's own that begins so long before the start."""
    first = np.datetime64("2022-06-08T00:00:00") - np.timedelta64(hours_before, "h")
    rows = "".join(f"{first + np.timedelta64(h, 'h')}Z,{200 + h}\n" for h in range(60))
    write("ci.csv", f"time,ci\n{rows}")
    text = edited(
        (CARBON, OWN),
        (CONTROLLER, controllers),
        ("sites:\n", CLASSES),
        ("coupling: native\n", f"coupling: native\n{forecasts}"),
    )
    return load_plan(write("s.yaml", text))


def notes(*args: str, **changes: int | str) -> list[str]:
    (site,) = planned(*args, **changes).sites  # type: ignore[arg-type]
    return [note for note in site.signal_notes if "before the start" in note]


def test_once_per_signal_with_what_to_do() -> None:
    two = "- {type: suspend_resume}\n  - {type: mpc, defer: false}"
    assert notes(two, hours_before=5) == [
        "only 5 h of carbon_intensity is known before the start, so that on the first day its "
        "forecast for suspend_resume, mpc repeats the present value: give data that begin a day "
        "before the start, or set forecasts.carbon_intensity"
    ]
    (none,) = notes("- {type: lowest_window}", hours_before=0)
    assert none.startswith("nothing of carbon_intensity is known before the start")


@pytest.mark.parametrize(
    "controllers",
    [
        CONTROLLER,  # asks for no forecast
        "- {type: suspend_resume, clairvoyant: true}",
        "- {type: suspend_resume, agnostic: true}",
    ],
)
def test_none_where_it_does_not_matter(controllers: str) -> None:
    assert notes(controllers, hours_before=0) == []


def test_none_with_a_day_or_another_forecast() -> None:
    assert notes("- {type: suspend_resume}", hours_before=24) == []
    noisy = "forecasts: {carbon_intensity: {type: noisy, error: 0.1}}\n"
    assert notes("- {type: suspend_resume}", hours_before=5, forecasts=noisy) == []


def test_arrivals_of_a_trace() -> None:
    write("t.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:00:01.0,100,10\n")
    text = edited(
        ("  arrivals: {type: poisson, rate_per_s: 0.5}\n", ""),
        (
            "  lengths: {type: fixed, prompt_tokens: 200, output_tokens: 40}\n",
            "  trace: {format: azure, path: t.csv}\n",
        ),
        (CONTROLLER, "- {type: autoscale}"),
    )
    (site,) = load_plan(write("s.yaml", text)).sites
    assert any("nothing of arrivals is known" in note for note in site.signal_notes)


def test_validate_and_run_say_it(cosim: Cli) -> None:
    planned("- {type: suspend_resume}", hours_before=5)
    assert "warning: dc: only 5 h of carbon_intensity" in cosim("validate", "s.yaml").out
    assert "Warning" in (said := cosim("run", "s.yaml").out)
    assert "dc: only 5 h of carbon_intensity" in " ".join(said.split())
