"""The headline of a sweep: which case emits least, at what latency, how certain that is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from cosim.accounting.words import latency
from cosim.studies.runs.figures import LEAST_SERVED, MUCH_STORED
from cosim.studies.runs.interval import Interval
from cosim.studies.sweep.axes import Axis
from cosim.studies.sweep.cases import case_name
from cosim.studies.sweep.measures import MEASURES, differs, in_unit
from cosim.studies.sweep.rows import LEAST_FASTER, CaseRow, Choice

_GOOD = 0.99  # least SLO attainment that needs no remark
_NAMED = 6
_SAME = 1e-9


def headline(axes: Sequence[Axis], every: Sequence[CaseRow], choice: Choice) -> Iterator[str]:
    """Yield sentences."""
    best = choice.best
    if best is None:
        yield "No case completed its work, so none is named best."
    else:
        yield _least(axes, every, choice, best)
        if choice.runner_up is not None and choice.lead is not None:
            yield _lead(choice.lead, case_name(axes, choice.runner_up.values))
        yield from _latency(axes, every, best, choice.baseline)
        yield from _slos(axes, every, choice, best)
        if len(choice.front) > 1:
            yield _front(axes, every, choice)
    yield from undone(axes, every)


def undone(axes: Sequence[Axis], every: Sequence[CaseRow]) -> Iterator[str]:
    """Yield which cases did not do their work, if any."""
    failed = [row for row in every if row.failures]
    if failed:
        yield f"Failed runs: {_names(axes, failed)}. The files under runs/ say why."
    behind = [row for row in every if not row.whole and not row.failures]
    if behind:
        yield (
            f"Work left behind (!): {_names(axes, behind)}. More than "
            f"{_percent(1 - LEAST_SERVED)} of the requests were not served, or the queue was still "
            "long at the end. Such a case is never named best: work not done is not a "
            "saving."
        )


def carbon_text(row: CaseRow, figure: str, every: Sequence[CaseRow]) -> str:
    """Return the carbon of a case in the unit that the tables and charts of all have."""
    measure = in_unit(MEASURES[figure], every)
    of = " per 1,000 output tokens" if figure == "per_1k_tokens_g" else ""
    return f"{row.mean(figure) * measure.factor:.4g} {measure.unit}{of}"


def seconds_text(seconds: float) -> str:
    """Return a duration in ms, s, min or h."""
    return f"{seconds:.4g} s" if 1 <= seconds < 120 else latency(seconds)


def _least(axes: Sequence[Axis], every: Sequence[CaseRow], choice: Choice, best: CaseRow) -> str:
    carbon = carbon_text(best, choice.figure, every)
    text = f"Least carbon: {case_name(axes, best.values)}, with {carbon}"
    baseline = choice.baseline
    if baseline is best:
        return f"{text}: the baseline itself."
    if baseline is None:
        return f"{text}. The baseline did not complete its work, so no saving is given."
    own, value = best.mean(choice.figure), baseline.mean(choice.figure)
    saved = f", {_percent(1 - own / value)} less than" if value > 0 else "; it is compared with"
    return (
        f"{text}{saved} the baseline, {case_name(axes, baseline.values)} "
        f"({carbon_text(baseline, choice.figure, every)}).{_stored(choice)}"
    )


def _stored(choice: Choice) -> str:
    """Return a warning where much of a saving is only what a battery holds at the end."""
    share = choice.stored_share
    if share is None or abs(share) <= MUCH_STORED:
        return ""
    return (
        f" {_percent(share)} of that is the difference of what the batteries hold at the end, "
        "valued at the mean intensity, and not a saving of the run: begin and end with the same "
        "charge, or run for longer."
    )


def _lead(lead: Interval, name: str) -> str:
    if math.isnan(lead.mean):
        return f"The next best is {name}."
    if abs(lead.mean) < _SAME:
        return f"The next, {name}, emits the same."
    text = f"It emits {_percent(lead.mean)} less than the next, {name}"
    if math.isinf(lead.half_width):
        return f"{text}; with one seed, its uncertainty is unknown."
    if lead.is_zero:
        return f"{text}, which is not significant with these seeds."
    return f"{text} (± {_percent(lead.half_width)}, seed by seed)."


def _latency(
    axes: Sequence[Axis], every: Sequence[CaseRow], best: CaseRow, baseline: CaseRow | None
) -> Iterator[str]:
    own = best.mean("ttft_p99_s")
    if math.isnan(own):
        return
    text = f"Its first tokens take {seconds_text(own)} at the 99th percentile"
    tpot = best.mean("tpot_p99_s")
    if not math.isnan(tpot):
        text += f", and {seconds_text(tpot)} per token after that"
    whole = [row for row in every if row.whole and not math.isnan(row.mean("ttft_p99_s"))]
    fastest = min(whole, key=lambda row: row.mean("ttft_p99_s"))
    least = fastest.mean("ttft_p99_s")
    base = math.nan if baseline is None else baseline.mean("ttft_p99_s")
    if baseline not in (best, fastest) and abs(own - base) > LEAST_FASTER * base:
        text += f" (the baseline's {seconds_text(base)} to the first)"
    if own <= least * (1 + LEAST_FASTER):
        yield f"{text}: no case is faster to the first token."
    else:
        yield (
            f"{text}; the fastest to the first token is {case_name(axes, fastest.values)} with "
            f"{seconds_text(least)}."
        )


def _slos(
    axes: Sequence[Axis], every: Sequence[CaseRow], choice: Choice, best: CaseRow
) -> Iterator[str]:
    met = best.mean("attainment")
    if math.isnan(met) or met >= _GOOD:
        return
    text = f"Only {met * 100:.2f} % of its requests met their SLOs"
    good = [row for row in every if row.whole and row.mean("attainment") >= _GOOD]
    if not good:
        yield f"{text}; no case reaches {_percent(_GOOD)}."
        return
    least = min(good, key=lambda row: row.mean(choice.figure))
    yield (
        f"{text}; of the cases that reach {_percent(_GOOD)}, {case_name(axes, least.values)} "
        f"emits least ({carbon_text(least, choice.figure, every)})."
    )


def _front(axes: Sequence[Axis], every: Sequence[CaseRow], choice: Choice) -> str:
    texts = [
        f"{case_name(axes, row.values)} ({carbon_text(row, choice.figure, every)}, "
        f"{seconds_text(row.mean('ttft_p99_s'))})"
        for row in choice.front
    ]
    return (
        "Pareto front of carbon and time to the first token (p99), from the least carbon on: "
        f"{_listed(texts)}."
    )


def _percent(share: float) -> str:
    return f"{share * 100:.2g} %" if abs(share) < 0.1 else f"{share * 100:.0f} %"


def _names(axes: Sequence[Axis], some: Sequence[CaseRow]) -> str:
    return _listed([case_name(axes, row.values) for row in some])


def _listed(texts: Sequence[str]) -> str:
    more = f"; and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return "; ".join(texts[:_NAMED]) + more


def alike(every: Sequence[CaseRow]) -> dict[str, tuple[float, float]]:
    """Return the shown figures that do not differ by more than noise: least and largest value."""
    figures = {}
    for name in MEASURES:
        values = [row.mean(name) for row in every]
        if not any(map(math.isnan, values)) and not differs(name, every):
            figures[name] = (min(values), max(values))
    return figures


def is_same(values: Sequence[float]) -> bool:
    """Return whether values differ by no more than 1e-9 of themselves."""
    low, high = min(values), max(values)
    return high - low <= 1e-9 * max(abs(low), abs(high))
