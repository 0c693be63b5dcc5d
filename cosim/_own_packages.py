"""Our own `controllers` and `inference_sim`, found beside `cosim` whatever else is on the path.

Python looks in the current folder, or in that of a script, before the installed packages: a user's
own folder ``controllers/`` there would take the place of ours. Once cosim is imported, both names
mean ours, in every process that imports cosim. Two packages of one name cannot be had in one
process, so whoever needs the other one is told: at a module of theirs, and at a name in it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from os.path import dirname, isfile, join, samefile
from types import ModuleType

_NAMES = ("controllers", "inference_sim")
_FOLDER = dirname(dirname(__file__))
_REMEDY = "rename yours, or name its files by their path, as ./controllers/night.py:Night"


class _Ours:
    """Finder of our packages, which is asked before all others."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: object = None
    ) -> ModuleSpec | None:
        """Return where one of our packages is; None for any other module."""
        spec = PathFinder.find_spec(name, [_FOLDER]) if name in _NAMES else None
        if spec is not None and spec.origin and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(name, spec.origin)
        return spec


class _Loader(SourceFileLoader):
    """Loader of one of our packages, which says whose it is where a name is missing."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the package."""
        super().exec_module(module)
        _explain_missing(module)


class _Theirs:
    """Finder that is asked after all others: it says why a user's module is not found."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: object = None
    ) -> ModuleSpec | None:
        """Return None: there is no such module.

        Raises:
            ModuleNotFoundError: If it is in another package of the same name as one of ours.
        """
        package, _, module = name.partition(".")
        if module and package in _NAMES:
            for folder in (join(entry, package) for entry in sys.path):
                place = join(folder, *module.split("."))
                if isfile(f"{place}.py") or isfile(join(place, "__init__.py")):
                    raise ModuleNotFoundError(
                        f"No module named '{name}': '{package}' is a package of cosim's here, and "
                        f"hides '{folder}'; {_REMEDY}",
                        name=name,
                    )
        return None


def _explain_missing(module: ModuleType) -> None:
    """Have a package of ours say, at a name that it lacks, which other package it hides."""
    package = module.__name__

    def missing(name: str) -> object:
        text = f"module '{package}' has no attribute '{name}'"
        if not name.startswith("__"):
            for place in _hidden(package):
                text += (
                    f": '{package}' is a package of cosim's here, and hides '{place}'; {_REMEDY}"
                )
                break
        raise AttributeError(text, name=name, obj=module)

    vars(module).setdefault("__getattr__", missing)


def _hidden(package: str) -> Iterator[str]:
    """Yield where else a package or a module of this name would be found."""
    ours = join(_FOLDER, package)
    for entry in sys.path:
        folder = join(entry, package)
        if isfile(join(folder, "__init__.py")) and not samefile(folder, ours):
            yield folder
        elif isfile(f"{folder}.py"):
            yield f"{folder}.py"


def take_names() -> None:
    """Make both names mean our packages from now on.

    Raises:
        ImportError: If another package of such a name was imported before.
    """
    for name in _NAMES:
        if name in sys.modules:
            file = sys.modules[name].__file__
            if file is None or not samefile(dirname(file), join(_FOLDER, name)):
                raise ImportError(
                    f"cosim has a package '{name}' of its own, and another one was imported before "
                    f"it, from '{file}'; {_REMEDY}"
                )
            _explain_missing(sys.modules[name])
    sys.meta_path.insert(0, _Ours)
    sys.meta_path.append(_Theirs)
