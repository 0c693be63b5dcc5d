"""A carbon intensity asked for over HTTP while the run goes on.

Two shapes are understood: that of Great Britain's Carbon Intensity API (NESO) and that of
WattTime's version 3. A server that is down, slow or talks nonsense never ends a run: the last value
is held, and the steps that it stands for are flagged.
"""

from __future__ import annotations

import base64
import json
import math
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from controllers.errors import printable
from cosim.scenario.live import LiveCarbon, Login
from cosim.signals.formats import neso, watttime
from cosim.signals.formats.answer import Answer
from cosim.signals.series import utc_stamp
from cosim.signals.web import PollFailed, Refused, get
from inference_sim.arrays import FloatArray

_MOST_G_PER_KWH = 1e5  # fifty times that of the dirtiest plant, in either unit
_TOKEN = re.compile(r"[!-~]{1,10000}")  # never shown: an error of the header would print it
_AGAIN_S = 10.0  # after a failure: short steps must not spend all their time on waiting
_AHEAD_S = 60.0  # how far the server's clock may be ahead of ours


@dataclass(frozen=True, slots=True)
class Reading:
    """A carbon intensity and the time from which it holds.

    Attributes:
        start_s: Start of its interval, in seconds since the Unix epoch.
        value_g_per_kwh: The intensity [g/kWh].
    """

    start_s: float
    value_g_per_kwh: float


class Server:
    """A server that is asked for the carbon intensity, and its token if it wants one.

    Args:
        config: Where it is, and how it answers.
    """

    def __init__(self, config: LiveCarbon) -> None:
        self._config = config
        self._token = ""

    def ask(self, now_s: float, timeout_s: float) -> Reading:
        """Return the latest value that has begun.

        Args:
            now_s: The time of the run, in seconds since the Unix epoch.
            timeout_s: Longest wait for each answer [s].

        Raises:
            PollFailed: If there is none.
        """
        config = self._config
        if config.login is None:
            return latest(get(config.url, timeout_s), config.format, now_s)
        renewed = not self._token
        if renewed:
            self._token = _log_in(config.login, timeout_s)
        try:
            content = get(config.url, timeout_s, f"Bearer {self._token}")
        except Refused:
            self._token = ""
            if renewed:
                raise
            return self.ask(now_s, timeout_s)  # it has expired: once more, with a new one
        return latest(content, config.format, now_s)


def _log_in(login: Login, timeout_s: float) -> str:
    secrets = []
    for name in (login.user_env, login.password_env):
        if not (secret := os.environ.get(name)):
            raise PollFailed(f"the environment variable {name}, to log in, is not set")
        secrets.append(secret)
    basic = base64.b64encode(":".join(secrets).encode()).decode()
    try:
        token = json.loads(get(login.url, timeout_s, f"Basic {basic}"))["token"]
    except (ValueError, RecursionError, TypeError, KeyError) as error:
        raise PollFailed("the login does not answer {token}") from error
    except PollFailed as error:
        raise PollFailed(f"login: {error}") from error
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise PollFailed("the login's token is not one: it must be a word of printable ASCII")
    return token


def latest(content: bytes, shape: str, now_s: float) -> Reading:
    """Return the latest value of an answer that has begun.

    Args:
        content: The answer.
        shape: ``neso`` or ``watttime``.
        now_s: The time of the run, in seconds since the Unix epoch.

    Raises:
        PollFailed: If it is not of that shape, or has none.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise PollFailed("the answer is not JSON") from error
    try:
        answer = _ANSWERS[shape](document)
    except ValueError as error:
        raise PollFailed(f"the answer is not of format '{shape}': {error}") from error
    if answer.kind != _KINDS[shape]:
        raise PollFailed(f"expected an intensity of kind {_KINDS[shape]} (got {answer.kind})")
    readings = list(_readings(answer))
    begun = [reading for reading in readings if reading.start_s <= now_s + _AHEAD_S]
    if not begun:
        what = (
            f"the first begins at {utc_stamp(readings[0].start_s)}" if readings else "it is empty"
        )
        raise PollFailed(f"the answer has no value for {utc_stamp(now_s)}: {what}")
    return max(begun, key=lambda reading: reading.start_s)


_ANSWERS = {"neso": neso.answer, "watttime": watttime.answer}
_KINDS = {"neso": "average", "watttime": "marginal"}


def _readings(answer: Answer) -> Iterator[Reading]:
    """Yield the intervals that have a value."""
    for entry in answer.entries:
        if entry.start is None or not entry.values:
            raise PollFailed(f"an entry is not {answer.form}")
        if entry.value is not None:
            yield Reading(_time_s(entry.start), _grams(entry.value, answer.g_per_kwh))


def _time_s(stamp: Any) -> float:
    try:
        moment = datetime.fromisoformat(stamp)
    except (TypeError, ValueError) as error:
        raise PollFailed(f"{_shown(stamp)} is not a time in ISO 8601") from error
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()


def _grams(value: Any, g_per_kwh: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise PollFailed(f"{_shown(value)} is not a number")
    if not 0 <= value < _MOST_G_PER_KWH:
        raise PollFailed(f"{_shown(value)} is not a carbon intensity")
    return float(value) * g_per_kwh


def _shown(value: object) -> str:
    """Return a server's value for a message."""
    try:
        return printable(repr(value), 60)
    except ValueError:  # a whole number of too many digits
        return "a number"


class LiveFeed:
    """Live values of a run.

    At each step the latest value is put in the place of that step and of all that follow, so that
    nobody who looks ahead sees more than is known.

    Args:
        config: Whom to ask.
        values: Intensity of each step [g/kWh], shape (steps,); written to.
        notify: Called with a sentence whenever values cease to come, or come again.

    Attributes:
        polls: How often the server was asked.
        failed_polls: How often it gave no usable value.
        age_s: Age of each step's value [s], shape (steps,).
        stale: Whether each step's value is flagged, shape (steps,).
    """

    def __init__(
        self, config: LiveCarbon, values: FloatArray, notify: Callable[[str], None]
    ) -> None:
        self._config, self._values, self._notify = config, values, notify
        self._server = Server(config)
        self._reading: Reading | None = None
        self._failure = ""
        self._next_s = -math.inf
        self._was_stale = False
        self.polls = self.failed_polls = 0
        self.age_s = np.full(len(values), np.nan)
        self.stale = np.zeros(len(values), dtype=bool)

    def poll(self, now_s: float, timeout_s: float) -> str:
        """Ask the server if it is time to; return why there is no new value, if there is none.

        One that failed is asked again soon.
        """
        if now_s < self._next_s:
            return self._failure
        self.polls += 1
        try:
            reading = self._server.ask(now_s, timeout_s)
        except PollFailed as error:
            self.failed_polls += 1
            self._failure = str(error)
            self._next_s = now_s + min(_AGAIN_S, self._config.every)
            return self._failure
        self._failure, self._next_s = "", now_s + self._config.every
        if self._reading is None:
            self._values[:] = reading.value_g_per_kwh  # for those who look before the first step
        if self._reading is None or reading.start_s >= self._reading.start_s:
            self._reading = reading
        return ""

    def begin(self, step: int, now_s: float, timeout_s: float) -> None:
        """Bring the values up to date for a step.

        Args:
            step: Index of the step, from 0.
            now_s: Its start, in seconds since the Unix epoch.
            timeout_s: Longest wait for the server [s].

        Raises:
            RuntimeError: If there has never been a value.
        """
        failure = self.poll(now_s, timeout_s)
        reading = self._reading
        if reading is None:
            raise RuntimeError("poll() until there is a value before the first step")
        age_s = max(0.0, now_s - reading.start_s)
        self._values[step:] = reading.value_g_per_kwh
        self.age_s[step] = age_s
        old = age_s > self._config.stale_after
        self.stale[step] = stale = bool(failure) or old
        held = f"{reading.value_g_per_kwh:.0f} g/kWh of {utc_stamp(reading.start_s)}"
        if stale and not self._was_stale:
            self._notify(f"{failure or 'the server has nothing newer'}; holding {held}")
        elif self._was_stale and not stale:
            self._notify(f"up to date again: {held}")
        self._was_stale = stale
