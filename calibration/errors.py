"""Errors by regime as a data file of the package: the bands that runs are reported with.

``python -m calibration.engines DATA.csv --write`` writes it. A run is predicted by fits of times
and power that saw no row of its architecture, as on the page. Runs that are shown apart there,
because something in the node held them up, are left out here too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from calibration.measurements import Row
from calibration.page import bias, mape
from calibration.power_fit import Prediction, held_out
from calibration.regimes import REGIMES, Regime
from inference_sim.execution.measured_errors import regime_name

FILE = Path(__file__).resolve().parents[1] / "inference_sim/execution/measured_errors.yaml"
WITHIN = 0.9
"""Share of the measured runs that a band holds."""
_QUANTITIES = ("joules_per_token", "power", "throughput")
_HEADER = """\
# Errors of predictions against measured runs, by engine profile, GPU, kind of model and
# precision: written by `python -m calibration.engines DATA.csv --write` on the ML.ENERGY
# leaderboards v2 (vLLM 0.5.4) and v3 (vLLM 0.11.1; Chung et al., NeurIPS D&B 2025), as in
# docs/validation.md. Each run is predicted by fits of times and power that saw no row of its
# architecture. Left out: gpqa on the B200, which something in its node held up. mape, bias: of
# predicted over measured, minus 1. within: of 90 % of the runs, the measured energy per token is
# no farther from the predicted one than this share of it.
"""


def borrowing_regimes() -> tuple[Regime, ...]:
    """Return the B200 with the host of the H100, its default profile: only experts are fitted."""
    return tuple(
        replace(
            regime,
            name=f"{regime.name}, host of the H100",
            profile="vllm-0.11-b200",
            parameters=tuple(p for p in regime.parameters if p.of_experts),
        )
        for regime in REGIMES
        if regime.profile == "vllm-0.11-b200-waiting"
    )


def half_width(predictions: Iterable[Prediction]) -> float:
    """Return the share of the predicted J/token within which `WITHIN` of the measured ones lie."""
    errors = np.array([prediction.joules_per_token for prediction in predictions])
    return float(np.quantile(np.abs(1 / (1 + errors) - 1), WITHIN, method="higher"))


def predictions_of(rows: Sequence[Row]) -> dict[str, list[Prediction]]:
    """Return the judged predictions by name of the regime, on the GPUs that rows are of."""
    groups: dict[str, list[Prediction]] = {}
    gpus = {row.gpu for row in rows}
    for regimes in (REGIMES, borrowing_regimes()):
        for gpu in dict.fromkeys(regime.gpu for regime in regimes if regime.gpu in gpus):
            for prediction in held_out(rows, gpu, regimes)[0]:
                row, profile = prediction.run.row, prediction.run.regime.profile
                if prediction.run.fitted:
                    experts = bool(row.model.experts)
                    name = regime_name(profile, row.gpu, row.model.precision, experts=experts)
                    groups.setdefault(name, []).append(prediction)
    return groups


def errors_text(groups: Mapping[str, Sequence[Prediction]]) -> str:
    """Return the content of the data file, from the predictions of each regime."""
    parts = [_HEADER]
    for name, group in groups.items():
        first = group[0].run
        widths = sorted({prediction.run.row.gpus for prediction in group})
        architectures = len({prediction.run.row.model.name for prediction in group})
        lines = [
            f'"{name}":',
            f"  engine: {first.regime.profile}",
            f"  gpu: {first.row.gpu}",
            f"  experts: {'true' if first.row.model.experts else 'false'}",
            f"  precision: {first.row.model.precision}",
            f"  runs: {len(group)}",
            f"  architectures: {architectures}",
            f"  gpus: [{', '.join(map(str, widths))}]",
        ]
        for quantity in _QUANTITIES:
            errors = [float(getattr(prediction, quantity)) for prediction in group]
            mean, signed = mape(errors) / 100, bias(errors) / 100
            lines.append(f"  {quantity}: {{mape: {mean:.3f}, bias: {signed:z.3f}}}")
        parts.append("\n".join([*lines, f"  within: {half_width(group):.3f}", ""]))
    return "\n".join(parts)


def write_errors(rows: Sequence[Row], file: Path = FILE) -> None:
    """Write the data file."""
    file.write_text(errors_text(predictions_of(rows)), encoding="utf-8")
