"""Compiles the simulator's inner loop where a C compiler is at hand; all else is in pyproject.toml.

The modules under tool.cosim.compiled there are plain Python, and run so without a compiler, with
the same results. mypyc makes C extensions of them, twice to three times as fast.
``COSIM_COMPILE=0`` leaves it out.
"""

import os
import sys
import tomllib
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

PROJECT = tomllib.loads(Path(__file__).with_name("pyproject.toml").read_text(encoding="utf-8"))
MODULES: list[str] = PROJECT["tool"]["cosim"]["compiled"]["modules"]
# A fused multiply-add rounds once where plain Python rounds twice.
SAME_ROUNDING = [] if sys.platform == "win32" else ["-ffp-contract=off"]


def extensions() -> list[Extension]:
    """Return the C extensions, translated to C; none if they are not wanted or cannot be made."""
    describing = {"egg_info", "dist_info"} & set(sys.argv)  # pip asks before it builds
    if describing or os.environ.get("COSIM_COMPILE", "1") == "0":
        return []
    try:
        from mypyc.build import mypycify

        made: list[Extension] = mypycify(
            ["--config-file=", f"--cache-dir={os.devnull}", "--ignore-missing-imports", *MODULES],
            group_name="inference_sim.compiled",
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


def _say_plain(error: BaseException) -> None:
    print(f"warning: the simulator will run as plain Python: {error}", file=sys.stderr)


setup(ext_modules=extensions(), cmdclass={"build_ext": BuildAllOrNone})
