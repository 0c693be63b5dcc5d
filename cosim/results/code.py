"""The installed code: a hash of it and of its coefficients, and the versions of what it runs on."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import cosim

LIBRARIES = ("mosaik", "vessim", "simpy", "numpy", "pandas", "pyarrow", "pydantic", "scipy")
"""Libraries that results depend on, besides cosim itself and Python."""
_PACKAGES = ("controllers", "cosim", "inference_sim")
_SUFFIXES = (".py", ".yaml", ".csv", ".gz")  # pages' styles and scripts change no figure
_NO_CODE = "authoring/scenarios/"
"""The scenarios that a wheel holds, and a checkout keeps elsewhere."""


@cache
def code_hash() -> str:
    """Return a hash of the sources and data files of cosim as they were at the first call.

    Compiled modules are not read but their sources, so that a compiled installation and a plain one
    have the same hash.
    """
    digest = hashlib.sha256()
    for package in _PACKAGES:
        root = _folder(package)
        names = sorted(
            path.relative_to(root).as_posix()
            for path in root.rglob("*")
            if path.suffix in _SUFFIXES
        )
        for name in names:
            if name.startswith(_NO_CODE):
                continue
            content = hashlib.sha256((root / name).read_bytes()).hexdigest()
            digest.update(f"{package}/{name} {content}\n".encode())
    return digest.hexdigest()[:16]


def _folder(package: str) -> Path:
    spec = find_spec(package)
    folders = spec.submodule_search_locations if spec is not None else None
    if not folders:
        raise ModuleNotFoundError(f"No module named '{package}'")
    return Path(folders[0])


@cache
def installed() -> dict[str, str]:
    """Return the versions that figures depend on, and the hash of the code, by name."""
    libraries = {name: version(name) for name in LIBRARIES}
    return {
        "cosim": cosim.__version__,
        "cosim's code": code_hash(),
        "Python": ".".join(platform.python_version_tuple()[:2]),
    } | libraries
