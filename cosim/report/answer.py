"""The answer of a run in words: carbon, energy, objectives; and against a baseline."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Summary = Mapping[str, Any]


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
        baseline: Of what it is compared with; None for nothing.
        name: What that is called.
    """
    warnings = list(_warnings(summary))
    sentences = list(_sentences(summary))
    if baseline is not None:
        sentences.insert(0, _comparison(summary, baseline, name))
        warnings += _unlike(summary, baseline, name)
    return Answer(list(_cards(summary, baseline, name)), sentences, warnings)


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


def attainment(summary: Summary) -> float | None:
    """Return the share of requests that met their objectives; None where there are none."""
    slo = summary.get("slo")
    return None if slo is None else slo["attainment"]


def percent(share: float) -> str:
    """Return a share in percent; 100 % and 0 % only if it is just that."""
    shown = f"{share * 100:.1f}"
    if shown == "100.0" and share < 1:
        return "over 99.9 %"
    return "under 0.1 %" if shown == "0.0" and share > 0 else f"{shown} %"


def _cards(summary: Summary, baseline: Summary | None, name: str) -> Iterator[tuple[str, str, str]]:
    carbon, used = summary["carbon_g"], summary["energy_kwh"]
    remark = f"{mass(carbon['import'])} from the grid"
    if carbon["embodied"]:
        remark += f", {mass(carbon['embodied'])} embodied"
    if baseline is not None:
        remark = f"{change(carbon['total'], baseline['carbon_g']['total'])} than {name}"
    yield "Carbon (CO2e)", mass(carbon["total"]), _sensible(remark)
    remark = f"{percent(_grid_share(used))} of it drawn from the grid"
    if baseline is not None:
        remark = f"{change(used['facility'], baseline['energy_kwh']['facility'])} than {name}"
    yield "Energy used", energy(used["facility"]), _sensible(remark)
    if "requests" not in summary:
        return
    met = attainment(summary)
    before = attainment(baseline) if baseline is not None else None
    remark = "of requests met their objectives"
    if met is not None and before is not None:
        remark = f"of requests; {_points(met, before)} {name}"
    yield (
        "SLO attainment",
        "none set" if met is None else percent(met),
        ("no class has an objective" if met is None else remark),
    )
    requests = summary["requests"]
    remark = f"of {requests['arrived']:,} that arrived"
    if baseline is not None and "requests" in baseline:
        done = baseline["requests"]["completed"]
        remark = _sensible(f"{change(requests['completed'], done)} than {name}")
    yield "Requests completed", f"{requests['completed']:,}", remark


def _sentences(summary: Summary) -> Iterator[str]:
    carbon, used = summary["carbon_g"], summary["energy_kwh"]
    text = (
        f"The run used {energy(used['facility'])} and caused {mass(carbon['total'])} CO2e: "
        f"{mass(carbon['import'])} for the {energy(used['import'])} drawn from the grid "
        f"({carbon['kind']} intensity)"
    )
    text += f", and {mass(carbon['embodied'])} of the hardware." if carbon["embodied"] else "."
    saved = carbon["gross"] - carbon["import"]
    if used["solar"] or used["battery_discharge"]:
        text += (
            f" Had all of it come from the grid as it was used, that would have caused "
            f"{mass(carbon['gross'])}; solar and battery made it {mass(abs(saved))} "
            f"{'less' if saved >= 0 else 'more'}."
        )
    yield text
    if "requests" in summary:
        yield _serving(summary)
    if summary["controllers"]:
        changes = sum(one["actions"] for one in summary["controllers"])
        names = ", ".join(dict.fromkeys(one["type"] for one in summary["controllers"]))
        yield (
            f"Controllers ({names}) made {changes:,} change{'' if changes == 1 else 's'} of "
            "actuators."
        )
    else:
        yield "No controller acted."


def _serving(summary: Summary) -> str:
    requests, latency = summary["requests"], summary["latency_s"]
    text = f"{requests['completed']:,} of {requests['arrived']:,} requests completed"
    left = {key: requests[key] for key in ("rejected", "waiting", "running") if requests[key]}
    if left:
        text += " (" + ", ".join(f"{count:,} {key}" for key, count in left.items()) + ")"
    if latency["ttft"]:
        ttft = latency["ttft"]
        text += f"; first token after {seconds(ttft['p50'])} at the median, "
        text += f"{seconds(ttft['p99'])} at the 99th percentile"
    met = attainment(summary)
    if met is not None:
        by_class = summary["slo"]["by_class"]
        text += f". {percent(met)} of requests met their objectives"
        if len(by_class) > 1:
            each = (f"{key} {percent(one)}" for key, one in by_class.items() if one is not None)
            text += f" ({', '.join(each)})"
    if summary["carbon_g"].get("per_request") is not None:
        text += f". A completed request stands for {mass(summary['carbon_g']['per_request'])} CO2e"
    return text + "."


def seconds(value: float) -> str:
    """Return a time in a unit that suits it."""
    if value < 1:
        return f"{value * 1000:.3g} ms"
    if value < 120:
        return f"{value:.3g} s"
    return f"{value / 60:.3g} min" if value < 7200 else f"{value / 3600:.3g} h"


def _comparison(summary: Summary, baseline: Summary, name: str) -> str:
    carbon, before = summary["carbon_g"], baseline["carbon_g"]
    parts = [
        f"carbon {_than(carbon['total'], before['total'])} "
        f"({mass(carbon['total'])} against {mass(before['total'])}; the grid's share "
        f"{_than(carbon['import'], before['import'])})",
        f"energy {_than(summary['energy_kwh']['facility'], baseline['energy_kwh']['facility'])}",
    ]
    met, old = attainment(summary), attainment(baseline)
    if met is not None and old is not None:
        parts.append(f"SLO attainment {percent(met)} against {percent(old)}")
    elif "requests" in summary:
        parts.append("no objectives to compare")
    return f"Against {name}: {'; '.join(parts)}."


def _warnings(summary: Summary) -> Iterator[str]:
    state = summary.get("load_state", "stable")
    waiting = summary.get("requests", {}).get("waiting", 0)
    if state == "overloaded":
        yield (
            "Overloaded: requests came faster than they were served, and the queue grew for as "
            f"long as they came ({waiting:,} wait at the end). Latency, and carbon per request, "
            "only tell how long that was."
        )
    elif state == "backlogged":
        yield (
            f"{waiting:,} requests still wait at the end. Their energy is not in these figures: "
            "compare only with runs that leave the same backlog."
        )


def _unlike(summary: Summary, baseline: Summary, name: str) -> Iterator[str]:
    """Yield why a comparison may not be of like with like."""
    if baseline["status"] != "completed":
        yield f"{name} failed: its figures are those of the part that it ran."
    for key, what in (("start", "begin"), ("duration_s", "simulated time")):
        ours, theirs = summary["time"][key], baseline["time"][key]
        if ours != theirs:
            yield f"The two runs differ in {what}: {ours} here, {theirs} in {name}."
    if summary["scenario"]["seed"] != baseline["scenario"]["seed"]:
        yield (
            f"The two runs differ in seed: {summary['scenario']['seed']} here, "
            f"{baseline['scenario']['seed']} in {name}."
        )
    ours, theirs = summary.get("requests"), baseline.get("requests")
    if (ours is None) != (theirs is None):
        yield "Only one of the two runs serves requests."
    elif ours is not None and theirs is not None:
        for key in ("arrived", "completed"):
            if ours[key] != theirs[key]:
                yield (
                    f"The two runs did not do the same work: {ours[key]:,} requests {key} here, "
                    f"{theirs[key]:,} in {name}."
                )


def _grid_share(used: Mapping[str, float]) -> float:
    return used["import"] / used["facility"] if used["facility"] else math.nan


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
