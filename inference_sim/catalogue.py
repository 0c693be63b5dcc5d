"""Reads the data files of GPUs, models and engine profiles into frozen dataclasses.

Each entry of such a file maps field names to plain values; a field that the dataclass does not
have is an error, so that a typing mistake in the data cannot be overlooked.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import yaml


@cache
def read_data(package: str, file_name: str) -> dict[str, dict[str, Any]]:
    """Return the entries of a packaged YAML data file, by name."""
    text = files(package).joinpath(file_name).read_text(encoding="utf-8")
    data: dict[str, dict[str, Any]] = yaml.safe_load(text)
    return data
