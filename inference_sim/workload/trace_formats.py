"""The formats of request traces, and how a file is recognised.

=========  ==========================================  ===================  ======================
format     time, prompt and output tokens              times                source
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
otel       startTimeUnixNano, gen_ai.usage             ns, or stamps;       OpenTelemetry's GenAI
           .input_tokens and .output_tokens            spans in any order   conventions; vLLM
=========  ==========================================  ===================  ======================

Some say more of a request: see :class:`TalkColumns`. Other columns are left out. Files with columns
of their own are described by :mod:`inference_sim.workload.trace_columns`. Packages offer formats
as entry points of the group ``cosim.traces``, each a :class:`TraceFormat` under its name::

    [project.entry-points."cosim.traces"]
    gateway_log = "my_package:GATEWAY_LOG"

:mod:`inference_sim.workload.trace_conformance` checks one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from inference_sim.errors import InferenceSimError
from inference_sim.plugins import find_part, installed
from inference_sim.workload.trace_paths import SPAN_OUTPUTS, SPAN_PROMPTS, SPAN_SESSION, SPAN_TIMES

TIME_UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9, "epoch": 1.0, "iso": 1e9}
"""Units of times, as ticks in a second: numbers, but for ``iso``, stamps in ISO 8601 or RFC 3339.
``epoch`` are seconds since 1970."""
MAPPED = {"csv": "CSV, by its columns", "jsonl": "JSON lines, by their columns"}
"""Formats whose columns the user names, and their descriptions."""
_KIND, _GROUP = "format of traces", "cosim.traces"


@dataclass(frozen=True, slots=True)
class TalkColumns:
    """Names of the columns that tell requests apart, and what they share; empty if there is none.

    Attributes:
        request_class: Class of the request.
        session: Session, or user, that it belongs to.
        request: Name of the request itself, by which later ones call it their parent.
        parent: The request of which it is the next turn.
        turn: Its number in the session.
        prefix: Hash ids of the blocks of its prompt, each of all tokens up to its end.
        block_tokens: Tokens of such a block.
    """

    request_class: str = ""
    session: str = ""
    request: str = ""
    parent: str = ""
    turn: str = ""
    prefix: str = ""
    block_tokens: int = 0

    @property
    def names(self) -> dict[str, str]:
        """The columns that there are, by what they tell."""
        every = {
            "class": self.request_class,
            "session": self.session,
            "request": self.request,
            "parent": self.parent,
            "turn": self.turn,
            "prefix": self.prefix,
        }
        return {kind: name for kind, name in every.items() if name}


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
        talk: Columns that tell more of a request; a file may lack them.
        any_order: Whether requests stand in any order, such as that in which they ended. They are
            sorted then, for which the whole trace is held in memory.
        spans: Whether its lines are spans of OpenTelemetry, whose attributes have several names.
        epoch: Whether its times are seconds since 1970: one of another century is in another unit.
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
    talk: TalkColumns = TalkColumns()
    any_order: bool = False
    spans: bool = False
    epoch: bool = False

    def in_unit(self, time_unit: str) -> TraceFormat:
        """Return the format with its times in a unit of :data:`TIME_UNITS`."""
        return replace(
            self,
            ticks_per_s=TIME_UNITS[time_unit],
            stamps=time_unit == "iso",
            epoch=time_unit == "epoch",
            whole_ticks=False,
        )

    def with_talk_of(self, has: Callable[[str], bool]) -> TraceFormat:
        """Return the format without the columns of its talk that a file does not have."""
        absent: dict[str, Any] = {
            field.name: ""
            for field in fields(self.talk)
            if isinstance(name := getattr(self.talk, field.name), str) and not has(name)
        }
        talk = replace(self.talk, **absent)
        return self if talk == self.talk else replace(self, talk=talk)

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
            talk=TalkColumns(
                request="chat_id",
                parent="parent_chat_id",
                turn="turn",
                prefix="hash_ids",
                block_tokens=16,
            ),
        ),
        TraceFormat(
            "burstgpt",
            ("Timestamp", "Request tokens", "Response tokens"),
            "BurstGPT",
            fails_at_zero=True,
            talk=TalkColumns(session="Session ID"),
        ),
        TraceFormat(
            "mooncake",
            ("timestamp", "input_length", "output_length"),
            "Mooncake, as JSON lines",
            ticks_per_s=1e3,
            json_lines=True,
            whole_ticks=True,
            talk=TalkColumns(prefix="hash_ids", block_tokens=512),
        ),
        TraceFormat(
            "otel",
            (SPAN_TIMES[0], SPAN_PROMPTS[0], SPAN_OUTPUTS[0]),
            "Spans of OpenTelemetry, as JSON lines",
            ticks_per_s=1e9,
            json_lines=True,
            talk=TalkColumns(session=SPAN_SESSION),
            any_order=True,
            spans=True,
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
