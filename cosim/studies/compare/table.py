"""The tables of a comparison as text: figures with their differences, and settings that differ."""

from __future__ import annotations

from collections.abc import Iterator

from cosim.studies.compare.measures import Measure
from cosim.studies.compare.side_by_side import SideBySide
from cosim.studies.frame.table import TextTable

_LONGEST = 60  # characters of a setting, which may be a whole controller


def figures_table(comparison: SideBySide, *, brief: bool = False) -> TextTable:
    """Return the figures, a row each; beside each run but the baseline its differences.

    Args:
        comparison: The runs.
        brief: Whether only the main figures are shown, without headings.
    """
    baseline = comparison.baseline
    head = [f"against {comparison.names[baseline]}"]
    for index, name in enumerate(comparison.names):
        head += [name] if index == baseline else [name, ""]
    lines = []
    group = ""
    for row in comparison.measures:
        if row.detail or row.repeated or (brief and not row.main):
            continue
        if row.group != group and not brief:
            group = row.group
            lines.append([group, *[""] * (len(head) - 1)])
        line = [_title(row, brief=brief)]
        for index in range(len(comparison.runs)):
            line.append(row.text(index))
            if index != baseline:
                line.append(row.difference(index, baseline))
        lines.append(line)
    return TextTable(head, lines)


def _title(row: Measure, *, brief: bool) -> str:
    """Return the name of a row, which without headings has to say what it is of."""
    if not brief:
        return f"  {row.title}"
    return f"carbon, {row.title}" if row.group == "Carbon" else row.title


def settings_table(comparison: SideBySide) -> TextTable:
    """Return the settings that differ, a row each."""
    lines = [
        [setting.path, *(_shortened(value) for value in setting.values)]
        for setting in comparison.settings
    ]
    head = ["settings that differ", *comparison.names]
    return TextTable(head, lines, left=tuple(range(len(head))))


def notes(comparison: SideBySide) -> Iterator[str]:
    """Yield the warnings, each a paragraph."""
    for warning in comparison.against(comparison.baseline).warnings:
        yield f"Warning: {warning}"


def reading(comparison: SideBySide) -> str:
    """Return how the figures are to be read."""
    text = (
        "Operational: emissions from grid imports. At equal work: with the batteries as full at "
        "the end as at the start, and the few requests that were left counted as if they had been "
        "served."
    )
    if any(run.serving is not None for run in comparison.runs):
        text += " Latencies are of completed requests, of all classes where no class is named."
    if not comparison.settings:
        text += " The scenarios have the same settings."
    return text


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
