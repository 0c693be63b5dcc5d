"""The answer of a run in words: carbon, energy, objectives; and against a baseline."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from cosim.accounting.energy import Energy
from cosim.results.summary import Summary
from cosim.results.totals import RunTotals, ServingTotals


@dataclass(frozen=True, slots=True)
class Answer:
    """What a report says before its charts.

    Attributes:
        cards: The figures, each as a name, a value and a remark.
        sentences: What they mean.
        warnings: Why they may not mean that.
    """

    cards: list[tuple[str, str, str]]
    sentences: list[str]
    warnings: list[str]


def answer(summary: Summary, baseline: Summary | None = None, name: str = "baseline") -> Answer:
    """Return the answer of a run that took at least one step.

    Args:
        summary: Of the run.
        baseline: Of the run that it is compared with, which took a step too; None for nothing.
        name: What that is called.
    """
    totals = _totals(summary)
    before = None if baseline is None else _totals(baseline)
    warnings, sentences = list(_warnings(totals)), list(_sentences(summary, totals))
    if baseline is not None and before is not None:
        sentences.insert(0, _comparison(totals, before, name))
        warnings += _unlike(summary, baseline, name)
    return Answer(list(_cards(totals, before, name)), sentences, warnings)


def _totals(summary: Summary) -> RunTotals:
    if summary.totals is None:
        raise ValueError("a run that took no step has no figures")
    return summary.totals


def mass(grams: float) -> str:
    """Return a mass of CO2-equivalent in a unit that suits it."""
    if abs(grams) >= 1e6:
        return f"{grams / 1e6:.2f} t"
    if abs(grams) >= 1000:
        return f"{grams / 1000:.2f} kg"
    return f"{grams:.1f} g" if abs(grams) >= 1 or not grams else f"{grams * 1000:.3g} mg"


def energy(kwh: float) -> str:
    """Return an energy in a unit that suits it."""
    if abs(kwh) >= 10_000:
        return f"{kwh / 1000:,.1f} MWh"
    return f"{kwh:.2f} kWh" if abs(kwh) >= 1 else f"{kwh * 1000:.1f} Wh"


def change(new: float, old: float) -> str:
    """Return how a value differs from another, in percent of the latter."""
    if not old:
        return "as before" if new == old else "was 0"
    share = (new - old) / abs(old) * 100
    if abs(share) < 0.05:
        return "the same" if new == old else "the same within 0.05 %"
    return f"{abs(share):.1f} % {'less' if share < 0 else 'more'}"


def attainment(totals: RunTotals | None) -> float | None:
    """Return the share of requests that met their objectives; None where there are none."""
    return totals.slo.attainment if isinstance(totals, ServingTotals) else None


def percent(share: float) -> str:
    """Return a share in percent; 100 % and 0 % only if it is just that."""
    shown = f"{share * 100:.1f}"
    if shown == "100.0" and share < 1:
        return "over 99.9 %"
    return "under 0.1 %" if shown == "0.0" and share > 0 else f"{shown} %"


def _cards(
    totals: RunTotals, before: RunTotals | None, name: str
) -> Iterator[tuple[str, str, str]]:
    carbon, used = totals.carbon_g, totals.energy_kwh
    remark = f"{mass(carbon.import_)} from the grid"
    if carbon.embodied:
        remark += f", {mass(carbon.embodied)} embodied"
    if before is not None:
        remark = f"{change(carbon.total, before.carbon_g.total)} than {name}"
    yield "Carbon (CO2e)", mass(carbon.total), _sensible(remark)
    remark = f"{percent(_grid_share(used))} of it drawn from the grid"
    if before is not None:
        remark = f"{change(used.facility, before.energy_kwh.facility)} than {name}"
    yield "Energy used", energy(used.facility), _sensible(remark)
    if not isinstance(totals, ServingTotals):
        return
    met, old = attainment(totals), attainment(before)
    remark = "of requests met their objectives"
    if met is not None and old is not None:
        remark = f"of requests; {_points(met, old)} {name}"
    yield (
        "SLO attainment",
        "none set" if met is None else percent(met),
        ("no class has an objective" if met is None else remark),
    )
    requests = totals.requests
    remark = f"of {requests.arrived:,} that arrived"
    if isinstance(before, ServingTotals):
        remark = _sensible(f"{change(requests.completed, before.requests.completed)} than {name}")
    yield "Requests completed", f"{requests.completed:,}", remark


def _sentences(summary: Summary, totals: RunTotals) -> Iterator[str]:
    carbon, used = totals.carbon_g, totals.energy_kwh
    text = (
        f"The run used {energy(used.facility)} and caused {mass(carbon.total)} CO2e: "
        f"{mass(carbon.import_)} for the {energy(used.import_)} drawn from the grid "
        f"({carbon.kind} intensity)"
    )
    text += f", and {mass(carbon.embodied)} of the hardware." if carbon.embodied else "."
    saved = carbon.gross - carbon.import_
    if used.solar or used.battery_discharge:
        text += (
            f" Had all of it come from the grid as it was used, that would have caused "
            f"{mass(carbon.gross)}; solar and battery made it {mass(abs(saved))} "
            f"{'less' if saved >= 0 else 'more'}."
        )
    yield text
    if isinstance(totals, ServingTotals):
        yield _serving(totals)
    if summary.controllers:
        changes = sum(controller.actions for controller in summary.controllers)
        names = ", ".join(dict.fromkeys(controller.type for controller in summary.controllers))
        yield (
            f"Controllers ({names}) made {changes:,} change{'' if changes == 1 else 's'} of "
            "actuators."
        )
    else:
        yield "No controller acted."


def _serving(totals: ServingTotals) -> str:
    requests, ttft = totals.requests, totals.latency_s.ttft
    text = f"{requests.completed:,} of {requests.arrived:,} requests completed"
    left = {
        "rejected": requests.rejected,
        "waiting": requests.waiting,
        "running": requests.running,
    }
    if any(left.values()):
        text += " (" + ", ".join(f"{count:,} {key}" for key, count in left.items() if count) + ")"
    if ttft is not None:
        text += f"; first token after {seconds(ttft.p50)} at the median, "
        text += f"{seconds(ttft.p99)} at the 99th percentile"
    met = attainment(totals)
    if met is not None:
        by_class = totals.slo.by_class
        text += f". {percent(met)} of requests met their objectives"
        if len(by_class) > 1:
            each = (
                f"{key} {percent(share)}" for key, share in by_class.items() if share is not None
            )
            text += f" ({', '.join(each)})"
    if totals.carbon_g.per_request is not None:
        text += f". A completed request stands for {mass(totals.carbon_g.per_request)} CO2e"
    return text + "."


def seconds(value: float) -> str:
    """Return a time in a unit that suits it."""
    if value < 1:
        return f"{value * 1000:.3g} ms"
    if value < 120:
        return f"{value:.3g} s"
    return f"{value / 60:.3g} min" if value < 7200 else f"{value / 3600:.3g} h"


def _comparison(totals: RunTotals, old: RunTotals, name: str) -> str:
    carbon, before = totals.carbon_g, old.carbon_g
    parts = [
        f"carbon {_than(carbon.total, before.total)} "
        f"({mass(carbon.total)} against {mass(before.total)}; the grid's share "
        f"{_than(carbon.import_, before.import_)})",
        f"energy {_than(totals.energy_kwh.facility, old.energy_kwh.facility)}",
    ]
    met, met_before = attainment(totals), attainment(old)
    if met is not None and met_before is not None:
        parts.append(f"SLO attainment {percent(met)} against {percent(met_before)}")
    elif isinstance(totals, ServingTotals):
        parts.append("no objectives to compare")
    return f"Against {name}: {'; '.join(parts)}."


def _warnings(totals: RunTotals) -> Iterator[str]:
    if not isinstance(totals, ServingTotals):
        return
    waiting = totals.requests.waiting
    if totals.load_state == "overloaded":
        yield (
            "Overloaded: requests came faster than they were served, and the queue grew for as "
            f"long as they came ({waiting:,} wait at the end). Latency, and carbon per request, "
            "only tell how long that was."
        )
    elif totals.load_state == "backlogged":
        yield (
            f"{waiting:,} requests still wait at the end. Their energy is not in these figures: "
            "compare only with runs that leave the same backlog."
        )


def _unlike(summary: Summary, baseline: Summary, name: str) -> Iterator[str]:
    """Yield why a comparison may not be of like with like."""
    if baseline.status != "completed":
        yield f"{name} failed: its figures are those of the part that it ran."
    for title, ours, theirs in (
        ("begin", summary.time.start, baseline.time.start),
        ("simulated time", summary.time.duration_s, baseline.time.duration_s),
        ("seed", summary.scenario.seed, baseline.scenario.seed),
    ):
        if ours != theirs:
            yield f"The two runs differ in {title}: {ours} here, {theirs} in {name}."
    own, other = summary.totals, baseline.totals
    if isinstance(own, ServingTotals) != isinstance(other, ServingTotals):
        yield "Only one of the two runs serves requests."
    elif isinstance(own, ServingTotals) and isinstance(other, ServingTotals):
        for verb, count, before in (
            ("arrived", own.requests.arrived, other.requests.arrived),
            ("completed", own.requests.completed, other.requests.completed),
        ):
            if count != before:
                yield (
                    f"The two runs did not do the same work: {count:,} requests {verb} here, "
                    f"{before:,} in {name}."
                )


def _grid_share(used: Energy) -> float:
    return used.import_ / used.facility if used.facility else math.nan


def _than(new: float, old: float) -> str:
    text = change(new, old)
    return text.replace("less", "lower").replace("more", "higher")


def _points(met: float, before: float) -> str:
    points = (met - before) * 100
    if abs(points) < 0.05:
        return "as in"
    return f"{abs(points):.1f} points {'above' if points > 0 else 'below'}"


def _sensible(remark: str) -> str:
    """Mend `the same than`."""
    head, than, tail = remark.partition(" than ")
    return f"{head} as {tail}" if than and head.startswith("the same") else remark
