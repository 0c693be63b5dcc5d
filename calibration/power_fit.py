"""Fits of the default power model of a GPU, and predictions for architectures outside the fit.

The power of a run is predicted from the simulator's own iterations: those of its steady state, with
and without prompts, at their own times. For an architecture that is left out, neither the power
coefficients nor the engine's times are fitted on any of its rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Literal

import numpy as np
from scipy.optimize import nnls

from calibration.measurements import Row
from calibration.regimes import REGIMES, Regime
from calibration.simulated import SimulatedRun
from inference_sim.arrays import FloatArray
from inference_sim.hardware import GpuSpec, TwoResourceCoefficients, find_gpu
from inference_sim.power import MfuPowerLaw, TwoResource

GPUS = ("a100-sxm-40gb", "h100-sxm-80gb", "b200-sxm-180gb")
LINEAR_FROM = 0.1
"""Error from which the pull of a row stays the same: repeated runs differ by 3 to 16 % in power.
From 0.02 to 1 no group's error moves by more than 2 points."""
_ROUNDS = 40  # of reweighting, which has settled by then
Form = Literal["default", "root", "never waits"]
"""Forms of the power model: that of :class:`TwoResource`; one with sqrt(MFU * busy) in the place of
the MFU; one whose GPU samples also while it waits."""


@dataclass(frozen=True, slots=True)
class Run(SimulatedRun):
    """A measured run in its regime.

    Attributes:
        fitted: Whether the engine's times are fitted on such rows; the others are shown apart.
    """

    regime: Regime
    fitted: bool

    @property
    def group(self) -> str:
        """Regime and kind of model."""
        return f"{self.regime.name}, {self.row.kind}"

    def terms(self, form: Form = "default") -> FloatArray:
        """Return the factors of the four coefficients of a form, shape (4,).

        Runs that are shown apart are taken at the measured pace, not at the simulator's.
        """
        shares, use = self.use(measured_pace=not self.fitted)
        computing, sampling = use.mfu + use.padding, use.sampling
        if form == "root":
            computing = np.sqrt(use.mfu * use.busy_fraction)
        if form == "never waits":
            _, costs = zip(*self.state.phases, strict=True)
            seconds = np.array([cost.duration_s for cost in costs])
            sampling = sampling + np.array([cost.serial_s for cost in costs]) / seconds
        return np.array(
            [1.0, shares @ computing, shares @ use.bandwidth_utilisation, shares @ sampling]
        )


def runs(
    rows: Sequence[Row],
    gpu: str,
    without: str = "",
    *,
    label: str = "",
    prompt: float | None = None,
    regimes: Sequence[Regime] = REGIMES,
) -> list[Run]:
    """Return all runs on a GPU that power is fitted on or shown for.

    Args:
        rows: The measurements.
        gpu: The GPU.
        without: Architecture to leave out of the fit of the engines' times; none by default.
        label: Model to leave out of it; none by default.
        prompt: Mean prompt length of chats [tokens]; as assumed by default.
        regimes: The regimes that give the times.
    """
    all_runs = []
    for regime in regimes:
        if regime.gpu != gpu:
            continue
        fitting = [row for row in regime.rows(rows) if regime.fits(row)]
        training = [row for row in fitting if row.model.name != without and row.label != label]
        values = regime.fit(training, prompt)
        all_runs += [
            Run(row, regime.predict(row, values, prompt), regime, regime.fits(row))
            for row in regime.rows(rows)
        ]
    return all_runs


def counts(run: Run) -> bool:
    """Return whether power is fitted on a run.

    Mixtures of experts on 4 and 8 GPUs are left out: their experts' work is not identified. gpqa
    runs on the B200 count, at the measured pace: they wait for the host most of the time, which
    separates the base from the rest.
    """
    return run.fitted or run.regime.engine == "vllm-0.11"


def fit(fitted: Sequence[Run], form: Form = "default") -> TwoResourceCoefficients:
    """Return the coefficients that fit runs best, rounded to whole watts [W].

    The fit takes relative errors, a soft L1 loss by reweighting, coefficients from 0, and a base
    from the loaded idle. Each group has the same weight: engines, dense models and mixtures of
    experts, and runs at the measured pace.

    Raises:
        ValueError: If there are fewer than 8 runs.
    """
    if len(fitted) < 8:
        raise ValueError(f"8 runs or more are needed to fit 4 coefficients (got {len(fitted)})")
    groups = [run.group if run.fitted else "at the measured pace" for run in fitted]
    size = Counter(groups)
    base = np.array([len(fitted) / size[group] for group in groups])
    measured_w = np.array([run.row.power_w for run in fitted])
    idle_w = np.array([find_gpu(fitted[0].row.gpu).loaded_idle_w, 0.0, 0.0, 0.0])
    matrix = np.array([run.terms(form) for run in fitted]) / measured_w[:, None]
    target = 1 - matrix @ idle_w  # of the power on top of it
    weights = base
    solution: FloatArray = np.zeros(4)
    for _ in range(_ROUNDS):
        scale = np.sqrt(weights)
        solution, _ = nnls(scale[:, None] * matrix, scale * target)
        errors = matrix @ solution - target
        weights = base / np.sqrt(1 + (errors / LINEAR_FROM) ** 2)
    return TwoResourceCoefficients(*(round(float(value)) for value in idle_w + solution))


def model_of(gpu: GpuSpec, coefficients: TwoResourceCoefficients) -> TwoResource:
    """Return the default model with these coefficients."""
    return TwoResource.of(replace(gpu, two_resource=coefficients))


def eq_1(gpu: GpuSpec) -> MfuPowerLaw:
    """Return the paper's Eq. 1; with its saturation and exponent where it has no numbers."""
    if gpu.mfu_power_law is not None:
        return MfuPowerLaw.of(gpu)
    law = MfuPowerLaw.of(find_gpu("h100-sxm-80gb"))
    return replace(law, idle_w=gpu.asleep_w, max_w=gpu.max_w)


@dataclass(frozen=True, slots=True)
class Prediction:
    """A run outside the fit, and its errors, as fractions.

    Attributes:
        power: Error of the power, at simulated times.
        joules_per_token: Error of the energy of an output token: simulated power over simulated
            rate.
        throughput: Error of the tokens per second.
        at_pace: Error of the power at the measured pace.
        shipped_power, shipped_joules_per_token: The same as the first two, with power coefficients
            fitted without the architecture and the engine's times as they are shipped.
        in_fit: Error of the power, with the fit on all runs.
        root, never_waits: Errors of the power by the other forms, refitted.
        law: Error of the power by Eq. 1, at simulated times.
    """

    run: Run
    power: float
    joules_per_token: float
    throughput: float
    at_pace: float
    shipped_power: float
    shipped_joules_per_token: float
    in_fit: float
    root: float
    never_waits: float
    law: float


def held_out(
    rows: Sequence[Row], gpu: str, regimes: Sequence[Regime] = REGIMES
) -> tuple[list[Prediction], list[TwoResourceCoefficients]]:
    """Return each run on a GPU predicted without its architecture, and the fits that did so."""
    spec = find_gpu(gpu)
    law, shipped = eq_1(spec), runs(rows, gpu, regimes=regimes)
    on_all = model_of(spec, fit([run for run in shipped if counts(run)]))
    predictions: dict[int, Prediction] = {}
    fits = []
    for name in dict.fromkeys(run.row.model.name for run in shipped):
        unseen = runs(rows, gpu, name, regimes=regimes)
        of_name = [run.row.model.name == name for run in unseen]
        training = [
            run
            for run, left_out in zip(unseen, of_name, strict=True)
            if counts(run) and not left_out
        ]
        fits.append(fit(training))
        model = model_of(spec, fits[-1])
        as_shipped = model_of(
            spec,
            fit(
                [
                    run
                    for run, left_out in zip(shipped, of_name, strict=True)
                    if counts(run) and not left_out
                ]
            ),
        )
        others: dict[Form, FloatArray] = {
            form: np.array(astuple(fit(training, form))) for form in ("root", "never waits")
        }
        for index in np.flatnonzero(of_name):
            shipped_run, run = shipped[index], _with_experts(rows, unseen[index], training, regimes)
            measured_w = run.row.power_w
            power, shipped_power_w = run.power_w(model), shipped_run.power_w(as_shipped)
            predictions[int(index)] = Prediction(
                run,
                power=power / measured_w - 1,
                joules_per_token=power * run.pace / measured_w - 1,
                throughput=1 / run.pace - 1,
                at_pace=run.power_w(model, measured_pace=True) / measured_w - 1,
                shipped_power=shipped_power_w / measured_w - 1,
                shipped_joules_per_token=shipped_power_w * shipped_run.pace / measured_w - 1,
                in_fit=shipped_run.power_w(on_all) / measured_w - 1,
                root=_other(run, "root", others, spec),
                never_waits=_other(run, "never waits", others, spec),
                law=run.power_w(law) / measured_w - 1,
            )
    return [predictions[index] for index in range(len(shipped))], fits


def _other(run: Run, form: Form, fits: Mapping[Form, FloatArray], gpu: GpuSpec) -> float:
    """Return the error of the power by another form."""
    return min(float(run.terms(form) @ fits[form]), gpu.max_w) / run.row.power_w - 1


def _with_experts(
    rows: Sequence[Row], run: Run, training: Sequence[Run], regimes: Sequence[Regime]
) -> Run:
    """Return a run at times that some experts were fitted for.

    Where no other architecture with experts is left to fit their kernels on, only the row's own
    model is kept from the fit of the times; its siblings of the same shape are not.
    """
    fitted_experts = any(
        other.row.model.experts and other.fitted and other.regime is run.regime
        for other in training
    )
    if run.row.model.experts is None or fitted_experts or not run.fitted:
        return run
    again = runs(rows, run.row.gpu, label=run.row.label, regimes=regimes)
    return next(other for other in again if other.row == run.row)
