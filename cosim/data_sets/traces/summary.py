"""Content of a trace: read once, in memory that does not grow with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from cosim.accounting.quantiles import Quantiles
from cosim.data_sets.traces.hit_rates import SIZES_TOKENS, HitCounter, HitRates
from cosim.data_sets.traces.rate import ArrivalCounts, Rate
from cosim.data_sets.traces.sessions import SessionCounter, TalkCounts
from cosim.errors import FetchError, ScenarioError
from inference_sim.errors import InferenceSimError, TraceError
from inference_sim.workload.trace_classes import ClassNumbers
from inference_sim.workload.trace_formats import TraceFormat
from inference_sim.workload.trace_opening import format_as_read, recognise_format
from inference_sim.workload.trace_requests import Totals
from inference_sim.workload.traces import Reading, read_pieces

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
        classes: Number of requests of each class; empty if the trace does not tell them.
        talk: Sessions, and requests that continue others; None if it does not tell them.
        hit_rates: Hit rates of prefix caches; None if it does not tell prefixes.
    """

    path: Path
    format: TraceFormat
    totals: Totals
    arrivals: ArrivalCounts
    prompt_tokens: Quantiles
    output_tokens: Quantiles
    classes: Mapping[str, int] = field(default_factory=dict)
    talk: TalkCounts | None = None
    hit_rates: HitRates | None = None

    @property
    def mean_rate_per_s(self) -> float | None:
        """Requests over the span; None if all came at once [requests/s]."""
        return self.totals.requests / self.totals.span_s if self.totals.span_s else None

    def rate(self, most: int) -> Rate:
        """Return the rate over time in at most `most` intervals."""
        return self.arrivals.rate(self.totals.span_s, most)

    @property
    def without_hash_ids(self) -> int:
        """Requests that have no hash ids although the trace tells them."""
        hashed = self.totals.with_prefixes
        return 0 if hashed is None else self.totals.requests - hashed

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
            **({"classes": dict(self.classes)} if self.classes else {}),
            **({"sessions": self.talk.to_dict()} if self.talk is not None else {}),
            **({"prefix_hits": self.hit_rates.to_dict()} if self.hit_rates is not None else {}),
            **({"without_hash_ids": self.without_hash_ids} if self.hit_rates is not None else {}),
            **({"without_parent": self.totals.orphans} if self.format.talk.parent else {}),
        }


def marks(lengths: Quantiles) -> dict[str, float]:
    """Return the quantiles that are shown, by name."""
    return dict(zip(PROBABILITIES, lengths.quantiles([*PROBABILITIES.values()]), strict=True))


def summarise_trace(
    path: Path, reading: Reading | None = None, sizes_tokens: Sequence[int] = SIZES_TOKENS
) -> TraceSummary:
    """Read a trace and return a summary of its content, with its classes and sessions.

    Args:
        path: The file.
        reading: How it is read; by its first line if None.
        sizes_tokens: Sizes of prefix caches whose hit rates are counted [tokens].

    Raises:
        ScenarioError: If it cannot be read as a trace.
    """
    arrivals, prompt, output = ArrivalCounts(), Quantiles(), Quantiles()
    totals, hits, sessions = Totals(), HitCounter(sizes_tokens), SessionCounter()
    classes = ClassNumbers()
    try:
        reading = replace(reading or Reading(), classes=classes, talk=True)
        file_format = format_as_read(path, reading.trace_format, reading.time_unit)
        for piece in read_pieces(path, reading):
            totals.add(piece)
            if piece.requests:
                arrivals.add(piece.times_s)
                prompt.add(piece.prompt_tokens.astype(np.float64))
                output.add(piece.output_tokens.astype(np.float64))
                hits.add(piece)
                sessions.add(piece)
    except InferenceSimError as error:
        raise ScenarioError(str(error)) from error
    counts = dict(zip(classes.numbers, totals.class_counts, strict=True))
    return TraceSummary(
        path,
        file_format,
        totals,
        arrivals,
        prompt,
        output,
        counts,
        sessions.counts,
        hits.rates,
    )


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
