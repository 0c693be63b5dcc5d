"""Replays schedules of vLLM's own scheduler, and compares them iteration by iteration.

    python -m calibration.schedules FILE...

A file holds a small workload, the sizes of the engine, a linear time of an iteration, and what
vLLM's scheduler did (its README tells the format). A line says for each how many iterations are
equal: the prompts in their order with tokens and tokens before, the decodes, the evictions, and the
time at which it starts. It exits 1 if any differs.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, zip_longest
from pathlib import Path
from typing import Any

import simpy

from inference_sim.engine import Engine
from inference_sim.execution import IterationCost
from inference_sim.execution.cost import AffineCost
from inference_sim.kv_groups import KvGroups
from inference_sim.meter import Meter
from inference_sim.pipeline import Pipeline
from inference_sim.request import Request
from inference_sim.scheduling import VllmV1Scheduler
from inference_sim.scheduling.releases import find_release
from inference_sim.segment import Segment
from inference_sim.speculative import Speculative

TIME_TOLERANCE_S = 1e-9
_ANSWERS = 7  # the stream of every answer
_LONGEST = 1 << 30  # tokens: no request is too long


@dataclass(frozen=True, slots=True)
class LinearTimes:
    """Execution model whose iterations take a linear time, as that of the schedules.

    Attributes:
        constant: Time of any iteration [s].
        per_prompt_token, per_decode, per_decode_context_token: Time of each [s].
        per_prompt_attention: Time of each pair of tokens of a prompt that attend [s].
    """

    constant: float
    per_prompt_token: float
    per_decode: float
    per_decode_context_token: float
    per_prompt_attention: float
    peak_flops: float = 1.0
    uncalibrated_because: str = ""

    def decode(self, batch: int, context: float = math.inf) -> AffineCost:
        """Return the cost of a decode iteration."""
        return AffineCost(
            self.constant + self.per_decode * batch, self.per_decode_context_token,
            0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
        )  # fmt: skip

    def iteration(
        self,
        chunks: Sequence[tuple[int, int]],
        prompts_done: int,
        decode_batch: int = 0,
        decode_context: float = 0,
    ) -> IterationCost:
        """Return the cost of an iteration with prompts."""
        gpu_s = (
            self.constant
            + self.per_prompt_token * sum(tokens for tokens, _ in chunks)
            + self.per_decode * decode_batch
            + self.per_decode_context_token * decode_context
            + self.per_prompt_attention
            * sum(tokens * (before + tokens / 2) for tokens, before in chunks)
        )
        return IterationCost(gpu_s, 0.0, 0.0, 0.0, 0.0)

    def at_clock(self, clock_fraction: float) -> LinearTimes:
        """Return the same model: nothing here depends on the clock."""
        return self


@dataclass(frozen=True, slots=True)
class Iteration:
    """One iteration of a schedule.

    Attributes:
        start_s: When it starts [s].
        prompts: By prompt, in their order: the request, tokens computed now and those before.
        decodes: Sequences that decode.
        evicted: Requests evicted before it, in any order.
    """

    start_s: float
    prompts: tuple[tuple[int, int, int], ...]
    decodes: int
    evicted: tuple[int, ...]

    def equals(self, other: Iteration | None) -> bool:
        """Return whether the other is the same one, at the same time."""
        return (
            other is not None
            and abs(self.start_s - other.start_s) <= TIME_TOLERANCE_S
            and (self.prompts, self.decodes) == (other.prompts, other.decodes)
            and sorted(self.evicted) == sorted(other.evicted)
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """A replayed schedule beside the recorded one.

    Attributes:
        name: Name of the file.
        recorded, replayed: Iterations.
        late_s: By request, its first token and its end: replayed less recorded [s].
    """

    name: str
    recorded: list[Iteration]
    replayed: list[Iteration]
    late_s: list[tuple[float, float]]

    @property
    def equal(self) -> int:
        """Number of iterations that are equal."""
        return sum(
            recorded.equals(replayed)
            for recorded, replayed in zip(self.recorded, self.replayed, strict=False)
        )

    @property
    def same(self) -> bool:
        """Whether everything is equal: iterations, first tokens and ends."""
        return (
            self.equal == len(self.recorded) == len(self.replayed)
            and max((abs(late_s) for both in self.late_s for late_s in both), default=0.0)
            <= TIME_TOLERANCE_S
        )

    def first_difference(self) -> str:
        """Return the first iteration that differs, both ways; empty if none does."""
        for number, (recorded, replayed) in enumerate(zip_longest(self.recorded, self.replayed)):
            if recorded is None or not recorded.equals(replayed):
                return f"iteration {number}: vLLM {recorded}, here {replayed}"
        return ""


def main(paths: Sequence[str]) -> int:
    """Compare the files, print a line for each, and return the exit code."""
    if not paths:
        print(__doc__.strip())
        return 2
    differ = False
    for path in paths:
        try:
            comparison = compare(Path(path))
        except (OSError, ValueError, KeyError, TypeError) as error:
            print(f"error: {path}: not a schedule ({error})", file=sys.stderr)
            return 2
        differ = differ or not comparison.same
        print(
            f"{comparison.name}: {comparison.equal:,} of {len(comparison.recorded):,} iterations "
            f"equal{'' if comparison.same else '; ' + comparison.first_difference()}"
        )
    return int(differ)


def compare(path: Path, *, stepwise: bool = False) -> Comparison:
    """Replay a file.

    Args:
        path: The file.
        stepwise: Whether every iteration is an event of its own.
    """
    schedule: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    recorded: list[Iteration] = []
    evicted: tuple[int, ...] = ()
    for start_s, prompts, decodes, evictions in schedule["iterations"]:
        evicted += tuple(evictions)
        if prompts or decodes:  # an empty step takes no time: its evictions are the next one's
            whole = tuple((request, tokens, before) for request, tokens, before in prompts)
            recorded.append(Iteration(start_s, whole, decodes, evicted))
            evicted = ()
    requests = requests_of(schedule)
    replayed = replay(schedule, requests, stepwise=stepwise)
    late_s = [
        (request.first_token_s - first_s, request.finish_s - end_s)
        for request, (first_s, end_s, _) in zip(requests, schedule["results"], strict=True)
    ]
    return Comparison(path.stem, recorded, replayed, late_s)


def requests_of(schedule: dict[str, Any]) -> list[Request]:
    """Return the requests of a schedule; every answer is text of its stream 7."""
    requests = []
    for number, entry in enumerate(schedule["requests"]):
        runs = tuple((stream, tokens) for stream, tokens in entry["prompt"])
        prompt_tokens = sum(tokens for _, tokens in runs)
        request = Request(number, entry["arrival_s"], prompt_tokens, entry["output_tokens"])
        request.content, request.answer_stream = runs, _ANSWERS
        requests.append(request)
    return requests


def replay(
    schedule: dict[str, Any], requests: Sequence[Request], *, stepwise: bool = False
) -> list[Iteration]:
    """Serve the requests as the schedule's engine does; return the iterations."""
    engine = engine_of(schedule, stepwise=stepwise)
    watch = _Watch(engine, requests)
    engine.meter.on_record = watch.record
    serve_requests(engine, requests)
    return watch.iterations


def engine_of(schedule: dict[str, Any], *, stepwise: bool = False) -> Engine:
    """Return an engine as the schedule says."""
    env = simpy.Environment()
    number = schedule["engine"].split()[-1]
    release = find_release(".".join(number.split(".")[:2]))
    scheduler = VllmV1Scheduler(schedule["max_num_seqs"], schedule["max_num_batched_tokens"])
    scheduler.release = replace(release, schedules_ahead=False)  # the schedules are synchronous
    scheduler.prefix_caching = schedule["prefix_caching"]
    if "kv_groups" in schedule:  # layers with attention windows beside others
        scheduler.kv_groups = KvGroups(**schedule["kv_groups"], layers=1)
    speculative = None
    if "speculative" in schedule:
        speculative = Speculative(**schedule["speculative"])
        scheduler.decode_tokens = speculative.decode_tokens
    return Engine(
        env,
        Pipeline(env, [LinearTimes(**schedule["iteration_s"])]),
        scheduler,
        scheduler.make_cache(schedule["usable_kv_blocks"], _LONGEST),
        Meter(),
        stepwise=stepwise,
        speculative=speculative,
    )


def serve_requests(engine: Engine, requests: Sequence[Request]) -> None:
    """Give an engine requests, in order of arrival, and run it to the end."""
    env = engine.env

    def clients() -> Generator[simpy.Event, Any, None]:
        for arrival_s, together in groupby(requests, key=lambda request: request.arrival_s):
            yield env.timeout(arrival_s - env.now)
            for request in together:
                engine.submit(request)

    env.process(clients())
    env.run()


class _Watch:
    """Iterations of an engine, as they end."""

    def __init__(self, engine: Engine, requests: Sequence[Request]) -> None:
        self.iterations: list[Iteration] = []
        self._engine, self._requests = engine, requests
        self._evictions = [0] * len(requests)

    def record(self, segments: Sequence[Segment]) -> None:
        """Add the iterations of a segment that has just ended."""
        (segment,) = segments
        evicted = []
        for request in self._requests:
            known = self._evictions[request.request_id]
            evicted += [request.request_id] * (request.preemptions - known)
            self._evictions[request.request_id] = request.preemptions
        chunks = self._engine.chunks if segment.prefill_tokens else []
        prompts = tuple((chunk.request.request_id, chunk.tokens, chunk.before) for chunk in chunks)
        for number in range(segment.iterations):
            self.iterations.append(
                Iteration(
                    segment.start_s + segment.elapsed_s(number),
                    prompts,
                    segment.decoding,
                    () if number else tuple(evicted),
                )
            )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
