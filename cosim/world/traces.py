"""From the keys of a trace to its requests, and what they are checked against."""

from __future__ import annotations

from collections.abc import Sequence

from cosim.scenario import trace as trace_keys
from cosim.scenario.workload import Workload
from inference_sim.errors import TraceError
from inference_sim.workload import Reading, Replay, RequestTrace, TraceFile, open_trace
from inference_sim.workload.trace_classes import ClassNumbers
from inference_sim.workload.trace_requests import Totals
from inference_sim.workload.trace_servegen_files import read_servegen
from inference_sim.workload.trace_texts import Sharing
from inference_sim.workload.traces import count_longer


def replay_of(trace: trace_keys.TraceSource, config: Workload, seed: Sequence[int]) -> Replay:
    """Return the requests of a trace, on the clock of the run.

    Raises:
        TraceError: If its file cannot be read, or does not tell what its keys ask for.
    """
    match trace:
        case trace_keys.ServeGen():
            clients = read_servegen(
                trace.path, rate_scale=trace.rate_scale, begin_s=trace.begin, seed=seed
            )
            return Replay(trace=clients, loop=trace.loop)
        case trace_keys.Trace():
            recording = open_trace(
                trace.path,
                trace.trace_format(),
                trace.time_unit,
                skip_invalid=trace.skip == "invalid",
                sort=trace.sort,
                classes=_class_numbers(trace, config) if trace.has_classes else None,
                talk=trace.prefixes != "none",
            )
            _check_prefixes(trace, recording.totals)
            return Replay(
                trace=recording,
                rate_scale=trace.rate_scale,
                shift_s=trace.shift,
                loop=trace.loop,
            )


def _check_prefixes(trace: trace_keys.Trace, totals: Totals) -> None:
    """Refuse prefixes that the file does not tell.

    Raises:
        TraceError: If it has no hash ids, or no sessions.
    """
    if trace.prefixes == "hash_ids" and totals.with_prefixes is None:
        raise TraceError(f"{trace.path}: has no hash ids for `prefixes: hash_ids`")
    if trace.prefixes == "turns" and not totals.has_sessions:
        raise TraceError(f"{trace.path}: has neither sessions nor parents for `prefixes: turns`")


def _class_numbers(trace: trace_keys.Trace, config: Workload) -> ClassNumbers:
    """Return the numbers of the workload's classes, by the names that the trace has for them."""
    numbers = {request_class.name: number for number, request_class in enumerate(config.classes)}
    return ClassNumbers(numbers | {there: numbers[name] for there, name in trace.classes.items()})


def with_recorded_shares(config: Workload, counts: Sequence[int]) -> Workload:
    """Return a workload with the shares that its trace has; the same one if that has no classes."""
    if not counts:
        return config
    shares = [*counts, *[0] * (len(config.classes) - len(counts))]
    classes = [
        request_class.model_copy(update={"share": count / sum(counts)})
        for request_class, count in zip(config.classes, shares, strict=True)
    ]
    return config.model_copy(update={"classes": classes})


def sharing_of(trace: trace_keys.TraceSource) -> Sharing:
    """Return what tells the text that prompts of a trace share."""
    if isinstance(trace, trace_keys.ServeGen):
        return "none"
    return trace.prefixes or "hash_ids"


def tells_text(trace: trace_keys.TraceSource | None, replay: Replay) -> bool:
    """Return whether a trace tells text that its prompts share."""
    if not isinstance(trace, trace_keys.Trace):
        return False
    recording = replay.trace
    return trace.prefixes == "turns" or (
        isinstance(recording, RequestTrace | TraceFile)
        and recording.totals.with_prefixes is not None
    )


def longer_requests(trace: trace_keys.Trace, most_tokens: int) -> tuple[int, int]:
    """Return how many requests are longer than an engine takes, and the line of the first one.

    Args:
        trace: The keys of a file that was read without error.
        most_tokens: Most tokens of prompt and output together.
    """
    reading = Reading(
        trace.trace_format(),
        trace.time_unit,
        skip_invalid=trace.skip == "invalid",
        sort=trace.sort,
    )
    return count_longer(trace.path, reading, most_tokens)
