"""Content of a trace: read once, in memory that does not grow with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cosim.accounting.quantiles import Quantiles
from cosim.data_sets.traces.rate import ArrivalCounts, Rate
from cosim.errors import FetchError, ScenarioError
from inference_sim.errors import InferenceSimError, TraceError
from inference_sim.workload.trace_formats import TraceFormat, find_format
from inference_sim.workload.trace_opening import recognise_format
from inference_sim.workload.traces import Totals, read_pieces

PROBABILITIES = {"min": 0.0, "p10": 0.1, "p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """Content of a trace.

    Attributes:
        path: Its file.
        format: How it is written.
        totals: Requests, failures, span and the busiest minute.
        arrivals: When the requests came.
        prompt_tokens, output_tokens: How long they are [tokens].
    """

    path: Path
    format: TraceFormat
    totals: Totals
    arrivals: ArrivalCounts
    prompt_tokens: Quantiles
    output_tokens: Quantiles

    @property
    def mean_rate_per_s(self) -> float | None:
        """Requests over the span; None if all came at once [requests/s]."""
        return self.totals.requests / self.totals.span_s if self.totals.span_s else None

    def rate(self, most: int) -> Rate:
        """Return the rate over time in at most `most` intervals."""
        return self.arrivals.rate(self.totals.span_s, most)

    @property
    def lengths(self) -> dict[str, Quantiles]:
        """The lengths by name."""
        return {"prompt": self.prompt_tokens, "output": self.output_tokens}

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by name, as JSON has them."""
        rate = self.rate(100)
        return {
            "path": str(self.path),
            "format": self.format.name,
            "requests": self.totals.requests,
            "failures": self.totals.failures,
            "skipped": self.totals.skipped,
            "span_s": self.totals.span_s,
            "mean_rate_per_s": self.mean_rate_per_s,
            "busiest_minute_per_s": self.totals.peak_rate_per_s,
            "rate": {"interval_s": rate.width_s, "per_s": rate.per_s.tolist()},
            "tokens": {
                name: {"mean": lengths.mean(), **marks(lengths)}
                for name, lengths in self.lengths.items()
            },
            "quantiles": self.prompt_tokens.how(),
        }


def marks(lengths: Quantiles) -> dict[str, float]:
    """Return the quantiles that are shown, by name."""
    return dict(zip(PROBABILITIES, lengths.quantiles([*PROBABILITIES.values()]), strict=True))


def summarise_trace(
    path: Path,
    trace_format: str | None = None,
    time_unit: str | None = None,
    *,
    skip_invalid: bool = False,
) -> TraceSummary:
    """Read a trace and return a summary of its content.

    Args:
        path: The file.
        trace_format: Its format; recognised by its first line if None.
        time_unit: Unit of its times; that of the format if None.
        skip_invalid: Whether rows that are wrong are left out and counted.

    Raises:
        ScenarioError: If it cannot be read as a trace.
    """
    arrivals, prompt, output = ArrivalCounts(), Quantiles(), Quantiles()
    totals = Totals()
    try:
        file_format = recognise_format(path) if trace_format is None else find_format(trace_format)
        for piece in read_pieces(path, file_format.name, time_unit, skip_invalid=skip_invalid):
            totals.add(piece)
            if piece.requests:
                arrivals.add(piece.times_s)
                prompt.add(piece.prompt_tokens.astype(np.float64))
                output.add(piece.output_tokens.astype(np.float64))
    except InferenceSimError as error:
        raise ScenarioError(str(error)) from error
    return TraceSummary(path, file_format, totals, arrivals, prompt, output)


def refuse_unless(trace_format: str | None, url: str) -> Callable[[Path], None]:
    """Return a check that a download looks like a trace of a format.

    Args:
        trace_format: The format; None for any.
        url: Where the download is from, for the error.
    """

    def accept(path: Path) -> None:
        try:
            recognised = recognise_format(path)
        except TraceError as error:
            what = str(error).removeprefix(str(path))
            raise FetchError(f"what came from {url} is not a trace{what}") from error
        if trace_format not in (None, recognised.name):
            raise FetchError(
                f"what came from {url} is a trace of format '{recognised.name}' "
                f"(expected '{trace_format}')"
            )

    return accept
