"""Reasons for which two runs cannot be compared, or not in all respects.

Equal work is needed for a saving: carbon of work that was not done is not saved. The rules are
those of ``cosim evaluate``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cosim.accounting.words import duration, percent
from cosim.studies.compare.compared_run import ComparedRun
from cosim.studies.evaluate.statistics import (
    BATTERY,
    FAILED,
    LEFT_WORK,
    MISSED,
    left_work,
    no_saving,
)
from cosim.studies.runs.figures import LEAST_SERVED, MUCH_STORED

OTHER_WORK = "other work"
"""Reason for which there is no saving between runs of different workloads or lengths."""

_SHORT = {MISSED: "SLOs missed", BATTERY: "mostly battery"}
_NOT_THE_SAME = "not the same work"
_MOST_LEFT = percent(1 - LEAST_SERVED)


@dataclass(frozen=True, slots=True)
class Caution:
    """A reason for care with a run, the same for all runs that it holds for but for a remark.

    Attributes:
        reason: The reason, which the names of the runs follow.
        meaning: What follows from it; may be empty.
        name: Name of the run.
        remark: What is peculiar to that run; may be empty.
    """

    reason: str
    meaning: str
    name: str
    remark: str = ""


def why_no_saving(run: ComparedRun, baseline: ComparedRun) -> str:
    """Return why lower emissions than the baseline's are not a saving; empty if they are."""
    if run.figures.failure or baseline.figures.failure:
        return FAILED
    if next(_other_work(run, baseline), None):
        return OTHER_WORK
    if left_work(baseline.figures, run.figures):
        return LEFT_WORK
    return no_saving([run.figures], [baseline.figures])


def why_not_equal(run: ComparedRun, baseline: ComparedRun) -> str:
    """Return in short why there is no difference at equal work; empty if there is one."""
    reason = "" if run is baseline else why_no_saving(run, baseline)
    return _SHORT.get(reason, _NOT_THE_SAME) if reason else ""


def in_words(cautions: Iterable[Caution]) -> list[str]:
    """Return a text for each reason, with the names of all the runs that it holds for."""
    runs: dict[tuple[str, str], dict[str, None]] = {}
    for caution in cautions:
        remark = f" ({caution.remark})" if caution.remark else ""
        named = runs.setdefault((caution.reason, caution.meaning), {})
        named[f"{caution.name}{remark}"] = None
    return [
        f"{reason}: {', '.join(names)}.{f' {meaning}' if meaning else ''}"
        for (reason, meaning), names in runs.items()
    ]


def own_cautions(run: ComparedRun) -> Iterator[Caution]:
    """Yield why the figures of a run are to be read with care, whatever it is compared with."""
    failure = run.data.summary.failure
    if failure is not None:
        yield Caution(
            "Failed", "The figures cover the steps until then.", run.name, f"at step {failure.step}"
        )
    if run.serving is None or run.serving.load_state == "stable":
        return
    left = f"{run.serving.requests.waiting:,}"
    if run.serving.load_state == "overloaded":
        yield Caution(
            "Overloaded",
            "Requests came faster than they were served, and the queue grew for as long as they "
            "came. Latency and carbon per request mainly reflect the length of that time.",
            run.name,
            f"{left} wait at the end",
        )
        return
    yield Caution(
        "Requests that still wait at the end",
        "Their energy is not in these figures: compare only runs that leave the same backlog.",
        run.name,
        left,
    )


def cautions(run: ComparedRun, baseline: ComparedRun) -> Iterator[Caution]:
    """Yield why a run cannot be compared with another, or with care only."""
    yield from own_cautions(run)
    yield from _other_work(run, baseline)
    if run.figures.seed != baseline.figures.seed:
        yield Caution(
            f"Another seed than {baseline.name} ({baseline.figures.seed})",
            "Part of the difference is due to other draws.",
            run.name,
            str(run.figures.seed),
        )
    reason = no_saving([run.figures], [baseline.figures])
    if reason == LEFT_WORK:
        yield Caution(
            f"Left work that {baseline.name} did",
            f"More than {_MOST_LEFT} of the requests of a class were not served. Carbon of work "
            "not done is not a saving.",
            run.name,
        )
    elif left_work(baseline.figures, run.figures):
        yield Caution(
            f"Did work that {baseline.name} left",
            f"There more than {_MOST_LEFT} of the requests of a class were not served.",
            run.name,
        )
    elif reason == MISSED:
        yield Caution(
            f"Missed objectives that {baseline.name} met",
            f"More than {_MOST_LEFT} of the requests broke their SLOs, or of a class came too "
            "late. Lower emissions are not a saving then.",
            run.name,
        )
    if why_no_saving(run, baseline) in ("", BATTERY):
        yield from _stored(run, baseline)


def _other_work(run: ComparedRun, baseline: ComparedRun) -> Iterator[Caution]:
    """Yield how the work or the time of two runs differ."""
    own, other = run.data, baseline.data
    pairs = [
        ("Another start", own.summary.time.start, other.summary.time.start),
        ("Another length", duration(own.duration_s), duration(other.duration_s)),
    ]
    for what, value, before in pairs:
        if value != before:
            yield Caution(f"{what} than {baseline.name} ({before})", "", run.name, str(value))
    mine, theirs = run.serving, baseline.serving
    if mine is None or theirs is None:
        if mine is not None:
            yield Caution(f"Serves requests, unlike {baseline.name}", "", run.name)
        if theirs is not None:
            yield Caution(f"Serves no requests, unlike {baseline.name}", "", run.name)
        return
    if mine.requests.arrived != theirs.requests.arrived:
        yield Caution(
            f"Another workload than {baseline.name} ({theirs.requests.arrived:,} requests)",
            "",
            run.name,
            f"{mine.requests.arrived:,}",
        )
    elif (
        mine.requests.completed == theirs.requests.completed
        and mine.tokens.output != theirs.tokens.output
    ):
        yield Caution(
            f"Another workload than {baseline.name} ({theirs.tokens.output:,} output tokens)",
            "",
            run.name,
            f"{mine.tokens.output:,}",
        )


def _stored(run: ComparedRun, baseline: ComparedRun) -> Iterator[Caution]:
    saved_g = baseline.figures.equal_work_g - run.figures.equal_work_g
    stored_g = baseline.figures.stored_g - run.figures.stored_g
    if saved_g <= 0 or abs(stored_g) <= MUCH_STORED * saved_g:
        return
    no_saving = ", not a saving" if why_no_saving(run, baseline) == BATTERY else ""
    yield Caution(
        f"Battery content makes much of the difference from {baseline.name}",
        "It is what the batteries hold at the end, valued at the mean intensity: begin and end "
        "with the same charge, or run for longer.",
        run.name,
        f"{percent(stored_g / saved_g)}{no_saving}",
    )
