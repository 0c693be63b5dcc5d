"""The formats of request traces, and how a file is recognised.

=========  ==========================================  ===================  ======================
format     columns                                     times                source
=========  ==========================================  ===================  ======================
azure      TIMESTAMP, ContextTokens, GeneratedTokens   ISO 8601 stamps      Azure LLM inference
                                                                            2023, 2024
burstgpt   Timestamp, Request tokens, Response tokens  s; 0 response        Wang et al., 2024,
                                                       tokens: a failure    arXiv:2401.17644
bailian    timestamp, input_length, output_length,     s; JSON lines        Alibaba Bailian, 2025:
           chat_id                                                          Wang et al., ATC 2025
mooncake   timestamp, input_length, output_length      whole ms; JSON       Qin et al., FAST 2025
                                                       lines
vidur      arrived_at, num_prefill_tokens,             s                    Agrawal et al., MLSys
           num_decode_tokens                                                2024
=========  ==========================================  ===================  ======================

Other columns are left out, prefix blocks (``hash_ids``) among them. Packages offer formats of their
own as entry points of the group ``cosim.traces``, each a :class:`TraceFormat` under its name::

    [project.entry-points."cosim.traces"]
    gateway_log = "my_package:GATEWAY_LOG"

:mod:`inference_sim.workload.trace_conformance` checks one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from inference_sim.errors import InferenceSimError
from inference_sim.plugins import find_part, installed

TIME_UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
"""Units of times that are numbers, as ticks in a second."""
_KIND, _GROUP = "format of traces", "cosim.traces"


@dataclass(frozen=True, slots=True)
class TraceFormat:
    """Format of a trace file.

    Example::

        TraceFormat("gateway_log", ("time", "prompt", "output"), "logs of my gateway")

    Attributes:
        name: Its name in scenarios.
        columns: Names of time, prompt tokens and output tokens.
        about: Description in a few words.
        ticks_per_s: Units of its times in a second; 1e9 for stamps, which are read as nanoseconds.
        stamps: Whether times are stamps, not numbers.
        json_lines: Whether each line is a JSON object; CSV with a header if not.
        fails_at_zero: Whether a request without output tokens is a failed one, and not an error.
        telling: Other columns that distinguish it from a format with the same names.
        whole_ticks: Whether its times are whole numbers: a fraction is then another unit.
    """

    name: str
    columns: tuple[str, str, str]
    about: str
    ticks_per_s: float = 1.0
    stamps: bool = False
    json_lines: bool = False
    fails_at_zero: bool = False
    telling: tuple[str, ...] = ()
    whole_ticks: bool = False

    def fits(self, names: Iterable[str]) -> bool:
        """Return whether a file with columns of these names can be in this format."""
        return {*self.columns, *self.telling} <= set(names)

    def in_unit(self, time_unit: str) -> TraceFormat:
        """Return the format with its times as numbers in a unit of :data:`TIME_UNITS`."""
        return replace(self, ticks_per_s=TIME_UNITS[time_unit], stamps=False, whole_ticks=False)

    @property
    def time_unit(self) -> str:
        """The unit of its times, in words."""
        if self.stamps:
            return "time stamps"
        names = {1.0: "seconds", 1e3: "milliseconds", 1e6: "microseconds", 1e9: "nanoseconds"}
        return names[self.ticks_per_s]


FORMATS: Mapping[str, TraceFormat] = {
    trace_format.name: trace_format
    for trace_format in (
        TraceFormat(
            "azure",
            ("TIMESTAMP", "ContextTokens", "GeneratedTokens"),
            "Azure LLM inference 2023 and 2024",
            ticks_per_s=1e9,
            stamps=True,
        ),
        TraceFormat(
            "bailian",
            ("timestamp", "input_length", "output_length"),
            "Alibaba Bailian, as JSON lines",
            json_lines=True,
            telling=("chat_id",),
        ),
        TraceFormat(
            "burstgpt",
            ("Timestamp", "Request tokens", "Response tokens"),
            "BurstGPT",
            fails_at_zero=True,
        ),
        TraceFormat(
            "mooncake",
            ("timestamp", "input_length", "output_length"),
            "Mooncake, as JSON lines",
            ticks_per_s=1e3,
            json_lines=True,
            whole_ticks=True,
        ),
        TraceFormat(
            "vidur", ("arrived_at", "num_prefill_tokens", "num_decode_tokens"), "Vidur's own"
        ),
    )
}
"""The built-in formats, by name."""


def find_format(name: str) -> TraceFormat:
    """Return a format by name, or the one that a package offers under it.

    Raises:
        UnknownName: If no format has that name.
        InferenceSimError: If several packages offer it, or it cannot be imported or is not a
            format.
    """
    part = find_part(_KIND, name, FORMATS, group=_GROUP)
    if not isinstance(part, TraceFormat):
        raise InferenceSimError(f"{_KIND} '{name}' must be a TraceFormat (got {part!r:.60})")
    if part.name != name:
        raise InferenceSimError(f"{_KIND} '{name}' calls itself '{part.name}'")
    return part


def known_formats() -> dict[str, TraceFormat]:
    """Return all formats by name, those of packages included.

    Raises:
        InferenceSimError: As :func:`find_format`.
    """
    return {name: find_format(name) for name in (*FORMATS, *installed("trace"))}
