"""The page of the paper's experiments, from their folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cosim.report.page import Page, Section, cards, paragraph, table
from cosim.studies.reproduce.case_study_charts import case_study_charts
from cosim.studies.reproduce.cases import SERVING, paper
from cosim.studies.reproduce.charts import experiment_charts
from cosim.studies.reproduce.comparison import NAMES, Agreement, agreement, tables
from cosim.studies.reproduce.rows import Reproduction, Row
from cosim.studies.reproduce.tables import notes

_MODES = (
    "Published are the values in the notebooks of the paper's repository, from which its figures "
    "were drawn. Paper mode is our simulation with the paper's definitions; corrected is the same "
    "simulation with its errata mended. The difference of the two is the errata's alone; "
    "docs/errata.md of cosim lists them."
)


def reproduction_page(reproduction: Reproduction) -> Page:
    """Return the page of a reproduction."""
    serving = [row for row in reproduction.rows if row.exp in SERVING]
    lead: list[str] = []
    if serving:
        compared = agreement(serving)
        lead += [cards(_cards(compared)), *(paragraph(text) for text in _sentences(compared))]
    if case_study := [row for row in reproduction.rows if row.exp == "table2"]:
        lead.append(paragraph(_case_study(case_study)))
    lead += [paragraph(remark) for remark in reproduction.remarks]
    lead.append(paragraph(_MODES, kind="quiet"))
    return Page(
        "The paper's experiments, run again",
        [*_sections(reproduction), _versions(reproduction)],
        subtitle="Özcan et al., Quantifying the Energy Consumption and Carbon Emissions of LLM "
        "Inference via Simulations (arXiv:2507.11417).",
        lead=lead,
    )


def _sections(reproduction: Reproduction) -> list[Section]:
    sections = []
    for exp in dict.fromkeys(row.exp for row in reproduction.rows):
        rows = [row for row in reproduction.rows if row.exp == exp]
        charts = experiment_charts(rows)
        if exp == "table2" and reproduction.steps is not None:
            charts = case_study_charts(reproduction.steps)
        remarks = [paragraph(note, kind="note") for note in notes(rows)]
        sections.append(Section(exp, _heading(exp), [*remarks, *charts, *tables(rows)]))
    return sections


def _heading(exp: str) -> str:
    name = "Table 2" if exp == "table2" else f"Experiment {exp.removeprefix('exp')}"
    title = str(paper()[exp]["title"]).replace("Table 2, ", "")
    return f"{name}: {title}"


def _cards(compared: Agreement) -> Iterator[tuple[str, str, str]]:
    yield "Cases", f"{compared.cases:,}", f"{compared.published} of them published as numbers"
    for name, most in compared.largest_percent.items():
        if name != "energy_kwh":  # published energies are durations times a constant
            title = NAMES[name][0].upper() + NAMES[name][1:]
            yield title, f"{most:.1f} %", "paper mode from published, at most"
    low, high = compared.energy_ratio
    yield "Energy, corrected", f"{low:.2f}–{high:.2f}", "times that of the paper's accounting"


def _sentences(compared: Agreement) -> Iterator[str]:
    if compared.largest_percent:
        each = ", ".join(
            f"{most:.1f} % of the {NAMES[name]}" for name, most in compared.largest_percent.items()
        )
        yield (
            f"{compared.published} of the {compared.cases:,} cases were published as numbers; "
            f"paper mode comes within {each}."
        )
    low, high = compared.energy_ratio
    yield (
        f"With the errata mended, a case takes {low * 100:.0f} % to {high * 100:.0f} % of "
        "the energy that the paper's accounting gives it."
    )


def _case_study(rows: Sequence[Row]) -> str:
    (net,) = [row for row in rows if row.case["row"] == "net_g"]
    values = (net.published["value"], net.paper_mode["value"], net.corrected["value"])
    known, ours, right = (0.0 if value is None else value for value in values)
    return (
        f"The case study of Table 2 has a net footprint of {known:,.1f} g in the paper and of "
        f"{ours:,.1f} g by its definitions here; the actual emissions of its grid import, with the "
        f"battery of its text, is {right:,.1f} g."
    )


def _versions(reproduction: Reproduction) -> Section:
    return Section("versions", "Versions", [table((), list(reproduction.versions.items()))])
