"""Compiles the simulator's inner loop, and packs the scenarios; all else is in pyproject.toml.

The modules under tool.cosim.compiled there are plain Python, and run so without a compiler, with
the same results. mypyc makes C extensions of them, twice to three times as fast.
``COSIM_COMPILE=0`` leaves it out, and so does a machine without a C compiler.

Wheels and archives of the sources hold the scenarios too: see `cosim/authoring/shipped.py`.
"""

import os
import sys
import tomllib
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MODULES: list[str] = PROJECT["tool"]["cosim"]["compiled"]["modules"]
# A fused multiply-add rounds once where plain Python rounds twice.
SAME_ROUNDING = [] if sys.platform == "win32" else ["-ffp-contract=off"]

SHIPPED = [
    path.relative_to(ROOT)
    for pattern in ("*.yaml", "*.py", "schema.json", "data/*.csv", "studies/*.yaml")
    for path in sorted((ROOT / "scenarios").glob(pattern))
]
"""The scenarios, and the files that stand beside them."""
PACKED = Path("cosim", "authoring")
"""The folder of a wheel that holds them."""


def extensions() -> list[Extension]:
    """Return the C extensions, translated to C; none if they are not wanted or cannot be made."""
    describing = {"egg_info", "dist_info", "sdist"} & set(sys.argv)  # asked for before a build
    if describing or os.environ.get("COSIM_COMPILE", "1") == "0":
        return []
    try:
        from mypyc.build import mypycify

        made: list[Extension] = mypycify(
            ["--config-file=", f"--cache-dir={os.devnull}", "--ignore-missing-imports", *MODULES],
            group_name="inference_sim.compiled",
            opt_level="1",  # as fast as "3", and half the compiler's time
            debug_level="0",
        )
    except (Exception, SystemExit) as error:
        _say_plain(error)
        return []
    for extension in made:
        extension.extra_compile_args = [*(extension.extra_compile_args or []), *SAME_ROUNDING]
    return made


class BuildAllOrNone(build_ext):
    """Builds all extensions, or leaves the plain Python modules: one of them alone cannot work."""

    def run(self) -> None:
        """Build, and go on without the extensions if it fails."""
        try:
            super().run()
        except Exception as error:
            _say_plain(error)
            self.extensions = []


class BuildWithScenarios(build_py):
    """Builds the packages, with a copy of the scenarios; a checkout that is installed has them."""

    def run(self) -> None:
        """Build, then copy."""
        super().run()
        if not self.editable_mode:
            for path in SHIPPED:
                packed = Path(self.build_lib) / PACKED / path
                packed.parent.mkdir(parents=True, exist_ok=True)
                self.copy_file(str(ROOT / path), str(packed))

    def get_source_files(self) -> list[str]:
        """Return the files that an archive of the sources has to hold."""
        return [*super().get_source_files(), *(path.as_posix() for path in SHIPPED)]

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Return the files that are built."""
        packed = () if self.editable_mode else SHIPPED
        copies = [str(Path(self.build_lib) / PACKED / path) for path in packed]
        return [*super().get_outputs(include_bytecode), *copies]


def _say_plain(error: BaseException) -> None:
    """Warn, and remove extensions of an earlier build: Python would import them, not the source."""
    for module in MODULES:
        for stale in Path(module).parent.glob(f"{Path(module).stem}.*.so"):
            stale.unlink()
    print(f"warning: the simulator will run as plain Python: {error}", file=sys.stderr)


setup(
    ext_modules=extensions(), cmdclass={"build_ext": BuildAllOrNone, "build_py": BuildWithScenarios}
)
