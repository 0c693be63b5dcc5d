"""Errors of the shipped coefficients on anybody's measured runs, with nothing fitted.

Usage: ``python -m calibration.score DATA.csv [--json] [--engine GPU=PROFILE]`` with a table as
:mod:`calibration.measurements` describes it. Errors are by regime (GPU, engine, precision, dense or
mixture of experts), the largest are shown one by one, and rows that cannot be compared are counted
with the reason.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calibration.measurements import Row, read
from calibration.page import bias, mape, table
from calibration.regimes import REGIMES
from calibration.simulated import SimulatedRun
from cosim.calibrate.steady_state import steady_state
from inference_sim.errors import InferenceSimError
from inference_sim.execution import Roofline, find_engine
from inference_sim.execution.engine_profile import engine_names
from inference_sim.hardware import find_gpu, gpu_names
from inference_sim.power import TwoResource

WORST = 12
_PROMPTS_FIRST = ("vllm-0.5.4",)
"""Beginnings of the names of profiles whose engines compute prompts in iterations of their own."""


@dataclass(frozen=True, slots=True)
class Score:
    """A row and the errors of its prediction, as fractions.

    Attributes:
        profile: Engine profile that it was predicted with.
        throughput: Error of the tokens per second.
        latency: Error of the inter-token latency; NaN where the two are not comparable.
        power: Error of the power of a GPU, at simulated times.
        joules_per_token: Error of the energy of an output token.
        at_pace: Error of the power, with the same work at the measured pace.
        uncalibrated_because: Why the simulator itself calls the combination uncalibrated; "" if it
            does not.
    """

    row: Row
    profile: str
    throughput: float
    latency: float
    power: float
    joules_per_token: float
    at_pace: float
    uncalibrated_because: str

    @property
    def regime(self) -> tuple[str, str, str, str]:
        """GPU, engine profile, precision, and dense or MoE."""
        return self.row.gpu, self.profile, self.row.model.precision, self.row.kind


def profile_of(row: Row, profiles: Mapping[str, str]) -> str:
    """Return the engine profile for a row: that of `profiles` by GPU, or the default of its own.

    The GPU's default engine where it is of the row's version, or else the one fitted for both.
    """
    default = find_gpu(row.gpu).default_engine
    if row.gpu in profiles:
        return profiles[row.gpu]
    if default.startswith(row.engine):
        return default
    fitted = (r.profile for r in REGIMES if (r.engine, r.gpu) == (row.engine, row.gpu))
    return next(fitted, row.engine)


def score(row: Row, profile: str) -> Score:
    """Return the errors of a row.

    Raises:
        InferenceSimError: If the deployment cannot be simulated.
    """
    gpu, engine = find_gpu(row.gpu), find_engine(profile)
    if row.greedy:
        engine = engine.greedy
    roofline = Roofline(row.model, gpu, engine, row.gpus, expert_parallel=row.expert_parallel)
    mixed = not profile.startswith(_PROMPTS_FIRST)
    state = steady_state(roofline, row.load(), mixed=mixed)
    run, power = SimulatedRun(row, state), TwoResource.of(gpu)
    itl_s = state.decode_s if mixed else row.batch / state.tokens_per_s
    power_w = run.power_w(power)
    return Score(
        row,
        profile,
        throughput=1 / run.pace - 1,
        latency=itl_s / row.itl_s - 1 if row.itl_counts else float("nan"),
        power=power_w / row.power_w - 1,
        joules_per_token=power_w * run.pace / row.power_w - 1,
        at_pace=run.power_w(power, measured_pace=True) / row.power_w - 1,
        uncalibrated_because="; ".join(
            reason
            for reason in (roofline.uncalibrated_because, power.uncalibrated_because)
            if reason
        ),
    )


def scores_of(path: Path, profiles: Mapping[str, str]) -> tuple[list[Score], Counter[str]]:
    """Return the errors of a table's rows, and the counts of rows that are left out by reason.

    Raises:
        InferenceSimError: If the file cannot be read.
    """
    rows, left_out = read(path)
    scores = []
    for row in rows:
        try:
            scores.append(score(row, profile_of(row, profiles)))
        except InferenceSimError as error:
            left_out[str(error)] += 1
    return scores, left_out


def by_regime(scores: Sequence[Score]) -> dict[tuple[str, str, str, str], list[Score]]:
    """Return the scores by regime, in the order of their names."""
    groups: dict[tuple[str, str, str, str], list[Score]] = {}
    for row_score in sorted(scores, key=lambda row_score: row_score.regime):
        groups.setdefault(row_score.regime, []).append(row_score)
    return groups


_COLUMNS = (
    ("throughput", "tokens/s"), ("latency", "ITL"), ("power", "power"),
    ("joules_per_token", "J/token"), ("at_pace", "power at measured pace"),
)  # fmt: skip


def _values(scores: Sequence[Score], column: str) -> list[float]:
    values = [float(getattr(row_score, column)) for row_score in scores]
    return [value for value in values if not np.isnan(value)]


def _regime_table(scores: Sequence[Score]) -> str:
    rows = []
    for (gpu, profile, precision, kind), group in by_regime(scores).items():
        columns = [_values(group, column) for column, _ in _COLUMNS]
        because = Counter(row_score.uncalibrated_because for row_score in group)
        rows.append(
            [
                gpu,
                profile,
                f"{precision}, {kind}",
                len(group),
                len({row_score.row.label for row_score in group}),
                *(
                    value
                    for column in columns
                    for value in (
                        (mape(column), bias(column)) if column else (float("nan"), float("nan"))
                    )
                ),
                len(group) - because[""],
            ]
        )
    header = ["GPU", "engine", "weights", "rows", "models"]
    header += [text for _, name in _COLUMNS for text in (f"{name} MAPE %", "bias %")]
    return table([*header, "rows called uncalibrated"], rows)


def _workload_table(scores: Sequence[Score]) -> str:
    rows = []
    for (gpu, profile, precision, kind), group in by_regime(scores).items():
        for workload in sorted({row_score.row.workload for row_score in group}):
            members = [row_score for row_score in group if row_score.row.workload == workload]
            pace, joules = _values(members, "throughput"), _values(members, "joules_per_token")
            errors = (mape(pace), bias(pace), mape(joules), bias(joules))
            rows.append([gpu, profile, f"{precision}, {kind}", workload, len(members), *errors])
    header = (
        "GPU", "engine", "weights", "workload", "rows", "tokens/s MAPE %", "bias %",
        "J/token MAPE %", "bias %",
    )  # fmt: skip
    return table(header, rows)


def _largest(row_score: Score) -> float:
    return max(abs(row_score.throughput), abs(row_score.joules_per_token))


def _worst_table(scores: Sequence[Score]) -> str:
    rows = [
        [
            row_score.row.gpu,
            row_score.row.name,
            row_score.row.model.precision,
            f"{row_score.row.batch:.0f}",
            *(
                f"{100 * value:+.0f}"
                for value in (
                    row_score.throughput,
                    row_score.power,
                    row_score.joules_per_token,
                    row_score.at_pace,
                )
            ),
            row_score.uncalibrated_because or "calibrated",
        ]
        for row_score in sorted(scores, key=_largest, reverse=True)[:WORST]
    ]
    header = (
        "GPU", "run", "weights", "batch", "tokens/s %", "power %", "J/token %",
        "power at measured pace %", "in the simulator's words",
    )  # fmt: skip
    return table(header, rows)


def report(scores: Sequence[Score], left_out: Counter[str]) -> str:
    """Return the tables, in Markdown."""
    parts = [
        "### By regime",
        _regime_table(scores),
        "### By workload",
        _workload_table(scores),
        "### Worst rows",
        _worst_table(scores),
    ]
    if left_out:
        reasons = [[reason, count] for reason, count in left_out.most_common()]
        parts += ["### Left out", table(("reason", "rows"), reasons)]
    return "\n\n".join(parts)


def as_json(scores: Sequence[Score], left_out: Counter[str]) -> dict[str, Any]:
    """Return the errors as JSON values: fractions, None where there is no comparison."""

    def errors(row_score: Score) -> dict[str, float | None]:
        values = {column: float(getattr(row_score, column)) for column, _ in _COLUMNS}
        return {name: None if np.isnan(value) else value for name, value in values.items()}

    regimes = []
    for (gpu, profile, precision, kind), group in by_regime(scores).items():
        columns = {column: _values(group, column) for column, _ in _COLUMNS}
        regimes.append(
            {
                "gpu": gpu, "engine": profile, "precision": precision, "kind": kind,
                "rows": len(group),
                "mape": {c: mape(v) / 100 if v else None for c, v in columns.items()},
                "bias": {c: bias(v) / 100 if v else None for c, v in columns.items()},
            }
        )  # fmt: skip
    rows = [
        {
            "model": row_score.row.label, "gpu": row_score.row.gpu, "gpus": row_score.row.gpus,
            "engine": row_score.profile, "precision": row_score.row.model.precision,
            "workload": row_score.row.workload, "batch": row_score.row.batch,
            **errors(row_score), "uncalibrated_because": row_score.uncalibrated_because,
        }
        for row_score in scores
    ]  # fmt: skip
    return {"regimes": regimes, "rows": rows, "left_out": dict(left_out)}


def _profiles(texts: Sequence[str]) -> dict[str, str]:
    profiles = {}
    for text in texts:
        gpu, _, profile = text.partition("=")
        if gpu not in gpu_names() or profile not in engine_names():
            raise InferenceSimError(
                f"--engine must be GPU=PROFILE, with a GPU of {', '.join(gpu_names())} and a "
                f"profile of {', '.join(engine_names())} (got {text!r})"
            )
        profiles[gpu] = profile
    return profiles


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the errors; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m calibration.score")
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument(
        "--engine", action="append", default=[], metavar="GPU=PROFILE",
        help="predict the rows of a GPU with this engine profile",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    try:
        scores, left_out = scores_of(options.data, _profiles(options.engine))
    except InferenceSimError as error:
        print(error, file=sys.stderr)
        return 2
    print(
        json.dumps(as_json(scores, left_out), indent=1)
        if options.json
        else report(scores, left_out)
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
