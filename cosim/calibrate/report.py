"""The printed output of ``cosim calibrate``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan, nan

import numpy as np

from cosim.calibrate.fitting import bias, mape
from cosim.calibrate.latency import LatencyFit
from cosim.calibrate.power import COEFFICIENTS, PowerFit

_WORST = 5
_DOUBTFUL = 15.0  # % held out; repeated runs of one load differ by 3 to 16 % in power

_MEANING = {
    "sampling_s_per_sequence": "sampling, per sequence",
    "serial_s": "the GPU waits, per iteration",
    "serial_s_per_sequence": "the GPU waits for the host, per sequence",
    "host_s": "the host's own pace, per iteration",
    "host_s_per_sequence": "the host's own pace, per sequence",
}


def power_report(fit: PowerFit, gpu: str) -> str:
    """Return the report of a power fit."""
    lines = [f"Power of one {gpu}, from {fit.table.path.name}: {len(fit.measured)} rows", ""]
    for name, value in fit.coefficients.items():
        error = _error(fit.standard_errors.get(name, nan), ".1f")
        lines.append(f"  {name:<12}{value:8.1f} {error:<8} W   {COEFFICIENTS[name]}")
    lines += _rest(fit, "W", 1.0, "the GPU's own coefficients")
    return "\n".join(lines)


def latency_report(fit: LatencyFit, gpu: str, engine: str) -> str:
    """Return the report of a latency fit."""
    head = f"Time of an iteration on {gpu}, engine {engine}, from {fit.table.path.name}"
    lines = [f"{head}: {len(fit.measured)} rows", ""]
    for name, value in fit.numbers.items():
        unit, scale = ("us", 1e6) if name.endswith("per_sequence") else ("ms", 1e3)
        error = _error(fit.standard_errors[name] * scale, ".3f")
        lines.append(f"  {name:<25}{value * scale:9.3f} {error:<9} {unit}   {_MEANING[name]}")
    for model, factor in fit.factors.items():
        error = _error(fit.standard_errors[model], ".3f")
        lines.append(
            f"  {'time_factor':<25}{factor:9.3f} {error:<9}      on the GPU's time, {model}"
        )
    lines += _rest(fit, "ms", 1e3, "the engine profile as it was")
    return "\n".join(lines)


def _error(standard_error: float, digits: str) -> str:
    """Return a standard error; empty for a number that was not fitted."""
    return "" if isnan(standard_error) else f"+- {standard_error:{digits}}"


def _rest(fit: PowerFit | LatencyFit, unit: str, scale: float, before: str) -> Iterator[str]:
    out = fit.held_out
    yield ""
    rows: Sequence[tuple[str, np.ndarray]] = [
        ("in the fit", fit.errors), (out.how, out.errors), (before, fit.base_errors),
    ]  # fmt: skip
    width = max(len(title) for title, _ in rows)
    for title, errors in rows:
        yield (
            f"  {title:<{width}}   MAPE {mape(errors):5.1f} %   bias {bias(errors):+z6.1f} %   "
            f"worst {100 * errors[np.abs(errors).argmax()]:+z.1f} %"
        )
    yield ""
    yield "  worst rows when left out:"
    for i in np.argsort(-np.abs(out.errors), kind="stable")[:_WORST]:
        measured = fit.measured[i] * scale
        yield (
            f"  line {fit.table.lines[i]:<5}measured {measured:.4g} {unit}, predicted "
            f"{measured * (1 + out.errors[i]):.4g} {unit} ({100 * out.errors[i]:+z.1f} %): "
            f"{fit.names[i]}"
        )
    if fit.notes:
        yield ""
    yield from (f"  note: {note}" for note in fit.notes)
    if mape(out.errors) > _DOUBTFUL:
        yield (
            f"  note: rows that were left out are missed by {mape(out.errors):.0f} % on average; "
            "the model does not describe these measurements well"
        )
    if fit.table.ignored:
        yield f"  note: columns that are not used: {', '.join(fit.table.ignored)}"
