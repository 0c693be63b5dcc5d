"""Small pictures as PNG: a heat map has thousands of cells, which are too many elements of SVG."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from cosim.report.palette import HEAT

_COLORS = 255
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def heat_png(shares: NDArray[np.float64]) -> bytes:
    """Return a picture in the colours of a heat map; a missing value is transparent.

    Args:
        shares: Places among the colours [0 to 1], shape (rows, columns), the first row at the top.
    """
    rows, columns = shares.shape
    known = np.isfinite(shares)
    index = np.where(known, 1 + np.rint(np.where(known, shares, 0.0) * (_COLORS - 1)), 0)
    pixels = np.zeros((rows, columns + 1), np.uint8)  # each row begins with its filter: none
    pixels[:, 1:] = index
    head = struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)  # 8 bits, by a palette
    chunks = (
        (b"IHDR", head),
        (b"PLTE", bytes(3) + _colors().tobytes()),
        (b"tRNS", b"\0"),
        (b"IDAT", zlib.compress(pixels.tobytes(), 9)),
        (b"IEND", b""),
    )
    return _SIGNATURE + b"".join(_chunk(kind, content) for kind, content in chunks)


def heat_address(shares: NDArray[np.float64]) -> str:
    """Return :func:`heat_png` as an address that holds the picture itself."""
    return f"data:image/png;base64,{base64.b64encode(heat_png(shares)).decode()}"


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def _colors() -> NDArray[np.uint8]:
    """Return the colours of a heat map, shape (colours, 3)."""
    marks = np.array([[int(color[k : k + 2], 16) for k in (1, 3, 5)] for color in HEAT])
    at = np.linspace(0, len(marks) - 1, _COLORS)
    parts = [np.interp(at, np.arange(len(marks)), marks[:, k]) for k in range(3)]
    colors: NDArray[np.uint8] = np.rint(np.stack(parts, axis=1)).astype(np.uint8)
    return colors
