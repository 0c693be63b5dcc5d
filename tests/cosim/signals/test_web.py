"""Answers of web servers: nobody but who was asked is told a secret, and none holds up a run."""

from __future__ import annotations

import contextlib
import gzip
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cosim.scenario.live import LiveCarbon
from cosim.signals.web import PollFailed, get

Answer = Callable[[BaseHTTPRequestHandler], None]


class Site:
    """A server on this machine, and what it was asked."""

    def __init__(self) -> None:
        self.answer: Answer = lambda handler: respond(handler, 200, b"hello")
        self.seen: list[tuple[str, str | None]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.seen.append((self.path, self.headers["Authorization"]))
                with contextlib.suppress(ConnectionError):  # who asked may have lost patience
                    site.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()


def respond(
    handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str
) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def sites(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Site, Site]]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    both = Site(), Site()
    yield both
    for site in both:
        site.http.shutdown()
        site.http.server_close()


def redirect(target: str) -> Answer:
    return lambda handler: respond(handler, 302, Location=target)


def test_a_secret_does_not_follow_a_redirect_to_another_host(sites: tuple[Site, Site]) -> None:
    asked, other = sites
    asked.answer = redirect(f"{other.url}/steal")
    with pytest.raises(PollFailed, match="another origin: it is not followed"):
        get(f"{asked.url}/now", 5.0, "Basic secret")
    assert asked.seen == [("/now", "Basic secret")]
    assert other.seen == []


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1:1/x", "https://x.y/z"])
def test_other_schemes_are_not_followed(sites: tuple[Site, Site], target: str) -> None:
    sites[0].answer = redirect(target)
    with pytest.raises(PollFailed, match="another origin"):
        get(sites[0].url, 5.0)


def test_redirects_on_the_same_server_are_followed(sites: tuple[Site, Site]) -> None:
    asked, _ = sites
    asked.answer = lambda handler: (
        respond(handler, 302, Location="/there")
        if handler.path == "/here"
        else respond(handler, 200, b"found")
    )
    assert get(f"{asked.url}/here", 5.0, "Bearer t") == b"found"
    assert asked.seen == [("/here", "Bearer t"), ("/there", "Bearer t")]
    asked.answer = redirect("/here")
    with pytest.raises(PollFailed, match="more than 5 times"):
        get(f"{asked.url}/here", 5.0)


def dripping_headers(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.0 200 OK\r\n")
    for number in range(200):
        handler.wfile.write(b"X%d: y\r\n" % number)
        handler.wfile.flush()
        time.sleep(0.05)


def dripping_body(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(200):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


@pytest.mark.parametrize("answer", [dripping_headers, dripping_body])
def test_an_answer_that_drips_does_not_hold_up_a_run(
    sites: tuple[Site, Site], answer: Answer
) -> None:
    sites[0].answer = answer
    began = time.monotonic()
    with pytest.raises(PollFailed, match=r"not whole after 0\.5 s"):
        get(sites[0].url, 0.5)
    assert time.monotonic() - began < 3.0


def test_a_huge_answer_is_given_up(sites: tuple[Site, Site]) -> None:
    sites[0].answer = lambda handler: respond(
        handler, 200, gzip.compress(b"0" * 10_000_000), Content_Encoding="gzip"
    )
    with pytest.raises(PollFailed, match="longer than 5 MB"):
        get(sites[0].url, 5.0)


def test_the_words_of_a_server_cannot_move_the_cursor(sites: tuple[Site, Site]) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.0 500 \x1b[31mred" + b"x" * 5000 + b"\r\n\r\n")

    sites[0].answer = answer
    with pytest.raises(PollFailed) as caught:
        get(sites[0].url, 5.0)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://grid.example.org/now", "expected https://grid.example.org"),
        ("http://localhost.example.org/now", "expected https://"),
        ("https://me:secret@example.org/now", "no name and password in an address"),
    ],
)
def test_what_would_travel_in_clear_is_refused(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        LiveCarbon.model_validate({"type": "live", "url": url, "format": "neso"})


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000"])
def test_http_is_for_this_machine(host: str) -> None:
    LiveCarbon.model_validate({"type": "live", "url": f"http://{host}/now", "format": "neso"})
