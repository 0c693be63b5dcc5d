"""Plans: what is worked out while one is made is not worked out again in its runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cosim.studies.runs.execute import execute
from cosim.world.plan import load_plan
from tests.cosim.builders import BASE, controlled, write, write_controller


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the costly parts of making a plan were called."""
    from cosim.scenario import pool
    from cosim.world import context

    counted: Counter[str] = Counter()

    def counting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            counted[name] += 1
            return function(*args)

        return call

    monkeypatch.setattr(context, "service_models", counting("service", context.service_models))
    monkeypatch.setattr(pool, "check_pool", counting("check", pool.check_pool))
    return counted


def test_a_deployment_is_checked_and_worked_out_once(tmp_path: Path, calls: Counter[str]) -> None:
    plan = load_plan(write(tmp_path / "s.yaml", BASE))
    execute(plan)
    assert calls == {"service": 1, "check": 1}


def test_a_plan_can_be_run_again(tmp_path: Path, calls: Counter[str]) -> None:
    """Each run has a host of its own; the first one's record stays as it was."""
    entry = write_controller(tmp_path, "return SiteAction(batch_cap=1 + step % 7)")
    plan = load_plan(write(tmp_path / "s.yaml", controlled(entry)))
    first = execute(plan).run
    changes = list(first.host.changes)
    second = execute(plan).run
    assert first.host is not second.host
    assert first.host.changes == changes == second.host.changes
    assert len(changes) == 20
    assert calls["service"] == 1
