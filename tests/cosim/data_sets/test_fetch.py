"""Downloads of public sets, from a server on the loopback interface."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cosim.data_sets.fetch import PublicSet, fetch, find_set, public_sets
from cosim.errors import FetchError

pytest.importorskip("pooch", reason="the extra [fetch] is not installed")
BODY = b"TIMESTAMP,ContextTokens,GeneratedTokens\n" + b"2023-11-16 18:15:46,3,4\n" * 5000
DIGEST = hashlib.sha256(BODY).hexdigest()
OTHER = hashlib.sha256(b"another").hexdigest()


@dataclass
class Server:
    """What the loopback server answers, and what it was asked for."""

    url: str = ""
    body: bytes = BODY
    cut: int = 0
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            found = self.path == "/trace.csv"
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(state.body) if found else 0))
            self.end_headers()
            if found:
                self.wfile.write(state.body[: len(state.body) - state.cut])

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.url = f"http://127.0.0.1:{http.server_port}/trace.csv"
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        yield state
        http.shutdown()


def published(server: Server, sha256: str | None = None) -> PublicSet:
    return PublicSet(
        name="a-trace",
        about="a trace",
        file="the_trace.csv",
        url=server.url,
        licence="CC-BY 4.0",
        cite="A. Author, 2023",
        sha256=sha256,
        basis="the publisher",
    )


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_with_a_known_checksum(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    done = fetch(published(server, DIGEST), folder)
    assert done.path.read_bytes() == BODY
    assert (done.sha256, done.downloaded) == (DIGEST, True)
    assert done.verified_by == "a known SHA-256 (the publisher)"
    assert names(folder) == {"the_trace.csv", "the_trace.csv.sha256"}
    again = fetch(published(server, DIGEST), folder)
    assert (again.path, again.downloaded) == (done.path, False)
    assert len(server.asked) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs sha256sum")
def test_the_record_is_for_sha256sum(server: Server, tmp_path: Path) -> None:
    fetch(published(server), tmp_path)
    check = ["sha256sum", "--check", "--strict", "the_trace.csv.sha256"]
    assert subprocess.run(check, cwd=tmp_path, capture_output=True).returncode == 0
    (tmp_path / "the_trace.csv").write_bytes(BODY[:-1])
    assert subprocess.run(check, cwd=tmp_path, capture_output=True).returncode == 1


def test_without_one_the_first_download_is_trusted(server: Server, tmp_path: Path) -> None:
    """And the next one is not."""
    first = fetch(published(server), tmp_path)
    assert (first.sha256, first.verified_by) == (DIGEST, "")
    second = fetch(published(server), tmp_path)
    assert "first download" in second.verified_by
    first.path.unlink()
    third = fetch(published(server), tmp_path)
    assert third.downloaded
    assert "first download" in third.verified_by
    third.path.unlink()
    server.body = BODY + b"more"
    with pytest.raises(FetchError, match="not the expected file"):
        fetch(published(server), tmp_path)
    assert names(tmp_path) == {"the_trace.csv.sha256"}


def test_a_given_checksum_counts(server: Server, tmp_path: Path) -> None:
    done = fetch(published(server, OTHER), tmp_path, sha256=DIGEST.upper())
    assert done.verified_by == "the given SHA-256"
    with pytest.raises(FetchError, match=r"64 hexadecimal digits \(got 'abc'\)"):
        fetch(published(server), tmp_path, sha256="abc")


def test_a_wrong_checksum_leaves_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=f"(?s){OTHER}.*{DIGEST}|{DIGEST}.*{OTHER}"):
        fetch(published(server, OTHER), tmp_path)
    assert names(tmp_path) == set()


def test_a_download_that_breaks_off_leaves_nothing(server: Server, tmp_path: Path) -> None:
    server.cut = 1000
    with pytest.raises(FetchError, match=f"cannot be downloaded from {server.url}: "):
        fetch(published(server), tmp_path)
    assert names(tmp_path) == set()


def test_not_found(server: Server, tmp_path: Path) -> None:
    missing = replace(published(server), url=server.url.replace("trace.csv", "other.csv"))
    with pytest.raises(FetchError, match="404"):
        fetch(missing, tmp_path)
    assert names(tmp_path) == set()


def test_no_network(server: Server, tmp_path: Path) -> None:
    """Nobody listens on the port of a server that is gone."""
    gone = replace(published(server), url="http://127.0.0.1:1/trace.csv")
    with pytest.raises(FetchError, match="cannot be downloaded"):
        fetch(gone, tmp_path)


def test_content_that_is_refused(server: Server, tmp_path: Path) -> None:
    """Such as a page that asks to log in."""

    def accept(path: Path) -> None:
        assert path.read_bytes() == BODY
        raise FetchError("this is no trace")

    with pytest.raises(FetchError, match="this is no trace"):
        fetch(published(server), tmp_path, accept=accept)
    assert names(tmp_path) == set()


def test_a_file_of_that_name_is_not_touched(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "the_trace.csv"
    path.write_bytes(b"mine")
    with pytest.raises(FetchError, match="exists, and its expected SHA-256 is unknown"):
        fetch(published(server), tmp_path)
    with pytest.raises(FetchError, match="was there before and is another file"):
        fetch(published(server, DIGEST), tmp_path)
    assert path.read_bytes() == b"mine"
    assert server.asked == []
    mine = hashlib.sha256(b"mine").hexdigest()
    assert not fetch(published(server), tmp_path, sha256=mine).downloaded


@pytest.mark.parametrize("content", [b"", b"zz the_trace.csv", b"\xff\xfe"])
def test_a_spoilt_record(server: Server, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "the_trace.csv.sha256").write_bytes(content)
    with pytest.raises(FetchError, match="remove it"):
        fetch(published(server), tmp_path)


def test_a_folder_that_cannot_be_made(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FetchError, match="cannot be written"):
        fetch(published(server), tmp_path / "file" / "folder")


def test_progress(server: Server, tmp_path: Path) -> None:
    class Shown:
        total = 0.0
        seen: list[float] = []
        closed = 0

        def update(self, more: float, /) -> None:
            self.seen.append(more)

        def reset(self) -> None:
            self.seen.clear()

        def close(self) -> None:
            self.closed += 1

    shown = Shown()
    fetch(published(server), tmp_path, progress=shown)
    assert (shown.total, sum(shown.seen), shown.closed) == (len(BODY), len(BODY), 1)


@pytest.mark.parametrize("kind", ["traces", "signals"])
def test_the_registry(kind: str) -> None:
    """Every set says where, on what terms and what to cite; checksums say where they are from."""
    sets = public_sets(kind)
    assert len(sets) > 5
    assert len({one.file for one in sets.values()}) == len(sets)
    for one in sets.values():
        assert one.url.startswith("https://")
        assert one.about
        assert one.licence
        assert one.cite
        assert Path(one.file).name == one.file
        assert (one.sha256 is None) == (one.basis is None)
        assert one.sha256 is None or re.fullmatch("[0-9a-f]{64}", one.sha256)
    assert public_sets("nothing") == {}
    with pytest.raises(FetchError, match="no public set 'azure-2023-cod'; did you mean 'azure-202"):
        find_set(public_sets("traces"), "azure-2023-cod")
