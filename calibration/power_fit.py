"""Fits the default power model of a GPU, and predicts architectures that the fit never saw.

What a run draws is predicted from the simulator's own iterations: those of its steady state, with
and without prompts, at their own times. For an architecture that is left out, neither the power
coefficients nor the engine's times have seen any of its rows.
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
from cosim.calibrate.steady_state import SteadyState
from inference_sim.arrays import FloatArray
from inference_sim.hardware import GpuSpec, TwoResourceCoefficients, find_gpu
from inference_sim.power import MfuPowerLaw, PowerModel, TwoResource, Use

GPUS = ("a100-sxm-40gb", "h100-sxm-80gb", "b200-sxm-180gb")
LINEAR_FROM = 0.1
"""From this error on a row pulls no harder: repeated runs differ by 3 to 16 % in power. From 0.02
to 1 no group's error moves by more than 2 points."""
_ROUNDS = 40  # of reweighting, which has settled by then
Form = Literal["default", "root", "never waits"]
"""Forms of the power model: that of :class:`TwoResource`; one with sqrt(MFU * busy) in the place of
the MFU; one whose GPU samples also while it waits."""


@dataclass(frozen=True, slots=True)
class Run:
    """A measured run and the simulator's steady state of it.

    Attributes:
        fitted: Whether the engine's times are fitted on such rows; the others are shown apart.
    """

    regime: Regime
    row: Row
    state: SteadyState
    fitted: bool

    @property
    def group(self) -> str:
        """Regime and kind of model."""
        return f"{self.regime.name}, {self.row.kind}"

    @property
    def pace(self) -> float:
        """Measured over simulated throughput."""
        return self.row.tokens_per_s / self.state.tokens_per_s

    def use(self, *, measured_pace: bool = False) -> tuple[FloatArray, Use]:
        """Return the share of time of each kind of iteration, shape (kinds,), and its use.

        At the measured pace the same work is done in the time that was measured. Where that is
        shorter than simulated, kernels and sampling keep their shares of it.
        """
        gpu = find_gpu(self.row.gpu)
        weights, costs = zip(*self.state.phases, strict=True)
        seconds = np.array([cost.duration_s for cost in costs])
        pace = self.pace if measured_pace else 1.0
        rate, share = pace / seconds, min(pace, 1.0) / seconds
        use = Use(
            mfu=np.array([cost.flops for cost in costs]) * rate / gpu.peak_flops,
            bandwidth_utilisation=np.array([cost.hbm_bytes for cost in costs])
            * rate
            / gpu.peak_bytes_per_s,
            busy_fraction=np.array([cost.gpu_s for cost in costs]) * share,
            sampling=np.array([cost.sampling_s for cost in costs]) * share,
            batch=np.full(len(costs), self.row.batch),
            clock_fraction=np.ones(len(costs)),
            padding=np.array([cost.padding_flops for cost in costs]) * rate / gpu.peak_flops,
        )
        time_s = np.array(weights) * seconds
        return time_s / time_s.sum(), use

    def power_w(self, model: PowerModel, *, measured_pace: bool = False) -> float:
        """Return what a model says that it draws [W]."""
        shares, use = self.use(measured_pace=measured_pace)
        return float(shares @ model.busy_w(use))

    def terms(self, form: Form = "default") -> FloatArray:
        """Return what the four coefficients of a form are multiplied by, shape (4,).

        Runs that are shown apart are taken at the measured pace: the simulator's is not theirs.
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
) -> list[Run]:
    """Return all runs on a GPU that power is fitted on or shown for.

    Args:
        rows: The measurements.
        gpu: The GPU.
        without: Architecture that the engines' times must not have seen; none by default.
        label: Model that they must not have seen; none by default.
        prompt: Mean prompt length of chats [tokens]; as assumed by default.
    """
    found = []
    for regime in REGIMES:
        if regime.gpu != gpu:
            continue
        own = [row for row in regime.rows(rows) if regime.fits(row)]
        seen = [row for row in own if row.model.name != without and row.label != label]
        values = regime.fit(seen, prompt)
        found += [
            Run(regime, row, regime.predict(row, values, prompt), regime.fits(row))
            for row in regime.rows(rows)
        ]
    return found


def counts(run: Run) -> bool:
    """Whether power is fitted on a run.

    Mixtures of experts on 4 and 8 GPUs are not: what their experts do is not identified. gpqa runs
    on the B200 are, at the measured pace: they wait for the host most of the time, which is what
    tells the base from the rest.
    """
    return run.fitted or run.regime.engine == "vllm-0.11"


def fit(some: Sequence[Run], form: Form = "default") -> TwoResourceCoefficients:
    """Return the coefficients that fit runs best, rounded to whole watts [W].

    Relative errors, soft L1 by reweighting, no negative coefficient, a base no lower than the
    loaded idle, each group with the same weight: engines, dense models and mixtures of experts, and
    runs at the measured pace.

    Raises:
        ValueError: If there are fewer than 8 runs.
    """
    if len(some) < 8:
        raise ValueError(f"8 runs or more are needed to fit 4 coefficients (got {len(some)})")
    groups = [run.group if run.fitted else "at the measured pace" for run in some]
    size = Counter(groups)
    base = np.array([len(some) / size[group] for group in groups])
    measured_w = np.array([run.row.power_w for run in some])
    idle_w = np.array([find_gpu(some[0].row.gpu).loaded_idle_w, 0.0, 0.0, 0.0])
    matrix = np.array([run.terms(form) for run in some]) / measured_w[:, None]
    wanted = 1 - matrix @ idle_w  # of what comes on top of it
    weights = base
    solution: FloatArray = np.zeros(4)
    for _ in range(_ROUNDS):
        scale = np.sqrt(weights)
        solution, _ = nnls(scale[:, None] * matrix, scale * wanted)
        errors = matrix @ solution - wanted
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
    """A run that the fit never saw, and its errors, as fractions.

    Attributes:
        power: Of the power, at simulated times.
        joules_per_token: Of the energy of an output token: simulated power over simulated rate.
        throughput: Of the tokens per second.
        at_pace: Of the power, had the pace been the measured one.
        shipped_power, shipped_joules_per_token: The same as the first two, with power coefficients
            that never saw the architecture and the engine's times as they are shipped.
        in_fit: Of the power, with the fit on all runs.
        root, never_waits: Of the power, by the other forms, refitted.
        law: Of the power by Eq. 1, at simulated times.
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
    rows: Sequence[Row], gpu: str
) -> tuple[list[Prediction], list[TwoResourceCoefficients]]:
    """Return each run on a GPU predicted without its architecture, and the fits that did so."""
    spec = find_gpu(gpu)
    law, shipped = eq_1(spec), runs(rows, gpu)
    whole = model_of(spec, fit([run for run in shipped if counts(run)]))
    found: dict[int, Prediction] = {}
    fits = []
    for name in dict.fromkeys(run.row.model.name for run in shipped):
        unseen = runs(rows, gpu, name)
        own = [run.row.model.name == name for run in unseen]
        training = [run for run, left in zip(unseen, own, strict=True) if counts(run) and not left]
        fits.append(fit(training))
        model = model_of(spec, fits[-1])
        as_shipped = model_of(
            spec,
            fit([run for run, left in zip(shipped, own, strict=True) if counts(run) and not left]),
        )
        others: dict[Form, FloatArray] = {
            form: np.array(astuple(fit(training, form))) for form in ("root", "never waits")
        }
        for index in np.flatnonzero(own):
            known, run = shipped[index], _with_experts(rows, unseen[index], training)
            measured_w = run.row.power_w
            power, known_power = run.power_w(model), known.power_w(as_shipped)
            found[int(index)] = Prediction(
                run,
                power=power / measured_w - 1,
                joules_per_token=power * run.pace / measured_w - 1,
                throughput=1 / run.pace - 1,
                at_pace=run.power_w(model, measured_pace=True) / measured_w - 1,
                shipped_power=known_power / measured_w - 1,
                shipped_joules_per_token=known_power * known.pace / measured_w - 1,
                in_fit=known.power_w(whole) / measured_w - 1,
                root=_other(run, "root", others, spec),
                never_waits=_other(run, "never waits", others, spec),
                law=run.power_w(law) / measured_w - 1,
            )
    return [found[index] for index in range(len(shipped))], fits


def _other(run: Run, form: Form, fits: Mapping[Form, FloatArray], gpu: GpuSpec) -> float:
    """Return the error of the power by another form."""
    return min(float(run.terms(form) @ fits[form]), gpu.max_w) / run.row.power_w - 1


def _with_experts(rows: Sequence[Row], run: Run, training: Sequence[Run]) -> Run:
    """Return a run at times that some experts were fitted for.

    Where no other architecture with experts is left to fit their kernels on, only the row's own
    model is kept from the fit of the times; its siblings of the same shape are not.
    """
    fitted_experts = any(
        one.row.model.experts and one.fitted and one.regime is run.regime for one in training
    )
    if run.row.model.experts is None or fitted_experts or not run.fitted:
        return run
    again = runs(rows, run.row.gpu, label=run.row.label)
    return next(one for one in again if one.row == run.row)
