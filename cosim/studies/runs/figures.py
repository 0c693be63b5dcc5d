"""The figures that studies take from a run: one set, from which each study chooses its columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

LEAST_SERVED = 0.99
"""A run counts as complete if it served at least this share of the requests that arrived."""
MUCH_STORED = 0.1
"""Share of a saving above which a note says that it comes from the batteries' charge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFigures:
    """Figures of a run; None where a run has none, such as the latency of a plain load.

    Attributes:
        seed: The seed.
        import_g: Emissions of the import [g].
        stored_g: Energy that the batteries lost over the run, valued at the mean intensity of
            their site [g]: the emissions of filling them up again; negative for a gain.
        stored_low_g, stored_high_g: The same at the intensities of the run at which it emits least,
            and most [g].
        left_g: Emissions of the requests that were left, as much as those of their class that were
            served caused [g].
        marginal_g: `carbon_g` by the marginal intensity [g]; None where that is not given.
        embodied_g: Embodied emissions of the GPUs [g].
        gross_g: Emissions that the facility would have caused without solar and batteries [g].
        facility_kwh, import_kwh, export_kwh, solar_kwh: Energies [kWh].
        battery_cycles: Full cycles of the batteries.
        peak_import_w: Highest import of a step, of each site, and their sum [W].
        cost, currency: Price of the import.
        attainment: Share of the requests with SLOs that met them.
        attainment_by_class: The same by class with an SLO; None of those without a request.
        quality_by_benchmark: Mean score over the completed requests, of benchmarks that count for
            all classes; empty without several pools.
        ttft_p50_s, ttft_p99_s, tpot_p50_s, tpot_p99_s: Percentiles of the requests that may not
            be deferred [s].
        arrived, completed, backlog, rejected: Requests that came, were served, were left at the
            end, and were turned away.
        left_by_class: Share of the requests of each class that were not served [0 to 1].
        late: Deferrable requests completed after their deadline, or never.
        late_by_class: Share of the requests of each deferrable class that were late [0 to 1].
        wait_s: Mean time that deferrable requests waited before their first prefill [s]; None
            without any.
        output_tokens: Tokens given out.
        mfu: Model FLOPs utilisation, the mean over the run.
        facility_power_w: Mean power of the facility [W].
        guard_s: Time for which the guard of the SLOs was active [s].
        changes: Changes of actuators.
        mattered_s: Time for which what controllers set made a difference, over their actuators [s].
        mattered_s_by_actuator: The same by actuator.
        actuators: Names of the actuators that controllers may set, with commas between.
        load_state: stable, backlogged or overloaded; empty without a cluster.
        failure: Why the run broke off; empty if it did not.
    """

    seed: int
    import_g: float = 0.0
    stored_g: float = 0.0
    stored_low_g: float = 0.0
    stored_high_g: float = 0.0
    left_g: float = 0.0
    marginal_g: float | None = None
    embodied_g: float = 0.0
    gross_g: float = 0.0
    facility_kwh: float = 0.0
    import_kwh: float = 0.0
    export_kwh: float = 0.0
    solar_kwh: float = 0.0
    peak_import_w: float = 0.0
    battery_cycles: float | None = None
    cost: float | None = None
    currency: str = ""
    attainment: float | None = None
    attainment_by_class: Mapping[str, float | None] = field(default_factory=dict)
    quality_by_benchmark: Mapping[str, float] = field(default_factory=dict)
    ttft_p50_s: float | None = None
    ttft_p99_s: float | None = None
    tpot_p50_s: float | None = None
    tpot_p99_s: float | None = None
    arrived: int = 0
    completed: int = 0
    backlog: int = 0
    rejected: int = 0
    left_by_class: Mapping[str, float] = field(default_factory=dict)
    late: int = 0
    late_by_class: Mapping[str, float] = field(default_factory=dict)
    wait_s: float | None = None
    output_tokens: int = 0
    mfu: float | None = None
    facility_power_w: float = 0.0
    guard_s: float = 0.0
    changes: int = 0
    mattered_s: float = 0.0
    mattered_s_by_actuator: Mapping[str, float] = field(default_factory=dict)
    actuators: str = ""
    load_state: str = ""
    failure: str = ""

    @property
    def carbon_g(self) -> float:
        """Emissions from grid imports, corrected for the change of the batteries' charge [g]."""
        return self.import_g + self.stored_g

    @property
    def equal_work_g(self) -> float:
        """`carbon_g` as if all requests had been served: the few that were left count too [g]."""
        return self.carbon_g + self.left_g

    @property
    def equal_work_low_g(self) -> float:
        """`equal_work_g` with the batteries' change at the value at which it emits least [g]."""
        return self.import_g + self.stored_low_g + self.left_g

    @property
    def equal_work_high_g(self) -> float:
        """`equal_work_g` with the batteries' change at the value at which it emits most [g]."""
        return self.import_g + self.stored_high_g + self.left_g

    @property
    def total_g(self) -> float:
        """Emissions from grid imports, as in `carbon_g`, and embodied ones [g]."""
        return self.carbon_g + self.embodied_g

    @property
    def per_1k_tokens_g(self) -> float | None:
        """`total_g` per 1,000 output tokens [g]; None without any."""
        return self.total_g / self.output_tokens * 1000 if self.output_tokens else None

    @property
    def j_per_token(self) -> float | None:
        """Energy of the facility per output token [J]; None without any."""
        return self.facility_kwh * 3.6e6 / self.output_tokens if self.output_tokens else None

    @property
    def self_sufficiency(self) -> float | None:
        """Share of the facility's energy that was not imported; None if it took none."""
        return 1 - self.import_kwh / self.facility_kwh if self.facility_kwh else None

    @property
    def is_whole(self) -> bool:
        """Whether it served the requests that arrived, except those in service at the end.

        Carbon of work not done is not a saving.
        """
        served = not self.arrived or self.completed >= LEAST_SERVED * self.arrived
        return served and self.load_state in ("", "stable") and not self.failure

    def columns(self, names: Iterable[str]) -> dict[str, Any]:
        """Return some of the figures, by name."""
        return {name: getattr(self, name) for name in names}
