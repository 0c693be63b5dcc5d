"""The cases: named, fixed pieces of work, and the speed below which a smoke run fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

from benchmarks.work import CloseLoop, ReadTrace, Report, Serve, StartUp, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One piece of work to time.

    Attributes:
        group, name: Its title is ``group.name``.
        about: Description in a few words.
        work: The work to time.
        smoke: A smaller version of it; None to leave it out of smoke runs.
        floor: Fewest requests (or starts) per bare event of that version: about half of what two
            shared cores reach in plain Python, a quarter of what they reach compiled.
    """

    group: str
    name: str
    about: str
    work: Work
    smoke: Work | None = None
    floor: float = 0.0

    @property
    def title(self) -> str:
        """``group.name``."""
        return f"{self.group}.{self.name}"


_SATURATED = Serve(requests=16384, rate_per_s=20.0)
_STABLE = Serve(requests=16384, rate_per_s=3.2)
_LLAMA_3 = "meta-llama/Meta-Llama-3-8B"
_NEARLY_IDLE = Serve(requests=4000, rate_per_s=0.05, replicas=50, step_s=3600.0)
_GROWTH = 4096
_MOSAIK, _NATIVE = "coupling=mosaik", "coupling=native"
_SHORT = "time.duration=3h"
_TINY = ("run", "benchmarks/closed_loop.yaml", "--quiet", "-o", "OUT/results")

CASES: tuple[Case, ...] = (
    Case(
        group="serving",
        name="saturated",
        about="Llama-3-8B on an A100, 7.9 requests/s, more than it serves",
        work=replace(_SATURATED, model=_LLAMA_3, rate_per_s=7.9),
        smoke=replace(_SATURATED, model=_LLAMA_3, rate_per_s=7.9, requests=4096),
        floor=0.015,
    ),
    Case(
        group="serving",
        name="stable",
        about="Llama-3-8B on an A100, 3.2 requests/s",
        work=replace(_STABLE, model=_LLAMA_3),
        smoke=replace(_STABLE, model=_LLAMA_3, requests=4096),
        floor=0.01,
    ),
    Case(
        group="engine",
        name="llama2_saturated",
        about="Llama-2-7b, 20 requests/s, far more than it serves",
        work=_SATURATED,
    ),
    Case(
        group="engine",
        name="llama2_stable",
        about="Llama-2-7b, 3.2 requests/s",
        work=_STABLE,
    ),
    Case(
        group="engine",
        name="decode_heavy",
        about="3 requests/s of 128 prompt and 512 output tokens",
        work=Serve(requests=8192, rate_per_s=3.0, lengths=(128, 512)),
        smoke=Serve(requests=2048, rate_per_s=3.0, lengths=(128, 512)),
        floor=0.01,
    ),
    Case(
        group="engine",
        name="chunked_saturated",
        about="engine.llama2_saturated with the scheduler vllm_v1",
        work=replace(_SATURATED, scheduler="vllm_v1"),
    ),
    Case(
        group="engine",
        name="chunked",
        about="engine.llama2_stable with the scheduler vllm_v1",
        work=replace(_STABLE, scheduler="vllm_v1"),
        smoke=replace(_STABLE, scheduler="vllm_v1", requests=4096),
        floor=0.01,
    ),
    Case(
        group="engine",
        name="cached_saturated",
        about="engine.chunked_saturated with prefix caching that finds nothing",
        work=replace(_SATURATED, scheduler="vllm_v1", prefix_caching=True),
    ),
    Case(
        group="engine",
        name="cached",
        about="engine.chunked with prefix caching that finds nothing",
        work=replace(_STABLE, scheduler="vllm_v1", prefix_caching=True),
        smoke=replace(_STABLE, scheduler="vllm_v1", prefix_caching=True, requests=4096),
        floor=0.01,
    ),
    Case(
        group="engine",
        name="vidur",
        about="serving.stable with the times of Vidur",
        work=replace(_STABLE, model=_LLAMA_3, vidur=True),
        smoke=replace(_STABLE, model=_LLAMA_3, vidur=True, requests=4096),
        floor=0.008,
    ),
    *(
        Case(
            group="requests",
            name=f"x{factor}",
            about=f"engine.llama2_stable with {_GROWTH * factor:,} requests",
            work=replace(_STABLE, requests=_GROWTH * factor),
        )
        for factor in (1, 4, 16)
    ),
    *(
        Case(
            group="replicas",
            name=str(count),
            about=f"on {count} A100, {3.2 * count:g} requests/s, 65,536 requests",
            work=Serve(requests=65536, rate_per_s=3.2 * count, replicas=count),
        )
        for count in (1, 4, 16, 64)
    ),
    Case(
        group="replicas",
        name="nearly_idle",
        about="50 A100, one request in 20 s, 4,000 requests, in steps of an hour",
        work=_NEARLY_IDLE,
        smoke=replace(_NEARLY_IDLE, requests=1000),
        floor=0.007,
    ),
    Case(
        group="loop",
        name="mosaik",
        about="a day of a scenario in steps of a minute, coupled by mosaik",
        work=CloseLoop((_MOSAIK,)),
        smoke=CloseLoop((_MOSAIK, _SHORT)),
        floor=0.003,
    ),
    Case(
        group="loop",
        name="native",
        about="the same without mosaik",
        work=CloseLoop((_NATIVE,)),
        smoke=CloseLoop((_NATIVE, _SHORT)),
        floor=0.003,
    ),
    Case(
        group="reports",
        name="week",
        about="report.html of seven days in steps of a minute",
        work=Report(("time.duration=7d", _NATIVE)),
        smoke=Report((_SHORT, _NATIVE)),
        floor=1 / 1_000_000,
    ),
    Case(
        group="start_up",
        name="help",
        about="cosim --help",
        work=StartUp(("--help",)),
        smoke=StartUp(("--help",)),
        floor=1 / 250_000,
    ),
    Case(
        group="start_up",
        name="validate",
        about="cosim validate of a scenario",
        work=StartUp(("validate", "benchmarks/closed_loop.yaml")),
        smoke=StartUp(("validate", "benchmarks/closed_loop.yaml")),
        floor=1 / 4_500_000,
    ),
    Case(
        group="start_up",
        name="tiny_run",
        about="cosim run of two steps, results included",
        work=StartUp((*_TINY, "--set", "time.duration=2min")),
        smoke=StartUp((*_TINY, "--set", "time.duration=2min")),
        floor=1 / 4_500_000,
    ),
    Case(
        group="traces",
        name="held",
        about="a million rows in Azure's format, read into memory",
        work=ReadTrace(1_000_000, held=True),
        smoke=ReadTrace(200_000, held=True),
        floor=0.3,
    ),
    Case(
        group="traces",
        name="streamed",
        about="ten million of them, read through without being held",
        work=ReadTrace(10_000_000, held=False),
    ),
)

GROUPS = tuple(dict.fromkeys(case.group for case in CASES))


def find(names: Sequence[str]) -> list[Case]:
    """Return the cases with these titles, or in groups with these names; all without names.

    Raises:
        ValueError: On an unknown name.
    """
    if not names:
        return list(CASES)
    by_name: list[list[Case]] = []
    for name in names:
        by_name.append([case for case in CASES if name in (case.group, case.title)])
        if not by_name[-1]:
            titles = ", ".join((*GROUPS, *(case.title for case in CASES)))
            raise ValueError(f"no benchmark '{name}'; known: {titles}")
    return list(dict.fromkeys(chain.from_iterable(by_name)))
