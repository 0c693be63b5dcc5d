"""``cosim traces``: the content of a request trace, and public ones to fetch."""

from __future__ import annotations

from enum import StrEnum
from math import nan
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Recorded traces of requests.", no_args_is_help=True)


class TimeUnit(StrEnum):
    """The units; named here too, for importing their readers would delay ``--help``."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"
    NANOSECONDS = "ns"
    EPOCH = "epoch"
    ISO = "iso"


class Skip(StrEnum):
    """The rows that can be left out."""

    INVALID = "invalid"


def _size_tokens(text: str) -> int:
    """Return the size of a cache [tokens], which may be written as 1e6; nan is none."""
    try:
        size = float(text)
    except ValueError:
        size = nan
    if not 1 <= size <= 1e15:
        raise typer.BadParameter(f"expected from 1 to 1e15 tokens (got '{text}')")
    return round(size)


@app.command()
def show(
    trace: Annotated[Path, typer.Argument(help="Trace file.", show_default=False)],
    trace_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="Its format: azure, bailian, burstgpt, mooncake, otel, vidur, or what a package "
            "offers [default: by its first line]; csv or jsonl with --column.",
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND=NAME",
            help="A column of csv or jsonl: time, prompt and output are needed; class, session, "
            "request, parent, turn, prefix.",
            show_default=False,
        ),
    ] = None,
    time_unit: Annotated[
        TimeUnit | None,
        typer.Option(
            help="Unit of its times: of numbers, epoch for seconds since 1970, iso for stamps "
            "[default: that of the format]."
        ),
    ] = None,
    prefix_block_tokens: Annotated[
        int | None,
        typer.Option(min=1, metavar="TOKENS", help="Tokens of a block of the column prefix."),
    ] = None,
    skip: Annotated[
        Skip | None, typer.Option(help="Rows to leave out, counted [default: none].")
    ] = None,
    sort: Annotated[bool, typer.Option("--sort", help="Sort the rows by time.")] = False,
    cache: Annotated[
        list[int] | None,
        typer.Option(
            parser=_size_tokens,
            metavar="TOKENS",
            help="Size of a prefix cache whose hit rate is shown; several times for several "
            "[default: 1e6, 3e6, 1e7].",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="Draw it: FILE ends in .svg or .png."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Show the content of a trace: requests, rate, lengths, failures, classes, prefix hits."""
    from cosim.commands.printing.traces import print_summary
    from cosim.data_sets.traces.chart import check_picture, draw
    from cosim.data_sets.traces.columns import reading_of
    from cosim.data_sets.traces.hit_rates import SIZES_TOKENS
    from cosim.data_sets.traces.summary import summarise_trace
    from cosim.results.folder import to_json

    if out is not None:
        check_picture(out)
    reading = reading_of(
        trace,
        trace_format,
        column or [],
        time_unit,
        prefix_block_tokens=prefix_block_tokens,
        skip_invalid=skip is not None,
        sort=sort,
    )
    summary = summarise_trace(trace, reading, cache or SIZES_TOKENS)
    if out is not None:
        draw(summary, out)
    if as_json:
        print(to_json(summary.to_dict()))
    else:
        print_summary(summary, out)


@app.command()
def fetch(
    name: Annotated[
        str | None,
        typer.Argument(help="A public trace; without one, they are listed.", show_default=False),
    ] = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="Folder to download to.")
    ] = Path("data"),
    sha256: Annotated[
        str | None, typer.Option(metavar="DIGEST", help="The SHA-256 that the file must have.")
    ] = None,
) -> None:
    """Download a public trace, check it, and print its licence."""
    from cosim.commands.printing.traces import DownloadProgress, print_fetched, print_sets
    from cosim.data_sets.fetch import fetch, find_set, public_sets
    from cosim.data_sets.traces.summary import refuse_unless

    sets = public_sets("traces")
    if name is None:
        print_sets(sets.values())
        return
    wanted = find_set(sets, name)
    progress = DownloadProgress(wanted.file)
    accept = refuse_unless(wanted.format, wanted.url)
    done = fetch(wanted, out, sha256=sha256, progress=progress, accept=accept)
    print_fetched(wanted, done, f"workload: {{trace: {{path: {done.path}}}}}")
