"""The headline of a run: carbon, energy and SLOs in words; its cards also against a baseline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cosim.accounting.energy import Energy
from cosim.accounting.words import (
    count,
    energy,
    exact_percent,
    latency,
    mass,
    number,
    percent,
    plural,
    span,
)
from cosim.report.difference import Difference, points
from cosim.results.coverage import Coverage
from cosim.results.summary import Summary
from cosim.results.totals import RequestCounts, RunTotals, ServingTotals, TokenCounts

MANY_LOST = 0.01
"""Share of the requests beyond which time-outs and requests that are too long are warned of."""


@dataclass(frozen=True, slots=True)
class Headline:
    """The head of a report, before its charts.

    Attributes:
        cards: The figures, each as a name, a value and a remark.
        sentences: Their meaning.
        warnings: Reasons for which they may mislead.
    """

    cards: list[tuple[str, str, str]]
    sentences: list[str]
    warnings: list[str]


def headline(summary: Summary) -> Headline:
    """Return the headline of a run that took at least one step."""
    totals = _totals(summary)
    warnings = [warning] if (warning := load_warning(totals)) else []
    cards = [_carbon_card(totals), *figure_cards(summary)]
    return Headline(cards, list(_sentences(summary, totals)), warnings)


def load_warning(totals: RunTotals) -> str:
    """Return why the figures of a run may mislead: it fell behind, or did not serve all.

    Empty if they did not.
    """
    if not isinstance(totals, ServingTotals):
        return ""
    requests = totals.requests
    warnings = (_fell_behind(totals), _gave_up(requests), _were_too_long(totals))
    return " ".join(filter(None, warnings))


def _gave_up(requests: RequestCounts) -> str:
    timed_out = requests.timed_out or 0
    if timed_out <= MANY_LOST * requests.arrived:
        return ""
    return (
        f"{timed_out:,} of {requests.arrived:,} requests timed out: latencies are those of the "
        "others, and energy went into answers that nobody waited for."
    )


def _were_too_long(totals: ServingTotals) -> str:
    too_long, arrived = totals.rejections.get("context_too_long", 0), totals.requests.arrived
    if too_long <= MANY_LOST * arrived:
        return ""
    return (
        f"{too_long:,} of {arrived:,} requests were rejected, as longer than the engine takes "
        "(max_model_len): figures are those of the others."
    )


def _fell_behind(totals: ServingTotals) -> str:
    if totals.load_state == "stable":
        return ""
    waiting = totals.requests.waiting
    if totals.load_state == "overloaded":
        return (
            "Overloaded: requests came faster than they were served, and the queue grew for as "
            f"long as they came ({waiting:,} wait at the end). Latency and carbon per request "
            "mainly reflect the length of that time."
        )
    return (
        f"{plural(waiting, 'request')} still wait at the end. Their energy is not in these "
        "figures: compare only with runs that leave the same backlog."
    )


def _totals(summary: Summary) -> RunTotals:
    if summary.totals is None:
        raise ValueError("a run that took no step has no figures")
    return summary.totals


def _attainment(totals: RunTotals | None) -> float | None:
    """Return the share of requests that met their SLOs; None where there are none."""
    return totals.slo.attainment if isinstance(totals, ServingTotals) else None


def _carbon_card(totals: RunTotals) -> tuple[str, str, str]:
    carbon = totals.carbon_g
    remark = "all of it from grid imports"
    if carbon.embodied:
        remark = f"{mass(carbon.import_)} from grid imports, {mass(carbon.embodied)} embodied"
    return "Carbon (CO2e)", mass(carbon.total), remark


def figure_cards(
    summary: Summary, baseline: Summary | None = None, name: str = "baseline"
) -> Iterator[tuple[str, str, str]]:
    """Yield energy, SLOs and requests of a run that took a step: a name, a value and a remark each.

    Args:
        summary: Of the run.
        baseline: Of the run that the remarks compare it with, which took a step too; None for no
            comparison.
        name: The name of that run.
    """
    totals = _totals(summary)
    before = None if baseline is None else _totals(baseline)
    used = totals.energy_kwh
    remark = f"{exact_percent(_grid_share(used))} of it drawn from the grid"
    if before is not None:
        remark = Difference(used.facility, before.energy_kwh.facility).less_than(name)
    yield "Energy used", energy(used.facility), remark
    if not isinstance(totals, ServingTotals):
        return
    met, met_before = _attainment(totals), _attainment(before)
    remark = "of requests met their SLOs"
    if met is not None and met_before is not None:
        remark = f"of requests; {points(met, met_before, name)}"
    if met is not None:
        yield "SLO attainment", exact_percent(met), remark
    elif totals.latency_s.ttft is not None:
        ttft = totals.latency_s.ttft
        yield (
            "First token",
            latency(ttft.p50),
            f"at the median; {latency(ttft.p99)} at the 99th percentile",
        )
    yield from _found_card(totals.tokens, before, name)
    requests = totals.requests
    remark = f"of {requests.arrived:,} that arrived"
    if isinstance(before, ServingTotals):
        remark = Difference(requests.completed, before.requests.completed).less_than(name)
    yield "Requests completed", f"{requests.completed:,}", remark


def _found_card(
    tokens: TokenCounts, before: RunTotals | None, name: str
) -> Iterator[tuple[str, str, str]]:
    """Yield the share of prompts found in KV caches, where any was."""
    if not tokens.reused:
        return
    found = (tokens.cached or 0) / tokens.prefills
    remark = f"of {count(tokens.prefills)} prompt tokens"
    if tokens.loaded:
        remark += f"; {exact_percent(tokens.loaded / tokens.prefills)} loaded from host memory"
    if isinstance(before, ServingTotals) and (whole := before.tokens.prefills):
        remark = f"of prompt tokens; {points(found, (before.tokens.cached or 0) / whole, name)}"
    yield "Found in KV caches", exact_percent(found), remark


def _sentences(summary: Summary, totals: RunTotals) -> Iterator[str]:
    carbon, used = totals.carbon_g, totals.energy_kwh
    text = (
        f"The run used {energy(used.facility)} and caused {mass(carbon.total)} CO2e: "
        f"{mass(carbon.import_)} for the {energy(used.import_)} drawn from the grid "
        f"({carbon.kind} intensity)"
    )
    text += f", and {mass(carbon.embodied)} embodied in the hardware." if carbon.embodied else "."
    saved = carbon.gross - carbon.import_
    if used.solar or used.battery_discharge:
        text += f" With no solar or battery the grid would have caused {mass(carbon.gross)}"
        if mass(abs(saved)) != mass(carbon.gross):  # else it drew next to nothing from the grid
            text += f", {mass(abs(saved))} {'more' if saved >= 0 else 'less'}"
        text += "."
    yield text
    if isinstance(totals, ServingTotals):
        if totals.coverage is not None:
            yield _covered(totals.coverage, of_one_site=totals.deployment is not None)
        yield _serving(totals)
    if summary.controllers:
        changes = sum(controller.actions for controller in summary.controllers)
        names = ", ".join(dict.fromkeys(controller.type for controller in summary.controllers))
        yield f"Controllers ({names}) made {plural(changes, 'change')} of actuators."
    else:
        yield "No controller acted."


def _covered(coverage: Coverage, *, of_one_site: bool) -> str:
    """Return how far measurements back energy and carbon."""
    share = f"{percent(coverage.calibrated)} of the energy of GPUs and hosts is calibrated"
    if coverage.energy_kwh is None or coverage.carbon_g is None:
        hosts = ", that of the hosts" if of_one_site and coverage.calibrated else ""
        return (
            "Energy and carbon have no band, because the deployment is not calibrated "
            f"({coverage.not_calibrated}). {share}{hosts}."
        )
    return (
        f"By the errors of nine in ten measured runs, it used "
        f"{span('kWh', coverage.energy_kwh.low, coverage.energy_kwh.high)} and caused "
        f"{span('g', coverage.carbon_g.low, coverage.carbon_g.high)} CO2e. {share}: its "
        "coefficients were measured on that GPU, engine and precision."
    )


def _serving(totals: ServingTotals) -> str:
    requests, ttft = totals.requests, totals.latency_s.ttft
    text = f"{requests.completed:,} of {requests.arrived:,} requests completed"
    left = {
        "rejected": requests.rejected,
        "timed out": requests.timed_out or 0,
        "waiting": requests.waiting,
        "running": requests.running,
    }
    if any(left.values()):
        text += " (" + ", ".join(f"{count:,} {key}" for key, count in left.items() if count) + ")"
    if ttft is not None:
        text += f"; first token after {latency(ttft.p50)} at the median, "
        text += f"{latency(ttft.p99)} at the 99th percentile"
    met = _attainment(totals)
    if met is not None:
        by_class = totals.slo.by_class
        text += f". {exact_percent(met)} of requests met their SLOs"
        if len(by_class) > 1:
            each = (
                f"{key} {exact_percent(share)}"
                for key, share in by_class.items()
                if share is not None
            )
            text += f" ({', '.join(each)})"
    if totals.carbon_g.per_request is not None:
        text += f". A completed request accounts for {mass(totals.carbon_g.per_request)} CO2e"
        if totals.energy_per_work.wh_per_request is not None:
            used_wh = number(totals.energy_per_work.wh_per_request)
            text += f" and {used_wh} Wh of the facility's energy"
    return text + "."


def _grid_share(used: Energy) -> float:
    return used.import_ / used.facility if used.facility else 0.0
