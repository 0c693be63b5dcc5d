"""Progress of many runs: one bar on a terminal, some lines elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from cosim.commands.milestones import Milestones, has_bar, say, time_left

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

    from cosim.studies.frame.cases import EndedRun


@contextmanager
def run_bar(title: str, total: int, *, quiet: bool) -> Iterator[Callable[[EndedRun], None]]:
    """Yield a callback for each run that has ended; it reports progress on standard error.

    Args:
        title: Name of the study: text beside the bar until the first run has ended.
        total: Number of runs.
        quiet: Whether to show nothing.
    """
    if quiet:
        yield lambda run: None
    elif not has_bar(sys.stderr):
        yield _run_lines(title, total)
    else:
        from rich.progress import MofNCompleteColumn, TextColumn

        with _bar(title, total, MofNCompleteColumn(), TextColumn("runs")) as update:
            yield lambda run: update(advance=1, description=run.case)


def _run_lines(title: str, total: int) -> Callable[[EndedRun], None]:
    milestones = Milestones()
    done = made = 0

    def ended(run: EndedRun) -> None:
        nonlocal done, made
        done += 1
        made += run.made  # those that were kept took no time
        if made and milestones.due(done / total):
            left = time_left(milestones.elapsed_s, made, total - done)
            say(f"{title}: {done:,} of {total:,} runs ({done / total:.0%}), {left}")

    return ended


@contextmanager
def share_bar(title: str) -> Iterator[Callable[[float], None]]:
    """Yield a callback for the share of the work done; it reports progress on standard error."""
    if not has_bar(sys.stderr):
        milestones = Milestones()

        def reached(share: float) -> None:
            if share > 0 and milestones.due(share):
                say(f"{title}: {share:.0%}, {time_left(milestones.elapsed_s, share, 1 - share)}")

        yield reached
        return
    from rich.progress import TaskProgressColumn

    with _bar(title, 1.0, TaskProgressColumn()) as update:
        yield lambda share: update(completed=share)


@contextmanager
def _bar(title: str, total: float, *columns: ProgressColumn) -> Iterator[Callable[..., None]]:
    """Yield the update of a bar that is cleared at the end."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    text = TextColumn("{task.description}", markup=False)
    shown = (text, BarColumn(), *columns, TimeRemainingColumn())
    with Progress(*shown, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield partial(bar.update, task)
