"""Reasons for which two runs cannot be compared, or not in all respects.

Equal work is needed for a saving: carbon of work that was not done is not saved. The rules are
those of ``cosim evaluate``.
"""

from __future__ import annotations

from collections.abc import Iterator

from cosim.accounting.words import duration, percent
from cosim.report.headline import load_warning
from cosim.studies.compare.compared_run import ComparedRun
from cosim.studies.evaluate.statistics import BATTERY, FAILED, LEFT_WORK, MISSED, no_saving
from cosim.studies.runs.figures import LEAST_SERVED, MUCH_STORED

OTHER_WORK = "other work"
"""Reason for which there is no saving between runs of different workloads or lengths."""


def why_no_saving(run: ComparedRun, baseline: ComparedRun) -> str:
    """Return why lower emissions than the baseline's are not a saving; empty if they are."""
    if run.figures.failure or baseline.figures.failure:
        return FAILED
    if next(_other_work(run, baseline), ""):
        return OTHER_WORK
    return no_saving([run.figures], [baseline.figures])


def warnings(run: ComparedRun, baseline: ComparedRun) -> Iterator[str]:
    """Yield why a run cannot be compared with another, or with care only, a sentence each."""
    most = percent(1 - LEAST_SERVED)
    yield from _own(run)
    yield from _other_work(run, baseline)
    if run.data.summary.scenario.seed != baseline.data.summary.scenario.seed:
        yield (
            f"{run.name} has seed {run.figures.seed}, {baseline.name} has {baseline.figures.seed}: "
            "part of the difference is due to other draws."
        )
    reason = no_saving([run.figures], [baseline.figures])
    if reason == LEFT_WORK:
        yield (
            f"{run.name} left work: more than {most} of the requests of a class were not served, "
            f"which {baseline.name} did serve. Carbon of work not done is not a saving."
        )
    elif reason == MISSED:
        yield (
            f"{run.name} missed objectives: more than {most} of the requests broke their SLOs, or "
            f"of a class came too late, which in {baseline.name} they did not. Lower emissions "
            "are not a saving then."
        )
    yield from _stored(run, baseline, most_of_it=reason == BATTERY)


def own_warnings(run: ComparedRun) -> list[str]:
    """Return why the figures of a run are to be read with care, whatever it is compared with."""
    return list(_own(run))


def _own(run: ComparedRun) -> Iterator[str]:
    failure = run.data.summary.failure
    if failure is not None:
        yield (
            f"{run.name} failed at step {failure.step}: its figures cover only the steps until "
            "then."
        )
    if warning := load_warning(run.totals):
        yield f"{run.name}: {warning}"


def _other_work(run: ComparedRun, baseline: ComparedRun) -> Iterator[str]:
    """Yield how the work or the time of two runs differ."""
    own, other = run.data, baseline.data
    pairs = [
        ("starts at", own.summary.time.start, other.summary.time.start),
        ("simulates", duration(own.duration_s), duration(other.duration_s)),
    ]
    for verb, value, before in pairs:
        if value != before:
            yield f"{run.name} {verb} {value}, {baseline.name} {verb} {before}."
    mine, theirs = run.serving, baseline.serving
    if (mine is None) != (theirs is None):
        serving = run.name if mine is not None else baseline.name
        yield f"Only {serving} serves requests."
    if mine is None or theirs is None:
        return
    if mine.requests.arrived != theirs.requests.arrived:
        yield (
            f"Different workloads: {mine.requests.arrived:,} requests arrived in {run.name}, "
            f"{theirs.requests.arrived:,} in {baseline.name}."
        )
    elif (
        mine.requests.completed == theirs.requests.completed
        and mine.tokens.output != theirs.tokens.output
    ):
        yield (
            f"Different workloads: the requests of {run.name} got {mine.tokens.output:,} output "
            f"tokens, those of {baseline.name} {theirs.tokens.output:,}."
        )


def _stored(run: ComparedRun, baseline: ComparedRun, *, most_of_it: bool) -> Iterator[str]:
    saved_g = baseline.figures.equal_work_g - run.figures.equal_work_g
    stored_g = baseline.figures.stored_g - run.figures.stored_g
    if saved_g <= 0 or abs(stored_g) <= MUCH_STORED * saved_g:
        return
    text = (
        f"Battery content: {percent(stored_g / saved_g)} of the difference between {run.name} and "
        f"{baseline.name} is what the batteries hold at the end, valued at the mean intensity: "
        "begin and end with the same charge, or run for longer."
    )
    yield f"{text} That is not a saving." if most_of_it else text
