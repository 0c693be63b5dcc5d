"""Clients as ServeGen publishes them, and the requests that they send.

Each client is a chunk of recorded traffic [1]: its rate, the coefficient of variation of its gaps
and their distribution in windows of ten minutes, and the lengths of its prompts and outputs in
windows of six hours. In a window of width W a client of rate r sends about r W requests (r W
rounded up or down at random). Their gaps are drawn from a gamma or Weibull distribution with its
coefficient of variation, and stretched so that they fill the window. Prompt and output are
independent of each other.

[1] Y. Xiang et al., ServeGen: Workload characterization and generation of large language model
    serving in production, NSDI 2026.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from inference_sim.arrays import FloatArray
from inference_sim.errors import TraceError
from inference_sim.workload.trace_requests import RequestTrace

_COUNTS, _GAPS = 0x73657276, 0x67656E  # streams of random numbers
_SHORTEST_PEAK_S = 60.0


@dataclass(frozen=True, slots=True)
class LengthTable:
    """Distribution of a length.

    Attributes:
        tokens: Lengths that occur, shape (n,) [tokens].
        cumulative: Probability of each or a shorter one, shape (n,); the last is 1.
    """

    tokens: NDArray[np.int64]
    cumulative: FloatArray

    def draw(self, rng: np.random.Generator, count: int) -> NDArray[np.int64]:
        """Return some lengths, each of one token at least [tokens]."""
        places = np.searchsorted(self.cumulative, rng.random(count), side="right")
        return np.maximum(self.tokens[np.minimum(places, len(self.tokens) - 1)], 1)


@dataclass(frozen=True, slots=True)
class Client:
    """A client.

    Attributes:
        number: Its number; its draws depend on it.
        rates_per_s: Rate in each window [requests/s], shape (windows,).
        shapes: Shape of the gaps' distribution in each window, shape (windows,).
        is_weibull: Whether it is a Weibull distribution, or a gamma one; shape (windows,).
        lengths_s: Where the windows of lengths begin [s].
        prompts, outputs: Lengths in each of them; None where no request was recorded.
    """

    number: int
    rates_per_s: FloatArray
    shapes: FloatArray
    is_weibull: NDArray[np.bool_]
    lengths_s: FloatArray
    prompts: Sequence[LengthTable | None]
    outputs: Sequence[LengthTable | None]

    def lengths(self, time_s: float) -> tuple[LengthTable | None, LengthTable | None]:
        """Return the lengths of prompts and outputs at a time."""
        place = int(np.searchsorted(self.lengths_s, time_s, side="right")) - 1
        return (self.prompts[place], self.outputs[place]) if place >= 0 else (None, None)

    def gaps(self, rng: np.random.Generator, window: int, count: int) -> FloatArray:
        """Return some gaps of a window, in any unit."""
        shape = float(self.shapes[window])
        if self.is_weibull[window]:
            return rng.weibull(shape, count)
        return rng.standard_gamma(shape, count)


@dataclass(frozen=True)
class ServeGen:
    """Requests of clients, drawn window by window: as a trace that is recorded anew for each seed.

    Attributes:
        clients: The clients.
        edges_s: Where the windows of rates begin, and where the last one ends [s].
        rate_scale: Factor on the rate of every client.
        begin_s: Time of the recording at which the requests begin [s].
        seed: Numbers that make the seed.
    """

    clients: Sequence[Client]
    edges_s: FloatArray
    rate_scale: float = 1.0
    begin_s: float = 0.0
    seed: Sequence[int] = (0,)
    failures: int = 0
    skipped: int = 0
    class_counts: Sequence[int] = ()

    def __post_init__(self) -> None:
        if not self.edges_s[0] <= self.begin_s < self.edges_s[-1]:
            raise TraceError(
                f"the recording goes on to {self.edges_s[-1]:g} s (got a begin at "
                f"{self.begin_s:g} s)"
            )
        if not self.requests:
            raise TraceError("its clients send no request at this rate")

    @property
    def span_s(self) -> float:
        """Time from the beginning to the end of the recording [s]."""
        return float(self.edges_s[-1]) - self.begin_s

    @cached_property
    def requests(self) -> int:
        """Number of requests from its beginning on."""
        return sum(part.requests for part in self._first_window()) + int(
            self._counts[:, self._window + 1 :].sum()
        )

    @property
    def peak_rate_per_s(self) -> float:
        """The busiest window's mean rate [requests/s]."""
        widths_s = np.diff(self.edges_s)[self._window :]
        rates = self._counts[:, self._window :].sum(axis=0) / np.maximum(widths_s, _SHORTEST_PEAK_S)
        return float(rates.max())

    def parts(self) -> Iterator[RequestTrace]:
        """Yield the requests window by window; times count from the beginning."""
        yield from self._first_window()
        for window in range(self._window + 1, len(self.edges_s) - 1):
            if (part := self._drawn(window)).requests:
                yield from part.parts()

    @property
    def _window(self) -> int:
        """The window in which it begins."""
        return int(np.searchsorted(self.edges_s, self.begin_s, side="right")) - 1

    def _first_window(self) -> Iterator[RequestTrace]:
        part = self._drawn(self._window)
        rows = slice(int(np.searchsorted(part.times_s, 0.0)), None)
        part = RequestTrace(part.times_s[rows], part.prompt_tokens[rows], part.output_tokens[rows])
        if part.requests:
            yield from part.parts()

    @cached_property
    def _counts(self) -> NDArray[np.int64]:
        """Number of requests of each client in each window, shape (clients, windows)."""
        widths_s = np.diff(self.edges_s)
        return np.array(
            [
                np.floor(
                    client.rates_per_s * self.rate_scale * widths_s
                    + self._rng(_COUNTS, client.number).random(len(widths_s))
                )
                for client in self.clients
            ]
        ).astype(np.int64)

    def _drawn(self, window: int) -> RequestTrace:
        """Return the requests of a window, in order of arrival."""
        start_s, end_s = self.edges_s[window : window + 2]
        drawn = [(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))]
        for client, count in zip(self.clients, self._counts[:, window].tolist(), strict=True):
            prompts, outputs = client.lengths(start_s)
            if not count or prompts is None or outputs is None:
                continue
            rng = self._rng(_GAPS, client.number, window)
            ends = np.cumsum(client.gaps(rng, window, count + 1))
            whole = ends[-1] if ends[-1] > 0 else 1.0
            times_s = start_s + (end_s - start_s) * ends[:-1] / whole
            times_s = np.minimum(times_s, np.nextafter(end_s, start_s))
            drawn.append((times_s, prompts.draw(rng, count), outputs.draw(rng, count)))
        times_s, prompt, output = (np.concatenate(columns) for columns in zip(*drawn, strict=True))
        order = np.argsort(times_s, kind="stable")
        return RequestTrace(times_s[order] - self.begin_s, prompt[order], output[order])

    def _rng(self, *key: int) -> np.random.Generator:
        return np.random.default_rng([*self.seed, *key])
