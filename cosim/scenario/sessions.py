"""Scenario keys of clients: closed loops, sessions and their turns, time-outs and retries."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cosim.scenario.fields import DurationS, Fraction, StrictModel
from cosim.scenario.lengths import Tokens

_MOST_CLIENTS = 1_000_000
PositiveS = Annotated[DurationS, Field(gt=0)]


class FixedThink(StrictModel):
    """The same time every time."""

    type: Literal["fixed"]
    """Every time alike."""
    time: DurationS
    """The time."""


class ExponentialThink(StrictModel):
    """Exponentially distributed times."""

    type: Literal["exponential"]
    """Exponential times."""
    mean: PositiveS
    """Mean."""


class LognormalThink(StrictModel):
    """Lognormal times, such as those in which people read and write."""

    type: Literal["lognormal"]
    """Lognormal times."""
    median: PositiveS
    """Median."""
    sigma: Annotated[float, Field(ge=0, le=5)]
    """Standard deviation of the natural logarithm."""


Think = Annotated[FixedThink | ExponentialThink | LognormalThink, Field(discriminator="type")]


class ClosedLoop(StrictModel):
    """Clients that each wait for an answer before they send the next request."""

    type: Literal["closed"]
    """A closed loop, in place of `arrivals`."""
    concurrency: Annotated[int, Field(ge=1, le=_MOST_CLIENTS)]
    """Number of clients."""
    think: Think = FixedThink(type="fixed", time=0.0)
    """Time from an answer to the client's next request; with `sessions`, from the last answer of a
    session to the next session."""
    ramp_up: DurationS = 0.0
    """Time within which the clients begin, evenly."""
    spread: Fraction = 0.1
    """Fixed lengths are drawn within this share of themselves, evenly, so that requests do not end
    in waves; 0 for exactly as they are given."""


class FixedTurns(StrictModel):
    """The same number of turns in every session."""

    type: Literal["fixed"]
    """Every session alike."""
    turns: Annotated[int, Field(ge=1, le=10_000)]
    """Number of turns."""


class GeometricTurns(StrictModel):
    """Sessions of which each turn is the last one with the same chance."""

    type: Literal["geometric"]
    """A geometric number of turns."""
    mean: Annotated[float, Field(ge=1, le=1000)]
    """Mean number of turns."""


class SystemPrompt(StrictModel):
    """A text that every request of a session begins with, the same for many sessions."""

    tokens: Tokens
    """Its length [tokens]."""
    groups: Annotated[int, Field(ge=1, le=100_000)] = 1
    """Number of different ones; each session has one of them, drawn evenly."""


class SessionKeys(StrictModel):
    """Sessions of several turns; `lengths` are those of a turn's new text and of its answer."""

    turns: Annotated[FixedTurns | GeometricTurns, Field(discriminator="type")]
    """Number of turns."""
    think: Think
    """Time from an answer to the session's next turn."""
    context: Literal["accumulate", "none"] = "accumulate"
    """Text before the new one of a turn: all earlier turns and answers, or none."""
    system_prompt: SystemPrompt | None = None
    """Text that every request begins with; none by default."""


class Retry(StrictModel):
    """New tries after a time-out, or a rejection by the gateway."""

    most: Annotated[int, Field(ge=1, le=100)]
    """Most times that a request is sent again."""
    backoff: DurationS = 0.0
    """Time from a failure to the next try."""


class ClientKeys(StrictModel):
    """Behaviour of clients: when they send, how long they wait, and how often they try."""

    clients: ClosedLoop | None = None
    """Clients in a closed loop, in place of `arrivals`."""
    sessions: SessionKeys | None = None
    """Sessions: `arrivals` begin them, or the clients of a closed loop; by default every request is
    on its own."""
    timeout: PositiveS | None = None
    """Time after which clients give up a request, wherever it is; never by default."""
    retry: Retry | None = None
    """New tries of what failed; none by default."""

    @property
    def reacts(self) -> bool:
        """Whether clients send requests, or give them up, by how they are served."""
        keys = (self.clients, self.sessions, self.timeout, self.retry)
        return any(key is not None for key in keys)
