"""Attribution of energy and carbon: each request's share of a replica's, in O(1) a request.

A running counter of joules per decoding sequence (an iteration's energy over its batch) gives a
request's share as its growth between joining and leaving; a prompt bears the share of its tokens in
the iterations that compute it. Energy that no request bears is idle energy.

Carbon follows the same way, by a counter of grams. The carbon intensity of the supply is known only
after a step, so the energy credited in it is kept until then.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from inference_sim.arrays import FloatArray
from inference_sim.request import Request
from inference_sim.scheduling import Chunk


class _Marks:
    """Requests, the segment at which each is marked, and the weight of the mark."""

    __slots__ = ("requests", "segments", "weights")

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.segments: list[int] = []
        self.weights: list[float] = []

    def add(self, request: Request, segment: int, weight: float) -> None:
        """Add a mark."""
        self.requests.append(request)
        self.segments.append(segment)
        self.weights.append(weight)


class Attribution:
    """Attribution of the energy of segments to the requests that took part in them.

    Segments are numbered from 0 as they end. A decoding sequence counts as the tokens of it that an
    iteration computes, beside the prompts' tokens: one, and its drafts.

    Args:
        decode_tokens: Those tokens of a sequence.

    Attributes:
        follows_carbon: Whether :meth:`settle_carbon` is called after each step.
    """

    def __init__(self, decode_tokens: int = 1) -> None:
        self.follows_carbon = False
        self._decode_tokens = decode_tokens
        self._decode, self._prefill = _Marks(), _Marks()
        self._first_segment = 0  # of those not credited yet
        # Per token of a sequence that decoded from the start on: joules by the last credit and by
        # the last settlement, and grams by the latter.
        self._sequence_j = self._settled_j = self._settled_g = 0.0
        # Per prompt token, of the iteration under way: joules in all, joules that are not settled,
        # and the grams of the others.
        self._begun_j = self._begun_unsettled_j = self._begun_g = 0.0
        self._unsettled: list[tuple[list[Request], FloatArray, FloatArray]] = []

    def start_decode(self, request: Request, segment: int) -> None:
        """Let `request` bear its share of the decodes from segment number `segment` on."""
        self._decode.add(request, segment, -self._decode_tokens)

    def stop_decode(self, request: Request, segment: int) -> None:
        """End the share of `request` before segment number `segment`."""
        self._decode.add(request, segment, self._decode_tokens)

    def add_prefill(self, request: Request, segment: int, tokens: int) -> None:
        """Let `request` bear the share of its `tokens` in segment number `segment`."""
        self._prefill.add(request, segment, tokens)

    def credit(
        self, energy_j: FloatArray, decoding: FloatArray, prefill_tokens: FloatArray, ended: int
    ) -> None:
        """Credit requests with the energy of segments, or of their part since the last credit.

        Args:
            energy_j: By segment, shape (segments,) [J]; the first `ended` have ended, and bear the
                numbers from where the last call left off.
            decoding, prefill_tokens: Sequences that decode in each, and tokens of prompts that it
                computes [tokens].
            ended: Number of segments that have ended.
        """
        per_token_j = energy_j / (self._decode_tokens * decoding + prefill_tokens)
        counter_j = np.empty(len(energy_j) + 1)
        counter_j[0] = 0.0
        np.cumsum(np.where(decoding > 0, per_token_j, 0.0), out=counter_j[1:])
        counter_j += self._sequence_j
        marks, self._decode = self._decode, _Marks()
        if marks.requests:
            weights = np.array(marks.weights)
            at_j = counter_j[np.array(marks.segments) - self._first_segment]
            settled_g = weights * self._settled_g
            self._give(
                marks.requests, weights * at_j, settled_g, weights * (at_j - self._settled_j)
            )
        self._sequence_j = float(counter_j[-1])

        marks, self._prefill = self._prefill, _Marks()
        if marks.requests:
            tokens = np.array(marks.weights)
            segments = np.array(marks.segments) - self._first_segment
            begun = segments == 0  # its energy before is not in `energy_j`
            token_j = per_token_j[segments]
            self._give(
                marks.requests,
                tokens * (token_j + begun * self._begun_j),
                tokens * begun * self._begun_g,
                tokens * (token_j + begun * self._begun_unsettled_j),
            )
        if ended:
            self._begun_j = self._begun_unsettled_j = self._begun_g = 0.0
        under_way_j = float(per_token_j[ended:].sum())
        self._begun_j += under_way_j
        self._begun_unsettled_j += under_way_j
        self._first_segment += ended

    def _give(
        self,
        requests: list[Request],
        joules: FloatArray,
        settled_g: FloatArray,
        unsettled_j: FloatArray,
    ) -> None:
        for request, energy_j in zip(requests, joules.tolist(), strict=True):
            request.energy_j += energy_j
        if self.follows_carbon:
            self._unsettled.append((requests, settled_g, unsettled_j))

    def settle_carbon(self, g_per_j: float) -> None:
        """Turn the joules of the step that has just ended into grams [g/J]."""
        for requests, settled_g, unsettled_j in self._unsettled:
            grams = settled_g + g_per_j * unsettled_j
            for request, carbon_g in zip(requests, grams.tolist(), strict=True):
                request.carbon_g += carbon_g
        self._unsettled = []
        self._settled_g += g_per_j * (self._sequence_j - self._settled_j)
        self._settled_j = self._sequence_j
        self._begun_g += g_per_j * self._begun_unsettled_j
        self._begun_unsettled_j = 0.0

    def credit_in_flight(self, decoding: Iterable[Request], chunks: Iterable[Chunk]) -> None:
        """Credit requests that are still served with their shares of energy and carbon so far.

        Args:
            decoding: Requests whose decoding has started and not stopped.
            chunks: Prompts, or parts of them, whose computing has started and not stopped.
        """
        for request in decoding:
            request.energy_j += self._decode_tokens * self._sequence_j
            request.carbon_g += self._decode_tokens * self._settled_g
        for chunk in chunks:
            chunk.request.energy_j += self._begun_j * chunk.tokens
            chunk.request.carbon_g += self._begun_g * chunk.tokens
