"""Text files read in blocks of whole lines, in memory that does not grow with file or line."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from inference_sim.errors import TraceError
from inference_sim.files.regular import NOT_REGULAR, is_irregular

BLOCK_BYTES = 1 << 20
LONGEST_LINE_BYTES = 1 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NO_TEXT = {
    b"\x1f\x8b": "is compressed with gzip: unpack it first",
    b"PK\x03\x04": "is a zip archive: unpack it first",
    b"\x28\xb5\x2f\xfd": "is compressed with Zstandard: unpack it first",
    b"BZh": "is compressed with bzip2: unpack it first",
    b"\xfd7zXZ": "is compressed with xz: unpack it first",
    b"PAR1": "is a Parquet file (expected CSV or JSON lines)",
    b"\xff\xfe": "is UTF-16 text (expected UTF-8)",
    b"\xfe\xff": "is UTF-16 text (expected UTF-8)",
    b"version https://git-lfs": "is a Git LFS pointer, not the file that it points to",
}


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of a file.

    Attributes:
        text: The lines, with their ends; never empty.
        first_line: Number of the first one in the file, from 1.
        is_last: Whether the file ends here.
    """

    text: bytes
    first_line: int
    is_last: bool

    @property
    def line_count(self) -> int:
        """Number of lines; the last one of a file may lack its end."""
        return self.text.count(b"\n") + (not self.text.endswith(b"\n"))

    @property
    def without_leading_empty_lines(self) -> Block | None:
        """The block after empty lines at the beginning; None if no line follows."""
        text = self.text.lstrip(b"\r\n")
        empty = self.text[: len(self.text) - len(text)].count(b"\n")
        return Block(text, self.first_line + empty, self.is_last) if text else None

    @property
    def without_first_line(self) -> Block | None:
        """The block after the first line; None if no line follows."""
        _, _, text = self.text.partition(b"\n")
        return Block(text, self.first_line + 1, self.is_last) if text else None

    def numbered_lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield the lines that are not empty, without their ends, and their numbers."""
        for number, line in enumerate(self.text.split(b"\n"), self.first_line):
            if stripped := line.rstrip(b"\r"):
                yield number, stripped


def read_blocks(path: Path, block_bytes: int | None = None) -> Generator[Block]:
    """Yield the lines of a file, without a byte order mark; closing the generator closes the file.

    Args:
        path: The file.
        block_bytes: Bytes read at a time; ``BLOCK_BYTES`` by default.

    Raises:
        TraceError: If it cannot be read, is not text, or has a line that is far too long.
    """
    if is_irregular(path):
        raise TraceError(f"{path}: {NOT_REGULAR}")
    try:
        with path.open("rb") as file:
            yield from _blocks(path, iter(lambda: file.read(block_bytes or BLOCK_BYTES), b""))
    except OSError as error:
        raise TraceError(f"{path}: cannot be read: {error.strerror or error}") from error


def _blocks(path: Path, chunks: Iterator[bytes]) -> Iterator[Block]:
    line, buffered = 1, b""  # buffered: the beginning of a line
    first = next(chunks, b"")
    for magic, problem in _NO_TEXT.items():
        if first.startswith(magic):
            raise TraceError(f"{path}: {problem}")
    chunk: bytes | None = first.removeprefix(_BYTE_ORDER_MARK)
    while chunk is not None:
        if b"\0" in chunk:
            number = line + chunk[: chunk.index(b"\0")].count(b"\n")
            raise TraceError(f"{path}:{number}: holds a byte 0, so the file is not text")
        following = next(chunks, None)
        end = len(chunk) if following is None else chunk.rfind(b"\n") + 1
        buffered += chunk[:end]
        if buffered and (end or following is None):
            yield Block(buffered, line, is_last=following is None)
            line, buffered = line + buffered.count(b"\n"), b""
        buffered += chunk[end:]
        if len(buffered) > LONGEST_LINE_BYTES:
            raise TraceError(
                f"{path}:{line}: a line of more than {LONGEST_LINE_BYTES:,} bytes, so this is not "
                "a trace with a request a line"
            )
        chunk = following
