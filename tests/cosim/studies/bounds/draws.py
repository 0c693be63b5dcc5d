"""Small scenarios drawn at random, and controllers to set against their bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from controllers import Controller, HostedController, SiteAction, resolve
from controllers.base import SiteContext
from controllers.observation import SiteObservation
from cosim.world.plan import Plan, load_plan

_DEPLOYMENTS: Sequence[Mapping[str, Any]] = (
    {"model": "meta-llama/Meta-Llama-3-8B", "gpu": "h100-sxm-80gb"},
    {"model": "Qwen/Qwen3-14B", "gpu": "h100-sxm-80gb"},
    {"model": "google/gemma-2-2b-it", "gpu": "l40s"},
    {"model": "google/gemma-3-12b-it", "gpu": "h100-sxm-80gb"},
    {"model": "meta-llama/Llama-2-7b-hf", "gpu": "a100-sxm-80gb"},
    {"model": "Qwen/Qwen3-30B-A3B", "gpu": "h100-sxm-80gb"},
    {"model": "meta-llama/Llama-3.1-70B-Instruct", "gpu": "h100-sxm-80gb", "tensor_parallel": 4},
    {
        "model": "meta-llama/Llama-2-7b-hf",
        "gpu": "a100-sxm-80gb",
        "pipeline_parallel": 2,
        "execution": {"type": "vidur"},
        "power": {"type": "mfu_power_law"},
    },
    {
        "model": "meta-llama/Meta-Llama-3-8B",
        "gpu": "a100-sxm-80gb",
        "power": {"type": "mfu_power_law"},
        "pipeline_parallel": 2,
    },
)
_PUES: Sequence[Any] = (
    1.0,
    1.25,
    {"type": "load", "fixed_w": 300, "proportional": 1.1},
    {"type": "load", "table": [[0.0, 1.9], [0.3, 1.3], [0.7, 1.15], [1.0, 1.3]]},
)
_MOST_REQUESTS = 400
_SHIPPED = (
    "suspend_resume", "lowest_window", "carbon_time", "carbon_threshold", "carbon_proportional",
    "battery_aware", "battery_dispatch", "batch_cap_aimd", "slo_clock", "autoscale",
    "day_ahead_plan", "mpc",
)  # fmt: skip


def draw_plan(seed: int, folder: Path, speculative: Mapping[str, Any] | None = None) -> Plan:
    """A plan of some hours, with a few hundred requests, at 2 to 80 % of the capacity.

    Its engines may draft tokens.
    """
    rng = np.random.default_rng(seed)
    document = _document(rng, folder)
    if speculative is not None:
        keys = {"type": "vllm_v1", "speculative": speculative}
        document["sites"][0]["cluster"]["scheduler"] |= keys
    path = folder / f"s{seed}.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    plan = load_plan(path)
    service = next(iter(plan.contexts.values())).service
    assert service is not None
    rate = service.capacity_per_s() * math.exp(rng.uniform(math.log(0.02), math.log(0.8)))
    length_s = rng.uniform(1, 6) * 3600.0
    # each iteration on a pipeline is an event
    most = _MOST_REQUESTS if plan.sites[0].config.cluster.pipeline_parallel == 1 else 25
    if rate * length_s > most:  # shorter, down to half an hour; then lighter
        length_s = max(1800.0, most / rate)
        rate = min(rate, most / length_s)
    step_s = max(1, math.ceil(length_s / rng.integers(24, 72)))
    steps = math.ceil(length_s / step_s)
    document["time"] |= {"step": f"{step_s}s", "duration": f"{steps * step_s}s"}
    arrivals_s = rng.uniform(0.6, 0.9) * steps * step_s
    document["workload"]["requests"] = max(20, round(rate * arrivals_s))
    document["workload"]["arrivals"]["rate_per_s"] = rate
    for each in document["workload"]["classes"]:
        if each.get("deferrable"):
            each["deadline"] = f"{round(rng.uniform(0.2, 1.2) * steps * step_s)}s"
            each["deadline_reserve"] = f"{round(rng.uniform(0.02, 0.1) * steps * step_s)}s"
    _write_intensity(folder / "ci.csv", rng, steps * step_s)
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return load_plan(path)


def _document(rng: np.random.Generator, folder: Path) -> dict[str, Any]:
    _write_intensity(folder / "ci.csv", rng, 3600.0)
    # pipelines, at the end of the list, are rare: each of their iterations is an event
    place = rng.integers(len(_DEPLOYMENTS) - (rng.random() < 0.8) * 2)
    deployment = dict(_DEPLOYMENTS[int(place)])
    roofline = "execution" not in deployment
    cluster = deployment | {
        "replicas": int(rng.integers(1, 4)),
        "startup": f"{int(rng.choice([0, 20, 90]))}s",
        "scheduler": {
            "type": str(rng.choice(["vllm_v1", "vllm_v1", "vllm", "sarathi"])),
            "batch_cap": int(rng.choice([1, 2, 4, 8, 16, 64])),
        },
        "pue": _PUES[rng.integers(len(_PUES))],
        "host_power_w": float(rng.choice([0, 0, 150])),
    }
    if roofline and rng.random() < 0.1:
        cluster["power_cap_w"] = 250.0
    microgrid: dict[str, Any] = {
        "carbon_intensity": {"type": "csv", "path": "ci.csv", "column": "ci"}
    }
    if rng.random() < 0.5:
        peak_w = float(rng.uniform(200, 2500)) * cluster["replicas"]
        microgrid["solar"] = {"type": "clear_sky", "peak_power_w": peak_w}
    if rng.random() < 0.5:
        microgrid["battery"] = {
            "type": str(rng.choice(["clc", "simple"])),
            "capacity_wh": float(rng.uniform(50, 3000)),
            "initial_soc": float(rng.uniform(0.3, 1.0)),
            "min_soc": float(rng.choice([0.0, 0.1, 0.3])),
        }
    hour = int(rng.integers(0, 24))
    return {
        "name": "drawn",
        "seed": int(rng.integers(1, 1000)),
        "time": {"start": f"2022-06-08T{hour:02d}:00:00Z", "duration": "1h", "step": "60s"},
        "workload": {
            "requests": 20,
            "arrivals": {"type": "poisson", "rate_per_s": 1.0},
            "lengths": _lengths(rng),
            "classes": _classes(rng),
        },
        "sites": [
            {
                "name": "here",
                "location": {"latitude": 37.87, "longitude": -122.27},
                "cluster": cluster,
                "microgrid": microgrid,
            }
        ],
        "coupling": "native",
    }


def _lengths(rng: np.random.Generator) -> dict[str, Any]:
    if rng.random() < 0.3:
        prompt, output = (int(value) for value in rng.integers([20, 2], [1500, 2000]))
        return {"type": "fixed", "prompt_tokens": prompt, "output_tokens": output}
    return {
        "type": "lognormal",
        "prompt": {
            "median_tokens": float(rng.uniform(50, 1000)), "sigma": 0.7, "max_tokens": 1900,
        },
        "output": {
            "median_tokens": float(rng.uniform(20, 1500)), "sigma": 0.7, "max_tokens": 1900,
        },
    }  # fmt: skip


def _classes(rng: np.random.Generator) -> list[dict[str, Any]]:
    slo = {
        "ttft_s": float(rng.choice([1, 2, 5, 20])),
        "tpot_s": float(rng.choice([0.05, 0.1, 0.2])),
    }
    chat: dict[str, Any] = {"name": "chat", "share": 1.0, "slo": slo}
    batch: dict[str, Any] = {"name": "batch", "deferrable": True}
    if rng.random() < 0.5:
        batch["lengths"] = _lengths(rng)
    share = float(rng.choice([0.02, 0.1, 0.3, 0.6]))
    kind = rng.random()
    if kind < 0.1:
        return [chat]
    if kind < 0.8:
        return [chat | {"share": share}, batch | {"share": 1 - share}]
    plain = {"name": "plain", "share": 0.1}  # without objectives
    return [chat | {"share": share}, plain, batch | {"share": 1 - share - 0.1}]


def _write_intensity(path: Path, rng: np.random.Generator, length_s: float) -> None:
    """Write a random walk of intensities over a run, with steps now and then."""
    count = int(rng.integers(4, 30))
    walk = np.exp(np.cumsum(rng.normal(0, rng.choice([0.1, 0.5]), count)))
    values = 50 + 450 * (walk - walk.min()) / (np.ptp(walk) + 1e-9)
    if rng.random() < 0.3:
        values = np.where(rng.random(count) < 0.4, 60.0, values)
    gap_s = math.ceil(length_s / (count - 1) / 60 + 1) * 60
    start = np.datetime64("2022-06-08T00:00:00")
    stamps = start - np.timedelta64(86400, "s") + np.arange(3 * 1440) * np.timedelta64(60, "s")
    minutes = (np.arange(len(stamps)) * 60) // gap_s % count
    rows = "".join(f"{stamp}Z,{values[k]:.3f}\n" for stamp, k in zip(stamps, minutes, strict=True))
    path.write_text("time,ci\n" + rows, encoding="utf-8")


class Wild(Controller):
    """Random settings in every step, often the open ones."""

    def __init__(self, actuators: frozenset[str], seed: int, hold: float) -> None:
        self.actuators, self._seed, self._hold = actuators, seed, hold

    def reset(self, context: SiteContext) -> None:
        self._rng = np.random.default_rng(self._seed)
        self._limits = context.limits

    def step(self, observation: SiteObservation) -> SiteAction | None:
        rng = self._rng
        if rng.random() < self._hold:
            return None
        values: dict[str, Any] = {}
        fields = {
            "deferrable_rate": "deferrable_rate_per_s",
            "admission_rate": "admission_rate_per_s",
            "batch_cap": "batch_cap",
            "active_replicas": "active_replicas",
            "clock_fraction": "clock_fraction",
            "prefill_clock": "prefill_clock",
            "decode_clock": "decode_clock",
            "power_cap": "power_cap_w",
            "battery_power": "battery_setpoint_w",
        }
        for name in sorted(self.actuators):
            limits = self._limits[name]
            value = float(rng.uniform(limits.minimum, limits.maximum))
            if rng.random() < 0.4:
                value = float(rng.choice([limits.minimum, limits.maximum, limits.unthrottled]))
            if name in ("batch_cap", "active_replicas"):
                value = round(value)
            values[fields[name]] = value
        return SiteAction(**values, reason="wild")


class Greedy(Controller):
    """Work at full strength below the median of the run's intensity, and at the least above it."""

    def __init__(self, actuators: frozenset[str], median: float) -> None:
        self.actuators, self._median = actuators, median

    def reset(self, context: SiteContext) -> None:
        self._limits = context.limits

    def step(self, observation: SiteObservation) -> SiteAction:
        clean = observation.carbon_intensity_g_per_kwh <= self._median
        values: dict[str, Any] = {"reason": "greedy"}
        if "deferrable_rate" in self.actuators:
            most = self._limits["deferrable_rate"].maximum
            values["deferrable_rate_per_s"] = most if clean else 0.0
        if "active_replicas" in self.actuators:
            most = self._limits["active_replicas"].maximum
            values["active_replicas"] = int(most) if clean else 1
        if "battery_power" in self.actuators:
            limits = self._limits["battery_power"]
            values["battery_setpoint_w"] = limits.maximum if clean else limits.minimum
        if "clock_fraction" in self.actuators:
            values["clock_fraction"] = 0.7
        return SiteAction(**values)


class Held(Controller):
    """All requests held back until a step, those that may not wait included."""

    actuators = frozenset({"admission_rate"})

    def __init__(self, until: int) -> None:
        self._until = until

    def reset(self, context: SiteContext) -> None:
        pass

    def step(self, observation: SiteObservation) -> SiteAction:
        rate = math.inf if observation.step >= self._until else 0.0
        return SiteAction(admission_rate_per_s=rate, reason="held")


def hosted(plan: Plan, controller: Controller, *, clairvoyant: bool = False) -> Plan:
    """Return a plan whose only site has this controller."""
    site = plan.sites[0].name
    entry = HostedController("drawn", controller, site, plan.scenario.time.step, clairvoyant)
    return replace(plan, controllers=(entry,))


def draw_controllers(plan: Plan, seed: int) -> list[tuple[str, Controller, bool]]:
    """Return controllers to run, each with a name and whether it is clairvoyant."""
    rng = np.random.default_rng((seed, 1))
    limits = plan.contexts[plan.sites[0].name].limits
    drawn: list[tuple[str, Controller, bool]] = []
    name = str(rng.choice(_SHIPPED))
    shipped = resolve(name, Path())()
    assert isinstance(shipped, Controller)
    if frozenset(shipped.actuators) <= limits.keys():
        drawn.append((name, shipped, True))
    few = [each for each in sorted(limits) if rng.random() < 0.5] or ["batch_cap"]
    drawn.append(("wild", Wild(frozenset(few), seed, float(rng.choice([0.0, 0.9]))), False))
    intensity = plan.sites[0].carbon_intensity_g_per_kwh
    names = {"deferrable_rate", "active_replicas", "battery_power", "clock_fraction"}
    some = [each for each in sorted(names & limits.keys()) if rng.random() < 0.7]
    drawn.append(
        (
            "greedy",
            Greedy(frozenset(some or ["active_replicas"]), float(np.median(intensity))),
            False,
        )
    )
    until = int(np.argmin(intensity[: max(1, 2 * len(intensity) // 3)]))
    drawn.append(("held", Held(until), False))
    return drawn
