"""The cases of the paper's sweeps, from ``paper.yaml``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

from inference_sim.files.catalogue import read_data
from inference_sim.workload import Arrival
from inference_sim.workload.vidur_compat import arrival_times_s, vidur_stream

SERVING = ("exp1", "exp1b", "exp2", "exp3", "exp4", "exp5")
"""Experiments that serve requests."""
SHOWN = ("table2", "exp1", "exp2", "exp3", "exp4", "exp5")
"""Experiments that the paper shows: ``all``."""

Value = str | int | float
Key = Mapping[str, Value]


def paper() -> dict[str, dict[str, Any]]:
    """Return the sweeps and published values, by experiment."""
    return read_data("cosim.studies.reproduce", "paper.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One run of an experiment.

    Attributes:
        exp: The experiment.
        key: Values that set it apart within the experiment, by the names of the sweep.
        model: Catalogue name of the model.
        tensor_parallel, pipeline_parallel: GPUs of a stage, and stages.
        batch_cap: Most sequences at once.
        kv_blocks: KV blocks; None for Vidur's memory plan.
        qps: Nominal rate [requests/s].
        requests: How many.
        lengths: Arguments of Vidur's Zipf lengths, or fixed ``prompt_tokens``, ``output_tokens``.
    """

    exp: str
    key: Key
    model: str
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    batch_cap: int = 128
    kv_blocks: int | None = None
    qps: float
    requests: int
    lengths: Mapping[str, float]

    def stream(self) -> Iterator[Arrival]:
        """Yield its requests."""
        if "theta" in self.lengths:
            zipf: dict[str, Any] = dict(self.lengths)
            return vidur_stream(self.qps, self.requests, **zipf)
        prompt, output = int(self.lengths["prompt_tokens"]), int(self.lengths["output_tokens"])
        times_s = islice(arrival_times_s(self.qps), self.requests)
        return (Arrival(time_s, prompt, output, 0) for time_s in times_s)


def sweep(exp: str, max_requests: int | None = None) -> list[Case]:
    """Return the cases of an experiment.

    Args:
        exp: One of `SERVING`.
        max_requests: Leave out larger request counts where these are swept; elsewhere, run no
            more requests than that.
    """
    spec = paper()[exp]
    names = list(spec["sweep"])
    cases = []
    for values in product(*spec["sweep"].values()):
        case = _case(exp, spec, dict(zip(names, values, strict=True)), max_requests)
        if max_requests is None or case.requests <= max_requests:
            cases.append(case)
    return cases


def _case(exp: str, spec: Mapping[str, Any], key: dict[str, Any], most: int | None) -> Case:
    fields = {name: spec[name] for name in _OPTIONAL if name in spec}
    fields |= {name: value for name, value in key.items() if name in Case.__dataclass_fields__}
    fields |= spec.get("parallel", {}).get(fields["model"], {})
    if most is not None and "requests" not in key:
        fields["requests"] = min(fields["requests"], most)
    if "total_tokens" in key:
        fields["lengths"] = _split(key["total_tokens"], key["prefill_decode_ratio"])
    return Case(exp=exp, key=key, **fields)


_OPTIONAL = ("model", "qps", "requests", "lengths", "kv_blocks")


def _split(total: int, ratio: float) -> dict[str, float]:
    """Return the fixed lengths of experiment 2."""
    prompt = round(total * ratio / (1 + ratio))
    return {"prompt_tokens": prompt, "output_tokens": total - prompt}


def published(case: Case) -> dict[str, float]:
    """Return the published values of a case; empty if it was not, or not with so few requests."""
    spec = paper()[case.exp]
    if "requests" in spec and case.requests != spec["requests"]:
        return {}
    for entry in spec.get("published", []):
        if all(_is(entry[name], value) for name, value in case.key.items()):
            return {name: value for name, value in entry.items() if name not in case.key}
    return {}


def _is(written: Value | Sequence[Value], value: Value) -> bool:
    return value in written if isinstance(written, list) else value == written
