"""Requests to stop a run, at every moment of it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cosim.loop.record import SiteRecord
from cosim.loop.stop import StopRequest
from tests.conftest import Cli
from tests.cosim.builders import BASE, controlled, write, write_controller


@pytest.fixture(autouse=True)
def listening() -> Iterator[None]:
    """Whoever began the tests in the background had them ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


KILL = "import os, signal; os.kill(os.getpid(), signal.{})"


class TestStopRequest:
    @pytest.mark.parametrize(
        ("number", "reason"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")]
    )
    def test_the_first_is_noted_and_a_second_interrupts(
        self, number: int, reason: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with StopRequest() as stop:
            stop.keep_steps()
            os.kill(os.getpid(), number)
            assert stop.reason == reason
            assert capsys.readouterr().err == (
                f"{reason}: the run ends after this step (once more: at once)\n"
            )
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
            assert stop.reason == reason

    def test_at_once(self) -> None:
        with StopRequest(at_once=True), pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_until_the_first_step_has_ended_at_once(self, number: int) -> None:
        with StopRequest() as stop, pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        assert stop.reason

    def test_writing_is_not_interrupted(self, capsys: pytest.CaptureFixture[str]) -> None:
        with StopRequest() as stop:
            stop.write()
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            assert stop.reason == ""
        assert capsys.readouterr().err.count("results are being written") == 2

    def test_handlers_are_given_back(self) -> None:
        before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        with StopRequest():
            assert signal.getsignal(signal.SIGTERM) != before[1]
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before

    def test_outside_the_main_thread_it_does_nothing(self) -> None:
        errors: list[BaseException] = []

        def enter() -> None:
            try:
                with StopRequest() as stop:
                    assert stop.reason == ""
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        assert errors == []


@pytest.mark.parametrize("coupling", ["native", "mosaik"])
@pytest.mark.parametrize(
    ("number", "reason"), [("SIGINT", "interrupted"), ("SIGTERM", "terminated")]
)
def test_a_run_ends_after_the_step(cosim: Cli, coupling: str, number: str, reason: str) -> None:
    entry = write_controller(Path(), f"if observation.step == 3: {KILL.format(number)}")
    scenario = write("s.yaml", controlled(entry))
    answer = cosim("run", scenario, "--quiet", "-o", "out", "--set", f"coupling={coupling}")
    assert answer.code == 1
    assert f"error: the run failed at step 4: {reason}\n" in answer.err
    assert Path("out/FAILED").read_text() == f"The run failed at step 4.\n{reason}\n"
    assert Path("out/summary.json").exists()


@pytest.mark.parametrize("coupling", ["native", "mosaik"])
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_the_first_step_is_broken_into(cosim: Cli, coupling: str, number: str) -> None:
    body = f"if observation.step == 0: {KILL.format(number)}; assert False"
    scenario = write("s.yaml", controlled(write_controller(Path(), body)))
    answer = cosim("run", scenario, "--quiet", "-o", "out", "--set", f"coupling={coupling}")
    reason = "interrupted" if number == "SIGINT" else "terminated"
    assert answer.code != 0
    assert f"error: the run failed at step 0: {reason}\n" in answer.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_the_world_is_built(
    cosim: Cli, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """It ends at once, and leaves nothing behind."""
    import cosim.loop.run as loop

    def hit(plan: Any) -> Any:
        os.kill(os.getpid(), number)
        raise AssertionError("the run went on")

    monkeypatch.setattr(loop, "_clusters", hit)
    answer = cosim("run", write("s.yaml", BASE), "--quiet", "-o", "out")
    assert answer.code != 0
    reason = "interrupted" if number == signal.SIGINT else "terminated"
    assert f"{reason} before the first step had ended\n" in answer.err
    assert "the run went on" not in answer.err
    assert not list(Path().glob("*out*"))


def test_while_results_are_written(cosim: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    import cosim.results.folder as folder

    frame = folder.steps_frame

    def hit(run: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return frame(run)

    monkeypatch.setattr(folder, "steps_frame", hit)
    answer = cosim("run", write("s.yaml", BASE), "--quiet", "-o", "out")
    assert answer.code == 0
    assert not Path("out/FAILED").exists()


def test_a_second_one_in_the_middle_of_a_row(cosim: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step that is half recorded is dropped; those before it are whole."""
    supply = SiteRecord._supply

    class Columns(dict[str, Any]):
        def items(self) -> Any:
            for number, (name, values) in enumerate(super().items()):
                if number == 3 and len(values) == 5:
                    os.kill(os.getpid(), signal.SIGINT)
                    os.kill(os.getpid(), signal.SIGINT)
                yield name, values

    def row(self: SiteRecord, step: int, state: Any) -> dict[str, float]:
        if not isinstance(self._columns, Columns):
            self._columns = Columns(self._columns)
        return supply(self, step, state)

    monkeypatch.setattr(SiteRecord, "_supply", row)
    answer = cosim("run", write("s.yaml", BASE), "--quiet", "-o", "out")
    assert answer.code == 1
    assert "error: the run failed at step 5: interrupted\n" in answer.err
    assert Path("out/summary.json").exists()
