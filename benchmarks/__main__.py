"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from benchmarks.cases import CASES, GROUPS, find
from benchmarks.measure import measure
from benchmarks.report import PAGE, as_json, machine, tables, too_slow, write_docs


def main(arguments: Sequence[str] | None = None) -> int:
    """Run benchmarks and print them; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Time the simulator on fixed workloads, against bare SimPy in the same run.",
        epilog=f"Groups: {', '.join(GROUPS)}. Cases: {', '.join(case.title for case in CASES)}.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="groups or cases [default: all]")
    parser.add_argument("--json", choices=GROUPS, help="print one group as JSON, and nothing else")
    parser.add_argument("--repeat", type=int, default=5, help="runs of a case [%(default)s]")
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="smaller versions; fails if one is slower than its floor",
    )
    parser.add_argument(
        "--write-docs", action="store_true", help=f"run all, and renew docs/{PAGE.name}"
    )
    options = parser.parse_args(arguments)
    if options.repeat < 1:
        parser.error(f"--repeat must be at least 1 (got {options.repeat})")
    if options.names and options.json:
        parser.error("--json has a group of its own; give no other names")
    if options.write_docs and (options.names or options.json or options.smoke):
        parser.error("--write-docs goes with nothing but --repeat: the page shows every case")
    try:
        cases = find([options.json] if options.json else options.names)
    except ValueError as error:
        parser.error(str(error))
    if options.smoke:
        cases = [case for case in cases if case.smoke is not None]
        if not cases:
            parser.error("none of these has a smaller version")
    results = {}
    for number, case in enumerate(cases, 1):
        if sys.stderr.isatty():
            print(f"\r\033[K{number}/{len(cases)} {case.title} ", end="", file=sys.stderr)
        results[case] = measure(case, options.repeat, smoke=options.smoke)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    if options.json:
        print(json.dumps(as_json(results), indent=2))
    else:
        if options.smoke:
            print("Smaller versions of the cases.\n")
        print(f"{machine(results)}\n\n{tables(results)}")
    if options.write_docs:
        write_docs(results)
    slow = too_slow(results) if options.smoke else []
    for line in slow:
        print(line, file=sys.stderr)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
