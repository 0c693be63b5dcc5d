"""Public data sets: which there are, and their download with a checksum.

A set is one file of one publisher. It is downloaded into a folder beside its place and renamed once
it has been checked, so that no half of it stands under its name. ``NAME.sha256`` is written with
it, in the format of ``sha256sum --check``.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cosim.errors import FetchError, did_you_mean, install_hint
from inference_sim.files.catalogue import read_data, with_bases

_TIMEOUT_S = 30.0  # without a byte
_CHUNK_BYTES = 1 << 18
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicSet:
    """A file that somebody publishes.

    Attributes:
        name: Its name on the command line.
        about: A short description.
        file: Name of the file where it is downloaded to.
        url: Where it is published.
        licence, cite: Its licence, and the work to cite.
        format: How it is written, where its reader has more than one format.
        size_mb: Size [MB], where known.
        sha256: Its SHA-256 as 64 hexadecimal digits, where known.
        basis: Where that is from.
    """

    name: str
    about: str
    file: str
    url: str
    licence: str
    cite: str
    format: str | None = None
    size_mb: float | None = None
    sha256: str | None = None
    basis: str | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """A downloaded set.

    Attributes:
        path: Its file.
        sha256: Its SHA-256, as 64 hexadecimal digits.
        verified_by: Reference of the check, in a few words; empty for the first download of a set
            without a known checksum.
        downloaded: Whether it was downloaded now, or had been before.
    """

    path: Path
    sha256: str
    verified_by: str
    downloaded: bool


class Progress(Protocol):
    """Progress of a download."""

    total: float
    """Its size, as the server reports it [bytes]; 0 if it does not."""

    def update(self, more: float, /) -> None:
        """Add bytes that have arrived."""
        ...

    def reset(self) -> None:
        """Begin anew."""
        ...

    def close(self) -> None:
        """Show no more."""
        ...


def public_sets(kind: str) -> dict[str, PublicSet]:
    """Return the known sets of a kind, ``traces`` or ``signals``, by name."""
    entries = with_bases(read_data(__package__, "public_sets.yaml").get(kind, {}))
    return {name: PublicSet(name=name, **entry) for name, entry in entries.items()}


def find_set(sets: Mapping[str, PublicSet], name: str) -> PublicSet:
    """Return a set by name.

    Raises:
        FetchError: If there is none of this name.
    """
    if name not in sets:
        raise FetchError(
            f"no public set '{name}'{did_you_mean(name, sets)} (known: {', '.join(sets)})"
        )
    return sets[name]


def fetch(
    wanted: PublicSet,
    folder: Path,
    *,
    sha256: str | None = None,
    progress: Progress | None = None,
    accept: Callable[[Path], None] = lambda path: None,
) -> Fetched:
    """Download a set unless it is there, and check it.

    It is checked against `sha256`, else the set's own checksum, else the digest that an earlier
    download recorded. Without any of these the digest is trusted, and recorded.

    Args:
        wanted: The set to download.
        folder: Where to; made if missing.
        sha256: The SHA-256 that it must have, in place of the set's own.
        progress: Shows how far it is.
        accept: Called with the path of the download before it gets its name; raises if the content
            is not the expected one.

    Raises:
        FetchError: If it cannot be downloaded or is not the file that was expected, or if another
            file stands in its place.
    """
    path = folder / wanted.file
    record = path.with_name(f"{path.name}.sha256")
    known, verified_by = _known(wanted, record, sha256)
    if path.exists():
        return Fetched(path, _checked_in_place(path, known), verified_by, downloaded=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as partial:
            download = _download(wanted, Path(partial), known, progress)
            accept(download)
            digest = file_sha256(download)
            new_record = download.with_name(record.name)
            new_record.write_text(f"{digest}  {path.name}\n", encoding="utf-8")
            new_record.replace(record)
            download.replace(path)
    except OSError as error:
        raise FetchError(f"{wanted.name} cannot be written to '{folder}': {error}") from error
    return Fetched(path, digest, verified_by, downloaded=True)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _known(wanted: PublicSet, record: Path, given: str | None) -> tuple[str | None, str]:
    """Return the digest that a file must have and where it is from; None if none is known."""
    if given is not None:
        digest = given.strip().lower()
        if not _SHA256.fullmatch(digest):
            raise FetchError(f"a SHA-256 has 64 hexadecimal digits (got '{given}')")
        return digest, "the given SHA-256"
    if wanted.sha256 is not None:
        return wanted.sha256, f"a known SHA-256 ({wanted.basis})"
    try:
        (digest, *_) = record.read_text(encoding="utf-8").split() or [""]
    except (FileNotFoundError, NotADirectoryError):
        return None, ""
    except (OSError, UnicodeDecodeError) as error:
        raise FetchError(f"'{record}' cannot be read: {error}; remove it") from error
    if not _SHA256.fullmatch(digest):
        raise FetchError(f"'{record}' does not begin with a SHA-256; remove it")
    return digest, f"the SHA-256 of the first download, in {record.name}"


def _checked_in_place(path: Path, known: str | None) -> str:
    """Return the digest of a file that is there already."""
    remedy = "remove it, or choose another folder with -o"
    if not path.is_file():
        raise FetchError(f"'{path}' is not a file; {remedy}")
    if known is None:
        raise FetchError(
            f"'{path}' exists, and its expected SHA-256 is unknown; {remedy}, or give its "
            "SHA-256 with --sha256"
        )
    digest = file_sha256(path)
    if digest != known:
        raise FetchError(
            f"'{path}' was there before and is another file (SHA-256 {digest}, expected {known}); "
            f"{remedy}"
        )
    return digest


def _download(
    wanted: PublicSet, folder: Path, known: str | None, progress: Progress | None
) -> Path:
    try:
        import pooch
    except ImportError as error:
        raise FetchError(
            f"downloads need pooch, which is not installed: {install_hint('fetch')}"
        ) from error
    pooch.get_logger().setLevel("WARNING")  # our own messages say more
    try:
        downloader = pooch.HTTPDownloader(
            progressbar=False if progress is None else progress,
            chunk_size=_CHUNK_BYTES,
            timeout=_TIMEOUT_S,
        )
        done = pooch.retrieve(
            wanted.url,
            known_hash=None if known is None else f"sha256:{known}",
            fname=wanted.file,
            path=folder,
            downloader=downloader,
        )
    except OSError as error:  # all errors of requests are
        raise FetchError(
            f"{wanted.name} cannot be downloaded from {wanted.url}: {error}"
        ) from error
    except ValueError as error:  # the checksum
        raise FetchError(
            f"{wanted.name}: what came from {wanted.url} is not the expected file: {error}"
        ) from error
    return Path(done)
