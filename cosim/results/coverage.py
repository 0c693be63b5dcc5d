"""How far measurements back the energy and the carbon of a run: a share, and a band.

The band is that of the GPUs' energy: of requests, by the error that nine in ten measured runs of
the same regime stay within (``inference_sim/execution/measured_errors.yaml``), and of idle GPUs, by
the ends of their idle power (``inference_sim/power/ends.yaml``). Hosts and PUE stay as they are, as
no error of theirs is known, and so does the schedule of the battery.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cosim.accounting.energy import SiteFlows
from cosim.accounting.keys import IfPresent
from cosim.scenario.cluster import ClusterKeys
from inference_sim.arrays import FloatArray
from inference_sim.execution.measured_errors import MeasuredErrors, measured_errors
from inference_sim.hardware import find_node
from inference_sim.pool_config import PoolConfig
from inference_sim.power.ends import find_ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The ends of a band."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The part of a run's energy that is calibrated, and a band on its energy and carbon.

    Attributes:
        calibrated: Share of the energy of GPUs and hosts whose coefficients were measured on that
            GPU, engine and precision.
        not_calibrated: Why there is no band; empty if there is one.
        gpu_error: Half of the band on the energy of the GPUs' work, over that energy; None without
            a band, and of several sites.
        energy_kwh: Band on the facility's energy; None without one.
        carbon_g: Band on the total emissions; None without one.
    """

    calibrated: float
    not_calibrated: str
    gpu_error: IfPresent[float] = None
    energy_kwh: IfPresent[Range] = None
    carbon_g: IfPresent[Range] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteUse:
    """The energy of a site that serves, as it was metered.

    Attributes:
        flows: Powers of the facility.
        gpu_w, host_w: Powers of GPUs and hosts, shape (steps,).
        idle_kwh: Energy of idle GPUs.
        embodied_g: Embodied emissions.
    """

    flows: SiteFlows
    gpu_w: FloatArray
    host_w: FloatArray
    idle_kwh: float
    embodied_g: float


def coverage_of(
    keys: ClusterKeys, pool: PoolConfig, uncalibrated: Sequence[str], use: SiteUse
) -> Coverage | None:
    """Return the coverage of a site; None with times from profiles, of which nothing is known.

    Args:
        keys: The deployment, as the scenario has it.
        pool: The same, as it ran.
        uncalibrated: Why its timing and its power are not backed by measurements, if they are not.
        use: Its energy.
    """
    if keys.execution.type in ("profile", "vidur"):
        return None
    gpu_kwh, host_kwh = use.flows.kwh(use.gpu_w), use.flows.kwh(use.host_w)
    errors = measured_errors(pool.model, pool.gpu, pool.engine)
    why_not = _not_calibrated(keys, pool, uncalibrated, errors)
    calibrated_kwh = _measured_host_w(keys, pool) * use.flows.step_s * len(use.gpu_w) / 3.6e6
    if not why_not:
        calibrated_kwh += gpu_kwh - use.idle_kwh
    it_kwh = gpu_kwh + host_kwh
    coverage = Coverage(
        calibrated=min(calibrated_kwh / it_kwh, 1.0) if it_kwh else 0.0, not_calibrated=why_not
    )
    if why_not or errors is None:
        return coverage
    low, high = _band(use, gpu_kwh, errors.within)
    return replace(
        coverage,
        gpu_error=errors.within,
        energy_kwh=Range(low=low.kwh(low.facility_w), high=high.kwh(high.facility_w)),
        carbon_g=Range(
            low=low.grams(low.import_w) + use.embodied_g,
            high=high.grams(high.import_w) + use.embodied_g,
        ),
    )


def pooled(
    parts: Sequence[Coverage | None],
    it_kwh: Sequence[float],
    load_kwh: float,
    load_g: float,
) -> Coverage | None:
    """Return the coverage of several sites: their errors go the same way.

    Args:
        parts: Of each site that serves.
        it_kwh: Energy of its GPUs and hosts.
        load_kwh, load_g: Energy and emissions of plain loads, which have no band.
    """
    known = [part for part in parts if part is not None]
    if not known or len(known) < len(parts):
        return None
    reasons = dict.fromkeys(part.not_calibrated for part in known if part.not_calibrated)
    total_kwh = sum(it_kwh)
    calibrated_kwh = sum(part.calibrated * kwh for part, kwh in zip(known, it_kwh, strict=True))
    coverage = Coverage(
        calibrated=calibrated_kwh / total_kwh if total_kwh else 0.0,
        not_calibrated="; ".join(reasons),
    )
    energy = [part.energy_kwh for part in known if part.energy_kwh is not None]
    carbon = [part.carbon_g for part in known if part.carbon_g is not None]
    if reasons or not energy:
        return coverage
    return replace(coverage, energy_kwh=_summed(energy, load_kwh), carbon_g=_summed(carbon, load_g))


def _summed(parts: Sequence[Range], more: float) -> Range:
    return Range(
        low=sum(part.low for part in parts) + more, high=sum(part.high for part in parts) + more
    )


def _not_calibrated(
    keys: ClusterKeys, pool: PoolConfig, uncalibrated: Sequence[str], errors: MeasuredErrors | None
) -> str:
    """Return why the errors of no regime hold for a deployment; empty if those of one do."""
    reasons = [*filter(None, uncalibrated)]
    if keys.execution.type == "roofline" and keys.execution.time_factor is not None:
        reasons.append("time_factor: errors are known of times without one")
    if keys.power.type != "two_resource":
        reasons.append(f"power '{keys.power.type}': errors are known of 'two_resource'")
    elif keys.power.memory_w is not None:
        reasons.append("power.memory_w: errors are known of the GPU's own")
    if errors is None and not reasons:
        kind = "mixture of experts" if pool.model.experts else "dense model"
        reasons.append(
            f"no measured run of a {kind} in {pool.model.precision} by engine "
            f"'{pool.engine.name}' on {pool.gpu.name}"
        )
    return "; ".join(reasons)


def _measured_host_w(keys: ClusterKeys, pool: PoolConfig) -> float:
    """Return the measured power of the hosts [W]; 0 of an estimate, or of the scenario's own."""
    host = find_node(keys.node or pool.gpu.node).host.get(pool.gpu.name)
    if keys.host_power_w is not None or host is None or host.estimate:
        return 0.0
    return pool.gpus * pool.host_power_w


def _band(use: SiteUse, gpu_kwh: float, within: float) -> tuple[SiteFlows, SiteFlows]:
    """Return the flows of a site at the low and at the high end."""
    idle = find_ends("idle_w")
    busy_kwh = gpu_kwh - use.idle_kwh
    errors = [
        (sign * within * busy_kwh + (end - 1) * use.idle_kwh) / gpu_kwh if gpu_kwh else 0.0
        for sign, end in ((-1, idle.low), (1, idle.high))
    ]
    it_w = use.gpu_w + use.host_w
    overhead = np.divide(use.flows.facility_w, it_w, out=np.ones_like(it_w), where=it_w > 0)
    low, high = (_shifted(use.flows, error * use.gpu_w * overhead) for error in errors)
    return low, high


def _shifted(flows: SiteFlows, more_w: FloatArray) -> SiteFlows:
    """Return the flows with another power of the facility: the grid gives or takes the rest."""
    net_w = flows.import_w - flows.export_w + more_w
    return replace(
        flows,
        facility_w=flows.facility_w + more_w,
        import_w=np.maximum(net_w, 0.0),
        export_w=np.maximum(-net_w, 0.0),
    )
