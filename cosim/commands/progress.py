"""The one bar that a run shows on a terminal: simulated time, speed, time left, carbon so far."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from cosim.accounting.energy import J_PER_KWH
from cosim.accounting.words import duration, duration_unit, mass
from cosim.loop.observer import RunObserver
from cosim.loop.record import Run
from cosim.world.plan import Plan

_EVERY_S = 0.1


class ImportCarbon:
    """Emissions of a run's grid imports so far, by the intensity of each step.

    Args:
        run: The run; it goes on while this counts.
    """

    def __init__(self, run: Run) -> None:
        self._records = run.recorder.sites
        self._step_s = run.plan.scenario.time.step_s
        self._counted = dict.fromkeys(self._records, 0)
        self._grams = 0.0

    def grams(self) -> float:
        """Return the emissions of all steps so far [g]."""
        for name, record in self._records.items():
            new = slice(self._counted[name], len(record))
            # No view may outlive this call: an array cannot grow while it lends its memory.
            import_w = record.column("import_w")[new]
            g_per_kwh = record.column("carbon_intensity_g_per_kwh")[new]
            self._grams += float(import_w @ g_per_kwh) * self._step_s / J_PER_KWH
            self._counted[name] = new.stop
        return self._grams


class RunProgress(RunObserver):
    """An observer that shows how far a run has got.

    Args:
        bar: Progress bar; None to show nothing.
        plan: Plan of the run.
        clock: The time in seconds, from any moment on.
    """

    def __init__(
        self, bar: Progress | None, plan: Plan, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bar, self._time, self._clock = bar, plan.scenario.time, clock
        self._task: TaskID | None = None
        self._carbon: ImportCarbon | None = None
        self._began_s = self._shown_s = 0.0

    def on_start(self, run: Run) -> None:
        """Show the bar of a run that is about to take its first step."""
        if self._bar is None:
            return
        self._carbon = ImportCarbon(run)
        self._began_s = self._shown_s = self._clock()
        self._task = self._bar.add_task("", total=self._time.steps, text="")

    def on_step(self, steps: int) -> None:
        """Update the bar with the number of steps done; most calls only read the clock."""
        if self._bar is None or self._task is None or self._carbon is None:
            return
        now_s = self._clock()
        if now_s - self._shown_s < _EVERY_S and steps < self._time.steps:
            return
        self._shown_s = now_s
        text = progress_text(
            steps * self._time.step_s,
            self._time.steps * self._time.step_s,
            now_s - self._began_s,
            self._carbon.grams(),
        )
        self._bar.update(self._task, completed=steps, text=text)


def progress_text(simulated_s: float, whole_s: float, wall_s: float, grams: float) -> str:
    """Return the text beside the bar.

    Args:
        simulated_s: Time simulated so far, more than 0 [s].
        whole_s: Time to simulate [s].
        wall_s: Time that it took [s].
        grams: Emissions of the import so far [g].
    """
    _, size = duration_unit(whole_s)
    left_s = round(wall_s * (whole_s - simulated_s) / simulated_s)
    speed = simulated_s / max(wall_s, 1e-9)
    return (
        f"{simulated_s / size:.2f} of {duration(whole_s)}  {speed:,.0f} x real time  "
        f"{left_s // 3600}:{left_s // 60 % 60:02}:{left_s % 60:02} left  {mass(grams)} CO2e"
    )


@contextmanager
def progress(
    plan: Plan, *, quiet: bool = False, stream: TextIO | None = None
) -> Iterator[RunProgress]:
    """Show one bar while a run goes, and take it away at the end.

    Args:
        plan: Plan of the run.
        quiet: Whether to show nothing.
        stream: Where to; None for standard error. Nothing is shown unless it is a terminal.
    """
    stream = sys.stderr if stream is None else stream
    if quiet or not stream.isatty():
        yield RunProgress(None, plan)
        return
    columns = (
        BarColumn(bar_width=None, table_column=Column(ratio=1)),
        TextColumn("{task.fields[text]}", markup=False, table_column=Column(no_wrap=True)),
    )
    console = Console(file=stream, highlight=False)
    with Progress(*columns, console=console, transient=True, expand=True) as bar:
        yield RunProgress(bar, plan)
