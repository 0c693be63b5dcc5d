"""Tables of published, reproduced and corrected values, as lines of text and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cosim.studies.frame.table import markdown_lines
from cosim.studies.reproduce.cases import paper
from cosim.studies.reproduce.rows import VALUES, Row, differences_percent

TITLES = {
    "duration_s": "s",
    "mfu_percent": "MFU %",
    "power_w": "W",
    "energy_kwh": "kWh",
    "batch_mean": "batch",
    "batch_std": "std",
}
CASE_TITLES = {
    "tensor_parallel": "TP",
    "pipeline_parallel": "PP",
    "prefill_decode_ratio": "P:D",
    "total_tokens": "tokens",
    "batch_cap": "cap",
}
_SOURCES = ("published", "paper_mode", "corrected")


def shown_values(rows: Sequence[Row]) -> list[str]:
    """Return the names of the values that a table of these rows has."""
    names = [name for name in rows[0].paper_mode if name not in ("batch_mean", "batch_std")]
    if rows[0].exp == "exp3":
        names = list(VALUES)
    return names


def table_lines(
    rows: Sequence[Row], without: str | None = None
) -> tuple[list[str], list[list[str]]]:
    """Return the head and the lines of an experiment's table: four lines a case at most.

    Published, paper mode, corrected, and the difference of paper mode to published in percent;
    values that were not published have no line.

    Args:
        rows: The rows, at least one.
        without: Key of a case that gets no column.
    """
    values = shown_values(rows)
    keys = [key for key in rows[0].case if key != without]
    head = [CASE_TITLES.get(key, key) for key in keys] + [""]
    head += [TITLES.get(name, name) for name in values]
    lines = []
    for row in rows:
        names = [short_value(row.case[key]) for key in keys]
        for source, figures in _lines_of(row, values):
            lines.append([*names, source, *figures])
            names = [""] * len(keys)
    return head, lines


def short_value(value: str | float) -> str:
    """Return a value of a case, a model without its publisher."""
    return str(value).rpartition("/")[2]


def _lines_of(row: Row, values: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    has_published = any(value is not None for value in row.published.values())
    for source in _SOURCES:
        if source != "published" or has_published:
            figures = getattr(row, source)
            yield source.replace("_", " "), [number_text(figures[name]) for name in values]
    if has_published:
        by = differences_percent(row)
        yield "difference", [percent_text(by[name]) for name in values]


def flat_lines(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Return head and lines of Table 2: a line a row."""
    head = ["row", "published", "paper mode", "difference", "corrected"]
    return head, [
        [
            str(row.case["row"]),
            number_text(row.published["value"]),
            number_text(row.paper_mode["value"]),
            percent_text(differences_percent(row)["value"]),
            number_text(row.corrected["value"]),
        ]
        for row in rows
    ]


def title(rows: Sequence[Row]) -> str:
    """Return the title of an experiment."""
    exp = rows[0].exp
    return f"{exp}: {paper()[exp]['title']}"


def notes(rows: Sequence[Row]) -> list[str]:
    """Return the notes that an experiment's rows are read by."""
    remarks = [paper()[rows[0].exp].get("note", "")]
    if most := max(row.rejected for row in rows):
        remarks.append(
            f"Up to {most} requests of a run were not served: they do not fit into the KV "
            "cache of one of the pipeline's engines. Vidur lets its micro-batches share it."
        )
    return [note for note in remarks if note]


def markdown(rows: Sequence[Row]) -> str:
    """Return the table of an experiment as Markdown."""
    table = markdown_lines(*(flat_lines(rows) if rows[0].exp == "table2" else table_lines(rows)))
    return "\n".join([f"## {title(rows)}", "", *notes(rows), "", *table, ""])


def number_text(value: float | None) -> str:
    """Return a value with the digits that the paper's rows have."""
    if value is None:
        return "-"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4g}"


def percent_text(value: float | None) -> str:
    """Return a difference with its sign; nothing for none."""
    return "" if value is None else f"{round(value, 1) + 0.0:+.1f} %"
