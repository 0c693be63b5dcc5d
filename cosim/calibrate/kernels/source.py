"""Times of iterations as NVIDIA's package puts them together from its measurements.

What is taken from it lies within the ends of these, and an operation that it would only estimate is
an error.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosim.calibrate.kernels.ends import ROUTING, find_ends
from cosim.calibrate.kernels.package import PACKAGE, Subject, import_package
from cosim.errors import ScenarioError

_BY_FORMULA = ("embedding", "norm", "act_gate", "p2p")
"""Parts of the names of operations for which the package has formulas, not measurements."""


@dataclass(frozen=True, slots=True)
class StepTimes:
    """Times of the kernels of an iteration [s]."""

    attention: float
    head: float
    rest: float


class KernelSource:
    """The package, set up for one model, GPU, width and engine.

    Args:
        subject: These.

    Attributes:
        version: Version of the engine.
        ends: Ends of the measurements.
        notes: Peculiarities of these times.
        extrapolated: Parts that are wider than any that was measured.

    Raises:
        CosimError: If the package is not installed.
        ScenarioError: If it has no measurements for the combination.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject, self._package = subject, import_package()
        notes = ["norms, activations and the embedding by the package's formulas, not measured"]
        engine = of_products = subject.engine
        if engine == "vllm" and subject.model.precision == "fp8_block":
            of_products = "sglang"
            notes.append("products in fp8_block from SGLang's table; vLLM's is that of launches")
        database = self._database(engine)
        self.version = str(database.version)
        self.ends = find_ends(
            subject, self._package.operations, database, self._database(of_products)
        )
        if subject.model.experts is not None:
            notes.append(f"tokens over experts by {ROUTING}")
        self.notes = tuple(notes)
        wide = "the LM head (wider than any measured product)"
        self.extrapolated = (wide,) if self.ends.wide_head else ()
        self._handle = self._compile(engine)
        self._products = None if of_products == engine else self._compile(of_products)

    def decode(self, batch: int, context: int) -> StepTimes:
        """Return the times of a decode of `batch` sequences with `context` tokens each."""
        shape = {"batch_size": batch, "isl": context - 1, "osl": 2, "mode": "static_gen"}
        return self._times(shape, phase=1)

    def prompt(self, new: int, before: int = 0) -> StepTimes:
        """Return the times of `new` tokens of a prompt after `before` others."""
        shape = {
            "batch_size": 1, "isl": new + before, "osl": 1, "prefix": before, "mode": "static_ctx",
        }  # fmt: skip
        return self._times(shape, phase=0)

    def _times(self, shape: Mapping[str, Any], phase: int) -> StepTimes:
        attention = head = rest = 0.0
        rows = self._handle.run_static_per_op(**shape)[phase]
        if self._products is not None:
            rows = _with_products(rows, self._products.run_static_per_op(**shape)[phase])
        for name, milliseconds, _, source in rows:
            seconds = milliseconds * 1e-3
            measured = source in ("silicon", "mixed") or any(part in name for part in _BY_FORMULA)
            if seconds and not measured:
                raise self._subject.missing(f"{name}, only an estimate ({source})")
            if name.endswith("_attention"):
                attention += seconds
            elif name.endswith("logits_gemm"):
                head += seconds
            else:
                rest += seconds
        return StepTimes(attention, head, rest)

    def _database(self, engine: str) -> Any:
        subject = self._subject
        database = self._package.perf_database.get_database(subject.system, engine, "current")
        if database is None:
            raise ScenarioError(
                f"--engine: {PACKAGE} has no measurements of {engine} on {subject.gpu}"
            )
        return database

    def _compile(self, engine: str) -> Any:
        """Return the package's model of the iterations."""
        subject = self._subject
        options: dict[str, Any] = {
            "tp_size": subject.tensor_parallel,
            "gemm_quant_mode": subject.products,
            "kvcache_quant_mode": subject.cache,
            "fmha_quant_mode": self.ends.attention,
        }
        if subject.model.experts is not None:
            options |= {
                "moe_quant_mode": subject.experts,
                "moe_tp_size": subject.expert_shards,
                "moe_ep_size": subject.expert_parallel,
            }
        with tempfile.TemporaryDirectory() as folder:
            config = json.dumps(subject.config())
            Path(folder, "config.json").write_text(config, encoding="utf-8")
            try:
                return self._package.engine.EngineHandle.compile(
                    folder, subject.system, engine, **options
                )
            except Exception as error:  # of many kinds, with words of its own
                raise subject.missing(f"this combination: {error}") from None


def _with_products(rows: Iterable[Any], others: Iterable[Any]) -> list[Any]:
    """Return operations with the matrix products of another engine."""
    by_name = {row[0]: row for row in others if row[0].endswith("_gemm")}
    return [by_name.get(row[0], row) for row in rows]
