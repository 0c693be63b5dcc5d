"""The rows of a comparison: what is set side by side, and how far a run is from another in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from cosim.accounting.words import count, energy, exact_percent, latency, mass, number
from cosim.results.totals import ServingTotals
from cosim.studies.compare.alike import why_not_equal
from cosim.studies.compare.compared_run import ComparedRun

Kind = Literal["amount", "share", "plain"]
"""Differences of an amount are in percent of the baseline's, of a share in points; a plain value
has none."""

EQUAL_WORK = "operational_carbon_at_equal_work_kg"
"""Column that a saving is taken from."""

_LATENCY_NAMES = {"ttft": "TTFT", "tpot": "TPOT", "e2e": "whole request"}
_PERCENTILES = (50, 99)
_MAIN = {
    EQUAL_WORK,
    "operational_carbon_kg",
    "grid_import_kwh",
    "import_intensity_g_per_kwh",
    "battery_gain_kwh",
    "requests_completed",
    "requests_late",
    "ttft_p99_s",
    "tpot_p99_s",
    "e2e_p99_s",
    "queue_mean_s",
    "slo_attainment",
}
_MANY_TIMES = 10
_MOST_TIMES = 1000


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure of all runs of a comparison.

    Attributes:
        group: Heading that it stands under.
        title: Its name.
        column: Its column in a table of numbers, with the unit.
        values: By run, in their order; None where a run has none.
        write: Returns a value in words.
        kind: How values differ.
        detail: Whether it stands only on pages and in files, not on the terminal.
        main: Whether it stands in a brief table too.
        repeated: Whether all values are those of another row, so that it stands only in files.
        unequal: Why runs have no difference in it, in short: by baseline, then by run; an empty
            text where they have one. Empty where nothing hinders a difference.
    """

    group: str
    title: str
    column: str
    values: Sequence[float | None]
    write: Callable[[float], str]
    kind: Kind = "amount"
    detail: bool = False
    main: bool = False
    repeated: bool = False
    unequal: Sequence[Sequence[str]] = ()

    def text(self, index: int) -> str:
        """Return the value of a run in words; a dash where it has none."""
        value = self.values[index]
        return "–" if value is None else self.write(value)

    def difference(self, index: int, baseline: int) -> str:
        """Return how far the value of a run is from that of another; empty where that says nothing.

        A dash and the reason where the two cannot be set against each other. The script of the page
        writes it likewise.
        """
        if self.unequal and (reason := self.unequal[baseline][index]):
            return f"– {reason}"
        value, before = self.values[index], self.values[baseline]
        if index == baseline or self.kind == "plain" or value is None or before is None:
            return ""
        if value == before:
            return "same"
        if self.kind == "share":
            return _signed((value - before) * 100, "points")
        if not before:
            return ""
        if value / before > _MOST_TIMES:
            return f"over × {_MOST_TIMES:,}"
        if value / before >= _MANY_TIMES:
            return f"× {float(f'{value / before:.3g}'):,.0f}"
        return _signed((value - before) / abs(before) * 100, "%")


def _signed(value: float, unit: str) -> str:
    return f"{value:+z,.1f} {unit}"


def measures(runs: Sequence[ComparedRun]) -> list[Measure]:
    """Return the figures that at least one of the runs has."""
    rows = (*_carbon(runs), *_energy(runs), *_work(runs), *_latencies(runs), *_per_work(runs))
    return [
        replace(row, main=row.column in _MAIN)
        for row in rows
        if any(value is not None for value in row.values)
    ]


def _carbon(runs: Sequence[ComparedRun]) -> Iterator[Measure]:
    def row(title: str, column: str, grams: Callable[[ComparedRun], float | None]) -> Measure:
        in_kg = [None if (value := grams(run)) is None else value / 1000 for run in runs]
        return Measure("Carbon", title, column, in_kg, lambda kg: mass(kg * 1000))

    equal = row("operational, at equal work", EQUAL_WORK, lambda run: run.figures.equal_work_g)
    yield replace(equal, unequal=[[why_not_equal(run, base) for run in runs] for base in runs])
    plain = row("operational", "operational_carbon_kg", lambda run: run.totals.carbon_g.import_)
    yield replace(plain, repeated=plain.values == equal.values)
    yield row("embodied", "embodied_carbon_kg", lambda run: run.totals.carbon_g.embodied)
    yield row("operational and embodied", "carbon_kg", lambda run: run.totals.carbon_g.total)
    yield row(
        "by marginal intensity",
        "marginal_operational_carbon_kg",
        lambda run: (
            None if run.totals.marginal_carbon_g is None else run.totals.marginal_carbon_g.import_
        ),
    )


def _energy(runs: Sequence[ComparedRun]) -> Iterator[Measure]:
    def row(title: str, column: str, kwh: Callable[[ComparedRun], float | None]) -> Measure:
        return Measure("Energy", title, column, [kwh(run) for run in runs], energy)

    yield row("used", "facility_energy_kwh", lambda run: run.totals.energy_kwh.facility)
    yield row("grid import", "grid_import_kwh", lambda run: run.totals.energy_kwh.import_)
    intensities = [
        run.totals.carbon_g.import_ / run.totals.energy_kwh.import_
        if run.totals.energy_kwh.import_
        else None
        for run in runs
    ]
    yield Measure(
        "Energy",
        "intensity of the import",
        "import_intensity_g_per_kwh",
        intensities,
        lambda intensity: f"{intensity:.0f} g/kWh",
    )
    yield row("solar used", "solar_used_kwh", lambda run: _some(run.totals.energy_kwh.solar_used))
    yield row("solar exported", "grid_export_kwh", lambda run: _some(run.totals.energy_kwh.export))
    cycles = [run.battery_cycles for run in runs]
    yield Measure("Energy", "battery cycles", "battery_cycles", cycles, number)
    stored = [run.stored_kwh for run in runs]
    yield Measure(
        "Energy", "gained by the battery", "battery_gain_kwh", stored, energy, kind="plain"
    )
    currencies = {run.currency for run in runs if run.cost is not None}
    unit = currencies.pop() if len(currencies) == 1 else ""
    costs = [run.cost for run in runs]
    yield Measure(
        "Energy",
        "cost of the import",
        f"import_cost_{unit.lower()}" if unit else "import_cost",
        costs,
        lambda cost: f"{number(cost)} {unit}".strip(),
        kind="amount" if unit else "plain",
    )


def _work(runs: Sequence[ComparedRun]) -> Iterator[Measure]:
    def row(
        title: str, column: str, value: Callable[[ServingTotals], float], kind: Kind = "amount"
    ) -> Measure:
        values = [None if run.serving is None else value(run.serving) for run in runs]
        return Measure("Work", title, column, values, _counted, kind)

    yield row("requests arrived", "requests_arrived", lambda totals: totals.requests.arrived)
    yield row("requests completed", "requests_completed", lambda totals: totals.requests.completed)
    late = [None if run.serving is None else float(run.figures.late) for run in runs]
    if any(late):
        yield Measure("Work", "late or never served", "requests_late", late, _counted, "plain")
    yield from _prompts(runs)
    yield row("output tokens", "output_tokens", lambda totals: totals.tokens.output)
    gpus = [None if run.serving is None else float(run.serving.gpu.count) for run in runs]
    yield Measure("Work", "GPUs", "gpus", gpus, number)
    replicas = [run.replicas for run in runs]
    yield Measure("Work", "replicas awake, mean", "replicas_awake_mean", replicas, number)


def _prompts(runs: Sequence[ComparedRun]) -> Iterator[Measure]:
    """Yield the prompt tokens by where they came from, if any run found or loaded some."""
    if not any(run.serving and run.serving.tokens.reused for run in runs):
        return
    for title, column, field in (
        ("prompt tokens computed", "prompt_tokens_computed", "prefilled"),
        ("found in KV caches", "prompt_tokens_found", "cached"),
        ("loaded from host memory", "prompt_tokens_loaded", "loaded"),
    ):
        amounts = [
            None if run.serving is None else getattr(run.serving.tokens, field) for run in runs
        ]
        yield Measure("Work", title, column, amounts, _counted)


def _latencies(runs: Sequence[ComparedRun]) -> Iterator[Measure]:
    for key, name in _LATENCY_NAMES.items():
        for percent in _PERCENTILES:
            values: list[float | None] = []
            for run in runs:
                known = None if run.serving is None else getattr(run.serving.latency_s, key)
                values.append(None if known is None else getattr(known, f"p{percent}"))
            yield Measure("Latency", f"{name} p{percent}", f"{key}_p{percent}_s", values, latency)
    waits = [
        None if run.serving is None or run.serving.latency_s.queue is None
        else run.serving.latency_s.queue.mean
        for run in runs
    ]  # fmt: skip
    yield Measure("Latency", "time in line, mean", "queue_mean_s", waits, latency)
    for of_class in request_classes(runs):
        yield from _of_class(runs, of_class)
    attainments = [run.figures.attainment for run in runs]
    yield Measure(
        "Latency", "SLO attainment", "slo_attainment", attainments, exact_percent, "share"
    )
    by_class = [run.figures.attainment_by_class for run in runs]
    judged = list(dict.fromkeys(name for of_run in by_class for name in of_run))
    for name in judged if len(judged) > 1 else []:
        yield Measure(
            "Latency",
            f"SLO attainment, {name}",
            f"slo_attainment_{name}",
            [of_run.get(name) for of_run in by_class],
            exact_percent,
            "share",
        )


def request_classes(runs: Sequence[ComparedRun]) -> list[str]:
    """Return the classes of requests of all runs; none if all requests are of the same one."""
    serving = [run.serving for run in runs if run.serving is not None]
    names = dict.fromkeys(name for totals in serving for name in totals.attribution.by_class)
    return list(names) if len(names) > 1 else []


def _of_class(runs: Sequence[ComparedRun], of_class: str) -> Iterator[Measure]:
    """Yield the percentiles of a class; the medians only where there is room."""
    for key, name in _LATENCY_NAMES.items():
        known = [
            times.quantiles([percent / 100 for percent in _PERCENTILES])
            if (times := run.latencies.get(of_class, {}).get(key)) is not None and times.count
            else [None] * len(_PERCENTILES)
            for run in runs
        ]
        for percent, values in zip(_PERCENTILES, zip(*known, strict=True), strict=True):
            yield Measure(
                "Latency",
                f"{name} p{percent}, {of_class}",
                f"{key}_p{percent}_{of_class}_s",
                values,
                latency,
                detail=percent == _PERCENTILES[0],
            )


def _per_work(runs: Sequence[ComparedRun]) -> Iterator[Measure]:
    def row(
        title: str,
        column: str,
        value: Callable[[ServingTotals], float | None],
        write: Callable[[float], str],
    ) -> Measure:
        values = [None if run.serving is None else value(run.serving) for run in runs]
        return Measure("Per unit of work", title, column, values, write)

    yield row(
        "energy per output token",
        "energy_per_output_token_j",
        lambda totals: totals.energy_per_work.j_per_output_token,
        lambda joules: f"{number(joules)} J",
    )
    yield row(
        "energy per request",
        "energy_per_request_wh",
        lambda totals: totals.energy_per_work.wh_per_request,
        lambda wh: f"{number(wh)} Wh",
    )
    yield row(
        "carbon per request, embodied included",
        "carbon_per_request_g",
        lambda totals: totals.carbon_g.per_request,
        mass,
    )


def _counted(value: float) -> str:
    return count(round(value))


def _some(value: float) -> float | None:
    """Return a value that a run need not have; None for nothing."""
    return value if value and not math.isnan(value) else None
