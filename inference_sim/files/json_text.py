"""JSON files that people bring: in UTF-8 with or without a byte order mark, one object in each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from inference_sim.errors import FileError
from inference_sim.files.regular import NOT_REGULAR, is_irregular

MAX_JSON_BYTES = 50_000_000


def read_json_object(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        FileError: If it cannot be read, or is not a JSON object.
    """
    if is_irregular(path):
        raise FileError(f"'{path}' {NOT_REGULAR}")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_JSON_BYTES + 1)
        if len(content) > MAX_JSON_BYTES:
            raise FileError(f"'{path}' is larger than {MAX_JSON_BYTES // 1_000_000} MB")
        value = json.loads(content.decode("utf-8-sig"))
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
    if not isinstance(value, dict):
        raise FileError(f"'{path}': expected a JSON object (got {value!r:.40})")
    return value
