"""The regimes that engines are fitted in: one engine version on one GPU type each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from scipy.optimize import least_squares

from calibration.measurements import Row
from cosim.calibrate.steady_state import SteadyState, steady_state
from inference_sim.arrays import FloatArray
from inference_sim.execution import EngineProfile, Roofline, find_engine
from inference_sim.hardware import GpuSpec, find_gpu


@dataclass(frozen=True, slots=True)
class Parameter:
    """A fitted number: a field of the engine profile (or of the GPU's experts), in SI units.

    `low` and `high` bound it; it is given with `decimals`.
    """

    name: str
    start: float
    high: float
    decimals: int
    low: float = 0.0

    @property
    def of_experts(self) -> bool:
        """Whether it belongs to the GPU, not to the engine."""
        return self.name in ("e_bw", "t0_us")


AHEAD = (
    Parameter("serial_s", 1e-3, 5e-3, 5),
    Parameter("sampling_s_per_sequence", 40e-6, 2e-4, 7),
)
LOGITS = (Parameter("sampling_s_per_logit", 0.3e-9, 3e-9, 12),)
REDUCE = (Parameter("all_reduce_latency_factor", 1.0, 4.0, 2),)
SERIAL = (
    Parameter("serial_s_per_sequence", 380e-6, 1e-3, 6),
    Parameter("serial_s_per_prompt", 5e-3, 5e-2, 5),
    Parameter("serial_s_per_layer", 150e-6, 5e-4, 6),
    Parameter("serial_s_per_layer_and_doubling", 130e-6, 5e-4, 6),
)


def _experts(gpu: str) -> tuple[Parameter, ...]:
    """Return the parameters of a GPU's experts, which read no faster than its other products."""
    highest = find_gpu(gpu).kernels.e_bw
    return (
        Parameter("e_bw", 0.8 * highest, highest, 3, low=0.1),
        Parameter("t0_us", 30.0, 200.0, 1),
    )


@dataclass(frozen=True, slots=True)
class Regime:
    """An engine on a GPU type: its profile in ``engines.yaml``, and its fitted parameters.

    Attributes:
        fits: Whether it is fitted on a row; the others of the engine and GPU are shown apart.
        mixed: Whether the engine computes prompts beside decodes.
    """

    name: str
    engine: str
    gpu: str
    profile: str
    parameters: tuple[Parameter, ...]
    fits: Callable[[Row], bool]
    mixed: bool

    def rows(self, rows: Iterable[Row]) -> list[Row]:
        """Return all rows of this engine on this GPU."""
        return [row for row in rows if (row.engine, row.gpu) == (self.engine, self.gpu)]

    def committed(self) -> FloatArray:
        """Return the parameters that the data files have."""
        engine, experts = find_engine(self.profile), find_gpu(self.gpu).experts
        return np.array(
            [
                getattr(experts if parameter.of_experts else engine, parameter.name)
                for parameter in self.parameters
            ]
        )

    def predict(self, row: Row, values: FloatArray, prompt: float | None = None) -> SteadyState:
        """Return the steady state of a row with these parameters."""
        return self._steady_state(row, *self._platform(values, row.greedy), prompt)

    def _platform(self, values: FloatArray, greedy: bool) -> tuple[GpuSpec, EngineProfile]:
        """Return the GPU and the engine with these parameters."""
        gpu, engine = find_gpu(self.gpu), find_engine(self.profile)
        numbers = {p.name: float(v) for p, v in zip(self.parameters, values, strict=True)}
        if "e_bw" in numbers:
            experts = replace(gpu.experts, e_bw=numbers.pop("e_bw"), t0_us=numbers.pop("t0_us"))
            gpu = replace(gpu, experts=experts)
        if greedy:
            numbers["sampling_s_per_logit"] = 0.0
        return gpu, engine.with_numbers(numbers)

    def _steady_state(
        self, row: Row, gpu: GpuSpec, engine: EngineProfile, prompt: float | None
    ) -> SteadyState:
        roofline = Roofline(row.model, gpu, engine, row.gpus, expert_parallel=row.expert_parallel)
        return steady_state(roofline, row.load(prompt), mixed=self.mixed)

    def errors(
        self, rows: Sequence[Row], values: FloatArray, prompt: float | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Return predicted over measured throughput and inter-token latency, minus 1.

        The latter is NaN where the two are not comparable.
        """
        throughput, latency = [], []
        platforms = {greedy: self._platform(values, greedy) for greedy in (False, True)}
        for row in rows:
            state = self._steady_state(row, *platforms[row.greedy], prompt)
            itl_s = state.decode_s if self.mixed else row.batch / state.tokens_per_s
            throughput.append(state.tokens_per_s / row.tokens_per_s - 1)
            latency.append(itl_s / row.itl_s - 1 if row.itl_counts else np.nan)
        return np.array(throughput), np.array(latency)

    def fit(self, rows: Sequence[Row], prompt: float | None = None) -> FloatArray:
        """Return the parameters that fit rows best: the engine on dense models, then the experts.

        Parameters that no row concerns keep their start. Fits are cached: engines and powers leave
        the same rows out.
        """
        return _fitted(self, tuple(rows), prompt)

    def _fit(self, rows: Sequence[Row], prompt: float | None) -> FloatArray:
        values = np.array([parameter.start for parameter in self.parameters])
        for of_experts in (False, True):
            concerned = [row for row in rows if bool(row.model.experts) == of_experts]
            if concerned:
                values = self._fit_stage(concerned, values, of_experts, prompt)
        values.flags.writeable = False
        return values

    def _fit_stage(
        self, rows: Sequence[Row], values: FloatArray, of_experts: bool, prompt: float | None
    ) -> FloatArray:
        """Return the values with the engine's parameters, or the experts', fitted.

        The logarithms of throughput (weight 1) and of inter-token latency (0.5) are fitted with a
        soft L1 loss that turns linear at 3 %, the spread of repeated runs, so that outliers do not
        dominate.
        """
        free = [i for i, p in enumerate(self.parameters) if p.of_experts == of_experts]
        if not free:
            return values
        chosen = [self.parameters[i] for i in free]

        def merged(part: FloatArray) -> FloatArray:
            result = values.copy()
            result[free] = part
            return result

        def residuals(part: FloatArray) -> FloatArray:
            throughput, latency = self.errors(rows, merged(part), prompt)
            latency = np.nan_to_num(latency) if self.mixed else np.zeros(0)
            return np.concatenate([np.log1p(throughput), 0.5 * np.log1p(latency)])

        solution = least_squares(
            residuals,
            [p.start for p in chosen],
            bounds=([p.low for p in chosen], [p.high for p in chosen]),
            x_scale=[p.start for p in chosen],
            diff_step=1e-4,
            loss="soft_l1",
            f_scale=0.03,
        )
        part = [round(float(v), p.decimals) for p, v in zip(chosen, solution.x, strict=True)]
        return merged(np.array(part))


@cache
def _fitted(regime: Regime, rows: tuple[Row, ...], prompt: float | None) -> FloatArray:
    return regime._fit(rows, prompt)


REGIMES = (
    Regime(
        "vLLM 0.11, H100",
        "vllm-0.11",
        "h100-sxm-80gb",
        "vllm-0.11",
        (*AHEAD, *LOGITS, *REDUCE, *_experts("h100-sxm-80gb")),
        lambda row: True,
        mixed=True,
    ),
    Regime(
        "vLLM 0.11, B200",
        "vllm-0.11",
        "b200-sxm-180gb",
        "vllm-0.11-b200-waiting",
        (AHEAD[0], *_experts("b200-sxm-180gb")),
        lambda row: row.workload != "gpqa",
        mixed=True,
    ),
    Regime(
        "vLLM 0.5.4, A100 40 GB",
        "vllm-0.5.4",
        "a100-sxm-40gb",
        "vllm-0.5.4",
        (*LOGITS, *SERIAL),
        lambda row: row.model.experts is None,
        mixed=False,
    ),
    Regime(
        "vLLM 0.5.4, H100",
        "vllm-0.5.4",
        "h100-sxm-80gb",
        "vllm-0.5.4-h100",
        (*LOGITS, *SERIAL),
        lambda row: row.model.experts is None,
        mixed=False,
    ),
)
