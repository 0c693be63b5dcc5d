"""Spans of OpenTelemetry as traces, in every form in which they are written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from inference_sim.errors import TraceError
from inference_sim.workload import open_trace, read_trace
from inference_sim.workload.trace_opening import recognise_format
from inference_sim.workload.trace_paths import paths_of, value_at
from tests.inference_sim.test_trace_formats import written

TOKENS = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens")
OLD = ("gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens")


def listed(names: tuple[str, str], prompt: int, output: int, *, text: bool = True) -> list[Any]:
    """Attributes as OTLP/JSON has them."""
    values = [str(each) if text else each for each in (prompt, output)]
    tokens = zip(names, values, strict=True)
    return [{"key": name, "value": {"intValue": value}} for name, value in tokens]


def nested(prompt: int, output: int) -> dict[str, Any]:
    return {"gen_ai": {"usage": {"input_tokens": prompt, "output_tokens": output}}}


def flat(prompt: int, output: int) -> dict[str, Any]:
    return dict(zip(TOKENS, (prompt, output), strict=True))


def exported(*spans: dict[str, Any]) -> dict[str, Any]:
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]} for span in spans]}]}


NS = 1_700_000_000_000_000_000
FORMS: dict[str, list[dict[str, Any]]] = {
    "an export": [
        exported(
            {"startTimeUnixNano": str(NS + 1_500_000_000), "attributes": listed(TOKENS, 7, 8)},
            {"startTimeUnixNano": str(NS), "attributes": listed(TOKENS, 5, 6)},
        )
    ],
    "vllm": [
        {"startTimeUnixNano": str(NS), "attributes": listed(OLD, 5, 6)},
        {"startTimeUnixNano": NS + 1_500_000_000, "attributes": listed(OLD, 7, 8, text=False)},
    ],
    "flat attributes": [
        {"start_time": "2026-01-01T00:00:01.5Z", "attributes": flat(7, 8)},
        {"start_time": "2026-01-01T00:00:00.0Z", "attributes": flat(5, 6)},
    ],
    "nested attributes": [
        {"start_time": "2026-01-01T00:00:00Z", "attributes": nested(5, 6)},
        {"start_time": "2026-01-01T00:00:01.5Z", "attributes": nested(7, 8)},
    ],
    "without attributes": [
        {"timestamp": "2026-01-01T00:00:00Z", **nested(5, 6)},
        {"timestamp": "2026-01-01T00:00:01.5Z", **flat(7, 8)},
    ],
    "seconds": [
        {"timestamp": 1.7e9, **flat(5, 6)},
        {"timestamp": 1.7e9 + 1.5, **flat(7, 8)},
    ],
}


def lines(*objects: dict[str, Any]) -> str:
    return "".join(json.dumps(each) + "\n" for each in objects)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("in_memory_bytes", [0, 10**9])
def test_read(tmp_path: Path, form: str, in_memory_bytes: int) -> None:
    path = written(tmp_path, lines(*FORMS[form]))
    assert recognise_format(path).name == "otel"
    (part,) = open_trace(path, in_memory_bytes=in_memory_bytes).parts()
    assert part.times_s.tolist() == pytest.approx([0, 1.5], abs=1e-6)
    assert part.prompt_tokens.tolist() == [5, 7]
    assert part.output_tokens.tolist() == [6, 8]


OTHER = {"name": "GET", "startTimeUnixNano": str(NS), "attributes": []}


@pytest.mark.parametrize(
    "text", [lines(OTHER, *FORMS["vllm"]), lines(exported(OTHER, *FORMS["vllm"]))]
)
def test_spans_of_other_kinds(tmp_path: Path, text: str) -> None:
    """Refused, or left out and counted; also where they come first."""
    path = written(tmp_path, text)
    with pytest.raises(TraceError) as error:
        read_trace(path)
    assert str(error.value).startswith(f"{path}:1: the object lacks gen_ai.usage.prompt_tokens")
    assert "`skip: invalid` leaves such rows out" in str(error.value)
    trace = read_trace(path, skip_invalid=True)
    assert (trace.requests, trace.skipped) == (2, 1)


def test_conversations_are_sessions(tmp_path: Path) -> None:
    said = {"key": "gen_ai.conversation.id", "value": {"stringValue": "c7"}}
    first = {"startTimeUnixNano": str(NS), "attributes": [*listed(TOKENS, 5, 6), said]}
    second = {"startTimeUnixNano": str(NS + 5000), "attributes": listed(TOKENS, 5, 6)}
    (part,) = open_trace(written(tmp_path, lines(second, first)), talk=True).parts()
    assert part.talk is not None
    assert part.talk.sessions is not None
    assert part.talk.sessions.tolist() == ["c7", None]


def test_seconds_of_another_unit(tmp_path: Path) -> None:
    path = written(tmp_path, lines({"timestamp": 1.7e12, **flat(5, 6)}))
    with pytest.raises(TraceError, match="is not in seconds since 1970; set `time_unit`"):
        read_trace(path)
    assert read_trace(path, time_unit="ms").requests == 1


@pytest.mark.parametrize(
    ("stamp", "wrong"),
    [
        ("-5", "is negative (got -5)"),
        ("5.5", "is not a finite number (got '5.5')"),
        ("9" * 5000, "is not a finite number (got '999"),
    ],
)
def test_stamps_of_otlp_that_cannot_be(tmp_path: Path, stamp: str, wrong: str) -> None:
    span = {"startTimeUnixNano": stamp, "attributes": listed(TOKENS, 5, 6)}
    path = written(tmp_path, lines(exported(span)))
    with pytest.raises(TraceError) as error:
        read_trace(path)
    assert str(error.value).startswith(f"{path}:1: column startTimeUnixNano {wrong}")


def test_paths() -> None:
    content = {"a": {"b.c": 1, "d": {"e": 2}}, "a.d.f": 3, "l": [{"key": "k", "value": 4}], "m": []}
    assert [*paths_of(content)] == ["a.b.c", "a.d.e", "a.d.f", "l.k", "m"]
    assert [value_at(content, path) for path in paths_of(content)] == [1, 2, 3, 4, []]
    with pytest.raises(KeyError, match=r"a\.b"):
        value_at(content, "a.b")
