"""Figures of the requests of one site or of several, and the totals of several sites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import TypeVar

from cosim.accounting.energy import J_PER_KWH, Carbon, Energy
from cosim.accounting.quantiles import Quantiles
from cosim.results.coverage import pooled
from cosim.results.requests import LATENCIES, ClassShare, SiteLatencies
from cosim.results.totals import (
    ClassTotals,
    EnergyAttribution,
    EnergyPerWork,
    EnergyShare,
    GpuUse,
    LoadState,
    LoadTotals,
    Percentiles,
    RequestCounts,
    RequestLatencies,
    RunTotals,
    ServingCarbon,
    ServingTotals,
    SloAttainment,
    TokenCounts,
)

_SHARES = (0.5, 0.9, 0.95, 0.99)
Summand = TypeVar("Summand", Energy, RequestCounts, TokenCounts)


def request_latencies(parts: Sequence[SiteLatencies]) -> RequestLatencies:
    """Return the latencies of the requests of all parts together."""
    pools = {name: Quantiles.pooled([getattr(part, name) for part in parts]) for name in LATENCIES}
    how = next((pool.how() for pool in pools.values() if not pool.exact), "exact")
    return RequestLatencies(
        **{name: _percentiles(pool) for name, pool in pools.items()}, quantiles=how
    )


def _percentiles(pool: Quantiles) -> Percentiles | None:
    if not pool.count:
        return None
    p50, p90, p95, p99 = pool.quantiles(list(_SHARES))
    return Percentiles(mean=pool.mean(), p50=p50, p90=p90, p95=p95, p99=p99)


def slo_attainment(parts: Sequence[SiteLatencies]) -> SloAttainment:
    """Return how many requests of all parts met their SLOs."""
    tallies: dict[str, tuple[int, int]] = {}
    for part in parts:
        for name, (met, judged) in part.by_class.items():
            met_before, judged_before = tallies.get(name, (0, 0))
            tallies[name] = (met_before + met, judged_before + judged)
    met, judged = (sum(tally[k] for tally in tallies.values()) for k in (0, 1))
    return SloAttainment(
        attainment=met / judged if judged else None,
        by_class={
            name: met / judged if judged else None for name, (met, judged) in tallies.items()
        },
    )


def attribution(
    parts: Sequence[SiteLatencies], gpu_kwh: float, import_g: float
) -> EnergyAttribution:
    """Return the shares of each class, and the remainder: idle, asleep, never served.

    Energy is that of the GPUs. Carbon is that of the import: hosts and overhead of the facility go
    with the GPU energy that they serve.

    Args:
        parts: The requests, by site.
        gpu_kwh: Energy of the GPUs of these sites, as metered.
        import_g: Emissions of their import.
    """
    shares: dict[str, list[ClassShare]] = {}
    for part in parts:
        for name, share in part.shares.items():
            shares.setdefault(name, []).append(share)
    by_class = {name: _class_totals(of_class) for name, of_class in shares.items()}
    energy = sum(totals.energy_kwh for totals in by_class.values())
    grams = sum(totals.carbon_g for totals in by_class.values())
    return EnergyAttribution(
        requests=EnergyShare(energy_kwh=energy, carbon_g=grams),
        idle=EnergyShare(energy_kwh=gpu_kwh - energy, carbon_g=import_g - grams),
        by_class=by_class,
    )


def _class_totals(shares: Sequence[ClassShare]) -> ClassTotals:
    return ClassTotals(
        requests=sum(share.requests for share in shares),
        completed=sum(share.completed for share in shares),
        late=sum(share.late for share in shares),
        output_tokens=sum(share.output_tokens for share in shares),
        energy_kwh=sum(share.energy_j / J_PER_KWH for share in shares),
        carbon_g=sum(share.carbon_g for share in shares),
    )


def energy_per_work(
    facility_kwh: float, requests: RequestCounts, tokens: TokenCounts
) -> EnergyPerWork:
    """Return the energy of facilities [kWh] per unit of the work that they did."""
    completed, output = requests.completed, tokens.output
    return EnergyPerWork(
        wh_per_request=facility_kwh * 1000 / completed if completed else None,
        j_per_output_token=facility_kwh * J_PER_KWH / output if output else None,
    )


def per_work(
    carbon: Carbon, serving_g: float, requests: RequestCounts, tokens: TokenCounts
) -> ServingCarbon:
    """Return emissions with those per request and per token.

    Args:
        carbon: Of all sites.
        serving_g: Total of those that serve [g].
        requests, tokens: Requests and tokens that they served.
    """
    completed, output = requests.completed, tokens.output
    return ServingCarbon(
        **asdict(carbon),
        per_request=serving_g / completed if completed else None,
        per_1k_output_tokens=serving_g / output * 1000 if output else None,
    )


def totals_of(sites: Sequence[RunTotals], latencies: Sequence[SiteLatencies]) -> RunTotals:
    """Return the totals of all sites together; of a single one, its own.

    Args:
        sites: Of each site, at least one.
        latencies: Of the requests of each site that serves.
    """
    if len(sites) == 1:
        return sites[0]
    energy = _summed(Energy, [site.energy_kwh for site in sites])
    carbon = _summed_carbon([site.carbon_g for site in sites])
    of_marginal = [site.marginal_carbon_g for site in sites if site.marginal_carbon_g is not None]
    marginal = _summed_carbon(of_marginal) if len(of_marginal) == len(sites) else None
    serving = [site for site in sites if isinstance(site, ServingTotals)]
    if not serving:
        return LoadTotals(
            energy_kwh=energy,
            carbon_g=carbon,
            marginal_carbon_g=marginal,
            battery=None,
            grid=None,
        )
    requests = _summed(RequestCounts, [site.requests for site in serving])
    tokens = _summed(TokenCounts, [site.tokens for site in serving])
    serving_g = sum(site.carbon_g.total for site in serving)
    serving_marginal_g = sum(
        site.marginal_carbon_g.total for site in serving if site.marginal_carbon_g is not None
    )
    return ServingTotals(
        requests=requests,
        rejections=_rejections(serving),
        tokens=tokens,
        latency_s=request_latencies(latencies),
        slo=slo_attainment(latencies),
        load_state=_worst_state(serving),
        batch=None,
        gpu=_mean_gpu([site.gpu for site in serving]),
        energy_kwh=energy,
        energy_per_work=energy_per_work(
            sum(site.energy_kwh.facility for site in serving), requests, tokens
        ),
        carbon_g=per_work(carbon, serving_g, requests, tokens),
        marginal_carbon_g=(
            None if marginal is None else per_work(marginal, serving_marginal_g, requests, tokens)
        ),
        coverage=pooled(
            [site.coverage for site in serving],
            [(site.energy_kwh.gpu or 0.0) + (site.energy_kwh.host or 0.0) for site in serving],
            energy.facility - sum(site.energy_kwh.facility for site in serving),
            carbon.total - serving_g,
        ),
        attribution=attribution(
            latencies,
            sum(site.energy_kwh.gpu or 0.0 for site in serving),
            sum(site.carbon_g.import_ for site in serving),
        ),
        battery=None,
        grid=None,
    )


def _summed(kind: type[Summand], parts: Sequence[Summand]) -> Summand:
    """Return the sums of the figures that any part has."""
    sums = {}
    for field in fields(kind):
        values = [getattr(part, field.name) for part in parts]
        if known := [value for value in values if value is not None]:
            sums[field.name] = sum(known)
    return kind(**sums)


def _summed_carbon(parts: Sequence[Carbon]) -> Carbon:
    kinds = {part.kind for part in parts}
    return Carbon(
        kind=kinds.pop() if len(kinds) == 1 else "mixed",
        gross=sum(part.gross for part in parts),
        import_=sum(part.import_ for part in parts),
        export_credit=sum(part.export_credit for part in parts),
        embodied=sum(part.embodied for part in parts),
        total=sum(part.total for part in parts),
    )


def _rejections(serving: Sequence[ServingTotals]) -> dict[str, int]:
    reasons = dict.fromkeys(reason for site in serving for reason in site.rejections)
    return {reason: sum(site.rejections.get(reason, 0) for site in serving) for reason in reasons}


def _worst_state(serving: Sequence[ServingTotals]) -> LoadState:
    states = {site.load_state for site in serving}
    if "overloaded" in states:
        return "overloaded"
    return "backlogged" if "backlogged" in states else "stable"


def _mean_gpu(parts: Sequence[GpuUse]) -> GpuUse:
    """Return the means over all GPUs."""
    count = sum(part.count for part in parts)
    return GpuUse(
        count=count,
        mfu_mean=sum(part.mfu_mean * part.count for part in parts) / count,
        busy_fraction=sum(part.busy_fraction * part.count for part in parts) / count,
        power_mean_w=sum(part.power_mean_w * part.count for part in parts) / count,
    )
