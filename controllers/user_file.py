"""Parts that users write in Python files of their own, named as ``./file.py:Class``."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from controllers.errors import did_you_mean, error_text, where_raised


def names_a_file(name: str) -> bool:
    """Return whether a name means a part in a file, rather than one that is known by its name."""
    return ":" in name or name.endswith(".py")


def read_part(
    kind: str, name: str, base_dir: Path, is_part: Callable[[object], bool]
) -> tuple[object, str]:
    """Return the part that a name such as ``./file.py:Class`` means, and its source, for errors.

    The file is run anew each time, as a module of its own that can import installed packages.

    Args:
        kind: The kind of part that is wanted, such as ``controller``.
        name: The name.
        base_dir: Folder that a relative path starts from.
        is_part: Tells which values of the module are of that kind, to suggest one.

    Raises:
        ValueError: If the file does not exist, cannot be run, or does not define the name.
    """
    file, _, own_name = name.rpartition(":")
    if not file or not own_name:
        raise ValueError(f"'{name}' must name a file and a class, as in ./file.py:Class")
    path = (base_dir / Path(file).expanduser()).resolve()
    if not path.is_file():
        raise ValueError(f"no such file for {kind} '{name}' (got '{path}')")
    module = _load(kind, path)
    part = getattr(module, own_name, None)
    if part is None:
        names_in_file = [
            name
            for name, value in vars(module).items()
            if is_part(value) and value.__module__ == module.__name__
        ]
        listed = (
            f"its {kind}s are {', '.join(names_in_file)}"
            if names_in_file
            else f"it defines no {kind}s"
        )
        raise ValueError(
            f"'{path}' has no class '{own_name}': {listed}{did_you_mean(own_name, names_in_file)}"
        )
    return part, f"'{own_name}' in '{path}'"


def _load(kind: str, path: Path) -> ModuleType:
    """Import a file under a name of its own, leaving ``sys.path`` and its folder alone."""
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:16]
    name = f"user_{kind}s_{path.stem}_{digest}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"'{path}' is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look the module up by its name
    writes_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # beside the file
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # sys.exit, say, must not end a command in silence
        del sys.modules[name]
        raise ValueError(
            f"importing '{path}' raised {type(error).__name__}: {error_text(error)} "
            f"({where_raised(error)})"
        ) from error
    finally:
        sys.dont_write_bytecode = writes_bytecode
    return module
