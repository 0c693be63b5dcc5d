"""A request on its way through the cluster."""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """Outcome of a request."""

    COMPLETED = "completed"
    REJECTED = "rejected"
    """Rejected by the gateway, or longer than the engine's context."""
    TIMED_OUT = "timed_out"
    """Its client gave up before it was served."""
    WAITING = "waiting"
    """The run ended while it was queued at the gateway or at a replica."""
    RUNNING = "running"
    """The run ended while it was being served."""


class Request:
    """One request: its lengths, its times, and its state in its replica's batch.

    Times are in seconds since the start of the run; NaN until they happen. ``output_tokens`` is the
    true output length: the engine uses it to end the request, schedulers and routers never read it.

    Attributes:
        content: Its prompt as runs (stream, tokens), the first tokens of a stream of text each; two
            prompts share a prefix as far as their runs are equal. None if it shares with none.
        answer_stream: The stream of its answer, as later prompts name it.
        session: Number of its session; -1 for none.
        retries: How often its client had sent it before.
        kv_copies: KV blocks that it holds although the cache has the same text already: what
            ``prefix_tree.Copy`` describes.
        generated_tokens: Tokens emitted when it last left the running batch (0 before the first).
        computed_tokens: Tokens of its prefill that are computed, while it is cut into chunks.
        energy_j: GPU energy attributed to it so far [J].
        carbon_g: Emissions of that energy, where the grid is known [g].
        joined_context: Context [tokens] when it joined the running decode batch.
        joined_iteration: The replica's decode-iteration count when it joined.
        finish_iteration: The count at which it will be done.
        join_id: Number of its latest joining; an older heap entry is stale.
    """

    __slots__ = (
        "admitted_s",
        "answer_stream",
        "arrival_s",
        "carbon_g",
        "class_id",
        "computed_tokens",
        "content",
        "energy_j",
        "finish_iteration",
        "finish_s",
        "first_token_s",
        "generated_tokens",
        "join_id",
        "joined_context",
        "joined_iteration",
        "kv_copies",
        "outcome",
        "output_tokens",
        "preemptions",
        "prompt_tokens",
        "reason",
        "replica",
        "request_id",
        "retries",
        "scheduled_s",
        "session",
    )

    def __init__(
        self,
        request_id: int,
        arrival_s: float,
        prompt_tokens: int,
        output_tokens: int,
        class_id: int = 0,
    ) -> None:
        self.request_id = request_id
        self.arrival_s = arrival_s
        self.prompt_tokens = prompt_tokens
        self.output_tokens = output_tokens
        self.class_id = class_id
        nan = float("nan")
        self.admitted_s = nan
        self.scheduled_s = nan
        self.first_token_s = nan
        self.finish_s = nan
        self.content: tuple[tuple[int, int], ...] | None = None
        self.answer_stream = 0
        self.session = -1
        self.retries = 0
        self.kv_copies: list[Any] | None = None
        self.generated_tokens = 0
        self.computed_tokens = 0
        self.preemptions = 0
        self.energy_j = 0.0
        self.carbon_g = 0.0
        self.replica = -1
        self.outcome = Outcome.WAITING
        self.reason = ""
        self.joined_context = 0
        self.joined_iteration = 0
        self.finish_iteration = 0
        self.join_id = -1

    @property
    def prefill_tokens(self) -> int:
        """Tokens of its next prefill: the prompt, and after a preemption its output so far."""
        return self.prompt_tokens + self.generated_tokens

    def runs(self) -> tuple[tuple[int, int], ...]:
        """Return the text of its next prefill as runs; none if it shares none of it."""
        content = self.content
        if content is None:
            return ()
        if self.generated_tokens:
            return (*content, (self.answer_stream, self.generated_tokens))
        return content

    def be_found_again(self) -> None:
        """Name its text, which it shares with no other, so that its own blocks can be found."""
        self.content = ((-1 - 2 * self.request_id, self.prompt_tokens),)
        self.answer_stream = -2 - 2 * self.request_id

    def context_at(self, iteration: int) -> int:
        """Return its context [tokens], the newest token included, at a decode-iteration count."""
        return self.joined_context + iteration - self.joined_iteration
