"""Progress of a run: simulated time, speed, time left, carbon so far.

One bar on a terminal, and some lines elsewhere.
"""

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
from cosim.commands.milestones import Milestones, has_bar, say, time_left
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
        bar: Progress bar; None for none.
        plan: Plan of the run.
        clock: The time in seconds, from any moment on.
        stream: Where lines are printed to if there is no bar; None for nowhere.
    """

    def __init__(
        self,
        bar: Progress | None,
        plan: Plan,
        clock: Callable[[], float] = time.monotonic,
        stream: TextIO | None = None,
    ) -> None:
        self._bar, self._time, self._clock = bar, plan.scenario.time, clock
        self._name, self._stream = plan.scenario.name, stream
        self._milestones: Milestones | None = None
        self._task: TaskID | None = None
        self._carbon: ImportCarbon | None = None
        self._began_s = self._shown_s = 0.0

    def on_start(self, run: Run) -> None:
        """Show the bar of a run that is about to take its first step, or wait for a line's time."""
        if self._bar is None and self._stream is None:
            return
        self._carbon = ImportCarbon(run)
        self._began_s = self._shown_s = self._clock()
        if self._bar is None:
            self._milestones = Milestones(self._clock)
            return
        self._task = self._bar.add_task("", total=self._time.steps, text="")

    def on_step(self, steps: int) -> None:
        """Report the number of steps done; most calls only read the clock."""
        if self._milestones is not None:
            if self._milestones.due(share := steps / self._time.steps):
                text = self._text(steps, self._clock())
                say(f"{self._name}: {share:.0%}, {text}", self._stream)
            return
        if self._bar is None or self._task is None:
            return
        now_s = self._clock()
        if now_s - self._shown_s < _EVERY_S and steps < self._time.steps:
            return
        self._shown_s = now_s
        self._bar.update(self._task, completed=steps, text=self._text(steps, now_s))

    def _text(self, steps: int, now_s: float) -> str:
        return progress_text(
            steps * self._time.step_s,
            self._time.steps * self._time.step_s,
            now_s - self._began_s,
            0.0 if self._carbon is None else self._carbon.grams(),
        )


def progress_text(simulated_s: float, whole_s: float, wall_s: float, grams: float) -> str:
    """Return the text beside the bar, and of a line.

    Args:
        simulated_s: Time simulated so far, more than 0 [s].
        whole_s: Time to simulate [s].
        wall_s: Time that it took [s].
        grams: Emissions of the import so far [g].
    """
    _, size = duration_unit(whole_s)
    speed = simulated_s / max(wall_s, 1e-9)
    return (
        f"{simulated_s / size:.2f} of {duration(whole_s)}  {speed:,.0f} x real time  "
        f"{time_left(wall_s, simulated_s, whole_s - simulated_s)}  {mass(grams)} CO2e"
    )


@contextmanager
def progress(
    plan: Plan, *, quiet: bool = False, stream: TextIO | None = None
) -> Iterator[RunProgress]:
    """Show one bar while a run goes, and take it away at the end; elsewhere print lines.

    Args:
        plan: Plan of the run.
        quiet: Whether to show nothing.
        stream: Where to; None for standard error. A bar is shown on a terminal only.
    """
    stream = sys.stderr if stream is None else stream
    if quiet or not has_bar(stream):
        yield RunProgress(None, plan, stream=None if quiet else stream)
        return
    columns = (
        BarColumn(bar_width=None, table_column=Column(ratio=1)),
        TextColumn("{task.fields[text]}", markup=False, table_column=Column(no_wrap=True)),
    )
    console = Console(file=stream, highlight=False)
    with Progress(*columns, console=console, transient=True, expand=True) as bar:
        yield RunProgress(bar, plan)
