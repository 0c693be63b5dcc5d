"""Answers of web servers, each within a time and a size, from the origin that was asked alone.

httpx speaks HTTP. Added here is a limit to the time of a whole answer, headers included, for a run
must go on: httpx limits the wait for each piece. Redirects to another scheme, host or port are
refused, so that nobody else is sent a name, a password or a token.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING

from controllers.errors import printable
from cosim.errors import ScenarioError, install_hint

if TYPE_CHECKING:
    import httpx

MAX_ANSWER_BYTES = 5_000_000
_MOST_REDIRECTS = 5
_GRACE_S = 0.5  # in which an answer that has run out of time is given up by itself


class PollFailed(Exception):
    """Lack of a usable value from the server; the message says why."""


class Refused(PollFailed):
    """Refusal by the server, which wants another token."""


def get(url: str, timeout_s: float, authorization: str | None = None) -> bytes:
    """Return the body of an answer.

    Args:
        url: The address.
        timeout_s: Longest wait for all of it [s].
        authorization: Header to send along, only to the origin of `url`.

    Raises:
        PollFailed: If there is no answer, or none that is wanted.
        ScenarioError: If httpx is not installed.
    """
    try:
        import httpx
    except ImportError as error:
        raise ScenarioError(
            f"live signals need httpx: {install_hint('live')} (or pip install httpx)"
        ) from error
    headers = {"Accept": "application/json", "User-Agent": "cosim"}
    if authorization is not None:
        headers["Authorization"] = authorization
    future: Future[bytes] = Future()

    def ask() -> None:
        """Ask in an event loop of its own: the run may be in one of mosaik's."""
        try:
            future.set_result(asyncio.run(_within(url, headers, timeout_s)))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=ask, daemon=True, name="cosim live signal").start()
    try:
        return future.result(timeout_s + _GRACE_S)
    except TimeoutError as error:
        raise PollFailed(f"the answer was not whole after {timeout_s:g} s") from error
    except httpx.DecodingError as error:
        raise PollFailed(f"the answer is broken: {_said(error)}") from error
    except httpx.RemoteProtocolError as error:
        raise PollFailed(f"the answer is broken: {_said(error)}") from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise PollFailed(f"the server cannot be reached: {_said(error)}") from error


async def _within(url: str, headers: Mapping[str, str], timeout_s: float) -> bytes:
    return await asyncio.wait_for(_ask(url, headers, timeout_s), timeout_s)


async def _ask(url: str, headers: Mapping[str, str], timeout_s: float) -> bytes:
    import httpx

    origin = _origin(httpx.URL(url))
    async with httpx.AsyncClient(timeout=timeout_s) as client:
        for _ in range(_MOST_REDIRECTS + 1):
            async with client.stream("GET", url, headers=headers) as answer:
                if answer.has_redirect_location:
                    target = answer.url.join(answer.headers["Location"])
                    if _origin(target) != origin:
                        raise PollFailed(
                            f"the server redirects to {printable(str(target), 100)}, which is "
                            "another origin: it is not followed"
                        )
                    url = str(target)
                    continue
                if answer.is_error:
                    kind = Refused if answer.status_code in (401, 403) else PollFailed
                    reason = printable(answer.reason_phrase, 100)
                    raise kind(f"the server answers {answer.status_code} {reason}".rstrip())
                return await _body(answer)
    raise PollFailed(f"the server redirects more than {_MOST_REDIRECTS} times")


async def _body(answer: httpx.Response) -> bytes:
    content = b""
    async for part in answer.aiter_bytes():
        content += part
        if len(content) > MAX_ANSWER_BYTES:
            raise PollFailed(f"the answer is longer than {MAX_ANSWER_BYTES // 1_000_000} MB")
    return content


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _said(error: BaseException) -> str:
    return printable(str(error), 200) or type(error).__name__
