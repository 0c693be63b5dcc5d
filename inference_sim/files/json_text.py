"""JSON files that people bring: in UTF-8 with or without a byte order mark, one object in each."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

from inference_sim.errors import FileError

MAX_JSON_BYTES = 50_000_000


def check_regular(path: Path) -> None:
    """Refuse pipes, devices and sockets, which a reader would wait for without end.

    A path that does not exist, or is a folder, is left to the reader.

    Raises:
        FileError: If it is one of these.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise FileError(f"'{path}' is not a regular file (a pipe, a device or a socket)")


def read_json_object(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        FileError: If it cannot be read, or is not a JSON object.
    """
    check_regular(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_JSON_BYTES + 1)
        if len(content) > MAX_JSON_BYTES:
            raise FileError(f"'{path}' is larger than {MAX_JSON_BYTES // 1_000_000} MB")
        found = json.loads(content.decode("utf-8-sig"))
    except OSError as error:
        raise FileError(f"'{path}' cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise FileError(f"'{path}' is not text in UTF-8 (byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise FileError(
            f"'{path}' is not JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        ) from None
    except RecursionError:
        raise FileError(f"'{path}' is not JSON: nested too deeply") from None
    if not isinstance(found, dict):
        raise FileError(f"'{path}': expected a JSON object (got {found!r:.40})")
    return found
