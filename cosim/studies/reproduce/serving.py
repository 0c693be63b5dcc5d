"""One run, measured twice: as the paper measures, and with its errata mended.

The simulation is the same for both: Vidur's timing, requests and memory plan. They differ in

    paper mode   MFU over TFLOPS * 2^40, attention without causality; power by Eq. 1, averaged from
                 the first batch to the last; energy = P(MFU in percent) * GPUs * duration * PUE,
                 where Eq. 1 expects a fraction and saturates
    corrected    MFU over TFLOPS * 1e12, causal attention; power by Eq. 1 from that MFU, averaged
                 over all GPUs from time 0 to the last token; energy = its integral * PUE

Neither changes the timing, so that one run serves for both: next to the paper's FLOPs an iteration
carries the causal ones, in the place of its HBM bytes, which Eq. 1 does not look at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cosim.errors import RunFailed
from cosim.studies.reproduce.cases import Case
from inference_sim.arrays import FloatArray
from inference_sim.cluster import Cluster
from inference_sim.deployment import ClusterConfig
from inference_sim.execution import AffineCost, IterationCost, Stage
from inference_sim.execution.vidur import VidurExecution, vidur_blocks
from inference_sim.execution.vidur_fit import FittedTimes
from inference_sim.hardware import find_gpu, find_node
from inference_sim.models import ModelSpec, find_model
from inference_sim.pool_config import PoolConfig
from inference_sim.power import MfuPowerLaw, Use
from inference_sim.segment import FIELDS, Segment
from inference_sim.segment_rows import SegmentRows

GPU = find_gpu("a100-sxm-80gb")
NODE = find_node("pairwise_nvlink")
LAW = MfuPowerLaw.of(GPU)
PUE = 1.2  # Table 1a
MAX_TOKENS = 4096  # of a request, and of a batch
_SLICE_S = 600.0
_ROWS = 50_000  # that are tallied at once


@dataclass(frozen=True, slots=True)
class Values:
    """Figures that the paper reports of a run.

    Attributes:
        duration_s: Until the last request ends.
        mfu_percent: Mean over time and GPUs.
        power_w: Mean of a GPU.
        energy_kwh: All GPUs, with the PUE.
        batch_mean, batch_std: Of the sequences of an iteration.
    """

    duration_s: float
    mfu_percent: float
    power_w: float
    energy_kwh: float
    batch_mean: float
    batch_std: float


@dataclass(frozen=True, slots=True)
class Measured:
    """A run in paper mode and corrected; `rejected` requests did not fit an engine's KV cache."""

    paper_mode: Values
    corrected: Values
    rejected: int


class BothFlops:
    """Vidur's cost of an iteration, with causal FLOPs in the place of its HBM bytes."""

    def __init__(self, model: ModelSpec, tensor_parallel: int, stage: Stage) -> None:
        times = FittedTimes(model, GPU, tensor_parallel, NODE)
        self._paper, self._causal = (
            VidurExecution(model, GPU, times, tensor_parallel, stage, causal=causal)
            for causal in (False, True)
        )
        self.peak_flops = self._paper.peak_flops
        self.uncalibrated_because = times.uncalibrated_because
        self._decode: dict[int, AffineCost] = {}

    def at_clock(self, clock_fraction: float) -> BothFlops:
        """Return itself at the highest clock; there are no times at others."""
        self._paper.at_clock(clock_fraction)
        return self

    def decode(self, batch: int, context: float = math.inf) -> AffineCost:
        """Return the cost of a decode iteration."""
        cost = self._decode.get(batch)
        if cost is None:
            paper, causal = self._paper.decode(batch), self._causal.decode(batch)
            cost = self._decode[batch] = AffineCost(
                gpu_s=paper.gpu_s,
                gpu_s_per_context=paper.gpu_s_per_context,
                sampling_s=paper.sampling_s,
                host_s=paper.host_s,
                flops=paper.flops,
                flops_per_context=paper.flops_per_context,
                hbm_bytes=causal.flops,
                hbm_bytes_per_context=causal.flops_per_context,
            )
        return cost

    def iteration(
        self,
        chunks: Sequence[tuple[int, int]],
        prompts_done: int,
        decode_batch: int = 0,
        decode_context: float = 0,
    ) -> IterationCost:
        """Return the cost of an iteration."""
        if not chunks:
            return self.decode(decode_batch).at(decode_context)
        arguments = (chunks, prompts_done, decode_batch, decode_context)
        paper, causal = self._paper.iteration(*arguments), self._causal.iteration(*arguments)
        return IterationCost(
            gpu_s=paper.gpu_s,
            sampling_s=paper.sampling_s,
            host_s=paper.host_s,
            flops=paper.flops,
            hbm_bytes=causal.flops,
        )


class Tally:
    """Sums over all iterations that have ended, on one GPU of each stage.

    Attributes:
        busy_s: Their time [s].
        flops, causal_flops: Their FLOPs.
        energy_j, causal_energy_j: By Eq. 1, from the MFU as the paper has it and the mended one.
    """

    def __init__(self, paper_peak_flops: float) -> None:
        self.busy_s = self.flops = self.causal_flops = 0.0
        self.energy_j = self.causal_energy_j = 0.0
        self._peaks = (paper_peak_flops, GPU.peak_flops)
        self._rows = SegmentRows()

    def record(self, segments: Sequence[Segment]) -> None:
        """Count the iterations that have ended."""
        for segment in segments:
            self._rows.add(segment)
        if self._rows.count > _ROWS:
            self.sum_up()

    def sum_up(self) -> None:
        """Add the record to the sums."""
        rows = self._rows.take()[:, _COLUMNS]
        iterations = rows[:, 0].astype(np.int64)
        expanded = np.repeat(rows, iterations, axis=0).T
        _, base_s, step_s, flops, flops_step, causal, causal_step = expanded
        i = np.arange(len(base_s)) - np.repeat(np.cumsum(iterations) - iterations, iterations)
        seconds = base_s + step_s * i
        self.busy_s += float(seconds.sum())
        done = (flops + flops_step * i, causal + causal_step * i)
        self.flops += float(done[0].sum())
        self.causal_flops += float(done[1].sum())
        joules = []
        for total, peak in zip(done, self._peaks, strict=True):
            mfu = total / (seconds * peak)
            joules.append(float((_law_w(mfu) * seconds).sum()))
        self.energy_j += joules[0]
        self.causal_energy_j += joules[1]


def _law_w(mfu: FloatArray) -> FloatArray:
    """Return the power of Eq. 1 at an MFU, shape (n,) [W]; nothing else counts in it."""
    return LAW.busy_w(Use(mfu, mfu, mfu, mfu, mfu, np.ones_like(mfu)))


_COLUMNS = [
    FIELDS.index(name)
    for name in (
        "iterations", "duration_s", "duration_step_s", "flops", "flops_step",
        "hbm_bytes", "hbm_bytes_step",
    )
]  # fmt: skip


class Serving:
    """A case while it runs.

    Attributes:
        cluster: Cluster that serves it.
        ended: Number of requests that have ended.
    """

    def __init__(self, case: Case, *, stepwise: bool = False) -> None:
        model = find_model(case.model)
        # Vidur does not ask how long a context the model knows (phi-2: 2048 tokens).
        self._model = replace(model, max_context_tokens=max(model.max_context_tokens, MAX_TOKENS))
        self._tp, self._pp = case.tensor_parallel, case.pipeline_parallel
        pool = PoolConfig(
            model=self._model,
            gpu=GPU,
            power=LAW,
            scheduler="vidur",
            tensor_parallel=self._tp,
            pipeline_parallel=self._pp,
            batch_cap=case.batch_cap,
            max_batch_tokens=MAX_TOKENS,
            kv_blocks=case.kv_blocks or vidur_blocks(self._model, GPU, self._tp, self._pp),
            stages=self._stage,
            stepwise=stepwise,
        )
        self.cluster = Cluster(ClusterConfig(pools=(pool,)), case.stream())
        self._peak_flops = GPU.peak_tflops * 2.0**40
        self.tally = Tally(self._peak_flops)
        for engine in self.cluster.engines:
            engine.meter.on_record = self.tally.record
        self.ended = 0
        self._rejected: list[int] = []
        self._first_s, self._last_s = math.inf, 0.0

    def _stage(self, stage: Stage) -> BothFlops:
        return BothFlops(self._model, self._tp, stage)

    def advance(self, until_s: float) -> None:
        """Run on to `until_s` [s]."""
        while self.cluster.env.now < until_s:
            self.cluster.step(min(until_s, self.cluster.env.now + _SLICE_S))
            for request in self.cluster.take_ended():
                self.ended += 1
                if math.isnan(request.finish_s):
                    self._rejected.append(request.request_id)
                    continue
                self._first_s = min(self._first_s, request.scheduled_s)
                self._last_s = max(self._last_s, request.finish_s)

    def finish(self, requests: float = math.inf) -> Measured:
        """Run until nothing is left to serve, and return the measurements.

        Args:
            requests: How many there were, if others came after them that were not looked at.

        Raises:
            RunFailed: If no request could be served.
        """
        cluster = self.cluster
        while not (cluster.drained or self._nothing_left()):
            self.advance(cluster.env.now + _SLICE_S)
        if not self._last_s:
            raise RunFailed("no request fits the KV cache of an engine")
        self.tally.sum_up()
        meters = [engine.meter for engine in cluster.engines]
        iterations = sum(meter.iterations for meter in meters)
        mean = sum(meter.batch_sum for meter in meters) / iterations
        square = sum(meter.batch_square_sum for meter in meters) / iterations
        batches = (mean, math.sqrt(max(square - mean**2, 0.0)))
        rejected = sum(number < requests for number in self._rejected)
        return Measured(self._as_the_paper(*batches), self._corrected(*batches), rejected)

    def _nothing_left(self) -> bool:
        """Return whether the gateway is closed and all admitted requests have ended."""
        shut = self.cluster.gateway.rate_per_s == 0
        return shut and not any(replica.outstanding for replica in self.cluster.replicas)

    def _as_the_paper(self, batch_mean: float, batch_std: float) -> Values:
        tally, stage_s = self.tally, (self._last_s - self._first_s) * self._pp
        mfu_percent = 100 * tally.flops / (stage_s * self._peak_flops)
        in_percent = np.array([mfu_percent])  # where Eq. 1 expects a fraction
        billed_w = float(_law_w(in_percent)[0])
        return Values(
            duration_s=self._last_s,
            mfu_percent=mfu_percent,
            power_w=(tally.energy_j + (stage_s - tally.busy_s) * LAW.idle_w) / stage_s,
            energy_kwh=billed_w * self._tp * self._pp * self._last_s * PUE / 3.6e6,
            batch_mean=batch_mean,
            batch_std=batch_std,
        )

    def _corrected(self, batch_mean: float, batch_std: float) -> Values:
        tally, stage_s = self.tally, self._last_s * self._pp
        joules = tally.causal_energy_j + (stage_s - tally.busy_s) * LAW.idle_w
        return Values(
            duration_s=self._last_s,
            mfu_percent=100 * tally.causal_flops / (stage_s * GPU.peak_flops),
            power_w=joules / stage_s,
            energy_kwh=joules * self._tp * PUE / 3.6e6,
            batch_mean=batch_mean,
            batch_std=batch_std,
        )


def measure(case: Case) -> Measured:
    """Run a case.

    Raises:
        RunFailed: If no request could be served.
    """
    return Serving(case).finish()
