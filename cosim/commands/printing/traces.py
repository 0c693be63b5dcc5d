"""The printed output of ``cosim traces``."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable
from itertools import zip_longest
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cosim.accounting.words import duration, plural
from cosim.data_sets.fetch import Fetched, PublicSet
from cosim.data_sets.traces.chart import chart_lines
from cosim.data_sets.traces.summary import TraceSummary, marks

_COLUMNS = 66  # of the chart


def print_summary(summary: TraceSummary, picture: Path | None) -> None:
    """Print the content of a trace, with a chart of its rate."""
    console = Console(highlight=False)
    totals = summary.totals
    requests = f"{totals.requests:,}"
    if (mean := summary.mean_rate_per_s) is not None:
        requests += (
            f" in {duration(totals.span_s)}: {mean:.3g} requests/s on average, "
            f"{totals.peak_rate_per_s:.3g} in the busiest minute"
        )
    else:
        requests += ", all at once"
    rows = {
        "Trace": str(summary.path),
        "Format": f"{summary.format.name}: {summary.format.about}",
        "Requests": requests,
    }
    if summary.format.fails_at_zero:
        rows["Failures"] = (
            f"{totals.failures:,} more requests without response tokens, left out"
            if totals.failures
            else "none"
        )
    if totals.skipped:
        rows["Left out"] = plural(totals.skipped, "invalid row")
    if summary.classes:
        rows["Classes"] = ", ".join(
            f"{name or '(none)'} {share_text(count / totals.requests)}"
            for name, count in summary.classes.items()
        )
    if summary.talk is not None:
        talk = summary.talk
        rows["Sessions"] = (
            f"{talk.sessions:,}, with {talk.requests / max(talk.sessions, 1):.3g} requests on "
            f"average and {talk.longest:,} at most"
        )
        if totals.orphans:
            rows["Sessions"] += (
                f"; the parents of {plural(totals.orphans, 'request')} are not in the trace, or "
                "had failed"
            )
    if (hits := summary.hit_rates) is not None:
        sizes = ", ".join(
            f"{share_text(share)} in {size / 1e6:,.4g} M" for size, share in hits.by_size.items()
        )
        rows["Prefix hits"] = (
            f"{share_text(hits.unbounded)} of the prompt tokens without bounds; {sizes} tokens "
            f"(LRU, blocks of {hits.block_tokens:,})"
        )
        if summary.without_hash_ids:
            rows["Prefix hits"] += (
                f"; nothing of {plural(summary.without_hash_ids, 'request')} without hash ids"
            )
    if (shared := _shared(summary)) is not None:
        rows["In a run"] = shared
    if picture is not None:
        rows["Picture"] = str(picture)
    print_rows(console, rows)
    how = "" if summary.prompt_tokens.exact else f" ({summary.prompt_tokens.how()})"
    lengths = Table("tokens" + how, box=None, pad_edge=False)
    names = ("mean", *marks(summary.prompt_tokens))
    for name in names:
        lengths.add_column(name, justify="right")
    for name, values in summary.lengths.items():
        figures = [values.mean(), *marks(values).values()]
        lengths.add_row(name, *(f"{figure:,.0f}" for figure in figures))
    console.print()
    console.print(lengths)
    rate = summary.rate(_COLUMNS)
    blocks = "utf" in console.encoding.lower()
    console.print(f"\nrequests/s, in intervals of {duration(rate.width_s)}")
    for line in chart_lines(rate, blocks=blocks):
        console.print(Text(line), soft_wrap=True)


def _shared(summary: TraceSummary) -> str | None:
    """Return what a run takes from the sessions and prefixes of a trace; None if it has none."""
    if summary.hit_rates is not None:
        answers = ", and next turns the answers before" if summary.format.talk.parent else ""
        return (
            f"prompts share what their hash ids tell{answers}: engines with prefix_caching find "
            "it; `prefixes: none` leaves it out"
        )
    if summary.talk is not None:
        return (
            "routers follow the sessions; prompts share nothing, as lengths do not tell it, unless "
            "`prefixes: turns` says that each turn repeats the one before"
        )
    return None


def share_text(share: float) -> str:
    """Return a share in percent."""
    return f"{100 * share:.1f} %"


def print_sets(sets: Iterable[PublicSet], kind: str = "trace") -> None:
    """List public sets of a kind."""
    table = Table(kind, "format", "MB", "contents", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    table.columns[2].justify = "right"
    for public_set in sets:
        size = "" if public_set.size_mb is None else f"{public_set.size_mb:g}"
        table.add_row(public_set.name, public_set.format or "", size, public_set.about)
    Console(highlight=False).print(table)


def print_fetched(wanted: PublicSet, done: Fetched, use: str) -> None:
    """Print the path of a set, its check, its licence, and how to `use` it."""
    if done.verified_by:
        checked = f"against {done.verified_by}"
    else:
        checked = (
            "not checked, since no checksum of it is known: its SHA-256 is recorded in "
            f"{done.path.name}.sha256, and a later download must match it"
        )
    rows = {
        "File": f"{done.path}" + ("" if done.downloaded else " (was there before)"),
        "From": wanted.url,
        "Checked": checked,
        "SHA-256": done.sha256,
        "Licence": wanted.licence,
        "Cite": wanted.cite,
        "Use": use,
    }
    print_rows(Console(highlight=False), rows)


class DownloadProgress:
    """Progress of a download on standard error; silent where that is not a terminal."""

    def __init__(self, name: str) -> None:
        self.total = 0.0
        self._name, self._done = name, 0.0
        self._shown = sys.stderr.isatty()

    def update(self, more: float, /) -> None:
        """Add bytes that have arrived."""
        self._done += more
        if self._shown:
            of = f" of {self.total / 1e6:,.1f}" if self.total else ""
            line = f"\r\033[K{self._name}: {self._done / 1e6:,.1f}{of} MB"
            print(line, end="", file=sys.stderr, flush=True)

    def reset(self) -> None:
        """Begin anew."""
        self._done = 0.0

    def close(self) -> None:
        """Clear the line."""
        if self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def print_rows(console: Console, rows: dict[str, str]) -> None:
    """Print titles, and their texts wrapped beside them."""
    indent = max(map(len, rows)) + 2
    for title, text in rows.items():
        lines = textwrap.wrap(
            text, console.width - indent, break_on_hyphens=False, break_long_words=False
        )
        for head, line in zip_longest([title], lines, fillvalue=""):
            console.print(Text.assemble((f"{head:<{indent}}", "cyan"), line), soft_wrap=True)
