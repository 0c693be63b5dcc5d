"""``cosim signals``: the content of a signal, and public ones to fetch."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Carbon intensity, solar power, load and price.", no_args_is_help=True)


class Stamp(StrEnum):
    """Meaning of a stamp of a plain CSV file."""

    START = "start"
    END = "end"


@app.command()
def show(
    signal: Annotated[
        Path, typer.Argument(help="Signal file, or scenario (YAML).", show_default=False)
    ],
    signal_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="Its format: csv, or a known format [default: by its content].",
        ),
    ] = None,
    area: Annotated[str | None, typer.Option(help="Area, if the file has several.")] = None,
    column: Annotated[str | None, typer.Option(help="Values, if the file has several.")] = None,
    timezone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="IANA time zone of stamps without one.")
    ] = None,
    stamp: Annotated[Stamp, typer.Option(help="Meaning of the stamps of plain CSV.")] = Stamp.START,
    time_column: Annotated[str | None, typer.Option(help="Stamps of plain CSV.")] = None,
    separator: Annotated[str | None, typer.Option(help="Between fields of plain CSV.")] = None,
    comment: Annotated[str | None, typer.Option(help="Leave out such lines of plain CSV.")] = None,
    skip_rows: Annotated[
        int | None, typer.Option(min=0, help="Leave out so many lines at the top of plain CSV.")
    ] = None,
    decimal: Annotated[str | None, typer.Option(help="Decimal mark of plain CSV.")] = None,
    thousands: Annotated[str | None, typer.Option(help="Mark of thousands of plain CSV.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="Draw it: FILE ends in .svg or .png."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Show the content of a signal file, or of the signals of a scenario.

    Span, step, quantiles, gaps, the mean day, and the values over time. Gaps are shown filled with
    the value before; a run does that only if the scenario says so.
    """
    from cosim.commands.printing.signals import print_summaries
    from cosim.data_sets.signals.picture import draw
    from cosim.data_sets.signals.summary import of_file, of_scenario
    from cosim.data_sets.traces.chart import check_picture
    from cosim.errors import ScenarioError
    from cosim.results.folder import to_json

    if out is not None:
        check_picture(out)
    if signal.suffix.lower() in (".yaml", ".yml"):
        if any(option is not None for option in (signal_format, area, column, timezone)):
            raise ScenarioError("--format, --area, --column and --timezone go with a signal file")
        summaries = of_scenario(signal)
    else:
        keys = {
            "time_column": time_column,
            "separator": separator,
            "comment": comment,
            "skip_rows": skip_rows,
            "decimal": decimal,
            "thousands": thousands,
        }
        summaries = [
            of_file(
                signal,
                signal_format,
                area=area,
                column=column,
                timezone=timezone,
                at_end=stamp == "end",
                csv_keys={key: value for key, value in keys.items() if value is not None},
            )
        ]
    if out is not None:
        draw(summaries, out)
    if as_json:
        print(to_json({"signals": [summary.to_dict() for summary in summaries]}))
    else:
        print_summaries(summaries, out)


@app.command()
def fetch(
    name: Annotated[
        str | None,
        typer.Argument(help="A public signal; without one, they are listed.", show_default=False),
    ] = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="Folder to download to.")
    ] = Path("data"),
    sha256: Annotated[
        str | None, typer.Option(metavar="DIGEST", help="The SHA-256 that the file must have.")
    ] = None,
) -> None:
    """Download a public signal, check it, and print its licence."""
    from cosim.commands.printing.traces import DownloadProgress, print_fetched, print_sets
    from cosim.data_sets.fetch import fetch, find_set, public_sets
    from cosim.data_sets.signals.summary import refuse_unless

    sets = public_sets("signals")
    if name is None:
        print_sets(sets.values(), "signal")
        return
    wanted = find_set(sets, name)
    progress = DownloadProgress(wanted.file)
    accept = refuse_unless(wanted.format, wanted.url)
    done = fetch(wanted, out, sha256=sha256, progress=progress, accept=accept)
    print_fetched(
        wanted,
        done,
        f"carbon_intensity: {{type: file, format: {wanted.format}, path: {done.path}}}",
    )
