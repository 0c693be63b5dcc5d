"""``cosim traces``: the content of a request trace, and public ones to fetch."""

from __future__ import annotations

from enum import StrEnum
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


class Skip(StrEnum):
    """The rows that can be left out."""

    INVALID = "invalid"


@app.command()
def show(
    trace: Annotated[Path, typer.Argument(help="Trace file.", show_default=False)],
    trace_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="Its format: azure, bailian, burstgpt, mooncake, vidur, or what a package "
            "offers [default: by its first line].",
        ),
    ] = None,
    time_unit: Annotated[
        TimeUnit | None,
        typer.Option(help="Unit of its times, as plain numbers [default: that of the format]."),
    ] = None,
    skip: Annotated[
        Skip | None, typer.Option(help="Rows to leave out, counted [default: none].")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="Draw it: FILE ends in .svg or .png."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Show the content of a trace: requests, rate, lengths, failures."""
    from cosim.commands.printing.traces import print_summary
    from cosim.data_sets.traces.chart import check_picture, draw
    from cosim.data_sets.traces.summary import summarise_trace
    from cosim.results.folder import to_json

    if out is not None:
        check_picture(out)
    summary = summarise_trace(trace, trace_format, time_unit, skip_invalid=skip is not None)
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
