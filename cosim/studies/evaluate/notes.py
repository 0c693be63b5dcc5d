"""The notes that the table of an evaluation is read by."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from cosim.accounting.words import percent
from cosim.studies.evaluate.baselines import BULK, RIGHT_SIZED
from cosim.studies.evaluate.evaluation import Evaluation
from cosim.studies.evaluate.statistics import BATTERY, LEFT_WORK, MISSED, WORSE, PolicyRow
from cosim.studies.runs.figures import LEAST_SERVED, MUCH_STORED
from inference_sim.power.ends import find_ends


def notes(evaluation: Evaluation) -> Iterator[str]:
    """Yield the notes, each a paragraph."""
    yield _replication(evaluation)
    yield _columns(evaluation)
    yield from _bounds(evaluation)
    yield from _ranking(evaluation)
    if stored := stored_policies(evaluation):
        yield (
            f"Battery content: {'; '.join(stored)}. That part of a saving is the difference of "
            "what the batteries hold at the end, valued at the mean intensity, and nothing that "
            "the policy saved in the run: begin and end with the same charge, or run for longer."
        )
    if idle := idle_policies(evaluation):
        yield (
            f"Never mattered: {', '.join(idle)}. What they set was in nobody's way, so that their "
            "runs are as if nothing had been set: the load is too low for them, or they set too "
            "little."
        )
    shown = [row for row in evaluation.rows if row.variant.kind != "decoy"]
    if left := _named(shown, LEFT_WORK):
        yield (
            f"Left work: {left}. More than {percent(1 - LEAST_SERVED)} of the requests of a class "
            "were not served, so that the row has no saving and no rank: carbon of work not done "
            "is not a saving."
        )
    if filled := _named(shown, BATTERY):
        yield (
            f"Battery: {filled}. More than half of what would be saved is the difference of what "
            "the batteries hold at the end: begin and end with the same charge, or run for longer."
        )
    for policy in evaluation.policies:
        if reason := next((run.failure for run in policy.runs if run.failure), ""):
            yield f"Failed: {policy.variant.label}, {reason}"
    if broke := _named(shown, MISSED):
        yield (
            f"Objectives: {broke}. More than {percent(1 - LEAST_SERVED)} of the requests broke "
            "their SLOs, or of a class came too late, which without controllers they did not: "
            "the row has no saving and no rank."
        )
    if worse := _named(shown, WORSE):
        yield (
            f"Quality: {worse}. The mean score of the answers was lower than without controllers, "
            "so that the row has no saving and no rank: let the dispatch have shares with the same "
            "quality, and compare with those."
        )
    if missed := ", ".join(row.variant.label for row in shown if row.missed and not row.no_saving):
        yield (
            f"Missed objectives: {missed}. More than {percent(1 - LEAST_SERVED)} of the requests "
            "with SLOs broke them in some run, or as many of a class came too late, as without "
            "controllers: the bounds, which are those of meeting them, do not hold there."
        )
    decoys = [row for row in evaluation.rows if row.variant.decoy is not None and row.no_saving]
    if decoys:
        listed = ", ".join(f"{row.variant.label}: {row.no_saving}" for row in decoys)
        yield f"Decoys without a saving, so that the policy has none by timing either: {listed}."


def _named(rows: Sequence[PolicyRow], reason: str) -> str:
    return ", ".join(row.variant.label for row in rows if row.no_saving == reason)


def _replication(evaluation: Evaluation) -> str:
    """Return over what the means and intervals are."""
    seeds, weeks = len(evaluation.seeds), len(evaluation.weeks)
    of_each = f"{seeds} seed{'s' if seeds > 1 else ''}"
    if weeks:
        first, last = evaluation.weeks[0], evaluation.weeks[-1]
        over = f"{weeks} parts of the year from {first} to {last}, with {of_each} each"
        return (
            f"{over}, the same for all. Means with 95 % intervals over these parts (Student's t); "
            "* where the interval excludes zero."
        )
    if seeds == 1:
        return "One seed: no intervals."
    return (
        f"{of_each}, the same for all. Means with 95 % intervals (Student's t); * where the "
        "interval excludes zero. They are of the arrivals alone: other weeks may differ more."
    )


def _columns(evaluation: Evaluation) -> str:
    """Return what the columns are."""
    noop = evaluation.rows[0].variant.name
    names = {row.variant.name for row in evaluation.rows if row.variant.kind == "baseline"}
    texts = [
        "carbon: emissions from grid imports, corrected for the change of the batteries' charge "
        "(valued at the mean intensity) and for the few requests that were left. saving: against "
        f"{noop}, pair by pair; its star holds whatever the batteries' charge is worth."
    ]
    if len(names) > 1:
        texts.append(f"against blind: against the best of {', '.join(sorted(names))}.")
    if RIGHT_SIZED in names:
        texts.append(f"{RIGHT_SIZED}: as few replicas as the load needs, blind to carbon.")
    if BULK in names and evaluation.bulk_hour_utc is not None:
        texts.append(
            f"{BULK}: deferrable work in bulk from {evaluation.bulk_hour_utc}:00 UTC on, the best "
            "hour of those that were tried, blind to carbon."
        )
    if any(row.timing is not None for row in evaluation.rows):
        texts.append(
            "by timing: saving beyond that of the same policy shown intensity and sun moved in "
            f"time, in percent of {noop}: the same actions, at the wrong hours."
        )
    if evaluation.ends:
        texts.append(_ends(evaluation))
    if any(row.by_day is not None for row in evaluation.rows):
        texts.append("by the day: beyond that of the same policy shown the signals of other days.")
    texts.append(
        "SLO, TTFT and TPOT: requests that may not be deferred. late: deferrable requests served "
        "after their deadline, or never. left: not served at the end."
    )
    return " ".join(texts)


def _ends(evaluation: Evaluation) -> str:
    """Return which coefficients were taken to their ends, and what the columns are."""
    named = dict.fromkeys(of_end.end.coefficient for of_end in evaluation.ends)
    listed = []
    for ends in map(find_ends, named):
        times = "times " if ends.factor else ""
        listed.append(f"{ends.description} {times}{ends.low:g} and {ends.high:g}")
    return (
        f"at the ends: the least and the most that is saved with {'; '.join(listed)}, each alone. "
        "depends on: the coefficients at an end of which the saving, or that against blind, has "
        "another sign or is none."
    )


def _bounds(evaluation: Evaluation) -> Iterator[str]:
    """Yield the least emissions possible, by freedom."""
    bounds = [bound for bound in evaluation.bounds if bound is not None]
    if not bounds and _has_pools(evaluation):
        yield (
            "No bounds: a site has several pools, and the bounds are those of one. Compare with "
            "fixed shares of the pools instead, at equal quality."
        )
        return
    if not bounds and _depends_on_answers(evaluation):
        yield (
            "No bounds: clients send the next turn after an answer, or give up, so that the "
            "requests depend on the policy. Compare what was served as well."
        )
        return
    if missing := len(evaluation.bounds) - len(bounds):
        yield f"No bound could be found for {missing} of {len(evaluation.bounds)} runs."
    if not bounds:
        return
    means = {
        freedom: math.fsum(bound.of(freedom) for bound in bounds) / len(bounds) / 1000
        for freedom in ("timing", "battery", "sleep", "clocks")
    }
    yield (
        f"Bounds: no policy emits less than {means['timing']:.3f} kg by the timing of the work, "
        f"{means['battery']:.3f} kg by setting the battery too, {means['sleep']:.3f} kg with "
        f"replicas that sleep, {means['clocks']:.3f} kg with clocks and power caps, if the "
        "objectives are met. of bound: the saving over that of the bound with the policy's "
        "actuators."
    )


def _has_pools(evaluation: Evaluation) -> bool:
    """Return whether a cluster of some site has several pools."""
    clusters = [site.get("cluster") or {} for site in evaluation.scenario.get("sites", ())]
    return any(len(cluster.get("pools", ())) > 1 for cluster in clusters)


def _depends_on_answers(evaluation: Evaluation) -> bool:
    """Return whether clients of some site react to how they are served."""
    scenario = evaluation.scenario
    sites = scenario.get("sites", ())
    workloads = [scenario.get("workload"), *(site.get("workload") for site in sites)]
    keys = ("sessions", "timeout", "retry")
    return any(workload.get(key) for workload in workloads if workload for key in keys)


def _ranking(evaluation: Evaluation) -> Iterator[str]:
    """Yield where the ranking by marginal emissions differs from that by average ones."""
    ranked = [
        row
        for row in evaluation.rows
        if row.variant.kind in ("policy", "baseline") and not row.no_saving
    ]
    if any(row.marginal_g is None for row in ranked) or len(ranked) < 2:
        return
    by_average = sorted(ranked, key=lambda row: row.carbon_g.mean)
    by_marginal = sorted(
        ranked, key=lambda row: row.marginal_g.mean if row.marginal_g is not None else math.inf
    )
    if by_average == by_marginal:
        yield "By the marginal intensity the policies rank as by the average one."
        return
    moved = [
        f"{row.variant.label} {by_average.index(row) + 1} and {by_marginal.index(row) + 1}"
        for row in by_average
        if by_average.index(row) != by_marginal.index(row)
    ]
    yield f"The ranking changes: by average and by marginal intensity {', '.join(moved)}."


def stored_policies(evaluation: Evaluation) -> list[str]:
    """Return the policies of whose saving much is only what the batteries hold at the end."""
    first = evaluation.policies[0].runs
    texts = []
    for policy in evaluation.policies[1:]:
        if policy.variant.kind != "policy" or any(run.failure for run in policy.runs):
            continue
        saved_g = sum(run.carbon_g for run in first) - sum(run.carbon_g for run in policy.runs)
        stored_g = sum(run.stored_g for run in first) - sum(run.stored_g for run in policy.runs)
        if saved_g > 0 and abs(stored_g) > MUCH_STORED * saved_g:
            texts.append(f"{policy.variant.name} {percent(stored_g / saved_g)}")
    return texts


def idle_policies(evaluation: Evaluation) -> list[str]:
    """Return the names of the policies whose settings mattered in no run."""
    return [
        policy.variant.name
        for policy in evaluation.policies
        if policy.variant.kind == "policy"
        and all(run.completed for run in policy.runs)
        and any(run.changes for run in policy.runs)
        and not any(run.mattered_s for run in policy.runs)
    ]
