"""Scenario keys of a recorded trace, and of a folder of clients as ServeGen publishes them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from cosim.scenario.fields import DurationS, InputFile, InputFolder, StrictModel
from inference_sim.workload.trace_columns import KINDS, mapped_format
from inference_sim.workload.trace_formats import MAPPED, TraceFormat, find_format
from inference_sim.workload.trace_opening import map_of_file
from inference_sim.workload.trace_texts import Sharing

ColumnName = Annotated[str, Field(min_length=1)]
Columns = Annotated[
    dict[str, ColumnName], Field(json_schema_extra={"propertyNames": {"enum": [*KINDS]}})
]
Pace = Annotated[float, Field(gt=0, le=1e6)]


def _known_format(value: str) -> str:
    if value not in MAPPED:
        find_format(value)
    return value


class Trace(StrictModel):
    """A recorded trace of requests."""

    format: Annotated[str, AfterValidator(_known_format)] | None = None
    """Format of the file: azure, bailian, burstgpt, mooncake, otel, vidur, or what a package
    offers; recognised by its first line by default. csv and jsonl have columns of their own."""
    columns: Columns | None = None
    """Names of the columns of csv or jsonl; of jsonl they may be dotted paths, `usage.input`. Time,
    prompt (tokens) and output (tokens) are needed. With a `class`, the requests have the classes
    of the trace. Sessions, parents and prefixes say what `prefixes` takes from them."""
    time_unit: Literal["s", "ms", "us", "ns", "epoch", "iso"] | None = None
    """Unit of its times: plain numbers, seconds since 1970 (`epoch`), or stamps in ISO 8601 or
    RFC 3339 (`iso`); that of the format by default. csv and jsonl need it."""
    prefix_block_tokens: Annotated[int, Field(ge=1)] | None = None
    """Tokens of a block of the column `prefix`."""
    prefixes: Sharing | None = None
    """Text that prompts share, for engines with `prefix_caching`. `hash_ids`: as the file tells by
    blocks, and a next turn also the answer before it; the default where it has hash ids. `turns`:
    each prompt that is long enough begins with prompt and answer of the request before it in its
    session. `none`: neither texts nor sessions are read. By default a file without hash ids tells
    sessions, for routers, and no shared text."""
    classes: dict[str, str] = {}
    """Class of the workload for each class of the trace that has another name there."""
    skip: Literal["invalid"] | None = None
    """Rows to leave out: `invalid`, those without tokens or with a value that cannot be. They are
    counted. By default such a row is an error."""
    sort: bool = False
    """Sort the rows by time, for a log that was written as requests ended; it is held in memory.
    By default a row that goes back is an error."""
    path: InputFile
    """The file, in order of arrival. Above 200 MB it is not held in memory, but read again while
    the run goes on."""
    rate_scale: Pace = 1.0
    """Pace: 2 halves the time between requests."""
    shift: DurationS = 0.0
    """Time from the start of the run to the first request."""
    loop: bool = False
    """Begin again when the trace ends, until the run does."""

    @model_validator(mode="after")
    def _map(self) -> Trace:
        if self.format in MAPPED:
            if self.columns is None or self.time_unit is None:
                missing = "`columns`" if self.columns is None else "`time_unit`"
                raise ValueError(
                    f"`format: {self.format}` needs {missing}: {map_of_file(self.path)}"
                )
            self.trace_format()
        elif self.columns is not None:
            raise ValueError(f"`columns` go with `format: {' or '.join(MAPPED)}`")
        elif self.prefix_block_tokens is not None:
            raise ValueError("`prefix_block_tokens` goes with a column `prefix`")
        if self.classes and not self.has_classes:
            raise ValueError("`trace.classes` goes with a column `class`")
        return self

    @property
    def has_classes(self) -> bool:
        """Whether it tells the class of each request."""
        return self.columns is not None and "class" in self.columns

    def trace_format(self) -> str | TraceFormat | None:
        """Return the format as the simulator takes it: with its columns, by name, or None.

        Raises:
            TraceError: If the columns do not make a format.
        """
        if self.columns is None or self.format is None or self.time_unit is None:
            return self.format
        return mapped_format(
            self.format, self.columns, self.time_unit, block_tokens=self.prefix_block_tokens or 0
        )


class ServeGen(StrictModel):
    """Clients as ServeGen publishes them: how often each sends requests, and how long they are."""

    type: Literal["servegen"]
    """A folder of `chunk-N-trace.csv` and `chunk-N-dataset.json`."""
    path: InputFolder
    """The folder."""
    rate_scale: Pace = 1.0
    """Factor on the rate of every client; how bursty each is stays."""
    begin: DurationS = 0.0
    """Time of the recording at which the run begins."""
    loop: bool = False
    """Begin again when the recording ends, until the run does."""


def _kind(value: Any) -> str:
    given = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return "file" if given is None else "servegen"


TraceSource = Annotated[
    Annotated[Trace, Tag("file")] | Annotated[ServeGen, Tag("servegen")],
    Discriminator(_kind),
]
"""Recorded requests, or clients that send requests as recorded ones did."""
