"""Observers: in which order they are called, what they see, and what becomes of their errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from cosim.loop.observer import RunObserver
from cosim.loop.record import Run
from cosim.studies.runs.execute import execute
from cosim.world.plan import load_plan
from inference_sim.request import Request
from tests.cosim.builders import BASE, SCENARIOS, controlled, edited, write, write_controller

COUPLINGS = ["native", "mosaik"]


class Watch(RunObserver):
    """Keeps the calls, with the steps that were recorded when they came."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []
        self.requests: dict[str, list[int]] = {}

    def on_start(self, run: Run) -> None:
        self.run = run
        self.calls.append(("start", run.recorder.steps))

    def on_requests(self, site: str, requests: list[Request]) -> None:
        assert requests
        self.calls.append((site, self.run.recorder.steps))
        self.requests.setdefault(site, []).extend(one.request_id for one in requests)

    def on_step(self, steps: int) -> None:
        assert {len(record) for record in self.run.recorder.sites.values()} == {steps}
        assert self.run.recorder.steps == steps
        self.calls.append(("step", steps))


class Failing(RunObserver):
    """Raises an exception in one of its methods."""

    def __init__(self, method: str) -> None:
        self._method = method

    def on_start(self, run: Run) -> None:
        self._run = run
        self._fail("on_start")

    def on_requests(self, site: str, requests: list[Request]) -> None:
        if self._run.recorder.steps == 6:
            self._fail("on_requests")

    def on_step(self, steps: int) -> None:
        if steps == 6:
            self._fail("on_step")

    def _fail(self, method: str) -> None:
        if method == self._method:
            raise OSError("the disk is full")


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_requests_of_a_step_come_before_its_end(coupling: str) -> None:
    settings = ("time.duration=100min", "workload.arrivals.rate_per_s=0.5", f"coupling={coupling}")
    watch = Watch()
    result = execute(load_plan(SCENARIOS / "two_sites.yaml", settings), observers=[watch])
    sites = list(result.run.clusters)
    assert len(sites) == 2
    assert watch.calls[0] == ("start", 0)
    assert [call for call in watch.calls[1:] if call[0] == "step"] == [
        ("step", step) for step in range(1, 21)
    ]
    places = {"step": len(sites)} | {site: place for place, site in enumerate(sites)}
    order = [(steps, places[name]) for name, steps in watch.calls[1:]]
    assert order == sorted(set(order))
    ended = {name: len(requests) for name, requests in watch.requests.items()}
    assert ended == {
        name: int(record.column("completed").sum())
        for name, record in result.run.recorder.sites.items()
    }


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_a_step_is_done_before_controllers_are_asked_for_the_next(
    tmp_path: Path, coupling: str
) -> None:
    entry = write_controller(tmp_path, "return SiteAction(batch_cap=1 + step % 7)")
    path = write(tmp_path / "s.yaml", controlled(entry))
    plan = load_plan(path, [f"coupling={coupling}"])
    asked: list[int] = []

    class Asked(RunObserver):
        def on_step(self, steps: int) -> None:
            asked.append(len(plan.controllers[0].controller.seen))  # type: ignore[union-attr]

    execute(plan, observers=[Asked()])
    assert asked == list(range(1, 21))


def test_observers_are_called_in_their_order(tmp_path: Path) -> None:
    names: list[str] = []

    class Named(RunObserver):
        def __init__(self, name: str) -> None:
            self._name = name

        def on_start(self, run: Run) -> None:
            names.append(self._name)

        def on_step(self, steps: int) -> None:
            names.append(self._name)

    plan = load_plan(write(tmp_path / "s.yaml", BASE), ["time.duration=2min"])
    execute(plan, observers=[Named("a"), Named("b")])
    assert names == ["a", "b"] * 3


@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize("method", ["on_requests", "on_step"])
def test_an_observer_that_fails_breaks_the_run_off(
    tmp_path: Path, coupling: str, method: str
) -> None:
    """The step that it was told of is in the record, at every site and in every file."""
    watch, out = Watch(), tmp_path / "out"
    plan = load_plan(write(tmp_path / "s.yaml", BASE), [f"coupling={coupling}"])
    result = execute(plan, out, observers=[Failing(method), watch])
    failure = result.run.failure
    assert failure is not None
    assert (str(failure).partition(" (")[0], failure.step) == ("OSError: the disk is full", 6)
    assert isinstance(failure.__cause__, OSError)
    assert watch.calls[-1] == {"on_requests": ("step", 5), "on_step": ("dc", 6)}[method]
    assert len(result.run.recorder.sites["dc"]) == 6
    assert result.summary.status == "failed"
    assert (out / "steps.parquet").exists()


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_an_observer_that_fails_before_the_first_step_raises(tmp_path: Path, coupling: str) -> None:
    plan = load_plan(write(tmp_path / "s.yaml", BASE), [f"coupling={coupling}"])
    with pytest.raises(OSError, match="the disk is full"):
        execute(plan, tmp_path / "out", observers=[Failing("on_start")])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_a_run_can_be_interrupted(tmp_path: Path, coupling: str) -> None:
    class Interrupt(RunObserver):
        def on_step(self, steps: int) -> None:
            if steps == 3:
                raise KeyboardInterrupt

    plan = load_plan(write(tmp_path / "s.yaml", BASE), [f"coupling={coupling}"])
    failure = execute(plan, observers=[Interrupt()]).run.failure
    assert failure is not None
    assert (str(failure), failure.step) == ("interrupted", 3)


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_a_drained_run_tells_of_its_last_step(tmp_path: Path, coupling: str) -> None:
    text = edited(
        ("  duration: 20min", "  until: drained\n  max_duration: 6h"),
        ("workload:\n", "workload:\n  requests: 50\n"),
    )
    watch = Watch()
    plan = load_plan(write(tmp_path / "s.yaml", text), [f"coupling={coupling}"])
    result = execute(plan, observers=[watch])
    assert result.run.failure is None
    assert len(watch.requests["dc"]) == 50
    assert watch.calls[-1] == ("step", result.run.recorder.steps)
    assert result.run.recorder.steps < 360
